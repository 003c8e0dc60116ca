"""What is measured of an image, once: all that flags and the search for duplicates need."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

import cv2
import msgspec
import numpy as np

from variegate.codecs import Header, Limits, decode, luminance_steps, probe
from variegate.datasets.prepare.channel_sums import histogram
from variegate.datasets.prepare.exif import Shot, shot_of
from variegate.datasets.prepare.hashes import dct_hash
from variegate.datasets.prepare.words import SIDE, TABLES, image_words
from variegate.formats.conversion.filenames import KNOWN_EXTENSIONS, own_extension

# Of images that can be decoded at a fraction of their size the longer side may become so small; of
# long ones, which may be banners of small letters; and as a model sees them.
_LEAST_REDUCED, _LEAST_OF_LONG, _LEAST_SEEN = SIDE, 512, 480
_LONG = 2.0
# Longest side at which pixels are compared with their neighbors.
_FLAT_SIDE = 512
_DIGEST_BYTES = 16
# Of the overview as it is kept: about 6 kB.
_SMALL_QUALITY = 90
_SPARSE = 16
_STRONG_EDGE, _NOISELESS = 24, 2
_DARK, _BRIGHT = 0.01, 0.99
_VALUES = np.arange(256) / 255
_SQUARES = _VALUES**2
# Luminance tables of the JPEG standard (ITU-T T.81, table K.1), summed: quality 50.
_SUM_AT_50 = 3_688
#: Contrast below which there is nothing in an image to compare: only identical ones are duplicates.
LEAST_CONTRAST = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """An image in figures.

    Attributes:
        kind: of file, told by its content.
        extension_fits: whether its name says the same kind.
        size: of the file, bytes.
        height, width: pixels, upright.
        orientation: EXIF's, 1 to 8.
        frames: of an animation, or pages.
        bits: of a sample.
        mode: gray or color, as far as pixels tell: an RGB file without a color is gray.
        brightness: mean gray value, 0 to 1.
        dark, bright: gray values of which 1% are darker, and 1% brighter.
        contrast: deviation of the gray values, 0 to 1.
        sharpness: variance of the Laplacian of the gray image, longest side at most 192.
        entropy: of the gray values, bits, 0 to 8.
        flat: share of pixels that equal their neighbors right and below.
        steps: share of the strong edges that lie between areas without noise on both sides: lines
            and letters as they are drawn, not an object before a plain background, whose edge is
            soft. 0 for JPEG files, which blur and ripple all edges.
        colors: distinct colors of 4,096 pixels, in 4,096 steps.
        quality: estimate of a JPEG file's; None for other files.
        bytes_digest: of the file, 16 bytes in hexadecimal digits.
        pixels_digest: of size and pixels, decoded; None if they were decoded at a reduced size, as
            JPEG files are from 384 pixels on.
        hash: `dct_hash`, hexadecimal digits.
        words: `image_words`, big endian, Base64.
        small: the gray image, longest side at most 192, a JPEG file in Base64: by it others can be
            compared with this one when its file is not at hand.
        features: what a model sees in it, int8 in Base64; only if a model is named, and "" where it
            gave no answer.
        camera, taken: of EXIF; only if asked for.
    """

    kind: str
    extension_fits: bool
    size: int
    height: int
    width: int
    orientation: int
    frames: int
    bits: int
    mode: str
    brightness: float
    dark: float
    bright: float
    contrast: float
    sharpness: float
    entropy: float
    flat: float
    colors: int
    quality: int | None
    bytes_digest: str
    pixels_digest: str | None
    hash: str
    words: str
    small: str = ""
    steps: float = 0.0
    features: str = ""
    camera: str | None = None
    taken: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which `from_json` makes an equal one."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Make one from what `to_json` gave."""
        return msgspec.convert(data, cls)

    @property
    def hash_bytes(self) -> np.ndarray:
        """(32,) uint8."""
        return np.frombuffer(bytes.fromhex(self.hash), np.uint8)

    @property
    def feature_bytes(self) -> bytes:
        """int8, as `variegate.models.embeddings.embedding` gave them."""
        return base64.b64decode(self.features)

    @property
    def word_array(self) -> np.ndarray:
        """(N, TABLES) uint32."""
        read = np.frombuffer(base64.b64decode(self.words), ">u4")
        return read.astype(np.uint32).reshape(-1, TABLES)


