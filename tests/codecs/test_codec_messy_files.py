"""Every file of the messy collection: the right image, by independent reasoning, or the reason.

`pillow_13_0` and `opencv_5_0` in the collection's manifest are not taken as right: where they
differ, a parser of our own decides (small_parsers.py), or a second copy of the same photograph.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from small_parsers import bmp_rgb, gif_rgba, over_white, png_rgba, tga_gray_alpha

from variegate.codecs import decode, kind_of, probe
from variegate.errors import DecodeError, ImageError, LimitError

Look = Callable[[np.ndarray, bytes, Path], None]


@dataclass(frozen=True)
class Good:
    """Shape is that of `decode` without alpha kept; `look` gets it with alpha kept."""

    kind: str
    shape: tuple[int, ...]
    look: Look
    frames: int = 1
    transparent: bool = False


@dataclass(frozen=True)
class Bad:
    kind: str | None
    error: type[ImageError]
    reason: str


def hopper(tolerance: float, *, gray: bool = False) -> Look:
    """The same photograph as hopper.jpg, up to a mean difference."""

    def look(image: np.ndarray, data: bytes, folder: Path) -> None:
        stored = np.frombuffer((folder / "hopper.jpg").read_bytes(), np.uint8)
        flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR_RGB
        reference = cv2.imdecode(stored, flag)
        size = (image.shape[1], image.shape[0])
        reference = cv2.resize(reference, size, interpolation=cv2.INTER_AREA)
        assert np.abs(image - reference.astype(float)).mean() < tolerance

    return look


def exactly(parser: Callable[[bytes], np.ndarray], tolerance: int = 0) -> Look:
    """What a parser makes of the bytes: gray, RGB, or RGBA without regard to hidden colors."""

    def look(image: np.ndarray, data: bytes, folder: Path) -> None:
        expected = parser(data)
        if expected.ndim == 3 and image.shape[2:] == (4,):
            np.testing.assert_array_equal(image[..., 3], expected[..., 3])
            image, expected = over_white(image), over_white(expected)
        elif expected.ndim == 3 and expected.shape[2] == 4:
            assert (expected[..., 3] == 255).all()
            expected = expected[..., 0] if image.ndim == 2 else expected[..., :3]
        assert image.shape == expected.shape
        assert np.abs(image.astype(int) - expected).max() <= tolerance

    return look


def like(name: str, tolerance: float) -> Look:
    """The same image as another file of the collection, which has its own test."""

    def look(image: np.ndarray, data: bytes, folder: Path) -> None:
        other = decode((folder / name).read_bytes(), keep_alpha=True)
        assert np.abs(image.astype(float) - other).mean() < tolerance

    return look


def opencv_rgba(data: bytes) -> np.ndarray:
    """For files where Pillow and OpenCV agree, and Pillow is what decodes here."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA).astype(int)


def pillow_gray(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("L")).astype(int)


def rounded(values: np.ndarray, top: float) -> np.ndarray:
    return np.floor(values.astype(float) * 255 / top + 0.5).astype(int)


def bilevel_pbm(data: bytes) -> np.ndarray:
    rows = np.frombuffer(data[-128 * 16 :], np.uint8).reshape(128, 16)
    return 255 * (1 - np.unpackbits(rows, axis=1).astype(int))


def gray16_pgm(data: bytes) -> np.ndarray:
    return rounded(np.frombuffer(data[-128 * 128 * 2 :], ">u2").reshape(128, 128), 65535)


def gray12_tif(data: bytes) -> np.ndarray:
    """Two strips, one after the other from byte 8; two samples in three bytes."""
    values = []
    for at in range(8, 8 + 15000, 3):
        first, second, third = data[at : at + 3]
        values += [first << 4 | second >> 4, (second & 15) << 8 | third]
    return rounded(np.array(values).reshape(100, 100), 4095)


def gray16_tif(start: int, side: int, letter: str, low: int) -> Callable[[bytes], np.ndarray]:
    def parser(data: bytes) -> np.ndarray:
        values = struct.unpack_from(f"<{side * side}{letter}", data, start)
        return rounded(np.array(values).reshape(side, side) - low, 65535)

    return parser


