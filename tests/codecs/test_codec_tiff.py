"""TIFF of every depth, sample format, layout and color space, against the specification."""

import io
import lzma
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from small_parsers import over_white
from tiff_writer import deflated, lzw, packbits, packed_bits, tiff

from variegate.codecs import Limits, decode, encode, probe
from variegate.errors import DecodeError, LimitError, UnsupportedError

HEIGHT, WIDTH = 37, 51


def integers(bits: int, channels: int = 1) -> np.ndarray:
    """Smooth samples over the full range, (H, W, channels)."""
    y, x, c = np.mgrid[:HEIGHT, :WIDTH, :channels]
    share = (np.sin(y / 9 + c) + np.cos(x / 7 - c) + 2) / 4
    return np.rint(share * (2**bits - 1)).astype(object if bits > 32 else np.int64)


def eight(samples: np.ndarray, bits: int) -> np.ndarray:
    return (
        np.array([int(v) * 510 // (2**bits - 1) + 1 for v in samples.ravel()]).reshape(
            samples.shape
        )
        // 2
    )


def raw(samples: np.ndarray, kind: str) -> bytes:
    return samples.astype(kind).tobytes()


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 14, 15, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_unsigned_of_any_depth(bits: int, channels: int) -> None:
    samples = integers(bits, channels)
    stored = packed_bits(samples, bits)
    data = tiff([stored], size=(HEIGHT, WIDTH), bits=bits, samples=channels, order=">")
    np.testing.assert_array_equal(decode(data), eight(samples, bits).squeeze())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("bits", [16, 32, 64])
def test_byte_orders_and_bigtiff(order: str, big: bool, bits: int) -> None:
    samples = integers(bits)
    data = tiff(
        [raw(samples, f"{order}u{bits // 8}")],
        size=(HEIGHT, WIDTH),
        bits=bits,
        order=order,
        big=big,
    )
    assert probe(data).kind == "tiff"
    np.testing.assert_array_equal(decode(data), eight(samples, bits).squeeze())


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_signed_from_the_lowest_value(bits: int) -> None:
    samples = integers(bits)
    stored = raw(samples - 2 ** (bits - 1), f"<i{bits // 8}")
    data = tiff([stored], size=(HEIGHT, WIDTH), bits=bits, tags={339: (3, [2])})
    np.testing.assert_array_equal(decode(data), eight(samples, bits).squeeze())


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_float_up_to_one(bits: int) -> None:
    samples = integers(8)[..., 0] / 255
    stored = raw(samples, f"<f{bits // 8}")
    data = tiff([stored], size=(HEIGHT, WIDTH), bits=bits, tags={339: (3, [3])})
    assert np.abs(decode(data) - samples * 255).max() < 0.6


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.5, 1], [0, 128, 255]),
        ([-3, 0.25, 1], [0, 64, 255]),
        # Highlights beyond white are white.
        ([0, 0.5, 7.5], [0, 128, 255]),
        # Integers in floating point.
        ([0, 100, 255], [0, 100, 255]),
        ([0, 100, 17], [0, 100, 17]),
        ([0, 257, 65535], [0, 1, 255]),
        ([0, 2**31, 2**32 - 1], [0, 128, 255]),
        ([np.nan, 0.5, 1], [0, 128, 255]),
        ([np.inf, 0.5, -np.inf], [255, 128, 0]),
        ([np.inf, 100, 200], [255, 100, 200]),
        ([np.nan, np.nan, np.nan], [0, 0, 0]),
    ],
)
def test_float_rule(values: list[float], expected: list[int]) -> None:
    stored = raw(np.array(values, np.float64), "<f4")
    data = tiff([stored], size=(1, 3), bits=32, tags={339: (3, [3])})
    assert decode(data).tolist() == [expected]
    pfm = b"Pf\n3 1\n-1.0\n" + stored
    assert decode(pfm).tolist() == [expected]


