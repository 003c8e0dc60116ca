"""A whole job: a folder of photos to ten variants each, two processes, files written to disk."""

import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import PEERS, WORK, Claim, Program, Result, interleave, number, python_of, ratio
from photos import photos

VARIANTS = 10
FEW = 8
OUTPUTS = WORK / "outputs"
METHOD = f"""
Photos of 500 x 375 to ten variants each: flip, rotate, scale, translate, shear, brightness,
contrast and saturation, drawn anew for each variant, written to disk as JPEG (quality 95, 4:2:0),
with two single-threaded processes. Every peer runs in the script that a careful user would write
for it (`benchmarks/peers/pool.py`): a pool of forked processes that import once, each photo decoded
once, libjpeg-turbo (through simplejpeg) for decoding and encoding, only names sent between
processes, one `write_bytes` per file. The **floor** is that script without any transformation. The
row below it adds a single `cv2.warpAffine` per image, the minimum for any geometric change, and the
next one also a table and a matrix, the minimum for the colors of this recipe. imgaug
gets its ten variants as one batch. Augmentor cannot translate, so it does less work; it runs in the
same pool, which is twice as fast as its own loop. variegate is called as `variegate.augment`: it
also writes every file atomically, computes its digest and records its parameters.
`benchmarks/sheets.py` draws contact sheets of all results.

*Whole program* is the time from the start of the program to its end. *Running* excludes imports,
process start and the final merge of the manifest: it is the time for all photos minus the time for
{FEW} of them, which is the rate of a longer job. *Processor* is the same in CPU seconds of all
processes, which is less sensitive to other programs on the machine (`benchmarks/whole_job.py`).
"""

NAMES = {
    "floor": ("variegate", "floor.py", "job"),
    "floor and one warp": ("variegate", "floor.py", "warp"),
    "floor, one warp and colors": ("variegate", "floor.py", "colors"),
    "variegate": ("variegate", "with_variegate.py", "job"),
    "Albumentations, careful": ("albumentations", "with_albumentations.py", "job", "careful"),
    "Albumentations, careful, HSV": (
        "albumentations",
        "with_albumentations.py",
        "job",
        "careful_hsv",
    ),
    "Albumentations, one by one": (
        "albumentations",
        "with_albumentations.py",
        "job",
        "one_by_one",
    ),
    "imgaug": ("imgaug", "with_imgaug.py", "job"),
    "Augmentor": ("augmentor", "with_augmentor.py", "pool"),
}


@dataclass(frozen=True)
class Turns:
    """What contenders that took turns needed: seconds, by name.

    Attributes:
        whole: for all photos, by the clock.
        running, processor: the same less what a few photos took; by the clock, and by processor.
    """

    whole: dict[str, Sequence[float]]
    running: dict[str, Sequence[float]]
    processor: dict[str, Sequence[float]]


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    rounds, slow_rounds, count = (2, 1, 60) if quick else (9, 2, 200)
    quicker = [name for name in NAMES if name != "Augmentor"]
    # What takes ten times as long gets fewer turns, with a variegate of its own beside it.
    turns = dict.fromkeys(quicker, _turns(quicker, count, rounds))
    turns["Augmentor"] = _turns(["variegate", "Augmentor"], count, slow_rounds)
    _clear()
    whole = {name: ratio(turns[name].whole, name, "variegate") for name in NAMES}
    running = {name: ratio(turns[name].running, name, "variegate") for name in NAMES}
    processor = {name: ratio(turns[name].processor, name, "variegate") for name in NAMES}
    made = (count - FEW) * VARIANTS
    rows = [
        (
            name,
            number(statistics.median(turns[name].whole[name])),
            number(whole[name]),
            number(made / statistics.median(turns[name].running[name])),
            number(running[name]),
            number(processor[name]),
        )
        for name in NAMES
    ]
    careful = [name for name in NAMES if "careful" in name]
    claims = [
        Claim.at_least(f"faster than the better careful Albumentations, {kind}", target, better)
        for kind, target, better in (
            ("running", 1.8, min(running[name] for name in careful)),
            ("whole program", 1.6, min(whole[name] for name in careful)),
        )
    ]
    claims += [
        Claim.at_least(
            "speed relative to the floor and one warp, running", 0.95, running["floor and one warp"]
        ),
        Claim.at_least(
            "speed relative to the floor, one warp and colors, running",
            0.95,
            running["floor, one warp and colors"],
        ),
        Claim.at_least(
            "faster than every other peer, running", 2, min(running["imgaug"], running["Augmentor"])
        ),
    ]
    head = (
        "",
        "whole program, s",
        "times variegate's",
        "running, images/s",
        "times variegate's",
        "processor, times variegate's",
    )
    return Result("A whole job", METHOD, head, rows, claims)


def _turns(names: list[str], count: int, rounds: int) -> Turns:
    """Let contenders take turns at all photos, and at a few."""
    every = {name: _Job(name, photos(count)) for name in names}
    few = {name: _Job(name, photos(FEW)) for name in names}
    both = {
        f"{name} {kind}": job
        for kind, jobs in (("all", every), ("few", few))
        for name, job in jobs.items()
    }
    times = interleave(both, rounds)
    return Turns(
        {name: times[f"{name} all"] for name in names},
        {name: _less(times[f"{name} all"], times[f"{name} few"]) for name in names},
        {name: _less(every[name].program.cpu_s, few[name].program.cpu_s) for name in names},
    )


class _Job:
    """A turn of one contender: a folder of photos into a new folder."""

    def __init__(self, name: str, source: Path) -> None:
        peer, script, *arguments = NAMES[name]
        self.program = Program([python_of(peer), str(PEERS / script), *arguments, str(source)])
        self._name = name
        self._expected = VARIANTS * len(list(source.glob("*.jpg")))

    def __call__(self) -> float:
        OUTPUTS.mkdir(parents=True, exist_ok=True)
        target = OUTPUTS / f"{self._name}, {self._expected} files, {time.time_ns()}"
        seconds = self.program(str(target))
        made = len(list(target.rglob("*.jpg")))
        if made != self._expected:
            raise SystemExit(f"{target}: expected {self._expected} files, found {made}")
        return seconds


def _clear() -> None:
    """Delete results, all but the last of each contender, which `sheets.py` shows.

    Not before or between turns: for a minute ext4 searches its way past the inodes of deleted
    files, and to create a file takes 0.5 ms instead of 0.03.
    """
    last: dict[str, Path] = {}
    for folder in sorted(OUTPUTS.iterdir(), key=lambda folder: folder.stat().st_mtime):
        contender = folder.name.rpartition(", ")[0]
        if contender in last:
            shutil.rmtree(last[contender])
        last[contender] = folder


def _less(every: Sequence[float], few: Sequence[float]) -> list[float]:
    return [one - other for one, other in zip(every, few, strict=True)]
