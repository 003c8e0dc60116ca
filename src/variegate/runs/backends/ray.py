"""The Ray back end: Ray Data runs shards on the nodes of a cluster.

The run's list goes into files of some shards each (`parcels`); the dataset that Ray Data works
through holds nothing but places in them. A task reads its file, runs its shards in a worker
process, and gives a report after each. So the run's own memory does not grow with the number of
sources, and a node that is lost takes nothing with it that is not made again.

What Ray gives up on is tried again: first each shard by itself, then each source. A source that
has then ended its task twice by itself is quarantined.
"""

import json
import logging
import os
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from variegate.errors import OutputError, RecipeError, UsageError, raised_elsewhere
from variegate.runs.backends.base import Backend, OnCounts
from variegate.runs.backends.parcels import (
    MOST_SHARDS,
    ParcelPlace,
    delete_parcels,
    read_parcel,
    write_parcels,
)
from variegate.runs.backends.ray_head import HeadWatch, check_head, watched
from variegate.runs.backends.ray_room import Room, RoomWatch
from variegate.runs.backends.ray_tasks import work
from variegate.runs.environment import machine
from variegate.runs.job import Job, Report, Shard
from variegate.runs.worker import quarantine_shard
from variegate.storage import open_storage

_log = logging.getLogger(__name__)

# Tasks for every place where one runs: enough that all end together, few enough for Ray, which
# takes some 10 ms for each.
_TASKS_PER_SLOT = 8

# How often Ray repeats a task of which the process or node was lost; then it is taken apart.
_RETRIES = (2, 1, 1)

# Of so few shards, all may hold a source that kills its worker; of more, the fault is elsewhere.
_FEW = 10

# A local cluster moves nothing but short texts between its processes.
_OBJECT_STORE_BYTES = 128 << 20

# For Ray, unless they are set already.
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_task_oom_retries": "3",
    # By itself, Ray gives its workers a niceness of 15: on a busy machine they starve.
    "RAY_worker_niceness": "0",
    # A machine whose cable is cut says nothing; by itself, Ray would wait for it for many minutes.
    "RAY_grpc_client_keepalive_time_ms": "10000",
    "RAY_grpc_client_keepalive_timeout_ms": "20000",
    # Nodes that are asked too often for their taste say so, and are asked more seldom; gRPC would
    # tell the user of it, in lines that only its authors can read.
    "GRPC_VERBOSITY": "NONE",
    # A thread that still waits for a cluster that is gone must not start another.
    "RAY_ENABLE_AUTO_CONNECT": "0",
    # What Ray itself says of lost nodes would go to standard output, where results are.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}