@pytest.mark.parametrize(
    ("number", "pack"),
    [
        (1, bytes),
        (5, lzw),
        (8, deflated),
        (32946, deflated),
        (32773, packbits),
        (34925, lambda data: lzma.compress(data, lzma.FORMAT_XZ)),
    ],
)
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_compressions_in_strips(number: int, pack: object, bits: int, order: str) -> None:
    samples = integers(bits, 3)
    if bits == 12:
        rows = [packed_bits(samples[y : y + 10], bits) for y in range(0, HEIGHT, 10)]
    else:
        kind = f"{order}u{bits // 8}"
        rows = [raw(samples[y : y + 10], kind) for y in range(0, HEIGHT, 10)]
    data = tiff(
        [pack(strip) for strip in rows],
        size=(HEIGHT, WIDTH),
        bits=bits,
        samples=3,
        order=order,
        tags={259: (3, [number]), 278: (4, [10])},
    )
    np.testing.assert_array_equal(decode(data), eight(samples, bits))


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("number", [1, 5, 8])
@pytest.mark.parametrize("bits", [4, 8, 16])
def test_tiles_and_planes(planar: bool, number: int, bits: int) -> None:
    samples = integers(bits, 3)
    padded = np.pad(samples, ((0, 64 - HEIGHT), (0, 64 - WIDTH), (0, 0)), mode="edge")
    planes = [padded[..., c : c + 1] for c in range(3)] if planar else [padded]
    tiles = [
        plane[y : y + 32, x : x + 16] for plane in planes for y in (0, 32) for x in (0, 16, 32, 48)
    ]
    pack = {1: bytes, 5: lzw, 8: deflated}[number]
    stored = [
        packed_bits(tile, bits) if bits < 8 else raw(tile, f"<u{bits // 8}") for tile in tiles
    ]
    data = tiff(
        [pack(tile) for tile in stored],
        size=(HEIGHT, WIDTH),
        bits=bits,
        samples=3,
        tags={
            259: (3, [number]),
            284: (3, [2 if planar else 1]),
            322: (3, [16]),
            323: (3, [32]),
        },
    )
    np.testing.assert_array_equal(decode(data), eight(samples, bits))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_difference_predictor(order: str, bits: int) -> None:
    samples = integers(bits, 3)
    steps = samples.copy()
    steps[:, 1:] -= samples[:, :-1]
    stored = raw(steps % 2**bits, f"{order}u{bits // 8}")
    tags = {259: (3, [8]), 317: (3, [2])}
    data = tiff(
        [deflated(stored)],
        size=(HEIGHT, WIDTH),
        bits=bits,
        samples=3,
        order=order,
        tags=tags,
    )
    np.testing.assert_array_equal(decode(data), eight(samples, bits))


@pytest.mark.parametrize("channels", [1, 3])
def test_floating_point_predictor_as_opencv_writes_it(channels: int) -> None:
    samples = (integers(8, channels) / 255).astype(np.float32)
    options = [cv2.IMWRITE_TIFF_PREDICTOR, 3, cv2.IMWRITE_TIFF_COMPRESSION, 8]
    _, coded = cv2.imencode(".tiff", samples[..., ::-1], options)
    assert np.abs(decode(coded.tobytes()) - samples.squeeze() * 255).max() < 0.6


def test_white_is_zero() -> None:
    samples = integers(4)
    data = tiff([packed_bits(samples, 4)], size=(HEIGHT, WIDTH), bits=4, tags={262: (3, [0])})
    np.testing.assert_array_equal(decode(data), 255 - eight(samples, 4).squeeze())


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_palette(bits: int, wide: bool) -> None:
    indices = integers(bits)
    rng = np.random.Generator(np.random.Philox(1))
    colors = rng.integers(0, 256, (3, 2**bits))
    data = tiff(
        [packed_bits(indices, bits)],
        size=(HEIGHT, WIDTH),
        bits=bits,
        # 16 bits a color; some writers leave them at 8.
        tags={262: (3, [3]), 320: (3, (colors * (257 if wide else 1)).ravel().tolist())},
    )
    np.testing.assert_array_equal(decode(data), colors.T[indices[..., 0]])


def test_gray_palette_makes_a_gray_image() -> None:
    indices = integers(8)
    ramp = [255 - i for i in range(256)]
    data = tiff(
        [raw(indices, "u1")],
        size=(HEIGHT, WIDTH),
        tags={262: (3, [3]), 320: (3, [v * 257 for v in ramp] * 3)},
    )
    np.testing.assert_array_equal(decode(data), 255 - indices[..., 0])


