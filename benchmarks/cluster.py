"""The Ray back end: its rate beside the local one, and what the run itself takes as datasets grow.

python cluster.py scale N      one run over N synthetic sources, in a process of its own
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import HERE, Claim, Result, interleave, number, ratio
from memory import peak
from variegate import Options, Recipe, augment
from variegate.codecs import encode
from variegate.datasets.samples import draw_images
from variegate.formats import Source
from variegate.runs.backends import make_backend, ray
from variegate.runs.backends.parcels import FILE_BYTES, ParcelPlace, write_parcels
from variegate.runs.job import Job
from variegate.runs.sources import spool
from variegate.storage import open_storage

SOURCES = 2_000
ROUNDS = 5
MANY = (1_000_000, 10_000_000)
MOST = 100_000_000
# As `variegate.runs.run` has it: shards of 50 sources of eight results, at most 20,000 parts.
SHARD, PARTS = 50, 20_000
# Of a synthetic source in a file of shards.
SOURCE_BYTES = 80
METHOD = f"""
*Rate:* {SOURCES:,} images of 240 x 320 pixels, preset "light" (8 results each), two CPUs, the
local back end and Ray in turns, {ROUNDS} times. Time is measured from the first report to the last,
which excludes starting processes (half a second; several seconds on Ray).

