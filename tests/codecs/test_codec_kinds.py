"""A kind is told by content, and text or other data are no images."""

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from variegate.codecs import IMAGE_EXTENSIONS, decode, kind_of, probe
from variegate.errors import DecodeError, UnsupportedError

WRITTEN = {
    "JPEG": "jpeg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "TIFF": "tiff",
    "BMP": "bmp",
    "PPM": "ppm",
    "AVIF": "avif",
    "JPEG2000": "jp2",
    "ICO": "ico",
    "TGA": "tga",
}


def saved(
    form: str, mode: str = "RGB", size: tuple[int, int] = (48, 32), **options: object
) -> bytes:
    stream = io.BytesIO()
    image = Image.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 50).convert(mode)
    image.save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize(("form", "kind"), WRITTEN.items())
def test_what_pillow_writes_is_recognised(form: str, kind: str) -> None:
    data = saved(form)
    assert kind_of(data) == kind
    header = probe(data)
    assert (header.kind, header.height, header.width) == (kind, *decode(data).shape[:2])


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        (mode, form)
        for form, modes in {
            "PNG": "1 L LA P RGB RGBA",
            "GIF": "1 L P",
            "TIFF": "1 L LA P RGB RGBA CMYK LAB",
            "BMP": "1 L P RGB RGBA",
            "PPM": "1 L RGB RGBA",
            "TGA": "L LA P RGB RGBA",
            "WEBP": "RGB RGBA",
            "AVIF": "L LA RGB RGBA",
            "JPEG2000": "L LA RGB RGBA",
            "ICO": "L P RGB RGBA",
            "JPEG": "L RGB CMYK",
        }.items()
        for mode in modes.split()
    ],
)
def test_every_mode_that_pillow_writes(mode: str, form: str) -> None:
    """Pillow's own reading agrees, where it converts to 8 bits and sRGB as we do."""
    data = saved(form, mode)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGBA")).astype(int)
    image = decode(data, keep_alpha=True)
    if image.ndim == 2:
        image = np.dstack([image] * 3)
    tolerance = 3 if mode == "LAB" else 1
    assert np.abs(image[..., :3] - expected[..., :3]).max() <= tolerance
    if mode in ("1", "L"):
        assert decode(data).ndim == 2 or form == "ICO"


@pytest.mark.parametrize(
    "data",
    [
        b"BM is short for bowel movement, among other things",
        b"P1 is the first pump and P2 the second",
        b"P6: see above",
        b"GIF images are old",
        b"II. The second chapter",
        b"MM\0\0",
        b"\0\0\1\0",
        b"\0" * 4096,
        bytes(range(256)) * 8,
        b"<html><body><svg-like></html>",
        b"<?xml version='1.0'?><annotation><size/></annotation>",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"\0\0\0\x20ftypisom\0\0\0\0isomiso2avc1mp41",
        b"%PDF-1.7",
        b"PK\x03\x04" + bytes(60),
        b"\x7fELF" + bytes(60),
        "Überschrift\n".encode() * 20,
        "Überschrift\n".encode("utf-16") * 20,
    ],
)
def test_other_data_is_no_image(data: bytes) -> None:
    assert kind_of(data) is None
    with pytest.raises(DecodeError, match="not an image"):
        probe(data)


def test_no_source_file_of_this_project_is_a_image() -> None:
    root = Path(__file__).parents[2]
    files = [file for folder in ("src", "tests", "docs") for file in (root / folder).rglob("*")]
    texts = [file for file in files if file.suffix in (".py", ".md", ".pyc", ".txt")]
    assert len(texts) > 40
    for file in texts:
        assert kind_of(file.read_bytes()) is None, file


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xff\x0a" + bytes(30), "JPEG XL"),
        (b"8BPS\0\1" + bytes(30), "Photoshop"),
        (b"\x76\x2f\x31\x01" + bytes(30), "OpenEXR"),
        (b"qoif" + bytes(30), "QOI"),
        (bytes(128) + b"DICM", "DICOM"),
    ],
)
def test_known_kinds_that_are_not_read_say_what_they_are(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedError, match=f"{name} images are not supported; convert"):
        decode(data)


@pytest.mark.parametrize(
    ("package", "data"),
    [
        ("resvg_py", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
        ("pillow_heif", None),
    ],
)
def test_missing_extra_is_named(
    package: str, data: bytes | None, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if data is None:
        data = (data_dir / "messy_images" / "files" / "rgb.heif").read_bytes()
    monkeypatch.setitem(sys.modules, package, None)
    extra = {"resvg_py": "svg", "pillow_heif": "heif"}[package]
    with pytest.raises(UnsupportedError, match=rf"pip install 'variegate\[{extra}\]'"):
        decode(data)


def test_icons_give_their_largest_image() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), (9, 80, 200)).save(
        stream, "ICO", sizes=[(16, 16), (64, 64), (32, 32)]
    )
    assert decode(stream.getvalue()).shape == (64, 64, 3)


def test_frames_are_counted_and_the_first_is_shown() -> None:
    frames = [Image.new("RGB", (20, 10), (value, 0, 0)) for value in (250, 120, 60)]
    for form in ("GIF", "PNG", "WEBP", "AVIF", "TIFF"):
        stream = io.BytesIO()
        frames[0].save(stream, form, save_all=True, append_images=frames[1:], duration=90)
        assert probe(stream.getvalue()).frames == 3, form
        image = decode(stream.getvalue())
        assert image.shape == (10, 20, 3)
        assert np.abs(image.astype(int) - [250, 0, 0]).max() <= 6, form


