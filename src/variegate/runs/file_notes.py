"""What is said of images' files: what is wrong with one and costs no pixel, and what depth is lost.

A sentence stands among the problems of an image's row in the manifest; what many of them say in sum
is told at the end of a run.
"""

import json
import re
from collections.abc import Iterator

import numpy as np

from variegate.codecs import Limits, decode
from variegate.formats.base import counted
from variegate.runs.manifest import opened
from variegate.runs.rows import Counts
from variegate.storage import Storage

_DEPTH = re.compile(r": (\d+) bits a sample, 8 in its result, in (\d+) gray levels?$")
_END = ": its end mark is missing"
_PROFILE = ": its color profile is broken; ignored"
_FRAMES = "; the first is used"
# Rows of the manifest that are looked at together.
_ROWS = 10_000


def depth_note(bits: int, levels: int) -> str:
    """Return the clause about an image of more than 8 bits; `levels` are those of its result."""
    return (
        f"{bits} bits a sample, 8 in its result, in {counted(levels, 'gray level', 'gray levels')}"
    )


def frames_note(frames: int) -> str:
    """Return the clause about an animation, or a file of several pages."""
    return f"{counted(frames, 'frame', 'frames')}{_FRAMES}"


def gray_levels(data: bytes, limits: Limits) -> int:
    """Return how many different values an image has in 8 bits.

    Raises:
        ImageError: it cannot be decoded.
    """
    values = np.bincount(decode(data, limits=limits).ravel(), minlength=256)
    return int(np.count_nonzero(values))


def file_notes(storage: Storage, counts: Counts) -> Iterator[str]:
    """Yield what the rows of a finished output say of files, in sum.

    Args:
        storage: the output.
        counts: of its inputs.
    """
    levels: list[int] = []
    others = dict.fromkeys((_END, _PROFILE, _FRAMES), 0)
    for problem in _problems(storage):
        if found := _DEPTH.search(problem):
            levels.append(int(found[2]))
        for words in others:
            others[words] += problem.endswith(words)
    yield from depth_notes(len(levels), counts.augmented + counts.copied, levels)
    if count := others[_END]:
        yield f"{counted(count, 'image has', 'images have')} no end mark, but all pixels"
    if count := others[_PROFILE]:
        yield f"{counted(count, 'image has', 'images have')} a broken color profile; it is ignored"
    if count := others[_FRAMES]:
        yield f"{counted(count, 'image has', 'images have')} several frames; the first is used"


def depth_notes(deep: int, images: int, levels: list[int]) -> Iterator[str]:
    """Yield one sentence about images of more than 8 bits, if there are any.

    Args:
        deep: how many they are.
        images: how many there are in all.
        levels: gray levels of the results, of those that were decoded.
    """
    if not deep:
        return
    yield (
        f"{deep:,} of {counted(images, 'image is', 'images')} "
        f"{'' if images == 1 else 'is ' if deep == 1 else 'are '}deeper than 8 bits; "
        f"{'its result has' if deep == 1 else 'their results have'} {_range(levels)} "
        "(--depth chooses which values become black and white)"
    )


def _range(levels: list[int]) -> str:
    if not levels:
        return "8 bits"
    least, most = min(levels), max(levels)
    if least == most:
        return counted(least, "gray level", "gray levels")
    return f"{least:,} to {most:,} gray levels"


def _problems(storage: Storage) -> Iterator[str]:
    """Yield the problems of images that came out."""
    columns = ["problems", "status"]
    with opened(storage) as table:
        for batch in table.iter_batches(batch_size=_ROWS, columns=columns, use_threads=False):
            for row in batch.to_pylist():
                if row["problems"] and row["status"] != "quarantined":
                    yield from json.loads(row["problems"])