# What says where a store is goes to the nodes. Keys do not: each node has its own, or a role.
_PLACES = (
    *("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    *("AWS_REGION", "AWS_DEFAULT_REGION"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RayBackend(Backend):
    """A Ray cluster.

    Attributes:
        address: of the cluster, "host:port" or "auto"; None for that of the surrounding Ray job,
            and where there is none for a cluster of this machine's processors.
        concurrency: tasks at a time; None for as many as fit on the cluster.
        cpus_per_task: CPUs that a task reserves.
        memory_per_task: MB that a task reserves; None for whatever it takes.
        shared_folder: whether local paths mean the same folder on all nodes.
    """

    address: str | None = None
    concurrency: int | None = None
    cpus_per_task: float = 1.0
    memory_per_task: int | None = None
    shared_folder: bool = False

    LEAST = {"concurrency": 1, "memory_per_task": 1}  # noqa: RUF012
    PACKAGE = ("ray", "ray")

    def check(self) -> None:
        """Look at the options."""
        Backend.check(self)
        if not self.cpus_per_task > 0:
            raise RecipeError(f"cpus_per_task: expected more than 0, got {self.cpus_per_task:g}")
        if self.address is not None:
            _check_address(self.address)

    @contextmanager
    def opened(self, job: Job) -> "Iterator[_Cluster]":
        """Connect to the cluster, or start one."""
        job = replace(job, input=_absolute(job.input), output=_absolute(job.output))
        with _connected(self.address) as started:
            import ray  # after its settings are made

            self._check_nodes(job, started)
            fitting = int(ray.cluster_resources().get("CPU", 0) / self.cpus_per_task)
            watch = HeadWatch(ray.get_runtime_context().gcs_address)
            try:
                yield _Cluster(self, job, max(1, self.concurrency or fitting), watch)
            finally:
                watch.close()

    def _check_nodes(self, job: Job, started: bool) -> None:
        import ray

        nodes = [node for node in ray.nodes() if node["Alive"]]
        elsewhere = {node["NodeManagerAddress"] for node in nodes} - _own_addresses(nodes)
        local = [place for place in (job.input, job.output) if "://" not in place]
        if elsewhere and local and not self.shared_folder:
            raise OutputError(
                f"{local[0]}: the cluster has other machines ({', '.join(sorted(elsewhere)[:3])}), "
                "which may not see this folder; name a bucket (s3://...), or say with "
                "--shared-folder that the path means the same folder on all of them"
            )
        if lacking := self.room.lacking(_resources()):
            if started:
                raise UsageError(lacking)
            _log.warning("%s; waiting for a node that does", lacking)

    @property
    def room(self) -> Room:
        """What a task reserves."""
        return Room(self.cpus_per_task, self.memory_per_task)


@dataclass(frozen=True, slots=True)
class _Cluster:
    """The back end at work on a job."""

    options: RayBackend
    job: Job
    parallel: int
    head: HeadWatch

    def run(self, shards: Iterable[Shard], on_progress: OnCounts) -> Iterator[Report]:
        """Run shards; progress is in the reports."""
        output = open_storage(self.job.output)
        try:
            places = write_parcels(output, shards)
            worked = False
            for number, retries in enumerate(_RETRIES):
                if not places:
                    return
                if number == len(_RETRIES) - 1:
                    places = [one for place in places for one in place.one_by_one()]
                tasks = tasks_of(places, 1 if number else self.shards_per_task(len(places)))
                left = yield from self.run_tasks(tasks, places, retries)
                worked = worked or len(left) < len(places)
                if not worked and (len(left) > _FEW or number == len(_RETRIES) - 1):
                    raise UsageError(
                        "no task of the cluster came to its end; see the logs of the Ray workers "
                        "(on the head node: /tmp/ray/session_latest/logs) for why they die"
                    )
                places = left
            for place in places:
                (shard,) = read_parcel(output, place.key, [place])
                reason = "the Ray worker that was given it died every time"
                yield quarantine_shard(self.job, shard, reason)
        finally:
            delete_parcels(output)

    def shards_per_task(self, count: int) -> int:
        """Return how many of the shards are handed out together."""
        return min(MOST_SHARDS, max(1, count // (self.parallel * _TASKS_PER_SLOT)))

    def run_tasks(
        self, tasks: list[str], places: Sequence[ParcelPlace], retries: int
    ) -> Generator[Report, None, list[ParcelPlace]]:
        """Run tasks, which were made of places; return what they left undone."""
        left = {place.start: place for place in places}
        room = RoomWatch(self.options.room, _resources)
        answers = watched(lambda: self._answers(tasks, retries), self.head.check)
        with closing(room):
            for one in answers:
                room.close()
                answer = json.loads(one)
                if "error" in answer:
                    text = answer["error"]
                    raise raised_elsewhere(answer["kind"], text) or UsageError(text)
                # A task that ran twice tells twice.
                for start, reports in answer["done"]:
                    if left.pop(start, None):
                        yield from map(Report.from_json, reports)
        return list(left.values())

    def _answers(self, tasks: list[str], retries: int) -> Iterator[str]:
        """Let Ray Data run tasks; yield what they say, as they say it."""
        import ray.data

        # It sets up its log when it is imported.
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        options = self.options
        context = ray.data.DataContext.get_current().copy()
        context.enable_progress_bars = False
        # Every report comes at once, as a block of its own.
        context.target_max_block_size = 1
        # What fails is tried again, or quarantined.
        context.max_errored_blocks = -1
        with ray.data.DataContext.current(context):
            data = ray.data.from_items(
                [{"places": task} for task in tasks], override_num_blocks=len(tasks)
            ).map_batches(
                work,
                batch_size=None,
                fn_kwargs={
                    "job": json.dumps(self.job.to_json()),
                    "here": json.dumps(machine()),
                    "silence_limit_s": options.silence_limit_s,
                    "environment": {
                        name: os.environ[name] for name in _PLACES if name in os.environ
                    },
                },
                num_cpus=options.cpus_per_task,
                memory=None if options.memory_per_task is None else options.memory_per_task << 20,
                concurrency=options.concurrency,
                ray_remote_args_fn=lambda: {"max_retries": retries},
            )
            for batch in data.iter_batches(batch_size=None, prefetch_batches=0):
                yield from (str(text) for text in batch["answer"])


def tasks_of(places: Sequence[ParcelPlace], most: int) -> list[str]:
    """Put places of the same file together, up to a limit; as `ray_tasks.work` reads them."""
    tasks: list[str] = []
    for key, found in groupby(places, key=lambda place: place.key):
        numbers = [place[1:] for place in found]
        starts = range(0, len(numbers), most)
        tasks += [json.dumps([key, numbers[first : first + most]]) for first in starts]
    return tasks


@contextmanager
def _connected(address: str | None) -> Iterator[bool]:
    """Connect to a cluster; say whether it was started for that.

    Raises:
        UsageError: there is none.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import ray

        if ray.is_initialized():
            # The caller's own.
            yield False
            return
        # Where Ray was imported before, it has not seen the setting.
        from ray._private import auto_init_hook

        auto_init_hook.enable_auto_connect = False
        address = address or os.environ.get("RAY_ADDRESS") or None
        if address is not None:
            _check_address(address)
        own: dict[str, Any] = {} if address else {"object_store_memory": _OBJECT_STORE_BYTES}
        try:
            ray.init(
                # Without an address it would take any cluster that it finds on this machine.
                address=address or "local",
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **own,
            )
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            place = f"the Ray cluster at {address}" if address else "Ray"
            reason = str(error).strip().splitlines()[0]
            raise UsageError(f"{place} cannot be used: {reason}") from error
    try:
        yield address is None
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Make sure that a head answers there: Ray itself would wait for minutes.

    Raises:
        UsageError: none does.
    """
    if address in ("auto", "local"):
        return
    if address.startswith("ray://"):
        raise UsageError(
            f"{address}: variegate does not work through Ray Client; run the command on the "
            "cluster instead: ray job submit -- variegate augment ..."
        )
    check_head(address)


def _resources() -> list[dict[str, float]]:
    """Return what the nodes have that live."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _own_addresses(nodes: Sequence[dict[str, Any]]) -> set[str]:
    """Return the addresses of the nodes that are on this machine."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    own = {node["NodeManagerAddress"] for node in nodes if node["NodeID"] == here}
    return own | {"127.0.0.1"}


def _absolute(place: str) -> str:
    """Return a local path from which a process elsewhere finds the same."""
    return place if "://" in place else str(Path(place).absolute())
