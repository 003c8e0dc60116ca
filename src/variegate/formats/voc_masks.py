"""Pascal VOC's masks: PNG files whose values are classes or objects, with a palette to look at.

0 is background, 255 the border around objects, which is neither. CVAT and others paint the colours
themselves instead of storing values; they are taken back by the colour map.
"""

import io
from functools import lru_cache

import numpy as np
from PIL import Image

from variegate.errors import DecodeError

_LARGEST = 1 << 28
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


def read_mask(data: bytes, colors: bytes = b"") -> np.ndarray:
    """Return a mask's values.

    Args:
        data: of the PNG file.
        colors: the palette by which painted masks are taken back; by default the devkit's.

    Returns:
        (H, W) uint8, or uint16 where the file has 16 bits.

    Raises:
        DecodeError: it is no picture, or painted in colours that mean nothing.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.width * image.height > _LARGEST:
                raise DecodeError(f"mask of {image.width} x {image.height} pixels: too large")
            if image.mode in ("P", "L"):
                return np.array(image)
            if image.mode == "1":
                return np.array(image.convert("L")) // 255
            if image.mode in ("I;16", "I"):
                return np.array(image).astype(np.uint16)
            painted = np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DecodeError(f"mask: broken PNG ({error})") from error
    return _by_color(painted, colors or color_map())


def _by_color(painted: np.ndarray, colors: bytes) -> np.ndarray:
    packed = painted.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    known = np.frombuffer(colors, np.uint8).reshape(-1, 3).astype(np.uint32)
    # The lower value counts where two have one colour, so it is written last.
    codes = (known @ np.array([1 << 16, 1 << 8, 1], np.uint32)).tolist()
    table = {code: value for value, code in reversed(list(enumerate(codes)))}
    found, where = np.unique(packed, return_inverse=True)
    strange = [f"#{code:06x}" for code in found.tolist() if code not in table]
    if strange:
        raise DecodeError(f"mask: colours that stand for no class: {', '.join(strange[:3])}")
    values = np.array([table[code] for code in found.tolist()], np.uint8)
    return values[where].reshape(packed.shape)


def write_mask(values: np.ndarray, palette: bytes = b"") -> bytes:
    """Return a PNG file: with a palette, or of 16 bits where values go beyond 255."""
    file = io.BytesIO()
    if values.dtype != np.uint8 and values.max(initial=0) > 255:
        Image.fromarray(values.astype(np.uint16)).save(file, "PNG")
        return file.getvalue()
    image = Image.fromarray(values.astype(np.uint8), "L")
    image.putpalette(palette or color_map())
    image.save(file, "PNG")
    return file.getvalue()


def palette_of(data: bytes) -> bytes:
    """Return a PNG file's palette if it differs from the devkit's, else nothing."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            palette = bytes(image.getpalette("RGB") or ()) if image.mode == "P" else b""
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return b""
    return b"" if color_map().startswith(palette) else palette
