"""Pascal VOC's masks: PNG files whose values are classes or objects, with a palette to look at.

0 is background, 255 the border around objects, which is neither. In ``SegmentationObject`` the n-th
object of the XML file has the value n. Some tools (CVAT) paint the colours of the palette instead
of storing values; then the value n is that colour, as `codecs.decode_mask` numbers it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from variegate.annotations.annotation import Object
from variegate.annotations.boxes import Box
from variegate.codecs import decode_mask, encode_mask
from variegate.errors import ImageError, InputError
from variegate.storage import Storage, printable

BORDER = 255
_LIMIT = 1 << 28

# Pascal VOC's classes by value, where no file names them.
CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)


@lru_cache(maxsize=1)
def color_map() -> bytes:
    """Return the devkit's palette: the bits of a value, dealt out to red, green and blue."""
    colors = np.zeros((256, 3), np.uint8)
    values = np.arange(256)
    for shift in range(8):
        for channel in range(3):
            bit = (values >> (3 * shift + channel)) & 1
            colors[:, channel] |= (bit << (7 - shift)).astype(np.uint8)
    return colors.tobytes()


def labelmap_of(names: Sequence[str]) -> str:
    """Return a file of the names of masks' values and their colors, as CVAT writes it."""
    lines = ["# label:color_rgb:parts:actions"]
    for value, name in enumerate(names):
        color = color_map()[3 * value : 3 * value + 3] or bytes(3)
        lines.append(f"{name}:{','.join(map(str, color))}::")
    return "\n".join((*lines, ""))


def painted(number: int, palette: bytes) -> int:
    """Return the value of a colour in a painted mask: R + 256 G + 65536 B."""
    return int.from_bytes((palette or color_map())[3 * number : 3 * number + 3], "little")


@dataclass(frozen=True, slots=True)
class ObjectMask:
    """One image's ``SegmentationObject``.

    Attributes:
        key: of the file.
        values: (H, W).
        is_painted: it holds colours.
        palette: of the set; empty for the devkit's.
    """

    key: str
    values: np.ndarray
    is_painted: bool
    palette: bytes

    @classmethod
    def read(cls, storage: Storage, key: str, palette: bytes) -> "ObjectMask | str":
        """Read the file, or say why it cannot be used."""
        try:
            values = decode_mask(storage.read(key, limit=_LIMIT))
        except (ImageError, InputError) as error:
            return f"{printable(key)}: {error}; not used"
        return cls(key, values, values.dtype == np.uint32, palette)

    def value(self, number: int) -> int:
        """Return the value of the n-th object."""
        return painted(number, self.palette) if self.is_painted else number

    def found(self) -> set[int]:
        """Return the values that are objects."""
        border = self.value(BORDER) if self.is_painted else BORDER
        return {int(value) for value in np.unique(self.values)} - {0, border, painted(255, b"")}

    def fits(self, number: int, box: Box | None) -> bool:
        """Say whether the n-th object is there, and where its box is."""
        ys, xs = np.nonzero(self.values == self.value(number))
        if not len(xs) or box is None:
            return bool(len(xs))
        x1, y1, x2, y2 = box
        return bool(xs.min() < x2 and xs.max() + 1 > x1 and ys.min() < y2 and ys.max() + 1 > y1)

    def objects(self, classes: np.ndarray, names: Mapping[int, str]) -> Iterator[Object]:
        """Yield objects by the masks alone: each is of the class that most of its pixels have."""
        for value in sorted(self.found()):
            kinds, counts = np.unique(classes[self.values == value], return_counts=True)
            kind = int(kinds[counts.argmax()])
            if kind in names:
                yield Object(category=names[kind], mask_file=self.key, mask_value=value)


def renumbered(mask: np.ndarray, wanted: Mapping[int, int]) -> np.ndarray:
    """Give each object's pixels its new value.

    Pixels with a value that belongs to another now, of an object that is no more, become
    background.
    """
    if all(old == new for old, new in wanted.items()):
        return mask
    result = mask.copy()
    result[np.isin(mask, [new for new in wanted.values() if new not in wanted])] = 0
    for old, new in wanted.items():
        result[mask == old] = new
    return result


def write_mask(values: np.ndarray, palette: bytes) -> bytes:
    """Return a PNG file: with the palette where values fit into one."""
    if values.dtype == np.uint16 and values.max(initial=0) <= BORDER:
        values = values.astype(np.uint8)
    return encode_mask(values, (palette or color_map()) if values.dtype == np.uint8 else None)