def measure(
    data: bytes,
    key: str,
    limits: Limits,
    *,
    keep_exif: bool = False,
    seen: Callable[[np.ndarray], bytes] | None = None,
) -> Measures:
    """Measure an image.

    Args:
        data: its file.
        key: of the file; only the extension counts.
        limits: as for `decode`.
        keep_exif: keep camera and time.
        seen: returns what a model sees in an image.

    Raises:
        ImageError: it cannot be decoded.
    """
    header = probe(data, limits)
    longest, shortest = max(header.height, header.width), min(header.height, header.width)
    least = _LEAST_OF_LONG if longest >= _LONG * shortest else _LEAST_REDUCED
    reduce = reduction(header, least)
    image = decode(data, limits=limits, reduce=reduce)
    gray = gray_of(image)
    overview = _reduced(gray, SIDE)
    figures = _figures(gray, overview)
    is_jpeg = header.kind == "jpeg"
    color = image.ndim == 3 and _has_color(image)
    digest = None
    if reduce == 1:
        digest = _digest(image, color=color)
    elif figures["contrast"] < LEAST_CONTRAST:
        digest = pixels_digest(decode(data, limits=limits))
    shot = shot_of(data) if keep_exif else Shot()
    return Measures(
        kind=header.kind,
        extension_fits=_extension_fits(key, header.kind),
        size=len(data),
        height=header.height,
        width=header.width,
        orientation=header.orientation,
        frames=header.frames,
        bits=header.bits,
        mode="color" if color else "gray",
        colors=_colors(image),
        quality=jpeg_quality(data) if is_jpeg else None,
        bytes_digest=hashlib.sha256(data).digest()[:_DIGEST_BYTES].hex(),
        pixels_digest=digest,
        hash=dct_hash(overview).hex(),
        words=base64.b64encode(image_words(overview).astype(">u4").tobytes()).decode(),
        small=_small(overview),
        steps=0.0 if is_jpeg else round(_steps(gray), 6),
        features=base64.b64encode(seen(_for_model(data, header, limits))).decode() if seen else "",
        camera=shot.camera,
        taken=shot.taken,
        **figures,
    )


def reduction(header: Header, least: int) -> int:
    """Return how far an image may be reduced while it is decoded: its longer side stays `least`."""
    if not header.reducible:
        return 1
    longest = max(header.height, header.width)
    return max(one for one in (1, 2, 4, 8) if one == 1 or longest >= one * least)


def _for_model(data: bytes, header: Header, limits: Limits) -> np.ndarray:
    return decode(data, limits=limits, reduce=reduction(header, _LEAST_SEEN))


