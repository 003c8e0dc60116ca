"""Small files that ask for much: refused on what they claim, with little memory taken."""

import importlib.util
import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiff_writer import tiff

from variegate.codecs import Limits, decode, encode, probe
from variegate.errors import DecodeError, LimitError

MEGABYTE = 2**20
ALLOWED = 150 * MEGABYTE
HEIF_IS_INSTALLED = importlib.util.find_spec("pillow_heif") is not None

# Decodes files in a process of its own, and prints by how much memory rose at most for each.
# The kernel's own mark is used, and set back each time: `ru_maxrss` begins with the parent's peak.
MEASURE = """
import sys
from pathlib import Path
from variegate.codecs import decode
from variegate.errors import ImageError
def status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
for name in sys.argv[1:]:
    data = Path(name).read_bytes()
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    try:
        size = decode(data).nbytes
        outcome = "decoded"
    except ImageError as fault:
        size, outcome = 0, type(fault).__name__
    print(status("VmHWM") - before, size, outcome)
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="memory is measured as Linux tells it"
)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(height: int, width: int, depth: int, color: int, *extra: bytes, body: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + b"".join(extra)
        + chunk(b"IDAT", body or zlib.compress(b"\0\0"))
        + chunk(b"IEND", b"")
    )


def jpeg_claiming(height: int, width: int) -> bytes:
    """A JPEG of which nothing but the header is there, as short as they get."""
    data = bytearray(encode(np.zeros((8, 8, 3), np.uint8), format="jpeg"))
    at = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, at + 5, height, width)
    return bytes(data[:-6]) + b"\xff\xd9"


def gif(screen: tuple[int, int], frame: tuple[int, int], codes: bytes = b"\x02\x16") -> bytes:
    start = b"GIF89a" + struct.pack("<HHBBB", screen[1], screen[0], 0x80, 0, 0) + bytes(6)
    box = b"," + struct.pack("<HHHHB", 0, 0, frame[1], frame[0], 0)
    return start + box + b"\x02" + bytes([len(codes)]) + codes + b"\0;"


def gif_with_disposal(frame: tuple[int, int]) -> bytes:
    """Pillow takes memory for what is to be disposed of while it opens the file."""
    plain = gif((1, 1), frame)
    at = plain.index(b",", 19)
    return plain[:at] + b"!\xf9\4\x08\0\0\0\0" + plain[at:]


def bmp(height: int, width: int, bits: int, compression: int = 0) -> bytes:
    info = struct.pack("<IiiHHIIIIII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 70, 0, 0, 54) + info + bytes(40)


def icon(height: int, width: int) -> bytes:
    info = struct.pack("<IiiHHIIIIII", 40, width, height * 2, 1, 32, 0, 0, 0, 0, 0, 0)
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(info) + 8, 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + info + bytes(8)


def icon_of_png(height: int, width: int) -> bytes:
    body = png(height, width, 8, 6)
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(body), 22) + body


def webp(height: int, width: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    extended = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + size
    return b"RIFF" + struct.pack("<I", 4 + len(extended)) + b"WEBP" + extended


def jp2(size: tuple[int, int], tile: tuple[int, int], coding: bytes = b"") -> bytes:
    body = struct.pack(">HIIIIIIIIH", 0, size[1], size[0], 0, 0, tile[1], tile[0], 0, 0, 1)
    body += bytes([7, 1, 1])
    stream = b"\xff\x4f\xff\x51" + struct.pack(">H", len(body) + 2) + body
    plain = b"\0\0\0\1\0\5\4\4\0\1"
    coding = coding or plain
    stream += b"\xff\x52" + struct.pack(">H", len(coding) + 2) + coding
    stream += b"\xff\x5c\0\x13\x40" + bytes([0x40] * 16)
    return stream + b"\xff\x90\0\x0a\0\0\0\0\0\x0e\0\1\xff\x93\xff\xd9"


def tga(height: int, width: int) -> bytes:
    header = struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, width, height, 32, 8)
    return header + b"\xff\0\0\0\0" + bytes(8) + b"TRUEVISION-XFILE.\0"


def avif_declared_smaller(height: int, width: int) -> bytes:
    """The image coded is flat and huge; the container declares 64 x 64."""
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (9, 99, 199)).save(stream, "AVIF", quality=10, speed=10)
    data = stream.getvalue()
    at = data.index(b"ispe") + 8
    assert struct.unpack_from(">II", data, at) == (width, height)
    return data[:at] + struct.pack(">II", 64, 64) + data[at + 8 :]


def heif_declared_smaller(height: int, width: int) -> bytes:
    import pillow_heif

    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (width, height))).save(stream, quality=10)
    data = stream.getvalue()
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", 64, 64) + data[at + 8 :]


def svg(body: str, size: int = 100) -> bytes:
    root = f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}">'
    return (root + body + "</svg>").encode()


def svg_of_references(levels: int) -> bytes:
    parts = ['<g id="a0"><rect width="1" height="1"/></g>']
    for level in range(1, levels):
        uses = f'<use href="#a{level - 1}"/>' * 10
        parts.append(f'<g id="a{level}">{uses}</g>')
    return svg("".join(parts))


def svg_of_entities() -> bytes:
    declared = '<!ENTITY a0 "lol">' + "".join(
        f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12)
    )
    body = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><desc>&a11;</desc></svg>'
    return f'<?xml version="1.0"?><!DOCTYPE svg [{declared}]>{body}'.encode()


SMALL_FILES: dict[str, Callable[[], bytes]] = {
    "jpeg over the limit": lambda: jpeg_claiming(65500, 65500),
    "jpeg within the limit": lambda: jpeg_claiming(15000, 15000),
    "png over the limit": lambda: png(2**31 - 1, 2**31 - 1, 8, 2),
    "png within the limit": lambda: png(15000, 15000, 16, 6),
    "png text": lambda: png(
        1, 1, 8, 0, *[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(60 * MEGABYTE)))] * 4
    ),
    "png profile": lambda: png(
        1, 1, 8, 0, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(200 * MEGABYTE)))
    ),
    "png pixels": lambda: png(1, 1, 8, 0, body=zlib.compress(bytes(200 * MEGABYTE))),
    "png chunks": lambda: png(1, 1, 8, 0, chunk(b"teXt", b"") * 2_000_000),
    "gif screen": lambda: gif((65535, 65535), (1, 1)),
    "gif frame": lambda: gif((1, 1), (15000, 15000)),
    "gif disposal": lambda: gif_with_disposal((15000, 15000)),
    "gif code table": lambda: gif((4, 4), (4, 4), b"\xff" * 200),
    "bmp": lambda: bmp(15000, 15000, 32),
    "bmp negative": lambda: bmp(-(2**31), 2**31 - 1, 24),
    "bmp bit fields": lambda: bmp(15000, 15000, 32, 3),
    "icon": lambda: icon(15000, 15000),
    "icon of png": lambda: icon_of_png(15000, 15000),
    "webp": lambda: webp(12000, 14000),
    "jp2 tiles": lambda: jp2((15000, 15000), (60, 60)),
    "jp2 precincts": lambda: jp2((2000, 2000), (2000, 2000), b"\1\0\0\1\0\5\4\4\0\1" + bytes(6)),
    "tga": lambda: tga(15000, 15000),
    "tiff tile": lambda: tiff(
        [bytes(16)], size=(4, 4), tags={322: (4, [40000]), 323: (4, [40000])}
    ),
    "tiff strip": lambda: tiff(
        [zlib.compress(bytes(16))], size=(15000, 15000), tags={259: (3, [8])}
    ),
    "tiff samples": lambda: tiff([bytes(16)], size=(100, 100), samples=20000),
    "tiff directories": lambda: b"II*\0\x08\0\0\0" + b"".join(
        struct.pack("<HI", 0, 8 + 6 * (index + 1)) for index in range(1_000_000)
    ),
    "pnm": lambda: b"P6 15000 15000 255\n" + bytes(100),
    "pnm digits": lambda: b"P3 15000 15000 255\n" + b"1 " * 100,
    "pnm comment": lambda: b"P5 #" + b" " * 5_000_000 + b"\n9 9 255 " + bytes(81),
    "pfm": lambda: b"PF 15000 15000 -1.0\n" + bytes(100),
    "avif": lambda: avif_declared_smaller(6000, 6000),
    "heif": lambda: heif_declared_smaller(3000, 3000),
    "svg size": lambda: svg("<g/>", 10**9),
    "svg references": lambda: svg_of_references(12),
    "svg entities": svg_of_entities,
    "svg elements": lambda: svg("<g/>" * 3_000_000),
    "svg depth": lambda: svg("<g>" * 100_000),
}  # fmt: skip


def peaks(files: list[Path]) -> list[tuple[int, int, str]]:
    """For each file: rise of the peak, bytes of the image, outcome."""
    command = [sys.executable, "-c", MEASURE, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    rows = [line.split() for line in done.stdout.splitlines()]
    return [(int(rise), int(size), outcome) for rise, size, outcome in rows]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int, str]]:
    folder = tmp_path_factory.mktemp("bombs")
    files = []
    names = [name for name in SMALL_FILES if name != "heif" or HEIF_IS_INSTALLED]
    for name in names:
        files.append(folder / name)
        files[-1].write_bytes(SMALL_FILES[name]())
    return dict(zip(names, peaks(files), strict=True))


def test_the_measure_sees_what_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(encode(np.zeros((6000, 6000, 3), np.uint8), format="jpeg"))
    [(rise, size, outcome)] = peaks([tmp_path / "a"])
    assert outcome == "decoded"
    assert rise >= size == 6000 * 6000 * 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[(name, "LimitError") for name in (
            "jpeg over the limit", "png over the limit", "png chunks", "gif screen",
            "bmp negative", "jp2 tiles", "jp2 precincts", "tiff tile", "tiff samples",
            "tiff directories", "svg size", "svg elements", "svg depth",
        )],
        *[(name, "DecodeError") for name in (
            "jpeg within the limit", "png within the limit", "gif frame", "gif disposal",
            "gif code table", "bmp", "bmp bit fields", "icon", "icon of png",
            "pnm comment", "webp", "tga", "tiff strip", "pnm", "pnm digits", "pfm", "avif", "heif",
            "svg entities", "svg references",
        )],
        *[(name, "decoded") for name in ("png text", "png profile", "png pixels")],
    ],
)  # fmt: skip
def test_small_file_takes_little(
    name: str, expected: str, outcomes: dict[str, tuple[int, int, str]]
) -> None:
    if name == "heif" and not HEIF_IS_INSTALLED:
        pytest.skip("needs pillow-heif")
    rise, _, outcome = outcomes[name]
    assert outcome == expected
    assert rise < ALLOWED


def test_every_small_file_has_an_expected_outcome() -> None:
    marks = next(
        mark.args[1]
        for mark in test_small_file_takes_little.pytestmark
        if mark.name == "parametrize"
    )
    assert {name for name, _ in marks} == set(SMALL_FILES)


def flat_gif() -> bytes:
    stream = io.BytesIO()
    Image.new("P", (4000, 4000)).save(stream, "GIF")
    return stream.getvalue()


def flat(channels: int) -> np.ndarray:
    return np.zeros((4000, 4000, channels), np.uint8)


# Files that are right, small, and large when decoded.
COMPRESSIBLE: dict[str, Callable[[], bytes]] = {
    "gif": flat_gif,
    # A screen of which the frame covers one pixel.
    "gif screen": lambda: gif((4000, 4000), (1, 1), b"\x44\x01"),
    "png": lambda: encode(flat(4), format="png"),
    "jpeg": lambda: encode(flat(3), format="jpeg"),
    "webp": lambda: encode(flat(3), format="webp", quality=10),
    "pbm": lambda: b"P4 4000 4000\n" + bytes(500 * 4000),
    "tiff": lambda: tiff(
        [zlib.compress(bytes(4000 * 4000 * 2))], size=(4000, 4000), bits=16, tags={259: (3, [8])}
    ),
}


@pytest.mark.parametrize("name", COMPRESSIBLE)
def test_memory_follows_the_image(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(COMPRESSIBLE[name]())
    [(rise, size, outcome)] = peaks([tmp_path / "a"])
    assert outcome == "decoded"
    assert size >= 4000 * 4000
    assert rise < 60 * MEGABYTE + 6 * size


def test_limits_are_the_callers(data_dir: Path) -> None:
    data = (data_dir / "messy_images" / "files" / "hopper.jpg").read_bytes()
    assert decode(data, limits=Limits(max_pixels=128 * 128)).shape == (128, 128, 3)
    with pytest.raises(LimitError, match=r"JPEG claims 128 x 128 pixels; the limit is 16,383"):
        decode(data, limits=Limits(max_pixels=128 * 128 - 1))
    with pytest.raises(LimitError, match=r"file of 6,412 bytes; the limit is 6,411"):
        probe(data, Limits(max_bytes=6411))
    stream = io.BytesIO()
    frames = [Image.new("L", (4, 4), value) for value in (1, 90, 200)]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    assert probe(stream.getvalue()).frames == 3
    for form in ("PNG", "WEBP", "GIF"):
        stream = io.BytesIO()
        frames[0].save(stream, form, save_all=True, append_images=frames[1:])
        with pytest.raises(LimitError, match="more than 2 frames"):
            probe(stream.getvalue(), Limits(max_frames=2))


@pytest.mark.parametrize("name", ["png", "gif", "tiff", "webp", "bmp", "tga", "ppm", "jp2", "avif"])
def test_max_pixels_holds_for_every_format(name: str) -> None:
    form = {"jp2": "JPEG2000", "tga": "TGA", "ppm": "PPM"}.get(name, name.upper())
    stream = io.BytesIO()
    pixels = np.random.Generator(np.random.Philox(3)).integers(0, 256, (70, 90, 3), np.uint8)
    Image.fromarray(pixels).save(stream, form)
    assert decode(stream.getvalue(), limits=Limits(max_pixels=6300)).shape[:2] == (70, 90)
    for call in (probe, lambda data, limits: decode(data, limits=limits)):
        with pytest.raises(LimitError, match="claims 90 x 70 pixels"):
            call(stream.getvalue(), Limits(max_pixels=6299))


def test_running_out_of_memory_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from variegate.codecs import jpeg

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    data = encode(np.zeros((20, 20, 3), np.uint8), format="jpeg")
    monkeypatch.setattr(jpeg.simplejpeg, "decode_jpeg", exhausted)
    with pytest.raises(LimitError, match="too large for this machine's memory"):
        decode(data)


def test_zero_sizes_are_broken() -> None:
    for data in (jpeg_claiming(0, 5), png(0, 5, 8, 0), gif((0, 5), (1, 1)), bmp(0, 5, 24)):
        with pytest.raises(DecodeError, match="there is no image in it"):
            probe(data)
