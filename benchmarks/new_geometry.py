"""Transforms of objects, control points, cells, text and partners, beside Albumentations' own."""

import statistics

import cv2
import numpy as np

from harness import WORK, Result, Served, interleave, number, ratio
from photos import photos

SIZE = (480, 640)
METHOD = """
One transform, drawn anew for every variant of one 640 x 480 RGB photo in memory, one thread each
(`cv2.setNumThreads(1)`), four boxes where boxes matter. Both have the same ranges, as far as both
have them. `BBoxSafeRandomCrop` leaves the window at its own size, variegate brings it back to the
image's, as `RandomSizedBBoxSafeCrop` does. `TextImage` is given its texts and a box for each; both
write three lines with the same font. Partners are in memory (`benchmarks/new_geometry.py`).
"""

#: Rows: ours with its peer's name; both scripts have a case of each name.
CASES = {
    "safe_crop": ("RandomSizedBBoxSafeCrop", "BBoxSafeRandomCrop"),
    "random_erasing": ("Erasing", "CoarseDropout"),
    "thin_plate": ("ThinPlateSpline",),
    "piecewise_affine": ("PiecewiseAffine",),
    "grid_shuffle": ("RandomGridShuffle",),
    "text_overlay": ("TextImage",),
    "fourier_adaptation": ("FDA",),
    "histogram_match": ("HistogramMatching",),
}


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    each, rounds = (2, 5) if quick else (4, 15)
    files = _photos()
    rows = []
    for name, peers in CASES.items():
        arguments = {name: ("variegate", "geometry_variegate.py", name)} | {
            peer: ("albumentations", "geometry_albumentations.py", peer) for peer in peers
        }
        contenders = {one: Served(*given, *files, each) for one, given in arguments.items()}
        times = interleave(contenders, rounds)
        for contender in contenders.values():
            contender.close()
        own = statistics.median(times[name]) / each * 1e6
        for peer in peers:
            theirs = statistics.median(times[peer]) / each * 1e6
            rows.append((name, peer, number(own), number(theirs), number(ratio(times, peer, name))))
    head = ("variegate", "Albumentations", "us", "us", "times variegate's")
    return Result("Objects, control points, cells, text and partners", METHOD, head, rows)


def _photos() -> list[str]:
    """Return two .npy files of RGB photos."""
    files = []
    for index, path in enumerate(sorted(photos().glob("*.jpg"))[:2]):
        file = WORK / f"image-640-480-{index}.npy"
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        np.save(file, cv2.resize(image, SIZE[::-1], interpolation=cv2.INTER_AREA))
        files.append(str(file))
    return files
