"""Layouts that few files have, built byte by byte."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image
from tiff_writer import tiff

from variegate.codecs import av1, decode, decode_mask, encode, probe
from variegate.errors import DecodeError, LimitError, ShapeError


def three_by_one_jpeg() -> bytes:
    """24 x 8 pixels, middle gray, with luma three times as wide as chroma: one unit of 5 blocks."""
    usual = encode(np.full((16, 16, 3), 128, np.uint8), format="jpeg")
    frame, scan = usual.index(b"\xff\xc0"), usual.index(b"\xff\xda")
    header = bytearray(usual[: scan + 2 + int.from_bytes(usual[scan + 2 : scan + 4], "big")])
    header[frame + 5 : frame + 9] = struct.pack(">HH", 8, 24)
    assert header[frame + 11] == 0x22
    header[frame + 11] = 0x31
    # In the usual tables: no difference (00), then the end of the block (1010 luma, 00 chroma).
    bits = "001010" * 3 + "0000" * 2
    bits += "1" * (-len(bits) % 8)
    return bytes(header) + int(bits, 2).to_bytes(len(bits) // 8, "big") + b"\xff\xd9"


def test_jpeg_with_a_subsampling_that_turbojpeg_does_not_know() -> None:
    data = three_by_one_jpeg()
    assert not probe(data).reducible
    np.testing.assert_array_equal(decode(data), np.full((8, 24, 3), 128))
    with pytest.raises(ShapeError, match="can only be decoded in full"):
        decode(data, reduce=2)
    with pytest.raises(DecodeError, match="truncated JPEG"):
        decode(data[:-2])
    # Pillow would warn of it.
    broken_exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12"
    segment = b"\xff\xe1" + struct.pack(">H", len(broken_exif) + 2) + broken_exif
    np.testing.assert_array_equal(decode(data[:2] + segment + data[2:]), decode(data))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [12, 16])
def test_jpeg_2000_of_more_than_8_bits(channels: int, bits: int) -> None:
    y, x, c = np.mgrid[:40, :60, :channels]
    samples = ((y * 300 + x * 700 + c * 5000) % 2**bits).astype(np.uint16).squeeze()
    if channels == 4:
        samples[..., 3] = 65535
    stored = samples if channels == 1 else samples[..., [2, 1, 0, 3][:channels]]
    _, coded = cv2.imencode(".jp2", stored, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
    data = coded.tobytes()
    # OpenCV declares 16 bits, whatever the values.
    expected = np.floor(samples.astype(float) * 255 / 65535 + 0.5)
    image = decode(data)
    assert image.shape == ((40, 60) if channels == 1 else (40, 60, 3))
    assert np.abs(image - (expected[..., :3] if channels > 1 else expected)).max() <= 1
    bare = data[data.index(b"\xff\x4f\xff\x51") :]
    np.testing.assert_array_equal(decode(bare), image)


def test_jpeg_2000_with_usual_precincts_is_within_the_limits() -> None:
    stream = io.BytesIO()
    pixels = np.random.Generator(np.random.Philox(1)).integers(0, 255, (300, 400), np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG2000", precinct_size=(128, 128))
    np.testing.assert_array_equal(decode(stream.getvalue()), pixels)


@pytest.mark.parametrize("form", ["bmp", "png"])
def test_icons_with_alpha(form: str) -> None:
    pixels = np.random.Generator(np.random.Philox(2)).integers(0, 255, (32, 32, 4), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "ICO", sizes=[(32, 32)], bitmap_format=form)
    np.testing.assert_array_equal(decode(stream.getvalue(), keep_alpha=True), pixels)


def test_cursors_are_icons_with_a_hot_spot() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), (5, 90, 200)).save(
        stream, "ICO", sizes=[(16, 16)], bitmap_format="bmp"
    )
    data = bytearray(stream.getvalue())
    data[2] = 2
    assert (decode(bytes(data)) == (5, 90, 200)).all()


def test_icon_mask_hides_pixels() -> None:
    info = struct.pack("<IiiHHIIIIII", 40, 8, 2, 1, 24, 0, 0, 0, 0, 0, 0)
    body = info + bytes((1, 2, 3) * 8) + b"\xf0\0\0\0"
    data = struct.pack("<HHHBBBBHHII", 0, 1, 1, 8, 1, 0, 0, 1, 24, len(body), 22) + body
    image = decode(data, keep_alpha=True)
    assert image[0].tolist() == [[3, 2, 1, 0]] * 4 + [[3, 2, 1, 255]] * 4


def test_tga_with_alpha() -> None:
    header = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 1, 1, 32, 0x28)
    assert decode(header + b"\1\2\3\4", keep_alpha=True)[0].tolist() == [[3, 2, 1, 4]]
    # The same without a bit for alpha.
    assert decode(header[:-1] + b"\x20\1\2\3\4", keep_alpha=True)[0].tolist() == [[3, 2, 1]]


def eight_bit_bitmap(colors: bytes, indices: bytes) -> bytes:
    info = struct.pack("<IiiHHIIIIII", 40, 16, 2, 1, 8, 0, 0, 0, 0, len(colors) // 4, 0)
    start = 54 + len(colors)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, start) + info + colors + indices


def test_bitmap_masks_of_black_and_white_are_not_taken_for_one_bit() -> None:
    upper, lower = [0] * 8 + [1] * 8, [1, 0] * 8
    data = eight_bit_bitmap(b"\0\0\0\0\xff\xff\xff\0", bytes(lower + upper))
    assert decode(data).tolist() == [[255 * v for v in upper], [255 * v for v in lower]]
    assert decode_mask(data).tolist() == [upper, lower]


def test_values_beyond_a_gray_palette_are_black() -> None:
    data = eight_bit_bitmap(b"".join(bytes((v, v, v, 0)) for v in range(4)), bytes(range(32)))
    assert decode(data).tolist() == [[0] * 16, [0, 1, 2, 3] + [0] * 12]


def test_pixels_of_a_bitmap_do_not_begin_in_its_palette() -> None:
    palette = b"".join(bytes((v, 2 * v, 3 * v, 0)) for v in range(32))
    data = eight_bit_bitmap(palette, bytes(range(32)))
    wrong = data[:10] + struct.pack("<I", 60) + data[14:]
    np.testing.assert_array_equal(decode(wrong), decode(data))


def test_icons_give_of_equal_sizes_that_of_most_colors() -> None:
    parts = []
    for bits in (4, 32, 24):
        info = struct.pack("<IiiHHIIIIII", 40, 8, 2, 1, bits, 0, 0, 0, 0, 0, 0)
        parts.append((bits, info + bytes(64 if bits == 4 else 0) + bytes([bits] * bits) + bytes(4)))
    head, body = struct.pack("<HHH", 0, 1, len(parts)), b""
    for bits, part in parts:
        at = 6 + 16 * len(parts) + len(body)
        head += struct.pack("<BBBBHHII", 8, 1, 0, 0, 1, bits, len(part), at)
        body += part
    assert decode(head + body, keep_alpha=True)[0].tolist() == [[32] * 4] * 8


def test_icon_of_32_bits_without_alpha_has_its_mask() -> None:
    info = struct.pack("<IiiHHIIIIII", 40, 8, 2, 1, 32, 0, 0, 0, 0, 0, 0)
    body = info + bytes((1, 2, 3, 0) * 8) + b"\x0f\0\0\0"
    data = struct.pack("<HHHBBBBHHII", 0, 1, 1, 8, 1, 0, 0, 1, 32, len(body), 22) + body
    assert decode(data, keep_alpha=True)[0].tolist() == [[3, 2, 1, 255]] * 4 + [[3, 2, 1, 0]] * 4


def test_first_gif_frame_lies_on_a_transparent_screen() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (3, 2), (9, 8, 7)).save(stream, "GIF")
    data = bytearray(stream.getvalue())
    struct.pack_into("<HH", data, 6, 5, 4)
    struct.pack_into("<HH", data, data.index(b",\0\0\0\0") + 1, 1, 2)
    expected = np.full((4, 5, 4), (255, 255, 255, 0), np.uint8)
    expected[2:4, 1:4] = (9, 8, 7, 255)
    np.testing.assert_array_equal(decode(bytes(data), keep_alpha=True), expected)


def test_many_frames_of_a_gif_are_not_counted_to_the_end() -> None:
    frame = b",\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    head = b"GIF89a\1\0\1\0\x80\0\0" + bytes(6)
    assert probe(head + frame * 700 + b";").frames == 700
    with pytest.raises(LimitError, match="more than 100,000 frames"):
        probe(head + frame * 100_001)


def test_bitmaps_of_os2() -> None:
    palette = bytes((0, 0, 0, 30, 20, 10))
    header = b"BM" + struct.pack("<IHHI", 0, 0, 0, 26 + 6) + struct.pack("<IHHHH", 12, 3, 2, 1, 1)
    data = header + palette + b"\x40\0\0\0" + b"\xa0\0\0\0"
    assert decode(data).tolist() == [
        [[10, 20, 30], [0] * 3, [10, 20, 30]],
        [[0] * 3, [10, 20, 30], [0] * 3],
    ]


def test_bitmaps_of_two_bits_with_a_short_header() -> None:
    palette = bytes((0, 0, 0, 0, 30, 20, 10, 0, 60, 50, 40, 0, 90, 80, 70, 0))
    info = struct.pack("<IiiHH", 16, 5, 1, 1, 2)
    header = b"BM" + struct.pack("<IHHI", 0, 0, 0, 30 + len(palette)) + info + palette
    assert decode(header + b"\x1b\x80\0\0")[0].tolist() == [
        [0] * 3, [10, 20, 30], [40, 50, 60], [70, 80, 90], [40, 50, 60],
    ]  # fmt: skip


def test_floating_point_with_premultiplied_alpha() -> None:
    pixels = np.array([[[0.25, 0.1, 0, 0.5], [0, 0, 0, 0]]], "<f4")
    tags = {338: (3, [1]), 339: (3, [3] * 4)}
    data = tiff([pixels.tobytes()], size=(1, 2), bits=32, samples=4, tags=tags)
    assert decode(data, keep_alpha=True)[0].tolist() == [[128, 51, 0, 128], [0, 0, 0, 0]]


class Bits:
    """Writes a sequence header field by field, as AV1's specification lists them."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, value: int, count: int) -> None:
        self.text += f"{value:0{count}b}"

    def unit(self) -> bytes:
        text = self.text + "0" * (-len(self.text) % 8)
        body = int(text, 2).to_bytes(len(text) // 8, "big")
        return bytes([1 << 3 | 2, len(body)]) + body


def size_fields(bits: Bits, height: int, width: int) -> None:
    bits.add(16 - 1, 4)
    bits.add(16 - 1, 4)
    bits.add(width - 1, 16)
    bits.add(height - 1, 16)


def test_size_in_a_reduced_sequence_header() -> None:
    bits = Bits()
    for value, count in ((0, 3), (1, 1), (1, 1), (8, 5)):
        bits.add(value, count)
    size_fields(bits, 12000, 8000)
    delimiter = b"\x12\0"
    assert av1.largest_frame(delimiter + bits.unit()) == (12000, 8000)
    assert av1.largest_frame(delimiter) == (0, 0)


@pytest.mark.parametrize("timing", [False, True])
@pytest.mark.parametrize("model", [False, True])
@pytest.mark.parametrize("delay", [False, True])
def test_size_in_a_full_sequence_header(timing: bool, model: bool, delay: bool) -> None:
    bits = Bits()
    for value, count in ((0, 3), (0, 1), (0, 1), (timing, 1)):
        bits.add(value, count)
    if timing:
        bits.add(1, 32)
        bits.add(30, 32)
        bits.add(1, 1)
        # Five in a code of variable length: two zeros, a one, two bits.
        bits.add(0b00110, 5)
        bits.add(model, 1)
        if model:
            for value, count in ((9, 5), (1, 32), (9, 5), (9, 5)):
                bits.add(value, count)
    bits.add(delay, 1)
    bits.add(1, 5)
    for level in (5, 12):
        bits.add(0, 12)
        bits.add(level, 5)
        if level > 7:
            bits.add(1, 1)
        if timing and model:
            bits.add(1, 1)
            bits.add(3, 10)
            bits.add(3, 10)
            bits.add(0, 1)
        if delay:
            bits.add(1, 1)
            bits.add(7, 4)
    size_fields(bits, 1080, 1920)
    assert av1.largest_frame(bits.unit()) == (1080, 1920)


def test_broken_streams() -> None:
    with pytest.raises(DecodeError, match="ends too early"):
        av1.largest_frame(b"\x0a\x02\0\0")
    with pytest.raises(DecodeError, match="without a size"):
        av1.largest_frame(b"\x12" + b"\xff" * 9)
    with pytest.raises(DecodeError, match="more than 10,000 units"):
        av1.largest_frame(b"\x12\0" * 10_001)


@pytest.mark.parametrize("mode", ["L;16", "RGB;16"])
def test_heif_of_10_bits(mode: str) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    y, x = np.mgrid[:64, :96]
    ramp = (x * 680).astype(np.uint16)
    samples = ramp if mode == "L;16" else np.dstack((ramp, ramp // 2, y.astype(np.uint16) * 1000))
    stream = io.BytesIO()
    image = pillow_heif.from_bytes(mode, (96, 64), samples.tobytes())
    image.save(stream, quality=100, chroma=444)
    image = decode(stream.getvalue())
    assert image.shape == samples.shape
    assert np.abs(image - samples / 257).max() < 4


def test_png_wider_than_opencv_reads() -> None:
    stream = io.BytesIO()
    Image.new("1", (2**20 + 1, 1)).save(stream, "PNG")
    with pytest.raises(LimitError, match="1,048,576 a side"):
        decode(stream.getvalue())
