"""The Lambda back end: shards are sent to a deployed function (`variegate deploy augment`).

Each shard is one call that is waited for, up to a number at a time; the answer is the shard's
report. (A call that nobody waits for would be cheaper to make and dearer to trust: whether it was
done could only be guessed from the parts in the bucket.) What is throttled or lost is sent again,
later and later; before that, a look at the output tells whether the call was carried out after all.
A shard on which the function dies or runs out of time is halved, and halved again, until the source
that does it is alone and quarantined.
"""

import json
import secrets
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from variegate.errors import RecipeError, UsageError, raised_elsewhere
from variegate.recipes.recipe import Recipe
from variegate.runs.backends.base import Backend, OnCounts
from variegate.runs.environment import machine
from variegate.runs.job import Job, Report, Shard
from variegate.runs.rows import Counts
from variegate.runs.worker import finished_report, quarantine_shard
from variegate.storage.json import dumped

# Lambda takes 6 MB, and some of it is wrapping.
_MOST_BYTES = 5_500_000

# Bytes of sources times variants in a call: some seconds of work, far from any limit of time.
_CALL_BYTES = 64 << 20

# A call that was throttled or lost: so often, waiting twice as long each time, at most so long.
_MOST_SENDS = 12
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0

# A call in which the function failed, before it is taken apart.
_MOST_FAILURES = 2

# A little longer than the longest that a function may run.
_READ_LIMIT_S = 920.0

# Of the function's environment: calls at a time that are for runs.
_SHARE = "VARIEGATE_RUN_CONCURRENCY"

_BUSY = ("TooManyRequests", "Throttl", "ServiceException", "EC2", "ENI", "ResourceNotReady")


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaBackend(Backend):
    """A function on AWS Lambda.

    Attributes:
        function: its name or ARN, as `variegate deploy augment` tells it.
        concurrency: calls at a time; not more than the function has for runs.
    """

    function: str | None = None
    concurrency: int = 20

    LEAST = {"concurrency": 1}  # noqa: RUF012
    PACKAGE = ("boto3", "aws")

    @contextmanager
    def opened(self, job: Job) -> "Iterator[_Caller]":
        """Find the function."""
        if not self.function:
            raise RecipeError(
                "function: expected the name of a function; `variegate deploy augment` makes one "
                "and tells it"
            )
        for place in (job.input, job.output):
            if not place.startswith("s3://"):
                raise UsageError(f"{place}: a function on AWS sees buckets only (s3://...)")
        caller = _Caller(self, job, _client(self.concurrency))
        caller.call_dry()
        caller.check_share()
        yield caller


def _client(connections: int) -> Any:
    import boto3
    from botocore.config import Config

    # Without retries of its own: a call that is sent twice is made twice.
    config = Config(
        retries={"total_max_attempts": 1},
        read_timeout=_READ_LIMIT_S,
        max_pool_connections=connections,
        tcp_keepalive=True,
    )
    try:
        return boto3.client("lambda", config=config)
    except Exception as error:  # e.g. no region
        raise UsageError(f"AWS Lambda cannot be called: {error}") from error


class _FailedError(Exception):
    """The function was called, and failed."""


