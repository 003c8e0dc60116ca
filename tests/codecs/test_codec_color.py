"""ICC profiles, inks and transparency, against the formulas."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from small_parsers import over_white

from variegate.codecs import decode, encode

# Adobe RGB (1998): primaries adapted to D50 by Bradford's matrix, and a plain power.
ADOBE_TO_XYZ = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
P3_TO_XYZ = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
XYZ_TO_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


def fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def profile(space: bytes, tags: dict[bytes, bytes], *, device_class: bytes = b"mntr") -> bytes:
    """An ICC profile, version 2, from the specification."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642) + fixed(1) + fixed(0.8249)} | tags
    tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78 + 3)
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", at + len(body), len(value))
        body += value
    size = at + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, device_class, space, b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + fixed(0.9642) + fixed(1) + fixed(0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def power(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def rgb_profile(to_xyz: np.ndarray, gamma: float) -> bytes:
    tags = {
        name: b"XYZ \0\0\0\0" + b"".join(fixed(value) for value in to_xyz[:, column])
        for column, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))
    }
    return profile(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), power(gamma)))


def srgb_of(linear: np.ndarray) -> np.ndarray:
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)


def jpeg_with_profile(data: bytes, icc: bytes, part: int = 60_000) -> bytes:
    parts = [icc[at : at + part] for at in range(0, len(icc), part)]
    segments = b""
    for number, body in enumerate(parts, 1):
        body = b"ICC_PROFILE\0" + bytes([number, len(parts)]) + body
        segments += b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body
    return data[:2] + segments + data[2:]


def png_with_profile(data: bytes, icc: bytes) -> bytes:
    body = b"iCCPx\0\0" + zlib.compress(icc)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]


@pytest.fixture(scope="module")
def colors() -> np.ndarray:
    """A cube of colors, 17 levels each way: (17 * 17, 17, 3)."""
    steps = np.linspace(0, 255, 17).astype(np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 17, 3)


@pytest.mark.parametrize(
    ("to_xyz", "gamma"), [(ADOBE_TO_XYZ, 563 / 256), (P3_TO_XYZ, 2.2), (P3_TO_XYZ, 1.8)]
)
def test_rgb_profiles_agree_with_the_formula(
    to_xyz: np.ndarray, gamma: float, colors: np.ndarray
) -> None:
    data = png_with_profile(encode(colors, format="png"), rgb_profile(to_xyz, gamma))
    linear = (colors / 255) ** gamma @ to_xyz.T @ XYZ_TO_SRGB.T
    difference = np.abs(decode(data) - srgb_of(linear))
    assert difference.max() < 2
    assert np.abs(decode(data).astype(int) - colors).max() > 10


def test_profile_in_several_segments_of_a_jpeg(colors: np.ndarray) -> None:
    plain = encode(colors, format="jpeg", quality=100, subsampling="4:4:4")
    icc = rgb_profile(ADOBE_TO_XYZ, 563 / 256)
    stored = decode(plain)
    linear = (stored / 255) ** (563 / 256) @ ADOBE_TO_XYZ.T @ XYZ_TO_SRGB.T
    for part in (60_000, 100):
        assert np.abs(decode(jpeg_with_profile(plain, icc, part)) - srgb_of(linear)).max() < 2


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_profile_is_found_in_every_format(form: str) -> None:
    pixels = np.full((20, 30, 3), (200, 100, 50), np.uint8)
    stream = io.BytesIO()
    options = {"lossless": True} if form == "WEBP" else {}
    icc = rgb_profile(ADOBE_TO_XYZ, 563 / 256)
    Image.fromarray(pixels).save(stream, form, icc_profile=icc, **options)
    linear = (np.array([200, 100, 50]) / 255) ** (563 / 256) @ ADOBE_TO_XYZ.T @ XYZ_TO_SRGB.T
    assert np.abs(decode(stream.getvalue()).mean((0, 1)) - srgb_of(linear)).max() < 4


