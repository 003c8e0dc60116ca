"""Files that went wrong elsewhere, with siblings of the same kind drawn here."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from variegate.codecs import decode, decode_mask, faults_of, is_plain, probe
from variegate.errors import DecodeError, UnsupportedError

CLOSE = 1.0
"""Mean difference, levels of 255, of what looks the same."""


@pytest.fixture(scope="module")
def cases(data_dir: Path) -> Path:
    return data_dir / "field_cases"


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    rows, columns = np.mgrid[:48, :64].astype(np.float32)
    return np.stack((columns * 4, rows * 5, 255 - columns * 2 - rows), axis=-1).astype(np.uint8)


def written(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def shown(data: bytes) -> np.ndarray:
    """As a viewer made with Pillow shows it."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def difference(image: np.ndarray, other: np.ndarray) -> float:
    if image.ndim == 2:
        image = np.dstack([image] * 3)
    return float(np.abs(image.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize(
    "name", ["cmyk.jp2", "utc16.tga", "gray.avif", "empty-icc.jpeg", "icc-after-sof.jpg"]
)
def test_public_files_look_as_in_a_viewer(name: str, cases: Path) -> None:
    data = (cases / "decoders" / name).read_bytes()
    assert difference(decode(data), shown(data)) < CLOSE


def test_patches_of_cmyk_jpeg_in_tiff_are_cyan_magenta_yellow_and_black(cases: Path) -> None:
    image = decode((cases / "decoders/cmyk_jpeg.tif").read_bytes()).astype(int)
    found = set()
    for y in (20, 80):
        for x in (20, 80):
            # By its profile, the darkest of them keep a third of their light.
            found.add(tuple((image[y, x] > 100).astype(int).tolist()))
    cyan, magenta, yellow, black = (0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 0, 0)
    assert found == {cyan, magenta, yellow, black}


@pytest.mark.parametrize("name", ["empty-icc.jpeg", "icc-after-sof.jpg"])
def test_a_broken_profile_is_said(name: str, cases: Path) -> None:
    data = (cases / "decoders" / name).read_bytes()
    assert faults_of(data) == ("its color profile is broken; ignored",)


def with_segment(data: bytes, body: bytes, marker: int = 0xE2) -> bytes:
    """A JPEG with one more segment, before its tables."""
    at = data.index(b"\xff\xdb")
    return data[:at] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + data[at:]


@pytest.mark.parametrize("numbers", [(1, 2), (0, 0), (2, 1), (9, 9)])
def test_profiles_whose_parts_do_not_fit_are_ignored(
    numbers: tuple[int, int], scene: np.ndarray
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    data = written(Image.fromarray(scene), "JPEG")
    broken = with_segment(data, b"ICC_PROFILE\0" + bytes(numbers) + profile[:200])
    np.testing.assert_array_equal(decode(broken), decode(data))
    assert faults_of(broken)
    assert not faults_of(data)


def test_a_profile_of_noise_is_ignored_and_said_in_every_kind(scene: np.ndarray) -> None:
    for form in ("JPEG", "PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if form == "WEBP" else {}
        whole = written(Image.fromarray(scene), form, **options)
        broken = written(Image.fromarray(scene), form, icc_profile=b"noise" * 60, **options)
        np.testing.assert_array_equal(decode(broken), decode(whole))
        assert faults_of(broken) == ("its color profile is broken; ignored",)


# JPEG without its end mark


@pytest.mark.parametrize("name", ["good", "no_end_mark", "one_byte_before_end"])
def test_a_jpeg_without_end_mark_is_decoded_and_noted(name: str, cases: Path) -> None:
    folder = cases / "jpeg-without-end-mark/a"
    data, good = (folder / f"{name}.jpg").read_bytes(), (folder / "good.jpg").read_bytes()
    np.testing.assert_array_equal(decode(data), decode(good))
    assert bool(faults_of(data)) == (name == "no_end_mark")


JPEGS = {
    "usual": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 3},
    "4:4:4": {"subsampling": 0},
    "gray": {},
}


@pytest.mark.parametrize("kind", JPEGS)
def test_only_the_end_mark_may_be_missing(kind: str, scene: np.ndarray) -> None:
    drawn = scene[..., 0] if kind == "gray" else scene
    data = written(Image.fromarray(drawn), "JPEG", quality=90, **JPEGS[kind])
    whole = decode(data)
    np.testing.assert_array_equal(decode(data[:-2]), whole)
    assert faults_of(data[:-2]) == ("its end mark is missing",)
    for missing in (1, *range(4, 40)):
        with pytest.raises(DecodeError, match="truncated JPEG"):
            decode(data[:-missing])


def test_a_progressive_jpeg_cut_between_two_scans_has_lost_pixels(scene: np.ndarray) -> None:
    data = written(Image.fromarray(scene), "JPEG", progressive=True)
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 3
    for at in scans[1:]:
        with pytest.raises(DecodeError, match="truncated JPEG"):
            decode(data[:at])
    # Neither does a thumbnail's end mark stand for the image's.
    exif = Image.Exif()
    exif[0x0112] = 1
    inner = b"Exif\0\0" + exif.tobytes()[6:] + written(Image.fromarray(scene[:8, :8]), "JPEG")
    with pytest.raises(DecodeError, match="truncated JPEG"):
        decode(with_segment(data, inner, 0xE1)[: -len(data) // 3])


# PNG without its end mark


@pytest.mark.parametrize("kind", ["RGB", "gray", "palette"])
def test_only_the_end_mark_of_a_png_may_be_missing(kind: str, scene: np.ndarray) -> None:
    image = Image.fromarray(scene)
    image = image.convert({"RGB": "RGB", "gray": "L", "palette": "P"}[kind])
    data = written(image, "PNG")
    whole = decode(data)
    for missing in (1, 4, 8, 11, 12):
        np.testing.assert_array_equal(decode(data[:-missing]), whole)
        assert faults_of(data[:-missing]) == ("its end mark is missing",)
        assert not is_plain(data[:-missing])
        np.testing.assert_array_equal(decode_mask(data[:-missing]), decode_mask(data))
    assert not faults_of(data)
    for missing in (13, 16, 20, 40, len(data) // 2):
        with pytest.raises(DecodeError, match="truncated PNG"):
            decode(data[:-missing])
    # Other bytes in its place are no cut.
    with pytest.raises(DecodeError):
        decode(data[:-12] + bytes(12))


def test_a_png_cut_between_two_chunks_of_pixels_has_lost_some(scene: np.ndarray) -> None:
    data = written(Image.fromarray(scene), "PNG")
    at = data.index(b"IDAT") - 4
    length = int.from_bytes(data[at : at + 4], "big")
    packed = data[at + 8 : at + 8 + length]
    halves = [packed[: length // 2], packed[length // 2 :]]
    bodies = (b"IDAT" + half for half in halves)
    chunks = [
        struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        for body in bodies
    ]
    np.testing.assert_array_equal(decode(data[:at] + b"".join(chunks)), decode(data))
    with pytest.raises(DecodeError, match="truncated PNG"):
        decode(data[:at] + chunks[0])


# TGA


def tga(pixels: bytes, depth: int, attributes: int | None, descriptor: int = 0x20) -> bytes:
    """A TGA of 4 x 2, its extension area with this type of attributes."""
    data = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 4, 2, depth, descriptor) + pixels
    if attributes is None:
        return data
    extension = struct.pack("<H", 495) + bytes(492) + bytes([attributes])
    return data + extension + struct.pack("<II", len(data), 0) + b"TRUEVISION-XFILE.\0"


@pytest.mark.parametrize("depth", [16, 32])
@pytest.mark.parametrize("attributes", [0, 1, 2, 3, 4, None])
def test_only_declared_attributes_of_a_tga_are_alpha(depth: int, attributes: int | None) -> None:
    # Half of the pixels are transparent, if the attribute is alpha; all are of one red.
    if depth == 16:
        pixels = struct.pack("<8H", *[20 << 10 | 1 << 15] * 4, *[20 << 10] * 4)
        red, bits = 165, 1
    else:
        pixels, red, bits = bytes([0, 0, 165, 255] * 4 + [0, 0, 165, 0] * 4), 165, 8
    image = decode(tga(pixels, depth, attributes, 0x20 | bits), keep_alpha=True)
    if attributes in (3, 4, None):
        assert image[..., 3].tolist() == [[255] * 4, [0] * 4]
        assert image[0, 0].tolist() == [red, 0, 0, 255]
    else:
        assert image.tolist() == [[[red, 0, 0]] * 4] * 2


def test_premultiplied_attributes_of_a_tga_are_divided_out() -> None:
    image = decode(tga(bytes([10, 20, 40, 51] * 8), 32, 4), keep_alpha=True)
    assert image[0, 0].tolist() == [200, 100, 50, 51]


def test_a_tga_of_which_nothing_would_show_is_opaque() -> None:
    image = decode(tga(bytes([10, 20, 30, 0] * 8), 32, None, 0x28), keep_alpha=True)
    assert image[0, 0].tolist() == [30, 20, 10]


def test_a_tga_palette_of_16_bits() -> None:
    colors = struct.pack("<3H", 31 << 10, 31 << 5, 31)
    header = struct.pack("<BBBHHBHHHHBB", 3, 1, 1, 0, 3, 16, 0, 0, 3, 1, 8, 0x20)
    image = decode(header + b"abc" + colors + bytes([2, 0, 1]))
    assert image.tolist() == [[[0, 0, 255], [255, 0, 0], [0, 255, 0]]]


# JPEG 2000


def recolored(data: bytes, space: int) -> bytes:
    at = data.index(b"colr") + 7
    return data[:at] + struct.pack(">I", space) + data[at + 4 :]


@pytest.mark.parametrize("mode", ["L", "RGB", "YCbCr", "CMYK"])
def test_jpeg_2000_of_every_color_space_looks_as_in_a_viewer(mode: str, scene: np.ndarray) -> None:
    data = written(Image.fromarray(scene).convert(mode), "JPEG2000")
    assert difference(decode(data), shown(data)) < CLOSE
    plain = Image.fromarray(scene).convert(mode).convert("RGB")
    assert difference(decode(data), np.asarray(plain)) < 3


def test_gray_jpeg_2000_that_calls_itself_srgb_is_gray(scene: np.ndarray) -> None:
    gray = written(Image.fromarray(scene[..., 1]), "JPEG2000")
    np.testing.assert_array_equal(decode(recolored(gray, 16)), decode(gray))
    color = written(Image.fromarray(scene), "JPEG2000")
    np.testing.assert_array_equal(decode(recolored(color, 17)), decode(color))


def test_jpeg_2000_in_an_unknown_color_space_is_refused_by_name(scene: np.ndarray) -> None:
    data = recolored(written(Image.fromarray(scene), "JPEG2000"), 14)
    with pytest.raises(
        UnsupportedError, match="JPEG 2000 in color space 14 is not supported; convert"
    ):
        probe(data)


def test_inks_of_jpeg_2000_above_8_bits_are_no_alpha(scene: np.ndarray) -> None:
    deep = np.dstack((scene.astype(np.uint16) * 257, np.full(scene.shape[:2], 65535, np.uint16)))
    _, coded = cv2.imencode(".jp2", deep)
    image = decode(recolored(coded.tobytes(), 12), keep_alpha=True)
    assert image.shape == scene.shape
    assert image.max() == 0, "full black ink"


def test_ycc_of_jpeg_2000_above_8_bits_is_rgb(scene: np.ndarray) -> None:
    ycc = np.asarray(Image.fromarray(scene).convert("YCbCr")).astype(np.uint16) * 257
    _, coded = cv2.imencode(".jp2", ycc[..., ::-1])
    assert difference(decode(recolored(coded.tobytes(), 18)), scene) < 3


# JPEG in TIFF


@pytest.mark.parametrize("adobe", [None, 0, 2])
def test_inks_of_jpeg_in_tiff_are_never_inverted(adobe: int | None, scene: np.ndarray) -> None:
    inks = np.dstack((scene, scene[..., 0] // 4))
    strip = written(Image.fromarray(inks, "CMYK"), "JPEG", quality=95, subsampling=0)
    # Pillow writes Adobe's marker, and inks inverted as the marker has them.
    start = strip.index(b"\xff\xee")
    strip = strip[:start] + strip[start + 16 :]
    if adobe is not None:
        strip = with_segment(strip, b"Adobe\0\x64\0\0\0\0" + bytes([adobe]), 0xEE)
    tags = {256: 64, 257: 48, 258: (8, 8, 8, 8), 259: 7, 262: 5, 277: 4, 278: 48}
    image = decode(tiff_of(strip, tags))
    expected = np.asarray(Image.fromarray(255 - inks, "CMYK").convert("RGB"))
    assert difference(image, expected) < 4


def tiff_of(strip: bytes, tags: dict[int, object]) -> bytes:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory[tag] = value
        directory.tagtype[tag] = 3
    directory[279], directory.tagtype[279] = len(strip), 4
    directory[273], directory.tagtype[273] = 0, 4
    stream = io.BytesIO()
    stream.write(b"II*\0\x08\0\0\0")
    directory.save(stream)
    data = bytearray(stream.getvalue())
    at = data.index(struct.pack("<HHI", 273, 4, 1)) + 8
    data[at : at + 4] = struct.pack("<I", len(data))
    return bytes(data) + strip


# AVIF, PNG


@pytest.mark.parametrize("quality", [60, 100])
def test_gray_avif_is_gray(quality: int, scene: np.ndarray) -> None:
    image = decode(written(Image.fromarray(scene[..., 1]), "AVIF", quality=quality))
    assert image.shape == scene.shape[:2]
    assert difference(image, np.dstack([scene[..., 1]] * 3)) < 4


def text_chunk(kind: str, keyword: bytes, text: bytes) -> bytes:
    body = {
        "tEXt": keyword + b"\0" + text,
        "zTXt": keyword + b"\0\0" + zlib.compress(text),
        "iTXt": keyword + b"\0\0\0\0\0" + text,
        "iTXt packed": keyword + b"\0\1\0en\0\0" + zlib.compress(text),
    }[kind]
    name = kind.split()[0].encode()
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "iTXt packed"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_png_is_turned_by_its_raw_profile(kind: str, orientation: int, scene: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    block = exif.tobytes()
    digits = block.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = f"\nexif\n{len(block):8}\n{lines}\n".encode()
    plain = written(Image.fromarray(scene), "PNG")
    turned = plain[:33] + text_chunk(kind, b"Raw profile type exif", text) + plain[33:]
    expected = np.rot90(scene, 2 if orientation == 3 else -1)
    np.testing.assert_array_equal(decode(turned), expected)
    # Other text is no profile, nor is one that is no number.
    for keyword, words in ((b"Raw profile type iptc", text), (b"Raw profile type exif", b"\nno\n")):
        other = plain[:33] + text_chunk(kind, keyword, words) + plain[33:]
        np.testing.assert_array_equal(decode(other), scene)