@dataclass(frozen=True, slots=True)
class _Caller:
    """The back end at work on a job."""

    options: LambdaBackend
    job: Job
    client: Any

    @property
    def parallel(self) -> int:
        """How many calls are made at a time."""
        return self.options.concurrency

    def run(self, shards: Iterable[Shard], on_progress: OnCounts) -> Iterator[Report]:
        """Run shards; progress is in the reports."""
        calls = self._calls(shards)
        with ThreadPoolExecutor(self.parallel) as pool:
            waiting: set[Future[list[Report]]] = set()
            try:
                while True:
                    some = islice(calls, self.parallel - len(waiting))
                    waiting |= {pool.submit(self._settle, shard) for shard in some}
                    if not waiting:
                        return
                    done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                    for one in done:
                        yield from one.result()
                    on_progress(Counts())
            finally:
                for one in waiting:
                    one.cancel()

    def _calls(self, shards: Iterable[Shard]) -> Iterator[Shard]:
        """Cut shards into what one call should hold."""
        variants = Recipe.from_data(self.job.recipe).count()
        for shard in shards:
            start, size = shard.start, 0
            for number, source in enumerate(shard.sources, shard.start):
                if number > start and (size + source.size) * variants > _CALL_BYTES:
                    yield shard.part(start, number)
                    start, size = number, 0
                size += source.size
            yield shard.part(start, shard.stop)

    def _settle(self, shard: Shard) -> list[Report]:
        """Have a shard done, in one call or, if need be, in several."""
        payload = self._payload(shard)
        reason = (
            f"its annotation is {len(payload):,} bytes, more than a function can be called with"
        )
        if len(payload) <= _MOST_BYTES:
            for _ in range(_MOST_FAILURES):
                try:
                    return [self._send(shard, payload)]
                except _FailedError as error:
                    reason = f"the function failed on it {_MOST_FAILURES} times ({error})"
        if len(shard.sources) == 1:
            return [quarantine_shard(self.job, shard, reason)]
        middle = (shard.start + shard.stop) // 2
        halves = shard.part(shard.start, middle), shard.part(middle, shard.stop)
        return [report for half in halves for report in self._settle(half)]

    def _payload(self, shard: Shard) -> bytes:
        # The function has its plugins, and runs no others.
        plugins = tuple(replace(plugin, text=None) for plugin in self.job.plugins)
        data = {
            "job": replace(self.job, plugins=plugins).to_json(),
            "shard": shard.to_json(),
            "machine": machine(),
        }
        return dumped(data)

    def _send(self, shard: Shard, payload: bytes) -> Report:
        """Call the function until it answers.

        Raises:
            _FailedError: it failed: raised, died, ran out of time.
            UsageError: it cannot be called, or cannot work on this job.
        """
        fault: Exception | None = None
        for number in range(_MOST_SENDS):
            if number:
                longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**number)
                time.sleep(longest * secrets.SystemRandom().uniform(0.5, 1))
                if (report := finished_report(self.job, shard)) is not None:
                    return report
            try:
                answer = self.client.invoke(FunctionName=self.options.function, Payload=payload)
                data = json.loads(answer["Payload"].read())
            except Exception as error:
                if not _may_pass(error):
                    raise self._about(error) from error
                fault = error
                continue
            if "FunctionError" in answer:
                raise _meaning(data)
            return Report.from_json(data)
        raise self._about(fault)

    def call_dry(self) -> None:
        """Ask whether the function may be called.

        Raises:
            UsageError: it may not, or is not there.
        """
        try:
            self.client.invoke(FunctionName=self.options.function, InvocationType="DryRun")
        except Exception as error:
            raise self._about(error) from error

    def check_share(self) -> None:
        """Make sure that the calls are no more than the function has for runs, where it says so.

        Raises:
            UsageError: they are; messages would wait for them.
        """
        try:
            found = self.client.get_function_configuration(FunctionName=self.options.function)
            share = int(found["Environment"]["Variables"][_SHARE])
        except Exception:  # noqa: BLE001 - who may call a function need not be allowed to look at it
            return
        if self.options.concurrency > share:
            raise UsageError(
                f"concurrency: the function has {share} calls at a time for runs, the others are "
                f"for messages, got {self.options.concurrency}; deploy it with "
                f"--set RunConcurrency={self.options.concurrency}"
            )

    def _about(self, error: object) -> UsageError:
        return UsageError(
            f"the function {self.options.function} cannot be called: {error}; check its name, the "
            "region and the credentials"
        )


def _may_pass(error: Exception) -> bool:
    """Say whether a call that was not answered may be answered later."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status == 429 or code.startswith(_BUSY)
    return isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError | OSError)


def _meaning(data: dict[str, Any]) -> Exception:
    """Return what a function's fault means: one of the user's, or one that may be the images'."""
    kind, message = str(data.get("errorType", "")), str(data.get("errorMessage", data))
    return raised_elsewhere(kind, message) or _FailedError(
        f"{kind}: {message}" if kind else message
    )
