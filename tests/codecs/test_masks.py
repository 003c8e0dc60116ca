"""Masks keep their values: every depth, palette and kind of file."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from variegate.codecs import Limits, decode_mask, encode_mask, read_palette
from variegate.errors import DecodeError, ImageError, LimitError, ShapeError, UnsupportedError


def saved(image, kind="PNG", **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, color, rows, *more):
    """A PNG made by hand, so that no library has a say in its values."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *more,
            chunk(b"IDAT", pixels),
            chunk(b"IEND", b""),
        )
    )


PALETTE = bytes(range(9))


@pytest.mark.parametrize(
    ("data", "values", "dtype"),
    [
        (png(3, 1, 1, 0, [b"\xa0"]), [1, 0, 1], np.uint8),
        (png(3, 1, 2, 0, [b"\x1c"]), [0, 1, 3], np.uint8),
        (png(3, 1, 4, 0, [b"\x1a\xf0"]), [1, 10, 15], np.uint8),
        (png(3, 1, 8, 0, [b"\x00\x11\xff"]), [0, 17, 255], np.uint8),
        (png(2, 1, 16, 0, [b"\x01\x02\xff\xfe"]), [258, 65534], np.uint16),
        (png(3, 1, 8, 3, [b"\x00\x02\x01"], chunk(b"PLTE", PALETTE)), [0, 2, 1], np.uint8),
        (png(3, 1, 2, 3, [b"\x24"], chunk(b"PLTE", PALETTE)), [0, 2, 1], np.uint8),
        (png(3, 1, 1, 3, [b"\xa0"], chunk(b"PLTE", PALETTE[:6])), [1, 0, 1], np.uint8),
        (png(2, 1, 8, 2, [b"\1\2\3\xff\xff\xff"]), [1 + 512 + 3 * 65536, 2**24 - 1], np.uint32),
        (png(2, 1, 8, 6, [b"\1\2\3\xff\4\0\0\xff"]), [1 + 512 + 3 * 65536, 4], np.uint32),
        (png(2, 1, 8, 4, [b"\x07\xff\x09\xff"]), [7, 9], np.uint8),
        # What tells one color to be transparent changes no value.
        (png(2, 1, 8, 0, [b"\x07\x09"], chunk(b"tRNS", b"\0\7")), [7, 9], np.uint8),
    ],
)
def test_png_values_are_what_is_stored(data, values, dtype):
    mask = decode_mask(data)
    assert mask.dtype == dtype
    assert mask.tolist() == [values]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_other_kinds_of_files_give_the_same_values(kind, mode):
    indices = np.arange(64, dtype=np.uint8).reshape(8, 8) % (2 if mode == "1" else 7)
    image = Image.fromarray(indices)
    if mode == "P":
        image.putpalette([*range(0, 200, 9)][:21])
    elif mode == "1":
        image = Image.fromarray(indices.astype(bool))
    data = saved(image, kind, **({"optimize": False} if kind == "GIF" else {}))
    # GIF and BMP know no 1 bit gray, but two colors.
    assert np.array_equal(decode_mask(data) > 0, indices > 0)
    if mode != "1":
        assert np.array_equal(decode_mask(data), indices)


def test_colored_masks_of_other_kinds_are_numbers_too():
    ids = np.random.default_rng(1).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    expected = ids.astype(np.int64) @ [1, 256, 65536]
    for kind, options in (("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})):
        assert np.array_equal(decode_mask(saved(Image.fromarray(ids), kind, **options)), expected)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([np.uint8, np.uint16, np.uint32]).flatmap(
        lambda dtype: arrays.arrays(
            dtype,
            arrays.array_shapes(min_dims=2, max_dims=2, max_side=9),
            elements=st.integers(0, min(np.iinfo(dtype).max, 2**24 - 1)),
        )
    ),
    st.none() | st.binary(min_size=1, max_size=256),
)
def test_every_mask_survives_being_written(mask, reds):
    palette = b"".join(bytes((red, 1, 2)) for red in reds) if reds else None
    if mask.dtype != np.uint8:
        palette = None
    data = encode_mask(mask, palette)
    again = decode_mask(data)
    assert again.dtype == mask.dtype
    assert np.array_equal(again, mask)
    assert data == encode_mask(mask.copy(), palette)
    if palette is None:
        assert read_palette(data) is None
    else:
        assert read_palette(data)[: len(palette)] == palette
        colors = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
        known = mask < len(reds)
        assert np.array_equal(colors[known][:, 0], np.frombuffer(reds, np.uint8)[mask[known]])
        assert not colors[~known].any()


def test_bool_masks_are_0_and_1():
    assert decode_mask(encode_mask(np.eye(3, dtype=bool))).tolist() == np.eye(3).tolist()


def test_masks_are_turned_upright_as_images_are():
    mask = np.arange(6, dtype=np.uint16).reshape(2, 3) * 9000
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.fromarray(mask), exif=exif)
    assert np.array_equal(decode_mask(data), np.rot90(mask, -1))
    ids = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    turned = decode_mask(saved(Image.fromarray(ids), exif=exif))
    assert np.array_equal(turned, np.rot90(ids.astype(np.int64) @ [1, 256, 65536], -1))


