"""What is written can be read, by others too, and is the same bytes every time."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from small_parsers import over_white, png_rgba

from variegate.codecs import EXTENSIONS, IMAGE_EXTENSIONS, decode, encode, kind_of
from variegate.errors import ShapeError


@pytest.fixture(scope="module")
def smooth() -> np.ndarray:
    y, x = np.mgrid[:75, :110]
    waves = [np.sin(y / 13 + x / (9 + c)) * 100 + 128 for c in range(4)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def shaped(pixels: np.ndarray, channels: int | None) -> np.ndarray:
    return pixels[..., 0] if channels is None else np.ascontiguousarray(pixels[..., :channels])


def by_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


@pytest.mark.parametrize("channels", [None, 1, 3, 4])
@pytest.mark.parametrize(
    "options", [{"format": "png"}, {"format": "webp", "lossless": True}], ids=str
)
def test_lossless_round_trip(
    channels: int | None, options: dict[str, object], smooth: np.ndarray
) -> None:
    pixels = shaped(smooth, channels)
    data = encode(pixels, **options)
    assert kind_of(data) == options["format"]
    expected = pixels[..., 0] if channels == 1 else pixels
    back = decode(data, keep_alpha=True)
    if options["format"] == "webp" and expected.ndim == 2:
        # WebP has no gray.
        expected = np.dstack([expected] * 3)
    np.testing.assert_array_equal(back, expected)
    np.testing.assert_array_equal(by_pillow(data), expected)


def test_colors_under_full_transparency_survive(smooth: np.ndarray) -> None:
    pixels = smooth.copy()
    pixels[::2, :, 3] = 0
    for options in ({"format": "png"}, {"format": "webp", "lossless": True}):
        np.testing.assert_array_equal(decode(encode(pixels, **options), keep_alpha=True), pixels)


@pytest.mark.parametrize("channels", [None, 1, 3, 4])
@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_lossy_round_trip(form: str, channels: int | None, smooth: np.ndarray) -> None:
    pixels = shaped(smooth, channels)
    expected = over_white(pixels) if channels == 4 else pixels
    for quality, tolerance in ((95, 2.5), (30, 12)):
        image = decode(encode(pixels, format=form, quality=quality))
        if form == "jpeg" and channels in (None, 1):
            assert image.ndim == 2
        expected = expected.reshape(75, 110, -1)
        difference = np.abs(image.reshape(75, 110, -1).astype(float) - expected)
        assert difference.mean() < tolerance


def test_options_do_what_they_say(smooth: np.ndarray) -> None:
    pixels = shaped(smooth, 3)
    for form in ("jpeg", "webp"):
        sizes = [len(encode(pixels, format=form, quality=quality)) for quality in (20, 60, 95)]
        assert sizes == sorted(sizes)
    full = encode(pixels, format="jpeg", subsampling="4:4:4")
    half = encode(pixels, format="jpeg", subsampling="4:2:0")
    assert len(half) < len(full)
    # The factors of the first component.
    assert full[full.index(b"\xff\xc0") + 11] == 0x11
    assert half[half.index(b"\xff\xc0") + 11] == 0x22
    stored, best = (encode(pixels, format="png", compression=level) for level in (0, 9))
    assert len(best) < len(encode(pixels, format="png")) < len(stored)
    np.testing.assert_array_equal(png_rgba(best), png_rgba(stored))


@pytest.mark.parametrize("form", EXTENSIONS)
def test_same_pixels_same_bytes_and_no_metadata(form: str, smooth: np.ndarray) -> None:
    for channels in (None, 3, 4):
        pixels = shaped(smooth, channels)
        data = encode(pixels, format=form)
        assert data == encode(pixels.copy(), format=form)
        assert data == encode(np.asfortranarray(pixels), format=form)
        assert pixels.tobytes() == shaped(smooth, channels).tobytes()
        for mark in (b"Exif", b"ICC", b"iCCP", b"tEXt", b"tIME", b"XMP"):
            assert mark not in data


@pytest.mark.parametrize("form", EXTENSIONS)
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (17, 3)])
def test_small_and_narrow_images(form: str, size: tuple[int, int]) -> None:
    for shape in (size, (*size, 3), (*size, 4)):
        pixels = np.full(shape, 255, np.uint8)
        assert decode(encode(pixels, format=form)).shape[:2] == size


def test_others_read_the_same_jpeg(smooth: np.ndarray) -> None:
    for pixels in (shaped(smooth, 3), shaped(smooth, None)):
        data = encode(pixels, format="jpeg", quality=90)
        np.testing.assert_array_equal(decode(data), by_pillow(data))
        opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(
            decode(data), opencv[..., ::-1] if pixels.ndim == 3 else opencv
        )


@pytest.mark.parametrize(
    ("shape", "options", "reason"),
    [
        ((5, 5), {"format": "gif"}, "expected jpeg, png, webp, got 'gif'"),
        ((5, 5), {"format": "jepg"}, "did you mean 'jpeg'"),
        ((5, 5, 2), {"format": "png"}, r"got \(5, 5, 2\)"),
        ((5,), {"format": "png"}, r"got \(5,\)"),
        ((0, 5), {"format": "png"}, "got 5 x 0"),
        ((5, 70000), {"format": "jpeg"}, "65,500 pixels a side"),
        ((5, 20000), {"format": "webp"}, "16,383 pixels a side"),
        ((5, 5), {"format": "jpeg", "quality": 0}, "expected 1 to 100, got 0"),
        ((5, 5), {"format": "jpeg", "quality": 101}, "expected 1 to 100"),
        ((5, 5), {"format": "jpeg", "quality": True}, "expected 1 to 100"),
        ((5, 5, 3), {"format": "jpeg", "subsampling": "420"}, "expected 4:4:4"),
        ((5, 5), {"format": "png", "compression": 10}, "expected 0 to 9, got 10"),
    ],
)
def test_what_cannot_be_written_says_why(
    shape: tuple[int, ...], options: dict[str, object], reason: str
) -> None:
    with pytest.raises(ShapeError, match=reason):
        encode(np.zeros(shape, np.uint8), **options)


def test_only_bytes_are_pixels() -> None:
    with pytest.raises(ShapeError, match="expected uint8, got float64"):
        encode(np.zeros((4, 4)), format="png")


def test_endings() -> None:
    assert [endings[0] for endings in EXTENSIONS.values()] == [".jpg", ".png", ".webp"]
    for endings in EXTENSIONS.values():
        assert set(endings) <= IMAGE_EXTENSIONS
    assert all(ending == ending.lower() and ending[0] == "." for ending in IMAGE_EXTENSIONS)
    assert not {".txt", ".html", ".db", ".xml", ".json", ".csv", ""} & IMAGE_EXTENSIONS