*Scale:* lists of synthetic sources take the path of every run (listed, spooled, cut into shards,
written to files, distributed by Ray Data, reported), but the tasks do nothing: what remains is the
overhead of the run itself. Memory is the peak of the process, Ray and its libraries included. For
{MOST:,} sources the list is not made (about 60 GB of files, and an hour): its {PARTS:,} shards
are distributed without it, and the time for the list is that of {MANY[-1]:,}, times ten
(`benchmarks/cluster.py`).
"""


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        times = rates(Path(folder), 200 if quick else SOURCES, 1 if quick else ROUNDS)
    sizes = (100_000,) if quick else (*MANY, MOST)
    found = {size: measured(size) for size in sizes}
    if MOST in found:
        found[MOST]["list_s"] = found[MANY[-1]]["list_s"] * MOST / MANY[-1]
    claims = [
        Claim.at_least(
            "Ray's rate, relative to the local back end", 0.85, ratio(times, "local", "ray")
        )
    ]
    if not quick:
        claims += scale_claims(found)
    rows = [
        (
            f"{size:,} sources",
            number(one["list_s"]) + (" (estimated)" if size == MOST else ""),
            number(one["scheduling_s"]),
            number(one["tasks"]),
            number(one["peak"] / 2**20),
        )
        for size, one in found.items()
    ]
    head = ("run", "list and files, s", "distribution, s", "tasks", "memory, MB")
    return Result("A cluster", METHOD, head, rows, claims)


def scale_claims(found: dict[int, dict[str, float]]) -> list[Claim]:
    """Compare 10 with 1, and 100 with 10 million."""
    claims = []
    for less, more in ((MANY[0], MANY[1]), (MANY[1], MOST)):
        one, two = found[less], found[more]
        claims += [
            Claim.at_most(
                f"memory with {more:,} sources, relative to {less:,}",
                1.2,
                two["peak"] / one["peak"],
            ),
            Claim.at_most(
                f"time with {more:,} sources, relative to {less:,}",
                10,
                (two["list_s"] + two["scheduling_s"]) / (one["list_s"] + one["scheduling_s"]),
            ),
        ]
    return claims


def rates(place: Path, count: int, rounds: int) -> dict[str, Any]:
    """Return the seconds of the local pool and of Ray, turn by turn, after they have started."""
    import ray as started

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for key, drawn in draw_images(count, size=(240, 320)):
        path = place / "in" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(drawn.image, format="jpeg"))
    options = {"local": Options(workers=2), "ray": Options(backend="ray")}
    started.init(
        "local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    try:
        # Ray's first processes load libraries from the disk.
        seconds(place, options["ray"])
        return dict(
            interleave(
                {name: lambda o=one: seconds(place, o) for name, one in options.items()}, rounds
            )
        )
    finally:
        started.shutdown()


def seconds(place: Path, options: Options) -> float:
    """Run a job; return what a thousand results took, from the first report on."""
    told: list[tuple[float, int]] = []

    def note(progress: Any) -> None:
        if progress.counts.outputs and (not told or progress.counts.outputs > told[-1][1]):
            told.append((time.perf_counter(), progress.counts.outputs))

    with tempfile.TemporaryDirectory(dir=place) as output:
        augment(place / "in", Path(output) / "out", options=options, on_progress=note)
    (begun, before), (ended, after) = told[0], told[-1]
    return (ended - begun) / (after - before) * 1_000


def measured(size: int) -> dict[str, float]:
    """Run `scale` in a process of its own."""
    command = [sys.executable, str(HERE / "cluster.py"), "scale", str(size)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@dataclass
class Synthetic:
    """A layout of so many sources that are nowhere, and a storage without files."""

    count: int
    splits: tuple[str, ...] = ()
    images: dict[str, int] = field(default_factory=dict)

    def sources(self, storage: object) -> Iterator[Source]:
        """Yield them."""
        for index in range(self.count):
            label = f"class-{index * 10 // self.count}"
            yield Source(f"{label}/image-{index:09}.jpg", 123_456, None, label)

    def exists(self, key: str) -> bool:
        """Say that no file is there."""
        return False


def idle(batch: dict[str, Any], **_: object) -> Iterator[dict[str, list[str]]]:
    """Do nothing with shards, and report that."""
    for text in batch["places"]:
        key, numbers = json.loads(text)
        done = []
        for _line, start, stop in numbers:
            counts = {"skipped": stop - start}
            report = {"start": start, "stop": stop, "part": key, "counts": counts}
            done.append((start, [report]))
        step = max(1, len(done) // 10)
        for first in range(0, len(done), step):
            yield {"answer": [json.dumps({"done": done[first : first + step]})]}


def scale(size: int) -> dict[str, float]:
    """Let nothing be done for so many sources; return seconds and memory."""
    ray.work = idle
    with tempfile.TemporaryDirectory() as folder:
        job = Job(recipe=Recipe.load("light").to_data(), input=folder, output=folder)
        with make_backend("ray", {}).opened(job) as opened:
            found = handed_out(opened, size) if size == MOST else whole_way(opened, size)
    return {**found, "peak": peak(os.getpid())}


def whole_way(opened: Any, size: int) -> dict[str, float]:
    """List, spool, cut, write and hand out."""
    synthetic: Any = Synthetic(size)
    begun = time.perf_counter()
    with spool(synthetic, synthetic, Recipe.load("light")) as listing:
        shards = listing.shards(iter([(0, size)]), max(SHARD, size // PARTS))
        places = write_parcels(open_storage(opened.job.output), shards)
    listed = time.perf_counter()
    found = hand_out(opened, places, opened.shards_per_task(len(places)))
    return {"list_s": listed - begun, **found}


def handed_out(opened: Any, size: int) -> dict[str, float]:
    """Hand out shards of which no list was made."""
    step = size // PARTS
    together = -(-FILE_BYTES // (step * SOURCE_BYTES))
    places = [
        ParcelPlace(f"parcel-{one // (step * together):012}", 0, one, one + step)
        for one in range(0, size, step)
    ]
    return hand_out(opened, places, opened.shards_per_task(len(places)))


def hand_out(opened: Any, places: list[ParcelPlace], shards_per_task: int) -> dict[str, float]:
    """Let Ray Data run tasks that do nothing."""
    begun = time.perf_counter()
    tasks = ray.tasks_of(places, shards_per_task)
    done = sum(report.counts.sources for report in opened.run_tasks(tasks, places, 0))
    assert done == places[-1].stop
    return {"scheduling_s": time.perf_counter() - begun, "tasks": len(tasks)}


if __name__ == "__main__":
    print(json.dumps(scale(int(sys.argv[2]))))
