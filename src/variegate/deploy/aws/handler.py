"""The function that AWS Lambda calls: `variegate.deploy.aws.handler.handler`.

It is called with messages of a queue, which tell of objects in the input bucket, with one shard of
a run (`variegate augment --backend lambda`), or when a day begins (`day_limit`). Of messages it
reports those that failed, and SQS sends them again; the last time, the function itself puts them
into the queue of dead letters, with the reason. An image that is merely broken is no failure: it is
quarantined in the manifest.

Settings come from the environment (`variegate.deploy.aws.settings`). Every message is one line of
JSON in the log.
"""

import json
import os
import sys
import time
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2

from variegate.deploy.aws import dead_letters
from variegate.deploy.aws.day_limit import DayLimitError
from variegate.deploy.aws.messages import (
    MessageError,
    ObjectEvent,
    QueueMessage,
    object_events,
    queue_messages,
)
from variegate.deploy.aws.settings import Settings
from variegate.errors import UsageError
from variegate.runs.backends.local import LocalBackend
from variegate.runs.environment import disagreement, machine
from variegate.runs.events import EventOutcome, EventWorker
from variegate.runs.job import Job, Shard
from variegate.runs.manifest import read_part
from variegate.runs.rows import Counts
from variegate.runs.worker import run_shard
from variegate.storage import open_storage

# With less time left, a message is not begun: the process would be killed in the middle of it.
_LEAST_S = 5.0

