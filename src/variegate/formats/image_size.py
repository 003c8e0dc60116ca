"""How large an image in a storage is, and what colors a mask is shown in, from its beginning."""

from dataclasses import dataclass

from variegate.codecs import Header, Limits, probe, read_palette
from variegate.errors import ImageError, InputError, LimitError
from variegate.storage import Storage

# Nearly every header stands within the first: of 574 images of all kinds in the test data, of 569;
# behind large EXIF data or profiles within the second; TIFF may have its own at the end.
HEAD_BYTES = 1 << 14
_PIECES = (HEAD_BYTES, 1 << 20)
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Measure:
    """What a header says.

    Attributes:
        size: (height, width), upright.
        orientation: EXIF's, 1 to 8, by which it was turned upright.
        palette: R, G, B of index 0, 1, ... of a PNG that has them.
        bits: of a sample.
    """

    size: tuple[int, int]
    orientation: int
    palette: bytes | None
    bits: int = 8


def read_header(storage: Storage, key: str, limits: Limits = _LIMITS) -> tuple[bytes, Header]:
    """Return the beginning of an image's file, with all of its header, and the header.

    Raises:
        ImageError: it is none, or broken, or too large.
        InputError: it cannot be read.
    """
    data = b""
    with storage.open_read(key) as file:
        for much in (*_PIECES, limits.max_bytes + 1):
            data += file.read(much - len(data))
            try:
                header = probe(data, limits)
            except LimitError:
                raise
            except ImageError:
                if len(data) < much:
                    raise
                continue
            if len(data) < much or not _turned_at_the_end(data):
                break
    return data, header


def measure(storage: Storage, key: str) -> Measure:
    """Read what an image's header says; raises what `read_header` raises."""
    data, header = read_header(storage, key)
    return Measure(
        (header.height, header.width), header.orientation, read_palette(data), header.bits
    )


def _turned_at_the_end(data: bytes) -> bool:
    """Say whether EXIF data, and so perhaps an orientation, follows the pixels (WebP)."""
    return data[8:16] == b"WEBPVP8X" and bool(data[20] & 0x08)


def image_size(storage: Storage, key: str) -> tuple[int, int] | None:
    """Return (height, width), or None where whoever decodes the image will say what is wrong."""
    try:
        return measure(storage, key).size
    except (ImageError, InputError):
        return None


def mask_palette(storage: Storage, key: str) -> bytes:
    """Return R, G, B of index 0, 1, ... of a mask; nothing where it has none, or is broken."""
    try:
        return measure(storage, key).palette or b""
    except (ImageError, InputError):
        return b""


def mask_problem(storage: Storage, key: str, size: tuple[int, int] | None) -> str | None:
    """Say why a mask cannot go with an image of (height, width) `size`, or return None."""
    try:
        own = measure(storage, key).size
    except (ImageError, InputError) as error:
        return f"cannot be read: {error}"
    return size_problem(own, size)


def size_problem(own: tuple[int, int], size: tuple[int, int] | None) -> str | None:
    """Say that a mask and its image differ in size, or return None."""
    if size is None or own == size:
        return None
    return f"{own[1]:,} x {own[0]:,} pixels, its image has {size[1]:,} x {size[0]:,}"
