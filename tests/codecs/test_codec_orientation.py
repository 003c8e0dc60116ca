"""Images come out upright, whatever their tags say."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from variegate.codecs import decode, encode, probe


def exif(orientation: int, order: str = "<", kind: int = 3) -> bytes:
    start = b"II*\0\x08\0\0\0" if order == "<" else b"MM\0*\0\0\0\x08"
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *(orientation, 0)[: 4 - kind + 1])
    return start + struct.pack(order + "HHHI", 1, 0x0112, kind, 1) + value + bytes(4)


def jpeg_with(data: bytes, tag: bytes) -> bytes:
    body = b"Exif\0\0" + tag
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


@pytest.fixture(scope="module")
def arrow() -> np.ndarray:
    """An image without any symmetry: 24 x 40."""
    image = np.full((24, 40, 3), 90, np.uint8)
    image[:8, :24] = (250, 30, 20)
    image[16:, :16] = (20, 200, 40)
    return image


@pytest.mark.parametrize("view", ["Landscape", "Portrait"])
def test_all_orientations_of_a_photo_look_the_same(view: str, data_dir: Path) -> None:
    files = [data_dir / "exif_orientation" / f"{view}_{number}.jpg" for number in range(9)]
    images = [decode(file.read_bytes()).astype(float) for file in files]
    height, width = images[1].shape[:2]
    assert (height < width) == (view == "Landscape")
    for image in images:
        assert image.shape == images[1].shape
        difference = np.abs(image - images[1]).mean(axis=2)
        # The digit printed in the middle differs, and it alone.
        middle = np.zeros((height, width), bool)
        middle[height // 4 : -height // 4, width // 4 : -width // 4] = True
        assert difference[~middle].mean() < 6
        turned = np.abs(image[::-1, ::-1] - images[1]).mean(axis=2)
        assert turned[~middle].mean() > 20


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_jpeg_agrees_with_pillows_transposition(
    orientation: int, order: str, arrow: np.ndarray, tmp_path: Path
) -> None:
    data = jpeg_with(encode(arrow, format="jpeg"), exif(orientation, order))
    (tmp_path / "a.jpg").write_bytes(data)
    with Image.open(tmp_path / "a.jpg") as image:
        expected = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    image, header = decode(data), probe(data)
    assert (header.height, header.width) == image.shape[:2]
    assert image.shape == expected.shape
    assert np.abs(image - expected).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "webp", "tiff"])
def test_tags_of_other_formats_count_too(
    orientation: int, ending: str, arrow: np.ndarray, tmp_path: Path
) -> None:
    file = tmp_path / f"a.{ending}"
    options = {"lossless": True} if ending == "webp" else {}
    Image.fromarray(arrow).save(file, exif=b"Exif\0\0" + exif(orientation), **options)
    with Image.open(file) as image:
        image.load()
        # Pillow turns TIFF by itself, and leaves the others.
        expected = np.asarray(image if ending == "tiff" else ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(decode(file.read_bytes()), expected)


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_illegal_orientation_is_upright(orientation: int, arrow: np.ndarray) -> None:
    plain = encode(arrow, format="jpeg")
    tagged = jpeg_with(plain, exif(orientation))
    np.testing.assert_array_equal(decode(tagged), decode(plain))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"II",
        b"LoremIpsum",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff" + b"\x12\x01",
        exif(6)[:-10],
        exif(6)[:12] + b"\x02" + exif(6)[13:],
    ],
)
def test_broken_exif_is_ignored(broken: bytes, arrow: np.ndarray) -> None:
    plain = encode(arrow, format="jpeg")
    np.testing.assert_array_equal(decode(jpeg_with(plain, broken)), decode(plain))


def test_long_form_of_the_tag_is_read(arrow: np.ndarray) -> None:
    data = jpeg_with(encode(arrow, format="jpeg"), exif(6, kind=4))
    assert decode(data).shape == (40, 24, 3)


def test_orientation_holds_for_gray_alpha_and_reduced_images(arrow: np.ndarray) -> None:
    gray = jpeg_with(encode(arrow[..., 0], format="jpeg"), exif(6))
    np.testing.assert_array_equal(
        decode(gray), cv2.rotate(decode(encode(arrow[..., 0], format="jpeg")), 0)
    )
    reduced = jpeg_with(encode(arrow, format="jpeg"), exif(8))
    assert decode(reduced, reduce=2).shape == (20, 12, 3)


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirror", [None, 0, 1])
def test_avif_transformations(
    quarters: int, mirror: int | None, arrow: np.ndarray, tmp_path: Path
) -> None:
    """Pillow writes EXIF's orientation as AVIF's own properties, and reads it back from them."""
    orientations = {
        (0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6, (0, 0): 4, (0, 1): 2,
        (1, 0): 5, (1, 1): 7, (2, 0): 2, (2, 1): 4, (3, 0): 7, (3, 1): 5,
    }  # fmt: skip
    file = tmp_path / "a.avif"
    Image.fromarray(arrow).save(
        file, exif=b"Exif\0\0" + exif(orientations[quarters, mirror]), quality=100
    )
    with Image.open(file) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(decode(file.read_bytes()), expected)
