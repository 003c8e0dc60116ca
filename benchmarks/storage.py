"""Writing into a bucket: a run's rate, and how many of the same objects the store takes at all."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from itertools import count
from pathlib import Path
from statistics import median

import obstore
from obstore.store import S3Store

from harness import HERE, Claim, Result, interleave, number, ratio
from photos import photos
from variegate import Options, augment
from variegate.runs.run import Progress

sys.path.insert(0, str(HERE.parent / "tests"))
sys.path.insert(0, str(HERE / "peers"))

# The servers that the tests use.
import with_variegate

import servers

PHOTOS, RESULTS, ROUNDS = 200, 10, 5
# As many requests on their way as the run's two workers have.
THREADS = 32
METHOD = f"""
{PHOTOS} photos of 500 x 375 to {RESULTS} variants each, as above, with two workers: into a folder,
and into a bucket on each of two servers on loopback, moto and s3rver. *Bare puts* uploads the
results of the run into the folder from memory, {THREADS} at a time, and does nothing else; a store
needs at least one put per object, so this is its own limit. The store shares the two CPUs with the
run but has both to itself during bare puts, so a fast store is slowed down by the run. The last
column therefore compares with the time of a run into the folder followed by bare puts. Time is
measured from a run's first report to its last (`benchmarks/storage.py`).
"""
HEAD = ("into", "objects/s", "relative to bare puts", "relative to folder, then bare puts")
Turn = Callable[[], float]


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        (folder / "local").mkdir()
        contenders: dict[str, Turn] = {"folder": lambda: _seconds(folder / f"local/{next(turns)}")}
        turns = count()
        contenders["folder"]()
        objects = [path.read_bytes() for path in sorted((folder / "local/0").rglob("*.jpg"))]
        for name, server in (("moto", servers.moto()), ("s3rver", _s3rver(folder))):
            if server is not None:
                url = stack.enter_context(server)
                contenders |= _in_a_bucket(name, url, objects, turns)
        times = interleave(contenders, 1 if quick else ROUNDS)
    names = [name.removesuffix(", run") for name in contenders if name.endswith(", run")]
    shares = {name: ratio(times, f"{name}, bare puts", f"{name}, run") for name in names}
    rows = [("folder", number(1 / median(times["folder"])), "", "")]
    for name in names:
        bare, into = times[f"{name}, bare puts"], times[f"{name}, run"]
        both = [one + other for one, other in zip(times["folder"], bare, strict=True)]
        after = ratio({"both": both, "run": into}, "both", "run")
        rows += [
            (f"{name}, run", number(1 / median(into)), number(shares[name]), number(after)),
            (f"{name}, bare puts", number(1 / median(bare)), "", ""),
        ]
    claims = [
        Claim.at_least(f"rate of a run into {name}, relative to bare puts", 0.8, share)
        for name, share in shares.items()
    ]
    return Result("A bucket", METHOD, HEAD, rows, claims)


def _s3rver(folder: Path) -> AbstractContextManager[str] | None:
    return servers.s3rver(folder / "s3rver") if servers.S3RVER.exists() else None


def _in_a_bucket(
    name: str, url: str, objects: list[bytes], turns: Iterator[int]
) -> dict[str, Turn]:
    """Return a run into a bucket and bare puts into it, as contenders."""
    servers.s3_client(url).create_bucket(Bucket="more")

    def run_into() -> float:
        os.environ |= {**servers.CREDENTIALS, "AWS_ENDPOINT_URL": url}
        return _seconds(f"s3://more/{next(turns)}")

    def puts() -> float:
        store = S3Store(
            "more",
            endpoint=url,
            access_key_id=servers.CREDENTIALS["AWS_ACCESS_KEY_ID"],
            secret_access_key=servers.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region=servers.CREDENTIALS["AWS_REGION"],
            client_options={"allow_http": True},
        )
        base = f"bare/{next(turns)}"
        begun = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            keys = (f"{base}/{number}.jpg" for number in range(len(objects)))
            list(pool.map(lambda key, data: obstore.put(store, key, data), keys, objects))
        return (time.perf_counter() - begun) / len(objects)

    return {f"{name}, run": run_into, f"{name}, bare puts": puts}


def _seconds(output: Path | str) -> float:
    """Run the job; return what a result took, from the first report on."""
    told: list[tuple[float, int]] = []

    def note(progress: Progress) -> None:
        if progress.counts.outputs and (not told or progress.counts.outputs > told[-1][1]):
            told.append((time.perf_counter(), progress.counts.outputs))

    recipe = with_variegate.recipe(RESULTS, gamma=False)
    options = Options(workers=2)
    augment(photos(PHOTOS), output, recipe=recipe, options=options, on_progress=note)
    (begun, before), (ended, after) = told[0], told[-1]
    return (ended - begun) / (after - before)