def test_profile_of_a_jpeg_2000() -> None:
    """Pillow writes none, so that the box is put in here."""
    pixels = np.full((20, 30, 3), (200, 100, 50), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000")
    data = stream.getvalue()
    icc = rgb_profile(ADOBE_TO_XYZ, 563 / 256)
    at = data.index(b"colr") - 4
    (length,) = struct.unpack_from(">I", data, at)
    box = struct.pack(">I", 11 + len(icc)) + b"colr\2\0\0" + icc
    header_at = data.index(b"jp2h") - 4
    (header_length,) = struct.unpack_from(">I", data, header_at)
    data = (
        data[:header_at]
        + struct.pack(">I", header_length + len(box) - length)
        + data[header_at + 4 : at]
        + box
        + data[at + length :]
    )
    linear = (np.array([200, 100, 50]) / 255) ** (563 / 256) @ ADOBE_TO_XYZ.T @ XYZ_TO_SRGB.T
    assert np.abs(decode(data).mean((0, 1)) - srgb_of(linear)).max() < 3


def test_gray_profile_agrees_with_the_formula() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(8, 32)
    data = png_with_profile(encode(ramp, format="png"), profile(b"GRAY", {b"kTRC": power(1.8)}))
    image = decode(data)
    assert image.shape == (8, 32)
    assert np.abs(image - srgb_of((ramp / 255) ** 1.8)).max() < 2
    assert np.abs(image.astype(int) - ramp).max() > 5


def test_ink_profile_is_used() -> None:
    """A profile of inks, as a table with two points an ink: no ink is white, each is its own."""
    inks = 4
    corners = np.array(list(np.ndindex(*[2] * inks)))
    # Lightness falls by ink; Lab of version 2, 8 bits.
    lightness = np.clip(255 - corners.sum(1) * 60, 0, 255)
    table = np.stack((lightness, np.full(16, 128), np.full(16, 128)), axis=-1).astype(np.uint8)
    identity = b"".join(fixed(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    straight = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([inks, 3, 2, 0]) + identity
    lut += straight * inks + table.tobytes() + straight * 3
    header = profile(b"CMYK", {b"A2B0": lut, b"A2B1": lut}, device_class=b"prtr")
    header = header[:20] + b"Lab " + header[24:]
    pixels = np.zeros((8, 40, 4), np.uint8)
    pixels[:, 8:] = np.repeat(np.linspace(0, 255, 32).astype(np.uint8), 1)[None, :, None] * [
        1,
        0,
        0,
        0,
    ]
    stream = io.BytesIO()
    Image.fromarray(pixels, "CMYK").save(stream, "TIFF", icc_profile=header)
    image = decode(stream.getvalue())
    assert image.shape == (8, 40, 3)
    assert (image[:, :8] >= 250).all()
    # A single full ink leaves L* = 76.5 of 100, without color, where the formula says cyan.
    gray = image[:, -1].astype(int)
    assert np.abs(gray - gray[:, :1]).max() <= 2
    y = ((100 * 195 / 255 + 16) / 116) ** 3
    assert np.abs(gray - srgb_of(np.array(y))).max() < 6


def test_adobe_and_plain_inks_in_a_jpeg() -> None:
    pixels = np.full((32, 32, 4), (255, 0, 0, 51), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels, "CMYK").save(stream, "JPEG", quality=100)
    data = stream.getvalue()
    # Cyan at full, one fifth of black: no red, and four fifths of the rest.
    assert np.abs(decode(data).mean((0, 1)) - [0, 204, 204]).max() < 3
    at = data.index(b"\xff\xee")
    plain = data[:at] + data[at + 16 :]
    # Without Adobe's mark the same numbers mean the opposite ink.
    assert np.abs(decode(plain).mean((0, 1)) - [51, 0, 0]).max() < 3


@pytest.mark.parametrize("gray", [True, False])
def test_useless_profiles_are_ignored(gray: bool, colors: np.ndarray) -> None:
    pixels = colors[..., 1] if gray else colors
    plain = encode(pixels, format="png")
    other = profile(b"GRAY", {b"kTRC": power(1.0)}) if not gray else rgb_profile(P3_TO_XYZ, 1)
    black = rgb_profile(np.zeros((3, 3)), 2.2)
    good = rgb_profile(P3_TO_XYZ, 2.2)
    for icc in (b"", b"junk" * 200, good[:200], other, black, good[:132] + bytes(400)):
        data = png_with_profile(plain, icc)
        np.testing.assert_array_equal(decode(data), pixels, err_msg=repr(icc[:20]))


def test_profiles_that_are_srgb_change_nothing(colors: np.ndarray) -> None:
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = png_with_profile(encode(colors, format="png"), made)
    np.testing.assert_array_equal(decode(data), colors)


def test_large_images_are_converted_like_small_ones() -> None:
    """They are converted a band at a time."""
    rng = np.random.Generator(np.random.Philox(5))
    pixels = rng.integers(0, 256, (1100, 700, 4), np.uint8)
    icc = rgb_profile(ADOBE_TO_XYZ, 563 / 256)
    whole = decode(png_with_profile(encode(pixels, format="png"), icc))
    for top in (0, 370, 1000):
        part = decode(png_with_profile(encode(pixels[top : top + 100], format="png"), icc))
        np.testing.assert_array_equal(whole[top : top + 100], part)
    np.testing.assert_array_equal(decode(encode(pixels, format="png")), over_white(pixels))
    deep = rng.integers(0, 65536, (1100, 700)).astype(">u2")
    image = decode(b"P5 700 1100 65535\n" + deep.tobytes())
    np.testing.assert_array_equal(image, np.floor(deep.astype(float) / 257 + 0.5))
    floats = rng.random((1100, 700)).astype("<f4")
    image = decode(b"Pf\n700 1100\n-1.0\n" + floats.tobytes())
    assert np.abs(image - floats[::-1] * 255.0).max() <= 0.501


def test_opaque_alpha_is_dropped_and_transparency_kept_on_request() -> None:
    pixels = np.full((6, 7, 4), (10, 200, 30, 255), np.uint8)
    opaque = encode(pixels, format="png")
    assert decode(opaque).shape == (6, 7, 3)
    assert decode(opaque, keep_alpha=True).shape == (6, 7, 3)
    pixels[2, 3, 3] = 254
    np.testing.assert_array_equal(decode(encode(pixels, format="png"), keep_alpha=True), pixels)
    pixels[..., 3] = 0
    assert (decode(encode(pixels, format="png")) == 255).all()