def test_the_palette_is_found_in_the_beginning_of_a_file():
    data = png(3, 1, 8, 3, [b"\0\2\1"], chunk(b"tEXt", b"a\0b"), chunk(b"PLTE", PALETTE))
    assert read_palette(data[: data.index(b"IDAT")]) == PALETTE
    assert read_palette(data[:40]) is None
    assert read_palette(saved(Image.fromarray(np.zeros((2, 2), np.uint8)))) is None
    assert read_palette(b"no image") is None


def test_limits_are_checked_on_the_header():
    with pytest.raises(LimitError, match="claims 60,000 x 60,000"):
        decode_mask(png(60_000, 60_000, 8, 0, [b""]))
    with pytest.raises(DecodeError, match="are too few for 15,000 x 15,000 pixels"):
        decode_mask(png(15_000, 15_000, 8, 0, [b""]))
    with pytest.raises(LimitError, match="file of"):
        decode_mask(png(1, 1, 8, 0, [b"\0"]), Limits(max_bytes=10))


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", DecodeError, "not a mask"),
        (b"<svg xmlns='x'/>", UnsupportedError, "SVG masks are not supported; convert it to PNG"),
        (png(1, 1, 8, 6, [b"\1\2\3\xfe"]), UnsupportedError, "partly transparent"),
        (png(1, 1, 8, 4, [b"\1\0"]), UnsupportedError, "partly transparent"),
        (png(1, 1, 16, 2, [b"\1\2\3\4\5\6"]), UnsupportedError, "16 bits with several"),
        (png(2, 1, 8, 0, [b"\1\2"])[:-13], DecodeError, "truncated PNG"),
    ],
)
def test_what_holds_no_values_is_refused(data, error, words):
    with pytest.raises(error, match=words):
        decode_mask(data)


def test_float_masks_are_refused():
    with pytest.raises(UnsupportedError, match="mode 'F'"):
        decode_mask(saved(Image.fromarray(np.zeros((2, 2), np.float32)), "TIFF"))


def test_damage_is_found_or_harmless():
    mask = np.random.default_rng(2).integers(0, 9, (16, 16)).astype(np.uint8)
    data = encode_mask(mask, PALETTE)
    noticed = 0
    for at in range(8, len(data)):
        broken = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        try:
            assert np.array_equal(decode_mask(broken), mask)
        except ImageError:
            noticed += 1
    assert noticed == len(data) - 8
    # Without the end chunk all values are there.
    for end in range(len(data) - 12):
        with pytest.raises(ImageError):
            decode_mask(data[:end])


@pytest.mark.parametrize(
    ("mask", "palette", "words"),
    [
        (np.zeros((2, 2, 3), np.uint8), None, "expected"),
        (np.zeros((0, 2), np.uint8), None, "at least one pixel"),
        (np.zeros((2, 2), np.int32), None, "got int32"),
        (np.full((2, 2), 2**24, np.uint32), None, "below 2"),
        (np.zeros((2, 2), np.uint16), PALETTE, "with a palette"),
        (np.zeros((2, 2), np.uint8), b"1234", "three a color"),
    ],
)
def test_what_cannot_be_written_is_told(mask, palette, words):
    with pytest.raises(ShapeError, match=words):
        encode_mask(mask, palette)


def test_real_masks_are_read_as_pillow_stores_them(data_dir):
    folder = data_dir / "coco_mini/semantic_segmentation/masks"
    paths = sorted(folder.rglob("*.png"))
    assert len(paths) == 24
    for path in paths:
        assert np.array_equal(decode_mask(path.read_bytes()), np.array(Image.open(path)))
