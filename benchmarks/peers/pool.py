"""The script that every peer is given: what a careful user would write around a library.

Two processes, one thread each, every photo decoded once, both codecs libjpeg-turbo's, and nothing
sent between processes but file names. The processes are forks, so libraries are imported once.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

#: Given a photo, yields the images to be written; made anew in each process by a `Setup`.
Make = Callable[[np.ndarray], Iterable[np.ndarray]]
Setup = Callable[[], Make]

WORKERS = 2
VARIANTS = 10
QUALITY = 95

_make: Make


def run(setup: Setup) -> None:
    """Make the variants of every photo in the folder `sys.argv[-2]`, into `sys.argv[-1]`."""
    source, target = Path(sys.argv[-2]), Path(sys.argv[-1])
    target.mkdir(parents=True)
    tasks = [(path, target) for path in sorted(source.glob("*.jpg"))]
    with multiprocessing.Pool(WORKERS, _begin, (setup,)) as pool:
        for _ in pool.imap_unordered(_one_photo, tasks, chunksize=4):
            pass


def _begin(setup: Setup) -> None:
    global _make
    cv2.setNumThreads(1)
    _make = setup()


def _one_photo(task: tuple[Path, Path]) -> None:
    path, target = task
    image = simplejpeg.decode_jpeg(path.read_bytes(), "RGB")
    for number, made in enumerate(_make(image)):
        data = simplejpeg.encode_jpeg(np.ascontiguousarray(made), QUALITY, "RGB", "420")
        (target / f"{path.stem}-v{number:02d}.jpg").write_bytes(data)


def seed() -> int:
    """Return a seed that differs between the processes of a pool."""
    return os.getpid()