def float_tif(data: bytes) -> np.ndarray:
    values = np.frombuffer(data, "<f4", 128 * 128, 8).reshape(128, 128).astype(float)
    return rounded(np.clip(values, 0, 1), 1)


def float_pfm(data: bytes) -> np.ndarray:
    """Whole numbers of 0 to 255, the last row first."""
    values = np.frombuffer(data[-128 * 128 * 4 :], "<f4").reshape(128, 128)[::-1]
    assert values.max() > 200
    assert (values == np.rint(values)).all()
    return values.astype(int)


def premultiplied(top: int) -> Callable[[bytes], np.ndarray]:
    """OpenCV gives the stored samples; the division is done here, in full depth."""

    def parser(data: bytes) -> np.ndarray:
        stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED).astype(float)
        alpha = stored[..., 3:]
        colors = np.minimum(stored[..., 2::-1] * top / np.maximum(alpha, 1), top)
        return np.dstack((rounded(colors, top), rounded(alpha, top)))

    return parser


def cmyk_jpg(data: bytes) -> np.ndarray:
    """Pillow gives the inks; without a profile each takes its share of the light."""
    with Image.open(io.BytesIO(data)) as image:
        inks = np.asarray(image).astype(float)
    return np.rint((255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255).astype(int)


def icon_16(data: bytes) -> np.ndarray:
    """8 bits with 256 colors from byte 62, then the rows, the last one first."""
    palette = np.frombuffer(data, np.uint8, 1024, 62).reshape(256, 4)[:, 2::-1]
    rows = np.frombuffer(data, np.uint8, 256, 62 + 1024).reshape(16, 16)[::-1]
    return palette[rows].astype(int)


def ramps(image: np.ndarray, data: bytes, folder: Path) -> None:
    """Red rises downward, green rises to the right, blue falls downward."""
    down, right = np.linspace(0, 255, 100), np.linspace(0, 255, 29)
    assert np.abs(image[..., 0].mean(1) - down).max() < 16
    assert np.abs(image[..., 1].mean(0) - right).max() < 16
    assert np.abs(image[..., 2].mean(1) - down[::-1]).max() < 16


def gray_alpha_ramps(image: np.ndarray, data: bytes, folder: Path) -> None:
    assert (image[..., 0] == image[..., 2]).all()
    assert np.abs(image[:, 10:, 0].mean(1) - np.linspace(0, 255, 100)).max() < 16
    assert np.abs(image[..., 3].mean(0) - np.linspace(0, 255, 29)).max() < 8


def circle(image: np.ndarray, data: bytes, folder: Path) -> None:
    """Deep pink, radius 3.75 in a square of 8."""
    assert image[4, 4].tolist() == [255, 20, 147, 255]
    assert not image[[0, 0, 7, 7], [0, 7, 0, 7], 3].any()
    assert abs(image[..., 3].sum() / 255 - np.pi * 3.75**2) < 2


def turned_2x1(image: np.ndarray, data: bytes, folder: Path) -> None:
    """Orientation 8: the right pixel as stored is the upper one."""
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    left, right = cv2.imdecode(np.frombuffer(data, np.uint8), flags)[0]
    assert image[:, 0].tolist() == [right.tolist(), left.tolist()]


def one_color(*color: int) -> Look:
    def look(image: np.ndarray, data: bytes, folder: Path) -> None:
        assert (image == np.array(color)).all()

    return look


def mostly_dark_page(image: np.ndarray, data: bytes, folder: Path) -> None:
    np.testing.assert_array_equal(image, pillow_gray(data))
    assert 0.05 < (image == 0).mean() < 0.3


RGB128 = (128, 128, 3)
NOT_A_IMAGE = "not an image"
FILES: dict[str, Good | Bad] = {
    "._hopper.jpg": Bad(None, DecodeError, NOT_A_IMAGE),
    "Photo of Hopper (1).Jpeg": Good("jpeg", RGB128, hopper(0.5)),
    "Thumbs.db": Bad(None, DecodeError, NOT_A_IMAGE),
    "alpha.gif": Good("gif", (256, 256, 3), exactly(gif_rgba), transparent=True),
    # The animation is broken, but the image that shows without it is whole.
    "animated_broken_sequence.png": Good("png", (64, 128, 3), exactly(png_rgba)),
    # Red is the static image; the animation beside it is not.
    "animated_default_image.png": Good("png", (64, 128, 3), one_color(255, 0, 0), frames=4),
    "animated_dispose_prev.gif": Good("gif", (100, 100, 3), exactly(gif_rgba), frames=5),
    "bilevel.pbm": Good("ppm", (128, 128), exactly(bilevel_pbm)),
    "bilevel_orientation_5.tif": Good("tiff", (88, 590), mostly_dark_page),
    "bilevel_trns.png": Good("png", (64, 64), exactly(png_rgba), transparent=True),
    "broken_data_stream.png": Bad("png", DecodeError, "truncated PNG (it ends after 30,732"),
    "broken_header.png": Bad("png", DecodeError, "corrupt PNG: it does not begin"),
    "claims_3000000x2000000.bmp": Bad("bmp", LimitError, "3,000,000 x 2,000,000 pixels"),
    "claims_3158064x48_57_bytes.bmp": Bad("bmp", DecodeError, "corrupt BMP: 12336 planes"),
    "claims_4G_pixels_44_bytes.gif": Bad("gif", LimitError, "claims 65,535 x"),
    "cmyk_adobe.jpg": Good("jpeg", (100, 100, 3), exactly(cmyk_jpg, 2)),
    "empty.jpg": Bad(None, DecodeError, "empty file (0 bytes)"),
    "exif_is_text.png": Good("png", (1, 1), exactly(png_rgba)),
    "first_frame_transparent.gif": Good("gif", (50, 75, 3), exactly(gif_rgba), transparent=True),
    "float32.pfm": Good("ppm", (128, 128), exactly(float_pfm)),
    "float32.tiff": Good("tiff", (128, 128), exactly(float_tif)),
    "früh_süß_写真.jpg": Good("jpeg", RGB128, hopper(0.5)),
    "fuzzed.tif": Bad("tiff", DecodeError, "truncated TIFF (2,529 of"),
    "gray12.tif": Good("tiff", (100, 100), exactly(gray12_tif)),
    "gray16.pgm": Good("ppm", (128, 128), exactly(gray16_pgm)),
    # The declared range is the full scale, also where it is hardly used.
    "gray16_signed.tif": Good("tiff", (10, 10), exactly(gray16_tif(8, 10, "h", -32768))),
    "gray16_small_values.tif": Good("tiff", (64, 64), exactly(gray16_tif(110, 64, "H", 0))),
    "gray16_values_below_256.png": Good("png", (64, 64), exactly(png_rgba), transparent=True),
    "gray_alpha.heif": Good("heif", (100, 29), gray_alpha_ramps, transparent=True),
    "gray_alpha.tga": Good(
        "tga",
        (64, 64),
        exactly(lambda data: tga_gray_alpha(data)[..., [0, 0, 0, 1]]),
        transparent=True,
    ),
    "hopper.copy.jpg": Good("jpeg", RGB128, hopper(0.5)),
    "hopper.jpg": Good("jpeg", RGB128, hopper(0.5)),
    "html_error_page.jpg": Bad(None, DecodeError, NOT_A_IMAGE),
    "icon.ico": Good("ico", (16, 16, 3), exactly(icon_16)),
    "jpeg_inside.PNG": Good("jpeg", RGB128, hopper(0.5)),
    "lab.tif": Good("tiff", RGB128, hopper(2.5)),
    "lfs_pointer.png": Bad(None, DecodeError, NOT_A_IMAGE),
    "lzma.tif": Good("tiff", RGB128, hopper(0.5)),
    "multipage_bad_second_page.tif": Bad("tiff", DecodeError, "cannot be read"),
    "multipage_palette.tiff": Good("tiff", (10, 10, 3), one_color(0, 128, 0), frames=3),
    "negative_size.ppm": Bad(None, DecodeError, NOT_A_IMAGE),
    "no_extension": Good("jpeg", RGB128, hopper(0.5)),
    "notes.txt": Bad(None, DecodeError, NOT_A_IMAGE),
    "odd_palette.bmp": Good("bmp", (64, 127, 3), exactly(bmp_rgb)),
    "orientation_6.jpg": Good("jpeg", RGB128, hopper(5)),
    "orientation_8_2x1.jpg": Good("jpeg", (2, 1, 3), turned_2x1),
    "palette_alpha_per_entry.png": Good("png", (150, 162, 3), exactly(png_rgba), transparent=True),
    "palette_one_transparent.png": Good("png", (64, 64, 3), exactly(png_rgba), transparent=True),
    "palette_transparent.gif": Good("gif", (150, 200, 3), exactly(gif_rgba), transparent=True),
    "png_inside.jpg": Good("png", (150, 200, 3), exactly(png_rgba), transparent=True),
    "predictor_rgba.tiff": Good("tiff", (32, 32, 3), exactly(premultiplied(255)), transparent=True),
    "rgb.heif": Good("heif", (100, 29, 3), ramps),
    "rgb16_premultiplied.tiff": Good(
        "tiff", (40, 100, 3), exactly(premultiplied(65535)), transparent=True
    ),
    "rgba.avif": Good("avif", (64, 64, 3), exactly(opencv_rgba), transparent=True),
    "rgba.jp2": Good("jp2", (64, 64, 3), exactly(opencv_rgba), transparent=True),
    "rgba.png": Good("png", (150, 200, 3), exactly(png_rgba), transparent=True),
    "rgba.webp": Good("webp", (150, 200, 3), like("rgba.png", 3), transparent=True),
    "text_chunk_bomb.png": Good("png", (1, 1), exactly(png_rgba)),
    "truncated.jpg": Bad("jpeg", DecodeError, "truncated JPEG (it ends after 6,698 bytes)"),
    "truncated.png": Bad("png", DecodeError, "truncated PNG (it ends after 81,920 bytes)"),
    "valid_bitfields.bmp": Good("bmp", (64, 127, 3), exactly(bmp_rgb)),
    "vector.svg": Good("svg", (8, 8, 3), circle, transparent=True),
    "webp_in_tiff.tif": Good("tiff", RGB128, hopper(5)),
    "zero_width.gif": Bad("gif", DecodeError, "0 x 32 pixels: there is no image"),
}
NEEDS = {"heif": "pillow_heif", "svg": "resvg_py"}


def folder_of(data_dir: Path) -> Path:
    return data_dir / "messy_images" / "files"


def test_the_table_names_every_file(data_dir: Path) -> None:
    assert {path.name for path in folder_of(data_dir).iterdir()} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_messy_file(name: str, data_dir: Path) -> None:
    data = (folder_of(data_dir) / name).read_bytes()
    expected = FILES[name]
    assert kind_of(data) == expected.kind
    if isinstance(expected, Bad):
        with pytest.raises(expected.error) as caught:
            decode(data)
        assert expected.reason in str(caught.value)
        assert type(caught.value) is expected.error
        return
    if expected.kind in NEEDS:
        pytest.importorskip(NEEDS[expected.kind])
    header = probe(data)
    assert (header.kind, header.frames) == (expected.kind, expected.frames)
    flat, kept = decode(data), decode(data, keep_alpha=True)
    assert flat.shape == expected.shape
    assert (header.height, header.width) == flat.shape[:2]
    for image in (flat, kept):
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
    expected.look(kept, data, folder_of(data_dir))
    if expected.transparent:
        assert kept.shape == (*expected.shape[:2], 4)
        assert kept[..., 3].min() < 255
        white = over_white(kept)
        np.testing.assert_array_equal(flat, white[..., 0] if flat.ndim == 2 else white)
    else:
        np.testing.assert_array_equal(kept, flat)
