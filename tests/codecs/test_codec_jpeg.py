"""What is particular to JPEG: reduced decoding, and faults that harm no pixel."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from variegate.codecs import decode, encode, probe
from variegate.errors import DecodeError, ShapeError, UnsupportedError


@pytest.fixture(scope="module")
def photo(data_dir: Path) -> bytes:
    return min((data_dir / "coco_mini" / "images").rglob("*.jpg")).read_bytes()


def test_full_decode_is_libjpeg_turbos(data_dir: Path) -> None:
    for file in sorted((data_dir / "coco_mini" / "images").rglob("*.jpg"))[:5]:
        data = file.read_bytes()
        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        if simplejpeg.decode_jpeg_header(data)[2] == "Gray":
            flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
        expected = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if b"ICC_PROFILE" not in data:
            np.testing.assert_array_equal(decode(data), expected)
        assert probe(data).reducible


@pytest.mark.parametrize("reduce", [2, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 30), (15, 16), (16, 17), (333, 500)])
def test_reduced_size_is_rounded_up(reduce: int, size: tuple[int, int]) -> None:
    for shape in (size, (*size, 3)):
        data = encode(np.full(shape, 100, np.uint8), format="jpeg")
        image = decode(data, reduce=reduce)
        assert image.shape == (-(-size[0] // reduce), -(-size[1] // reduce), *shape[2:])
        assert np.abs(image.astype(int) - 100).max() <= 2


@pytest.mark.parametrize("reduce", [2, 4, 8])
def test_reduced_image_is_the_image_averaged(photo: bytes, reduce: int) -> None:
    whole = decode(photo)[:320, :320]
    reduced = decode(photo, reduce=reduce)[: 320 // reduce, : 320 // reduce]
    expected = cv2.resize(whole, reduced.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(reduced.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1"])
def test_every_subsampling_reduces(subsampling: str) -> None:
    data = encode(
        np.full((50, 70, 3), (200, 90, 20), np.uint8), format="jpeg", subsampling=subsampling
    )
    assert probe(data).reducible
    assert np.abs(decode(data, reduce=2).astype(int) - [200, 90, 20]).max() <= 3


def test_reduce_elsewhere_is_a_callers_mistake(photo: bytes) -> None:
    png = encode(np.zeros((9, 9), np.uint8), format="png")
    with pytest.raises(ShapeError, match="this PNG can only be decoded in full"):
        decode(png, reduce=2)
    for wrong in (0, 3, 16, -1):
        with pytest.raises(ShapeError, match="expected 1, 2, 4 or 8"):
            decode(photo, reduce=wrong)


def before_end(data: bytes, padding: bytes) -> bytes:
    end = data.rindex(b"\xff\xd9")
    return data[:end] + padding + data[end:]


@pytest.mark.parametrize("padding", [bytes(40), b"\xff" * 41, bytes(3)])
def test_padding_before_the_end_mark_is_harmless(photo: bytes, padding: bytes) -> None:
    np.testing.assert_array_equal(decode(before_end(photo, padding)), decode(photo))


def test_other_leftovers_are_a_sign_of_corruption(photo: bytes) -> None:
    with pytest.raises(DecodeError, match="extraneous bytes"):
        decode(before_end(photo, b"\x12\x34" * 30))


def test_faults_in_headers_that_matter_to_nobody(photo: bytes) -> None:
    """As cameras by Samsung write the scan header, and one file in a thousand the version."""
    expected = decode(photo)
    scan = photo.index(b"\xff\xda")
    stop = scan + 2 + int.from_bytes(photo[scan + 2 : scan + 4], "big")
    odd_scan = photo[: stop - 3] + b"\0\0\0" + photo[stop:]
    odd_version = photo.replace(b"JFIF\0\1", b"JFIF\0\7", 1)
    for data in (odd_scan, odd_version):
        with pytest.raises(ValueError, match=r"Invalid SOS|JFIF revision"):
            simplejpeg.decode_jpeg(data)
        np.testing.assert_array_equal(decode(data), expected)
    both = odd_version.replace(photo[scan:stop], odd_scan[scan:stop])
    np.testing.assert_array_equal(decode(before_end(both, bytes(50))), expected)


def test_a_harmless_fault_hides_no_other(photo: bytes) -> None:
    cut = photo[: len(photo) // 2].replace(b"JFIF\0\1", b"JFIF\0\7", 1)
    with pytest.raises(DecodeError, match="truncated JPEG"):
        decode(cut)


def test_bytes_after_the_image_are_ignored(photo: bytes) -> None:
    np.testing.assert_array_equal(decode(photo + photo[:900]), decode(photo))


def test_progressive_and_gray_and_restarts(photo: bytes) -> None:
    pixels = decode(photo)
    for options in ({"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=95, **options)
        with Image.open(stream) as image:
            np.testing.assert_array_equal(decode(stream.getvalue()), np.asarray(image))
    gray = encode(pixels[..., 0], format="jpeg")
    assert decode(gray).ndim == 2


def sampled_oddly(data: bytes) -> bytes:
    """Tell of factors 3 x 1, which no common encoder writes: the pixels are then nonsense."""
    at = data.index(b"\xff\xc0")
    assert data[at + 11] == 0x11
    return data[: at + 11] + b"\x31" + data[at + 12 :]


def test_subsampling_that_turbojpeg_does_not_know() -> None:
    """Pillow decodes it, without reduction."""
    flat = encode(np.full((64, 96), 77, np.uint8), format="jpeg")
    stream = io.BytesIO()
    Image.new("RGB", (96, 64), (77, 77, 77)).save(stream, "JPEG", subsampling="4:4:4")
    data = sampled_oddly(stream.getvalue())
    header = probe(data)
    assert not header.reducible
    assert probe(flat).reducible
    with pytest.raises(ShapeError):
        decode(data, reduce=2)
    with pytest.raises(DecodeError, match="truncated JPEG"):
        decode(data[:-40])


@pytest.mark.parametrize(
    ("at", "value", "reason"), [(4, 12, "12 bits a sample"), (9, 2, "2 components")]
)
def test_rare_kinds_say_what_they_are(at: int, value: int, reason: str) -> None:
    data = bytearray(encode(np.zeros((9, 9, 3), np.uint8), format="jpeg"))
    frame = data.index(b"\xff\xc0")
    data[frame + at] = value
    if value == 2:
        del data[frame + 16 : frame + 19]
        data[frame + 3] -= 3
    with pytest.raises(UnsupportedError, match=reason):
        probe(bytes(data))