@pytest.mark.parametrize("extra", [1, 2, None, 0])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colors", [1, 3])
def test_alpha(extra: int | None, bits: int, colors: int) -> None:
    """1 is premultiplied, 2 straight, a lone one without a tag straight, 0 is no alpha."""
    top = 2**bits - 1
    samples = integers(bits, colors + 1)
    if extra == 1:
        samples[..., :colors] = samples[..., :colors] * samples[..., colors:] // top
    tags = {262: (3, [2 if colors == 3 else 1])}
    if extra is not None:
        tags[338] = (3, [extra])
    data = tiff(
        [raw(samples, f"<u{bits // 8}")],
        size=(HEIGHT, WIDTH),
        bits=bits,
        samples=colors + 1,
        tags=tags,
    )
    image = decode(data, keep_alpha=True)
    rgb = samples[..., :colors].astype(float)
    if extra == 0:
        np.testing.assert_array_equal(image, eight(samples[..., :colors], bits).squeeze())
        return
    alpha = samples[..., colors:].astype(float)
    if extra == 1:
        rgb = np.minimum(rgb * top / np.maximum(alpha, 1), top)
    expected = np.floor(np.dstack((np.repeat(rgb, 3 // colors, 2), alpha)) * 255 / top + 0.5)
    assert np.abs(image - expected).max() <= (1 if extra == 1 else 0)
    flat = over_white(image)
    np.testing.assert_array_equal(decode(data), flat[..., 0] if colors == 1 else flat)


def test_inks() -> None:
    inks = integers(8, 4)
    data = tiff([raw(inks, "u1")], size=(HEIGHT, WIDTH), samples=4, tags={262: (3, [5])})
    light = (255 - inks).astype(float)
    expected = light[..., :3] * light[..., 3:] / 255
    assert np.abs(decode(data) - expected).max() <= 0.5


def lab_by_littlecms(lab: np.ndarray) -> np.ndarray:
    """Within four levels: it works from a table."""
    signed = np.rint(lab * np.array([2.55, 1, 1])).astype(int) % 256
    image = Image.frombytes("LAB", (WIDTH, HEIGHT), signed.astype(np.uint8).tobytes())
    spaces = (ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"))
    transform = ImageCms.buildTransform(*spaces, "LAB", "RGB", ImageCms.Intent(1))
    return np.asarray(ImageCms.applyTransform(image, transform)).astype(float)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("photometric", [8, 9])
def test_lab(bits: int, photometric: int) -> None:
    """Colors within sRGB; signed chroma in CIELAB (8), offset in ICCLAB (9)."""
    lab = integers(8, 3) / 255 * np.array([60, 30, 30]) + np.array([20, -15, -15])
    unit = 2 ** (bits - 8)
    stored = np.rint(lab * np.array([255 * (257 if bits == 16 else 1) / 100, unit, unit]))
    rounded = stored / np.array([255 * (257 if bits == 16 else 1) / 100, unit, unit])
    if photometric == 9:
        stored[..., 1:] += 128 * unit
    data = tiff(
        [raw(stored.astype(int) % 2**bits, f"<u{bits // 8}")],
        size=(HEIGHT, WIDTH),
        bits=bits,
        samples=3,
        tags={262: (3, [photometric])},
    )
    difference = np.abs(decode(data) - lab_by_littlecms(rounded))
    assert difference.max() < 5
    assert difference.mean() < 0.6


def test_ycbcr() -> None:
    ycc = integers(8, 3)
    data = tiff(
        [raw(ycc, "u1")],
        size=(HEIGHT, WIDTH),
        samples=3,
        tags={262: (3, [6]), 530: (3, [1, 1])},
    )
    expected = cv2.cvtColor(ycc[..., [0, 2, 1]].astype(np.uint8), cv2.COLOR_YCrCb2RGB)
    assert np.abs(decode(data).astype(int) - expected).max() <= 1
    halved = tiff([raw(ycc, "u1")], size=(HEIGHT, WIDTH), samples=3, tags={262: (3, [6])})
    with pytest.raises(UnsupportedError, match="subsampled"):
        decode(halved)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("tiled", [False, True])
def test_jpeg_inside(mode: str, tiled: bool) -> None:
    pixels = integers(8, {"L": 1, "RGB": 3, "CMYK": 4}[mode]).astype(np.uint8).squeeze()
    stream = io.BytesIO()
    options = {"tiffinfo": {322: 32, 323: 32}} if tiled else {}
    Image.fromarray(pixels, mode).save(stream, "TIFF", compression="jpeg", quality=95, **options)
    with Image.open(stream) as image:
        expected = np.asarray(image).astype(float)
    if mode == "CMYK":
        expected = (255 - expected[..., :3]) * (255 - expected[..., 3:]) / 255
    assert np.abs(decode(stream.getvalue()) - expected).max() <= 3


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_inside(lossless: bool) -> None:
    pixels = integers(8, 3).astype(np.uint8)
    strips = [encode(pixels[y : y + 16], format="webp", lossless=True) for y in (0, 16, 32)]
    data = tiff(
        strips,
        size=(HEIGHT, WIDTH),
        samples=3,
        tags={259: (3, [50001]), 278: (4, [16])},
    )
    np.testing.assert_array_equal(decode(data), pixels)


@pytest.mark.parametrize("form", ["group3", "group4", "tiff_ccitt"])
def test_fax(form: str) -> None:
    bits = integers(1)[..., 0].astype(bool)
    stream = io.BytesIO()
    Image.fromarray(bits).save(stream, "TIFF", compression=form)
    np.testing.assert_array_equal(decode(stream.getvalue()), bits * 255)


def test_profile_of_a_tiff_is_applied() -> None:
    samples = integers(8, 3)
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = tiff([raw(samples, "u1")], size=(HEIGHT, WIDTH), samples=3, tags={34675: (7, plain)})
    np.testing.assert_array_equal(decode(data), samples)


def test_missing_strip_sizes_of_a_plain_file() -> None:
    samples = integers(8)
    data = tiff([raw(samples, "u1")], size=(HEIGHT, WIDTH), tags={279: (4, [0])})
    with pytest.raises(DecodeError, match="truncated TIFF"):
        decode(data)
    data = data.replace(struct.pack("<H", 279), struct.pack("<H", 60000), 1)
    np.testing.assert_array_equal(decode(data), samples.squeeze())


def test_pages_are_counted_and_a_loop_ends() -> None:
    stream = io.BytesIO()
    pages = [Image.new("L", (4, 4), value) for value in (10, 20, 30)]
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
    data = stream.getvalue()
    assert probe(data).frames == 3
    assert (decode(data) == 10).all()
    with pytest.raises(LimitError, match="more than 2 frames"):
        probe(data, Limits(max_frames=2))
    one = bytearray(tiff([bytes(16)], size=(4, 4)))
    (at,) = struct.unpack_from("<I", one, 4)
    (count,) = struct.unpack_from("<H", one, at)
    struct.pack_into("<I", one, at + 2 + 12 * count, at)
    assert probe(bytes(one)).frames == 1


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({259: (3, [34712])}, "compression 34712"),
        ({262: (3, [32803])}, "photometric type 32803"),
        ({258: (3, [9999])}, "9999 bits"),
        ({339: (3, [6])}, "format 6"),
        ({317: (3, [9])}, "predictor 9"),
        ({50706: (1, [1, 4, 0, 0])}, "camera raw files"),
    ],
)
def test_what_is_not_read_says_so(tags: dict[int, object], reason: str) -> None:
    data = tiff([bytes(16)], size=(4, 4), tags=tags)
    with pytest.raises(UnsupportedError, match=reason):
        probe(data)


@pytest.mark.parametrize(
    ("tags", "error"),
    [
        ({256: (4, [2**31]), 257: (4, [2**31])}, LimitError),
        ({322: (4, [60000]), 323: (4, [60000])}, LimitError),
        ({322: (4, [15000]), 323: (4, [15000])}, LimitError),
        ({277: (3, [65535])}, DecodeError),
        ({278: (4, [1])}, DecodeError),
        ({256: (4, [0])}, DecodeError),
        ({273: (4, [2**31])}, DecodeError),
        ({279: (4, [3])}, DecodeError),
        ({262: (3, [3]), 320: (3, [1, 2, 3])}, DecodeError),
    ],
)
def test_contradictions(tags: dict[int, object], error: type[Exception]) -> None:
    with pytest.raises((error, UnsupportedError)) as caught:
        decode(tiff([bytes(16)], size=(4, 4), tags=tags))
    assert isinstance(caught.value, error)


def test_webp_strip_that_is_another_file_is_refused() -> None:
    strip = encode(np.zeros((8, 8, 3), np.uint8), format="png")
    tags = {259: (3, [50001]), 262: (3, [2])}
    with pytest.raises(DecodeError, match="a chunk that should be WebP is not"):
        decode(tiff([strip], size=(8, 8), samples=3, tags=tags))
