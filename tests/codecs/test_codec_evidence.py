"""What is given up gets its reason, and every decoder of our own has its evidence, in the docs."""

import re
import struct
from pathlib import Path

import pytest

from variegate.codecs import decode, probe
from variegate.errors import UnsupportedError

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "decisions" / "codecs.md").read_text()


def bmp(bits: int, compression: int, body: bytes = b"") -> bytes:
    info = struct.pack("<IiiHHIIIIII", 40, 4, 4, 1, bits, compression, 0, 0, 0, 0, 0)
    colors = bytes(1024)
    start = 54 + len(colors)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, start) + info + colors + body


def tga(kind: int, depth: int, first: int = 0, length: int = 0, map_depth: int = 0) -> bytes:
    fields = (0, kind == 1, kind, first, length, map_depth, 0, 0, 4, 4, depth, 0x20)
    footer = bytes(8) + b"TRUEVISION-XFILE.\0"
    return struct.pack("<BBBHHBHHHHBB", *fields) + bytes(4096) + footer


def icon() -> bytes:
    body = struct.pack("<IHHHH", 12, 4, 8, 1, 24) + bytes(96)
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 4, 4, 0, 0, 1, 24, len(body), 22) + body


LATE_PALETTE = "TGA with a palette of more than 256 colors, or one that begins late"
NO_SUPPORT = " is not supported; convert it to PNG first"
GIVEN_UP = [
    (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nENDHDR\n\x40\x80", "PAM" + NO_SUPPORT),
    (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 15\nENDHDR\n\1\2\3\4", "PAM" + NO_SUPPORT),
    (tga(1, 8, first=3, length=9, map_depth=24), LATE_PALETTE + NO_SUPPORT),
    (tga(1, 16, length=9, map_depth=24), LATE_PALETTE + NO_SUPPORT),
    (bmp(8, 1, body=b"\4\1\0\0" * 4), "BMP with compression 1" + NO_SUPPORT),
    (bmp(4, 2, body=b"\4\1\0\0" * 4), "BMP with compression 2" + NO_SUPPORT),
    (bmp(0, 4), "BMP with compression 4" + NO_SUPPORT),
    (bmp(0, 5), "BMP with compression 5" + NO_SUPPORT),
    (icon(), "icon with neither a PNG nor a Windows bitmap inside" + NO_SUPPORT),
]


@pytest.mark.parametrize(("data", "reason"), GIVEN_UP)
def test_what_is_given_up_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    for call in (decode, probe):
        with pytest.raises(UnsupportedError) as caught:
            call(data)
        assert str(caught.value) == reason


def test_the_document_lists_what_is_given_up() -> None:
    _, _, given_up = DOCUMENT.partition("## What is given up")
    listed = set(re.findall(r"`([^`]+; convert it to PNG first)`", given_up))
    assert listed == {reason for _, reason in GIVEN_UP}


def test_every_decoder_of_our_own_has_a_row_of_evidence() -> None:
    folder = ROOT / "src" / "variegate" / "codecs"
    modules = {
        path.relative_to(folder).as_posix().removesuffix("/__init__.py")
        for path in folder.rglob("*.py")
        if re.search(r"^def parse\(|import parse$", path.read_text(), re.MULTILINE)
    } - {"tiff/decode.py"}
    modules.add("av1.py")
    rows = re.findall(r"^\| `([\w./]+)` \|", DOCUMENT, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert {row.removesuffix("/") for row in rows} == modules
