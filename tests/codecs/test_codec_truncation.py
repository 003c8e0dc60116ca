"""A cut or broken file is an error, or the same image as the whole; never another one."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from variegate.codecs import Limits, decode, encode, probe
from variegate.errors import DecodeError, ImageError


@pytest.fixture(scope="module")
def photo(data_dir: Path) -> np.ndarray:
    file = next((data_dir / "coco_mini" / "images").rglob("*.jpg"))
    return cv2.resize(decode(file.read_bytes()), (160, 120), interpolation=cv2.INTER_AREA)


def written(photo: np.ndarray, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(photo).save(stream, form, **options)
    return stream.getvalue()


WRITERS = {
    "jpeg": lambda photo: encode(photo, format="jpeg"),
    "jpeg gray": lambda photo: encode(photo[..., 0], format="jpeg"),
    "jpeg 4:4:4": lambda photo: encode(photo, format="jpeg", subsampling="4:4:4"),
    "jpeg progressive": lambda photo: written(photo, "JPEG", progressive=True, quality=80),
    "jpeg restarts": lambda photo: written(photo, "JPEG", restart_marker_blocks=4),
    "png": lambda photo: encode(photo, format="png"),
    "png level 9": lambda photo: encode(photo, format="png", compression=9),
    "webp": lambda photo: encode(photo, format="webp"),
    "webp lossless": lambda photo: encode(photo, format="webp", lossless=True),
    "gif": lambda photo: written(photo, "GIF"),
    "gif interlaced": lambda photo: written(photo, "GIF", interlace=True),
    "tiff": lambda photo: written(photo, "TIFF"),
    "tiff lzw": lambda photo: written(photo, "TIFF", compression="tiff_lzw"),
    "tiff deflate": lambda photo: written(photo, "TIFF", compression="tiff_adobe_deflate"),
    "tiff jpeg": lambda photo: written(photo, "TIFF", compression="jpeg"),
    "tiff packbits": lambda photo: written(photo, "TIFF", compression="packbits"),
    "bmp": lambda photo: written(photo, "BMP"),
    "ppm": lambda photo: written(photo, "PPM"),
    "tga": lambda photo: written(photo, "TGA"),
    "tga packed": lambda photo: written(photo, "TGA", compression="tga_rle"),
    "avif": lambda photo: written(photo, "AVIF"),
    "jp2": lambda photo: written(photo, "JPEG2000", quality_mode="rates", quality_layers=[20, 5]),
    "ico": lambda photo: written(photo[:64, :64], "ICO", sizes=[(64, 64)], bitmap_format="bmp"),
}


@pytest.mark.parametrize("form", WRITERS)
def test_cut_file_is_an_error_or_the_same_image(form: str, photo: np.ndarray) -> None:
    data = WRITERS[form](photo)
    whole = decode(data)

    @settings(max_examples=120, deadline=None, database=None, derandomize=True)
    @given(st.integers(0, len(data) - 1))
    def check(length: int) -> None:
        try:
            image = decode(data[:length])
        except DecodeError:
            return
        np.testing.assert_array_equal(image, whole)

    check()
    for length in (len(data) - 1, len(data) - 2, len(data) // 2, len(data) * 9 // 10):
        try:
            image = decode(data[:length])
        except DecodeError:
            continue
        np.testing.assert_array_equal(image, whole)


@pytest.mark.parametrize("form", sorted(set(WRITERS) - {"bmp", "ico"}))
def test_half_a_file_is_an_error(form: str, photo: np.ndarray) -> None:
    data = WRITERS[form](photo)
    with pytest.raises(DecodeError):
        decode(data[: len(data) // 2])


def test_real_photos_cut_anywhere(data_dir: Path) -> None:
    for file in sorted((data_dir / "coco_mini" / "images").rglob("*.jpg"))[:6]:
        data = file.read_bytes()
        for tenth in range(1, 10):
            with pytest.raises(DecodeError, match="truncated JPEG"):
                decode(data[: len(data) * tenth // 10])


def test_cut_file_filled_up_with_zeros_is_an_error(photo: np.ndarray) -> None:
    """What an interrupted download or a worn card leaves behind."""
    # Not to be told in formats without checksum or end mark in their pixels, as WebP and AVIF.
    for form in ("jpeg", "jpeg progressive", "png", "jp2", "tiff jpeg", "tiff lzw"):
        data = WRITERS[form](photo)
        half = len(data) // 2
        with pytest.raises(DecodeError):
            decode(data[:half] + bytes(len(data) - half))


def test_message_tells_how_much_is_there(photo: np.ndarray) -> None:
    data = WRITERS["webp"](photo)
    with pytest.raises(DecodeError, match=rf"truncated WebP \(1,000 of {len(data):,} bytes\)"):
        decode(data[:1000])
    data = WRITERS["bmp"](photo)
    with pytest.raises(DecodeError, match=rf"truncated BMP \(1,000 of {len(data):,} bytes\)"):
        decode(data[:1000])
    data = WRITERS["ppm"](photo)
    with pytest.raises(DecodeError, match=rf"truncated PNM \(1,000 of {len(data):,} bytes\)"):
        decode(data[:1000])


def test_flipped_bytes_raise_nothing_but_image_errors(data_dir: Path) -> None:
    """And what still decodes has the size that the header told."""
    rng = np.random.Generator(np.random.Philox(7))
    limits = Limits(max_pixels=4_000_000)
    folder = data_dir / "messy_images" / "files"
    outcomes = {"decoded": 0, "refused": 0}
    for file in sorted(folder.iterdir()):
        original = file.read_bytes()
        for _ in range(60 if original else 0):
            data = bytearray(original)
            for _ in range(int(rng.integers(1, 8))):
                reach = len(data) if rng.random() < 0.5 else min(len(data), 300)
                data[int(rng.integers(reach))] = int(rng.integers(256))
            try:
                header = probe(bytes(data), limits)
                image = decode(bytes(data), limits=limits, keep_alpha=True)
            except ImageError:
                outcomes["refused"] += 1
            else:
                assert image.shape[:2] == (header.height, header.width)
                assert image.dtype == np.uint8
                outcomes["decoded"] += 1
    assert min(outcomes.values()) > 200


def test_png_with_a_wrong_checksum_is_an_error(photo: np.ndarray) -> None:
    data = bytearray(encode(photo, format="png"))
    data[-16] ^= 1
    with pytest.raises(DecodeError, match="checksum of the b'IDAT' chunk"):
        decode(bytes(data))


@pytest.mark.parametrize("data", [b"", b"\0", b"hello", b"\xff\xd8\xff", b"GIF89a", b"II*\0"])
def test_bytes_that_are_hardly_anything(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(data)
    with pytest.raises(DecodeError):
        probe(data)