# Of the time that is left, so much is for one attempt at an image that has failed before; it gets
# two of them.
_SHARE = 0.3


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work on what the function was called with.

    Returns:
        For messages: {"batchItemFailures": [{"itemIdentifier": id}, ...]}. For a shard: its report.
        For a day: {}.
    """
    cv2.setNumThreads(1)
    if "shard" in event:
        return _run_shard(event)
    if event.get("day") == "begins":
        return _begin_day()
    failed = [
        {"itemIdentifier": message.id}
        for message in queue_messages(event)
        if not _settled(message, context)
    ]
    return {"batchItemFailures": failed}


def _settled(message: QueueMessage, context: Any) -> bool:
    """Act upon a message; say whether it need not come again."""
    begun = time.monotonic()
    left_s = context.get_remaining_time_in_millis() / 1000
    if left_s < _LEAST_S:
        _tell("put off", message=message.id, reason=f"only {left_s:.1f} s left")
        return False
    try:
        for told in object_events(message.body):
            outcome = _handle(told, message.tries, left_s)
            _tell(
                outcome.kind,
                message=message.id,
                key=told.key,
                outputs=outcome.counts.outputs,
                quarantined=bool(outcome.counts.quarantined),
                **({"reason": outcome.reason} if outcome.reason else {}),
                seconds=round(time.monotonic() - begun, 3),
            )
    except DayLimitError as error:
        return _put_back(message, error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other messages go on
        return _given_up(message, error)
    return True


def _put_back(message: QueueMessage, error: DayLimitError) -> bool:
    """Have a message wait for the next day; say whether it does, as a new one."""
    limit = _settings().day_limit
    try:
        if limit is not None:
            limit.put_back(message.body)
    except Exception as fault:  # noqa: BLE001 - then the queue sends it again
        _tell("put off", message=message.id, reason=f"{error}; {type(fault).__name__}: {fault}")
        return False
    _tell("day limit", message=message.id, reason=str(error))
    return True


def _begin_day() -> dict[str, Any]:
    limit = _settings().day_limit
    resumed = limit is not None and limit.begin_day()
    _tell("day", resumed=resumed)
    return {}


def _given_up(message: QueueMessage, error: Exception) -> bool:
    """Put a message that failed for the last time to the dead letters; say whether it is there."""
    what, reason = "failed", f"{type(error).__name__}: {error}"
    try:
        settings = _settings()
        if settings.dead_letters and message.tries >= settings.most_tries:
            dead_letters.send(settings.dead_letters, message, error)
            what = "dead letter"
    except UsageError as fault:
        # Without settings everything fails; the queue's own rule takes care of it.
        reason = str(fault)
    except Exception as fault:  # noqa: BLE001 - then the queue moves it, without a reason
        reason = f"{reason}; {fault}"
    _tell(what, message=message.id, tries=message.tries, reason=reason)
    return what == "dead letter"


def _handle(told: ObjectEvent, tries: int, left_s: float) -> EventOutcome:
    """Make the results of one object."""
    settings = _settings()
    place = urlsplit(settings.input)
    prefix = f"{place.path.strip('/')}/".lstrip("/")
    if told.bucket != place.netloc or not told.key.startswith(prefix):
        raise MessageError(
            f"{told.bucket}/{told.key}: not an object of {settings.input}, the only place that "
            "this function reads"
        )
    key = told.key.removeprefix(prefix)
    if not key or key.endswith("/"):
        # What the console makes for an empty folder.
        return EventOutcome(key, "hidden", Counts())
    if told.deleted and not settings.delete_variants:
        return EventOutcome(key, "gone", Counts())
    limit_s = None if tries == 1 else left_s * _SHARE
    return _event_worker().handle(key, told.about, guard=partial(_guard, limit_s=limit_s))


def _guard(job: Job, shard: Shard, *, limit_s: float | None) -> str | None:
    """Count the variants of an input, and try it apart where it has failed before."""
    settings = _settings()
    if settings.day_limit is not None:
        settings.day_limit.take(settings.recipe.count())
    return None if limit_s is None else _tried_apart(job, shard, limit_s=limit_s)


def _tried_apart(job: Job, shard: Shard, *, limit_s: float) -> str | None:
    """Try an input that has failed before in a process of its own; say whether that dies of it."""
    with LocalBackend(workers=1, silence_limit_s=limit_s).opened(job) as opened:
        report, *_ = opened.run([shard], lambda _: None)
    output = open_storage(job.output)
    rows = list(read_part(output, report.part))
    output.delete(report.part)
    reason = rows[0].reason or ""
    return reason if reason.startswith("the worker process died") else None


def _run_shard(event: dict[str, Any]) -> dict[str, Any]:
    """Work on a shard of a run.

    Raises:
        UsageError: the job reads or writes elsewhere than this function, or has other plugins.
    """
    settings = _settings()
    job = Job.from_json(event["job"])
    for name in ("input", "output"):
        asked, own = getattr(job, name), getattr(settings, name)
        if not f"{asked.rstrip('/')}/".startswith(f"{own.rstrip('/')}/"):
            raise UsageError(f"the {name} {asked} is not in {own}, the place of this function")
    packed = {plugin.sha256 for plugin in settings.plugins}
    for plugin in job.plugins:
        if plugin.sha256 not in packed or plugin.text is not None:
            raise UsageError(
                f"{plugin.name}: not the plugin that this function has; deploy it with the same one"
            )
    here = machine()
    # A library for a kind of file that the function cannot have: such files are quarantined.
    known = {n: v for n, v in event["machine"]["versions"].items() if here["versions"].get(n)}
    if why := disagreement(here, {**event["machine"], "versions": known}):
        raise UsageError(
            f"the function would not make the same bytes: {why}; deploy it from where the run is"
        )
    begun = time.monotonic()
    report = run_shard(job, Shard.from_json(event["shard"]))
    _tell(
        "shard",
        part=report.part,
        sources=report.counts.sources,
        outputs=report.counts.outputs,
        seconds=round(time.monotonic() - begun, 3),
    )
    return report.to_json()


@cache
def _settings() -> Settings:
    return Settings.read(os.environ, Path(os.environ.get("LAMBDA_TASK_ROOT", ".")))


@cache
def _event_worker() -> EventWorker:
    settings = _settings()
    job = Job(
        recipe=settings.recipe.to_data(),
        input=settings.input,
        output=settings.output,
        limits=settings.limits,
        plugins=settings.plugins,
    )
    return EventWorker(job, settings.naming, forget=settings.delete_variants)


def _tell(what: str, **details: Any) -> None:
    """Write a line of the log; CloudWatch makes its fields searchable."""
    level = "WARN" if what in ("failed", "dead letter", "put off") else "INFO"
    sys.stdout.write(json.dumps({"level": level, "event": what, **details}) + "\n")
    sys.stdout.flush()
