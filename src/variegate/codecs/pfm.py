"""PFM, portable maps of floating point numbers: Pillow reads the gray ones only."""

import functools
import re

import numpy as np

from variegate.codecs.depth import floats_to_eight_bits
from variegate.codecs.limits import Depth, Limits, check_end
from variegate.codecs.pixels import Parsed, Raster
from variegate.errors import DecodeError

_HEADER = re.compile(rb"P([Ff])\s+(\d{1,10})\s+(\d{1,10})\s+([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s")


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of a PFM.

    The sign of its scale tells the byte order. Its size is left out of account: writers disagree
    on what it means, and what white is follows from the values.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
    """
    found = _HEADER.match(data)
    if not found:
        raise DecodeError("corrupt PFM: no width, height and scale in its header")
    height, width = int(found[3]), int(found[2])
    limits.check_size(height, width, "PFM")
    shape = (height, width, 3) if found[1] == b"F" else (height, width)
    order = "<f4" if float(found[4]) < 0 else ">f4"
    load = functools.partial(_load, data, found.end(), shape, order, limits.depth)
    return Parsed(height=height, width=width, load=load, bits=32)


def _load(data: bytes, at: int, shape: tuple[int, ...], order: str, depth: Depth) -> Raster:
    end = at + 4 * int(np.prod(shape, dtype=object))
    check_end(data, end, "PFM")
    samples = np.frombuffer(data, order, (end - at) // 4, at).reshape(shape)
    # The lowest row comes first.
    return Raster(floats_to_eight_bits(samples[::-1], depth), "gray" if len(shape) == 2 else "rgb")
