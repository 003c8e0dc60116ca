"""Many small files: seconds until they are listed, until the first result, and memory.

python listing.py [SRC]      the same of another copy of the package, such as an older one
"""

import io
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from harness import HERE, Claim, Result, number
from memory import children, peak
from variegate.codecs import encode
from variegate.datasets.samples import draw_images

FILES = 200_000
CLASSES = 20
WORKERS = 2
_TICKS = os.sysconf("SC_CLK_TCK")
_LIMIT_S = 600.0
METHOD = f"""
{FILES:,} copies of one image of about 1 kB under different names, in {CLASSES} folders: as a
folder, a zip and a tar file. `variegate augment` is started with {WORKERS} workers, preset
"light", and interrupted when its first result is there. *Listed* is when the run's record is
written, after the format is detected and all names are known. Times include starting Python.
*Processor* is what the run and one worker have used until then: on a busy machine, it tells more
than seconds do. Memory is the peak of each process (`benchmarks/listing.py`).
"""


@dataclass(frozen=True)
class Begun:
    """How a run began: seconds, and megabytes at most."""

    listed_s: float
    first_s: float
    run_cpu_s: float
    worker_cpu_s: float
    run_mb: float
    worker_mb: float


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        places = make(Path(folder), 2_000 if quick else FILES)
        found = {name: begun(place, Path(folder) / "out") for name, place in places.items()}
    rows = [
        (
            name,
            *(number(one.listed_s), number(one.first_s)),
            *(number(one.run_cpu_s), number(one.worker_cpu_s)),
            *(number(one.run_mb), number(one.worker_mb)),
        )
        for name, one in found.items()
    ]
    head = ("input", "listed, s", "first result, s", "processor, run, s", "processor, worker, s")
    head += ("memory, run, MB", "memory, worker, MB")
    claims = [
        Claim.at_most("seconds until a tar file's first result", 10, found["tar"].first_s, " s"),
        Claim.at_most(
            "processor time of a worker on a tar file, relative to a folder",
            2,
            found["tar"].worker_cpu_s / found["folder"].worker_cpu_s,
        ),
        Claim.at_most(
            "memory of a worker on a tar file, relative to a folder",
            1.2,
            found["tar"].worker_mb / found["folder"].worker_mb,
        ),
    ]
    return Result("Many small files", METHOD, head, rows, claims)


def make(folder: Path, count: int) -> dict[str, Path]:
    """Write the files in three ways."""
    ((_, drawn),) = islice(draw_images(1, size=(32, 32)), 1)
    data = encode(drawn.image, format="jpeg")
    keys = sorted(f"class-{n % CLASSES:02}/image-{n:06}.jpg" for n in range(count))
    places = {name: folder / f"set{end}" for name, end in (("zip", ".zip"), ("tar", ".tar"))}
    with (
        zipfile.ZipFile(places["zip"], "w") as zipped,
        tarfile.open(places["tar"], "w") as tarred,
    ):
        for key in keys:
            zipped.writestr(key, data)
            member = tarfile.TarInfo(key)
            member.size = len(data)
            tarred.addfile(member, io.BytesIO(data))
            path = folder / "set" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return {"folder": folder / "set", **places}


def begun(place: Path, output: Path, source: Path | None = None) -> Begun:
    """Begin a run, and interrupt it at its first result."""
    command = [sys.executable, "-m", "variegate", "augment", str(place), str(output)]
    environment = dict(os.environ)
    if source is not None:
        environment["PYTHONPATH"] = str(source)
    record, listed, started = output / ".variegate" / "job.json", 0.0, time.perf_counter()
    with subprocess.Popen(
        [*command, "--workers", str(WORKERS)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        while not any(output.glob("*/*.jpg")):
            if process.poll() is not None or time.perf_counter() - started > _LIMIT_S:
                raise SystemExit(f"{place}: no result")
            if not listed and record.exists():
                listed = time.perf_counter() - started
            time.sleep(0.01)
        first = time.perf_counter() - started
        workers = children(process.pid)
        found = Begun(
            listed or first,
            first,
            _cpu(process.pid),
            max(map(_cpu, workers)),
            peak(process.pid) / 2**20,
            max(map(peak, workers)) / 2**20,
        )
        process.send_signal(signal.SIGINT)
    subprocess.run(["rm", "-r", str(output)], check=True)
    return found


def _cpu(pid: int) -> float:
    """Return the processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / _TICKS


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        for kind, where in make(Path(made), FILES).items():
            other = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "src"
            print(kind, begun(where, Path(made) / "out", other), flush=True)
