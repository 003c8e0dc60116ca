"""The memory that a run takes: its main process, and each of its workers."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from harness import Claim, Result, number
from variegate.codecs import encode
from variegate.seeding import generator

FEW, MANY = 2_000, 100_000
STEPS = 6
LARGE = (3_000, 4_000)
METHOD = f"""
Peak memory of the processes (`VmHWM`), two workers. For the main process: {FEW:,} and {MANY:,} PNG
files of 1 to 8 pixels a side, one variant each. For the workers: three JPEG photos of
{LARGE[0] * LARGE[1] / 1e6:g} megapixels and the power set of {STEPS} steps, for which a worker may
use 150 MB plus {STEPS + 2} decoded images (`benchmarks/memory.py`).
"""
FLIP = "variants: {each: {steps: [flip]}}"
RUN = """
import sys
from variegate import Options, Recipe, augment
source, output, recipe = sys.argv[1:]
recipe = Recipe.parse(recipe) if ":" in recipe else recipe
print(augment(source, output, recipe=recipe, options=Options(workers=2)).counts.outputs)
"""


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        few, seconds_few = measure(tiny(place / "few", FEW), place / "out", FLIP, FEW)
        count = MANY // 10 if quick else MANY
        many, seconds_many = measure(tiny(place / "many", count), place / "out", FLIP, count)
        large, seconds_large = measure(photos(place / "photos"), place / "out", "chain", 3 * 64)
    allowed = 150 + (STEPS + 2) * LARGE[0] * LARGE[1] * 3 / 2**20
    rows = [
        (f"{FEW:,} tiny sources", *figures(few, seconds_few)),
        (f"{count:,} tiny sources", *figures(many, seconds_many)),
        ("3 sources of 12 megapixels, 64 results each", *figures(large, seconds_large)),
    ]
    claims = [
        Claim.at_most(
            f"main process with {count:,} sources, more than with {FEW:,}",
            30,
            (many[0] - few[0]) / 2**20,
            " MB",
        ),
        Claim.at_most("worker with sources of 12 megapixels", allowed, large[1] / 2**20, " MB"),
    ]
    head = ("run", "main process, MB", "largest worker, MB", "seconds")
    return Result("Memory", METHOD, head, rows, claims)


def figures(peaks: tuple[int, int], seconds: float) -> tuple[str, ...]:
    """Return the cells of one run."""
    return (*(number(peak / 2**20) for peak in peaks), number(seconds))


def tiny(folder: Path, count: int) -> Path:
    """Make a dataset of 64 different little images, linked under many names."""
    rng = generator(0, "tiny")
    originals = []
    folder.with_name("originals").mkdir(exist_ok=True)
    for index in range(64):
        height, width = rng.integers(1, 9, 2)
        path = folder.with_name("originals") / f"{index}.png"
        path.write_bytes(
            encode(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), format="png")
        )
        originals.append(path)
    for index in range(count):
        path = folder / f"class-{index % 10}" / f"image-{index:07}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(originals[index % 64])
    return folder


def photos(folder: Path) -> Path:
    """Make three large images with structure at every scale."""
    rng = generator(0, "large")
    for index in range(3):
        image = np.zeros((*LARGE, 3), np.float32)
        for cell in (8, 64, 512):
            coarse = rng.normal(0, 20, (LARGE[0] // cell + 1, LARGE[1] // cell + 1, 3))
            image += cv2.resize(coarse.astype(np.float32), LARGE[::-1])
        path = folder / "class" / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(np.clip(image + 128, 0, 255).astype(np.uint8), format="jpeg"))
    return folder


def measure(source: Path, output: Path, recipe: str, outputs: int) -> tuple[tuple[int, int], float]:
    """Run a job; return the peaks of the main process and of the largest worker, and seconds."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(source), str(output), recipe],
        stdout=subprocess.PIPE,
        text=True,
    )
    main = workers = 0
    while process.poll() is None:
        main = max(main, peak(process.pid))
        workers = max([workers, *(peak(pid) for pid in children(process.pid))])
        time.sleep(0.02)
    seconds = time.perf_counter() - begun
    assert process.stdout is not None
    assert int(process.stdout.read()) == outputs
    shutil.rmtree(output)
    return (main, workers), seconds


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in bytes; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(one) for task in tasks for one in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
