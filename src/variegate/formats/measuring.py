"""How large a picture in a storage is, and what colors a mask is shown in, from its beginning."""

from dataclasses import dataclass

from variegate.codecs import Limits, probe, read_palette
from variegate.errors import InputError, LimitError, PictureError
from variegate.storage import Storage

# Nearly every header stands within: of 574 pictures of all kinds in the test data, of 569.
_HEAD_BYTES = 1 << 14
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Measure:
    """What a header says.

    Attributes:
        size: (height, width), upright.
        palette: R, G, B of index 0, 1, ... of a PNG that has them.
    """

    size: tuple[int, int]
    palette: bytes | None


def measure(storage: Storage, key: str) -> Measure:
    """Read a picture's header.

    Raises:
        PictureError: it is none, or broken, or too large.
        InputError: it cannot be read.
    """
    with storage.open_read(key) as file:
        data = file.read(_HEAD_BYTES)
    try:
        header = probe(data, _LIMITS)
    except LimitError:
        raise
    except PictureError:
        if len(data) < _HEAD_BYTES:
            raise
        data = storage.read(key, limit=_LIMITS.max_bytes)
        header = probe(data, _LIMITS)
    return Measure((header.height, header.width), read_palette(data))


def picture_size(storage: Storage, key: str) -> tuple[int, int] | None:
    """Return (height, width), or None where whoever decodes the picture will say what is wrong."""
    try:
        return measure(storage, key).size
    except (PictureError, InputError):
        return None


def mask_problem(storage: Storage, key: str, size: tuple[int, int] | None) -> str | None:
    """Say why a mask cannot go with a picture of (height, width) `size`, or return None."""
    try:
        own = measure(storage, key).size
    except (PictureError, InputError) as error:
        return f"cannot be read: {error}"
    return size_problem(own, size)


def size_problem(own: tuple[int, int], size: tuple[int, int] | None) -> str | None:
    """Say that a mask and its picture differ in size, or return None."""
    if size is None or own == size:
        return None
    return f"{own[1]:,} x {own[0]:,} pixels, its picture has {size[1]:,} x {size[0]:,}"