def gray_of(image: np.ndarray) -> np.ndarray:
    """Return a decoded image in gray, (H, W) uint8."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def pixels_digest(image: np.ndarray) -> str:
    """Return a digest of size and pixels: equal for equal images, whatever their files.

    An RGB image without a color has that of the gray one.
    """
    return _digest(image, color=image.ndim == 3 and _has_color(image))


def _digest(image: np.ndarray, *, color: bool) -> str:
    if image.ndim == 3 and not color:
        image = np.ascontiguousarray(image[..., 0])
    digest = hashlib.sha256(str(image.shape).encode())
    digest.update(image.data)
    return digest.digest()[:_DIGEST_BYTES].hex()


def jpeg_quality(data: bytes) -> int | None:
    """Estimate a JPEG file's quality, 1 to 100, as libjpeg counts, from its luminance table.

    Below 20 it says too much: the largest steps are cut off at 255.
    """
    steps = luminance_steps(data)
    if steps is None:
        return None
    # libjpeg: each step is (step at 50 * scale + 50) / 100, scale 5000 / q below 50, else 200 - 2q.
    scale = 100 * sum(steps) / _SUM_AT_50
    quality = 5_000 / scale if scale > 100 else (200 - scale) / 2
    return int(np.clip(round(quality), 1, 100))


def _steps(gray: np.ndarray) -> float:
    edges = drawn = 0
    for axis in (0, 1):
        length = gray.shape[axis]
        if length < 5:
            continue
        after, before = (_cut(gray, axis, start, start + length - 4) for start in (3, 1))
        # Over two pixels: letters are smoothed by one.
        strong = cv2.absdiff(after, before) >= _STRONG_EDGE
        neighbors = _cut(gray, axis, 1, length), _cut(gray, axis, 0, length - 1)
        even = cv2.absdiff(*neighbors) <= _NOISELESS
        edges += int(np.count_nonzero(strong))
        strong &= _cut(even, axis, 0, length - 4)
        strong &= _cut(even, axis, 3, length - 1)
        drawn += int(np.count_nonzero(strong))
    return drawn / edges if edges else 0.0


def _cut(image: np.ndarray, axis: int, start: int, stop: int) -> np.ndarray:
    return image[start:stop] if axis == 0 else image[:, start:stop]


def _small(overview: np.ndarray) -> str:
    _, data = cv2.imencode(".jpg", overview, [cv2.IMWRITE_JPEG_QUALITY, _SMALL_QUALITY])
    return base64.b64encode(data.tobytes()).decode()


def _reduced(gray: np.ndarray, side: int) -> np.ndarray:
    """Return an image with a longest side of at most `side`."""
    scale = side / max(gray.shape)
    if scale >= 1:
        return gray
    height, width = (max(1, round(one * scale)) for one in gray.shape)
    return cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)


def _has_color(image: np.ndarray) -> bool:
    # Most images show it in a few pixels.
    few = image[::_SPARSE, ::_SPARSE]
    return _differs(few) or _differs(image)


def _differs(image: np.ndarray) -> bool:
    return bool((image[..., 0] != image[..., 1]).any() or (image[..., 1] != image[..., 2]).any())


def _colors(image: np.ndarray) -> int:
    step = max(1, int((image.shape[0] * image.shape[1] / 4_096) ** 0.5))
    seen = image[::step, ::step] & np.uint8(0xF0)
    if seen.ndim == 3:
        red, green, blue = cv2.split(seen)
        return _distinct((red.astype(np.uint16) << 4) | green | (blue >> 4))
    return _distinct(seen)


def _distinct(codes: np.ndarray) -> int:
    return int(np.count_nonzero(np.bincount(codes.ravel())))


def _figures(gray: np.ndarray, overview: np.ndarray) -> dict[str, float]:
    counts = histogram(gray, 0)
    shares: np.ndarray = counts / gray.size
    mean, square = float(shares @ _VALUES), float(shares @ _SQUARES)
    summed: np.ndarray = np.cumsum(shares)
    seen = shares[counts > 0]
    dark, bright = np.searchsorted(summed, (_DARK, _BRIGHT)).tolist()
    _, deviation = cv2.meanStdDev(cv2.Laplacian(overview, cv2.CV_16S))
    figures = {
        "brightness": mean,
        "dark": dark / 255,
        "bright": min(255, bright) / 255,
        "contrast": max(0.0, square - mean**2) ** 0.5,
        "sharpness": float(deviation[0, 0]) ** 2,
        "entropy": max(0.0, -float(seen @ np.log2(seen))),
        "flat": _flat(_reduced(gray, _FLAT_SIDE)),
    }
    return {name: round(value, 6) for name, value in figures.items()}


def _flat(gray: np.ndarray) -> float:
    if min(gray.shape) < 2:
        return 0.0
    same = gray[:-1, :-1]
    below, right = (cv2.absdiff(same, one) for one in (gray[1:, :-1], gray[:-1, 1:]))
    return 1 - cv2.countNonZero(cv2.bitwise_or(below, right)) / same.size


def _extension_fits(key: str, kind: str) -> bool:
    return own_extension(key).lower() in KNOWN_EXTENSIONS.get(kind, ())
