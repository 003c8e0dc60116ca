"""What a task on a Ray cluster does: shards, in a worker process of its own.

The process that Ray starts does not touch images. It keeps a worker process as the local back end
has it, from one task to the next: an image that crashes a decoder costs that image, by the same
rules, and Ray hears nothing of it.
"""

import atexit
import json
import os
import platform
from collections.abc import Iterator
from itertools import islice
from typing import Any

from variegate.errors import InputError, UsageError
from variegate.runs.backends.parcels import ParcelPlace, read_parcel
from variegate.runs.backends.pool import Pool
from variegate.runs.environment import disagreement, machine
from variegate.runs.job import Job
from variegate.runs.worker import finished_report
from variegate.storage import open_storage

Answer = dict[str, list[str]]
"""A block of one row, as Ray Data passes them on: a column "answer" with a JSON text."""

# Each costs Ray some 2 ms; a task takes a minute at most.
_ANSWERS = 10

_pools: dict[str, Pool] = {}


def work(
    batch: dict[str, Any],
    *,
    job: str,
    here: str,
    silence_limit_s: float,
    environment: dict[str, str],
) -> Iterator[Answer]:
    """Run shards, which Ray Data gives as a column "places" with JSON texts.

    Args:
        batch: of one row: [key, [[line, start, stop], ...]].
        job: JSON.
        here: what `machine` gave where the run was started, JSON.
        silence_limit_s: a worker process silent for so long is killed.
        environment: variables by which stores are found; no keys.

    Yields:
        {"done": [[start of the shard, reports], ...]}, some ten times a task, always the same
        shards together: a task that Ray runs again gives the same. Or {"error": ..., "kind": ...}.
    """
    os.environ.update(environment)
    for text in batch["places"]:
        key, numbers = json.loads(text)
        places = [ParcelPlace(key, *one) for one in numbers]
        try:
            done = _done(Job.from_json(json.loads(job)), places, here, silence_limit_s)
            while some := list(islice(done, max(1, len(places) // _ANSWERS))):
                yield _answer({"done": some})
        except UsageError as error:
            close_pools()
            yield _answer({"error": str(error), "kind": type(error).__name__})


def _answer(data: dict[str, Any]) -> Answer:
    return {"answer": [json.dumps(data)]}


def _done(
    job: Job, places: list[ParcelPlace], here: str, silence_limit_s: float
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    if difference := disagreement(machine(), json.loads(here)):
        raise InputError(
            f"the node {platform.node()} would not make the same bytes: {difference}; "
            "use one image, or one list of packages, on all machines"
        )
    pool = _pool(job, silence_limit_s)
    for shard in read_parcel(open_storage(job.output), places[0].key, places):
        # Another task, whose node was lost, may have come so far.
        before = finished_report(job, shard)
        reports = [before] if before else pool.run([shard], lambda _: None)
        reports = sorted(reports, key=lambda report: report.start)
        yield shard.start, [report.to_json() for report in reports]


def _pool(job: Job, silence_limit_s: float) -> Pool:
    """Return the worker process of this process, which may have been another job's so far."""
    name = json.dumps([job.to_json(), silence_limit_s])
    if name not in _pools:
        close_pools()
        _pools[name] = Pool(job, size=1, silence_limit_s=silence_limit_s)
        atexit.register(close_pools)
    return _pools[name]


def close_pools() -> None:
    """End the worker processes that tasks have left for the next ones."""
    while _pools:
        _pools.popitem()[1].close()