def bitmap(
    bits: int,
    height: int,
    body: bytes,
    *,
    compression: int = 0,
    colors: bytes = b"",
    extra: bytes = b"",
) -> bytes:
    info = struct.pack(
        "<IiiHHIIIIII", 40, 5, height, 1, bits, compression, 0, 0, 0, len(colors) // 4, 0
    )
    start = 14 + len(info) + len(extra) + len(colors)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, start) + info + extra + colors + body


@pytest.mark.parametrize("top_down", [True, False])
def test_bitmaps_of_16_bits(top_down: bool) -> None:
    values = np.array([[0x7C00, 0x03E0, 0x001F, 0x7FFF, 0x0000]] * 2 + [[0x4210] * 5], "<u2")
    body = b"".join(row.tobytes() + b"\0\0" for row in (values if top_down else values[::-1]))
    image = decode(bitmap(16, -3 if top_down else 3, body))
    full = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255] * 3, [0] * 3]
    assert image.tolist() == [full, full, [[132] * 3] * 5]


def test_bitmaps_with_alpha_and_masks() -> None:
    masks = struct.pack("<IIII", 0xF000, 0x0F00, 0x00F0, 0x000F)
    body = np.array([0xF00F, 0x0F0F, 0x00FF, 0xFFF0, 0x8888, 0], "<u2").tobytes()
    data = bitmap(16, 1, body, compression=6, extra=masks)
    assert decode(data, keep_alpha=True)[0].tolist() == [
        [255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [255, 255, 255, 0], [136] * 4,
    ]  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("corner", range(4))
def test_tga_corners_and_palettes(packed: bool, corner: int) -> None:
    """The descriptor tells the corner that the first pixel lies in."""
    rows = np.arange(12, dtype=np.uint8).reshape(3, 4)
    stored = rows[:: 1 if corner & 2 else -1, :: -1 if corner & 1 else 1]
    palette = bytes(c for value in range(12) for c in (value, 100 + value, 200 + value))
    header = struct.pack(
        "<BBBHHBHHHHBB", 3, 1, 9 if packed else 1, 0, 12, 24, 0, 0, 4, 3, 8, corner << 4
    )
    body = stored.tobytes()
    if packed:
        body = b"".join(b"\3" + row.tobytes() for row in stored)
    data = header + b"abc" + palette + body
    assert kind_of(data) == "tga"
    expected = np.stack((rows + 200, rows + 100, rows), axis=-1)
    np.testing.assert_array_equal(decode(data), expected)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"P1\n# a comment\n3 2\n1 0 1\n0 1 0\n", [[0, 255, 0], [255, 0, 255]]),
        (b"P1 3 2 101010", [[0, 255, 0], [255, 0, 255]]),
        (b"P2 3 1 # here too\n15\n0 15 # and here\n 7\n", [[0, 255, 119]]),
        (b"P3 1 1 255 1 2 3", [[[1, 2, 3]]]),
        (b"P5 2 1 100 \x64\x32", [[255, 128]]),
        (b"P5 2 1 1000 \x03\xe8\x01\xf4", [[255, 128]]),
        (b"P6 1 1 255\n\1\2\3", [[[1, 2, 3]]]),
        # Half of 255 is rounded up, whether written in digits or not, and in full depth.
        (b"P5 3 1 10 \1\3\5", [[26, 77, 128]]),
        (b"P2 3 1 10 1 3 5", [[26, 77, 128]]),
        (b"P3 1 1 1000 1000 500 2", [[[255, 128, 1]]]),
        (b"P6 1 1 65535 \xff\xff\x80\0\0\x80", [[[255, 128, 0]]]),
        (b"PF\n1 1\n1.0\n" + struct.pack(">fff", 0, 0.5, 1), [[[0, 128, 255]]]),
    ],
)
def test_portable_maps(data: bytes, expected: list[object]) -> None:
    assert decode(data, keep_alpha=True).tolist() == expected


@pytest.mark.parametrize(
    "data",
    [
        b"P2 3 1 255 1 2",
        b"P2 3 1 255 1 2 x",
        b"P3 3 1 0 1 2 3",
        b"P5 3 1 70000 abc",
        b"P5 3 1",
        b"P6 9 9 255\nabc",
        b"P5 #" + b" " * 70_000 + b"\n1 1 255 a",
        b"PF\n3 3\n",
    ],
)
def test_broken_portable_maps(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(data)


def test_importing_and_decoding_leave_pillow_as_it_was() -> None:
    assert Image.MAX_IMAGE_PIXELS == 1024 * 1024 * 1024 // 4 // 3
    # More pixels than Pillow lets pass without a warning, which would fail this test.
    data = saved("PNG", "1", (16, 16))
    assert decode(data).shape == (16, 16)
    wide = io.BytesIO()
    Image.new("1", (10_000, 9_500)).save(wide, "TIFF", compression="group4")
    assert decode(wide.getvalue()).shape == (9_500, 10_000)


def test_plugins_of_pillow_are_imported_when_a_file_of_their_kind_comes() -> None:
    program = (
        "import sys; from variegate.codecs import decode;"
        "names = ['PIL.AvifImagePlugin', 'PIL.WebPImagePlugin', 'PIL.PpmImagePlugin'];"
        "assert not set(names) & set(sys.modules), set(names) & set(sys.modules);"
        "decode(b'P5 1 1 255 a');"
        "assert set(names) & set(sys.modules) == {'PIL.PpmImagePlugin'}"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_every_kind_has_its_endings() -> None:
    named = {
        ".jpg",
        ".png",
        ".webp",
        ".gif",
        ".tif",
        ".bmp",
        ".ppm",
        ".avif",
        ".heic",
        ".jp2",
        ".ico",
        ".tga",
        ".svg",
    }
    assert named <= IMAGE_EXTENSIONS
