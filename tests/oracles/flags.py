"""Flags of an audit beside the issues of CleanVision, on photos of which some were spoiled.

python flags.py DATA PYTHON    PYTHON is that of an environment with cleanvision
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from variegate import Options
from variegate.datasets.prepare.audit import IMAGES, audit

#: What CleanVision calls a flag.
ISSUES = {
    "too dark": "dark",
    "too bright": "light",
    "blurred": "blurry",
    "odd size": "odd_size",
    "odd aspect": "odd_aspect_ratio",
    "blank": "low_information",
}
SPOILED = {
    "too dark": lambda image: (image * 0.05).astype(np.uint8),
    "too bright": lambda image: (250 + image * 0.02).astype(np.uint8),
    "blurred": lambda image: cv2.GaussianBlur(image, (0, 0), 12),
    "odd size": lambda image: cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA),
    "odd aspect": lambda image: image[: image.shape[0] // 8],
    "blank": lambda image: np.full_like(image, 128),
}
PHOTOS, EACH = 30, 3


def main(data: str, python: str) -> int:
    """Compare; return how many planted faults were not flagged."""
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        heap = Path(folder) / "heap"
        planted = _plant(heap, Path(data))
        audit(heap, Path(folder) / "out", options=Options(workers=0))
        lines = map(json.loads, (Path(folder) / "out" / IMAGES).read_text().splitlines())
        ours = {one["key"]: set(one["flags"]) for one in lines}
        script = Path(__file__).with_name("by_cleanvision.py")
        command = [python, str(script), str(heap)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        theirs = json.loads(done.stdout.splitlines()[-1])
    for flag, issue in ISSUES.items():
        wanted = {name for name, spoiled in planted.items() if spoiled == flag}
        here = {name for name, flags in ours.items() if flag in flags}
        there = {name for name, issues in theirs.items() if issue in issues}
        missed += len(wanted - here)
        photos = {name for name, spoiled in planted.items() if spoiled == ""}
        print(
            f"{flag}: planted {len(wanted)}, flagged {len(wanted & here)}, by CleanVision "
            f"{len(wanted & there)}; of {len(photos)} photos as they are {len(photos & here)} "
            f"and {len(photos & there)}, {len(photos & here & there)} by both"
        )
    return missed


def _plant(heap: Path, data: Path) -> dict[str, str]:
    heap.mkdir()
    planted: dict[str, str] = {}
    paths = sorted((data / "clothing_classes").glob("*/*/*.jpg"))[::4]
    for number, path in enumerate(paths[:PHOTOS]):
        name = f"{number:02d}.jpg"
        (heap / name).write_bytes(path.read_bytes())
        planted[name] = ""
    photos = iter(paths[PHOTOS // 2 :])
    for flag, spoil in SPOILED.items():
        for number in range(EACH):
            name = f"{flag} {number}.png"
            cv2.imwrite(str(heap / name), spoil(cv2.imread(str(next(photos)))))
            planted[name] = flag
    return planted


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1], sys.argv[2])))
