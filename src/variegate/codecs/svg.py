"""SVG, through the optional package resvg-py, closed off from everything outside of the file."""

import functools
import importlib.util
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

import numpy as np

from variegate.codecs import png
from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Parsed, Raster
from variegate.errors import DecodeError, LimitError, UnsupportedError

_SVG = "http://www.w3.org/2000/svg"
_HREFS = ("href", "{http://www.w3.org/1999/xlink}href")
# More than any drawing has, and little enough to keep in memory.
_MAX_ELEMENTS, _MAX_DEPTH = 200_000, 200
# What drawing an image may take, beside 32 bytes a pixel; a usual one takes 16 MiB and 11 ms.
_MEMORY, _SECONDS = 128 * 2**20, 60
_READ_AT_ONCE = 2**16
_LENGTH = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(px|pt|pc|in|cm|mm|)\s*")
_UNITS = {"": 1.0, "px": 1.0, "pt": 96 / 72, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54}
_UNITS["mm"] = _UNITS["cm"] / 10


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the size of an SVG, from its width and height, or its viewBox where they are missing.

    Raises:
        DecodeError: it is broken, or has no size.
        LimitError: its size, or what it would take to draw, is larger than the limits.
        UnsupportedError: resvg-py is not installed; or it embeds or refers to other images; or
            it holds text, which the fonts of every machine show differently.
    """
    root = _read_tree(data)
    height, width = _size(root)
    limits.check_size(height, width, "SVG")
    found = importlib.util.find_spec("resvg_py")
    if found is None or found.origin is None:
        raise UnsupportedError(
            "reading SVG needs resvg-py; install it with: pip install 'variegate[svg]'"
        )
    folder = str(Path(found.origin).parents[1])
    return Parsed(
        height=height,
        width=width,
        load=functools.partial(_load, folder, root, height, width, limits),
    )


def _read_tree(data: bytes) -> ET.Element:
    """Parse, with names free of namespaces, and nothing in it that leads out of the file.

    Expat itself stops entities that swell, and never follows one out of the file.
    """
    root: ET.Element | None = None
    count = depth = 0
    for event, element in _events(data):
        if event == "end":
            depth -= 1
            _close_off(element)
            continue
        root = element if root is None else root
        count, depth = count + 1, depth + 1
        if count > _MAX_ELEMENTS or depth > _MAX_DEPTH:
            raise LimitError(
                f"SVG of more than {_MAX_ELEMENTS:,} elements, or {_MAX_DEPTH} in one another"
            )
    if root is None or root.tag != "svg":
        raise DecodeError("corrupt SVG: its root is no svg element")
    return root


def _events(data: bytes) -> Iterator[tuple[str, ET.Element]]:
    """The elements as they begin and end, so that too many are noticed while they come."""
    parser: ET.XMLPullParser[Any] = ET.XMLPullParser(("start", "end"))
    for at in range(0, len(data), _READ_AT_ONCE):
        parser.feed(data[at : at + _READ_AT_ONCE])
        yield from cast("Iterator[tuple[str, ET.Element]]", parser.read_events())
    parser.close()
    yield from cast("Iterator[tuple[str, ET.Element]]", parser.read_events())


def _close_off(element: ET.Element) -> None:
    """Keep of an element what is SVG and stays within the file."""
    namespace, _, name = element.tag.rpartition("}")
    element.tag = name if namespace in ("", "{" + _SVG) else "foreign"
    reference = next((element.attrib[key] for key in _HREFS if key in element.attrib), None)
    if element.tag in ("image", "feImage") and reference is not None:
        raise UnsupportedError("SVG that holds images is not supported; convert it to PNG first")
    if element.tag == "text" and "".join(element.itertext()).strip():
        raise UnsupportedError("SVG with text is not supported; convert its text to paths first")
    for key in [key for key in element.attrib if key.startswith("{")]:
        del element.attrib[key]
    element.attrib.pop("href", None)
    if reference is not None and reference.startswith("#"):
        element.set("href", reference)
    for child in [child for child in element if child.tag in ("foreign", "script")]:
        element.remove(child)


def _size(root: ET.Element) -> tuple[int, int]:
    """Height and width, pixels; also written into the root, so that the renderer agrees."""
    box = re.split(r"[\s,]+", root.get("viewBox", "").strip())
    try:
        _, _, box_width, box_height = (float(value) for value in box)
    except ValueError:
        box_width = box_height = 0.0
    width, height = _length(root.get("width")), _length(root.get("height"))
    if not width and not height:
        width, height = box_width, box_height
    elif box_width > 0 and box_height > 0:
        width = width or height * box_width / box_height
        height = height or width * box_height / box_width
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise DecodeError("SVG without width, height or viewBox: there is no size to draw it at")
    if not (box_width > 0 and box_height > 0):
        root.set("viewBox", f"0 0 {width} {height}")
    rounded = max(1, round(height)), max(1, round(width))
    root.set("height", str(rounded[0]))
    root.set("width", str(rounded[1]))
    return rounded


def _length(text: str | None) -> float:
    """A length in pixels; 0 for none, or one in percent, or relative to a font."""
    found = _LENGTH.fullmatch(text or "")
    return float(found[1]) * _UNITS[found[2]] if found else 0.0


def _load(folder: str, root: ET.Element, height: int, width: int, limits: Limits) -> Raster:
    root.set("xmlns", _SVG)
    drawn = _draw(ET.tostring(root, encoding="utf-8"), folder, _MEMORY + 32 * height * width)
    parsed = png.parse(drawn, limits)
    if (parsed.height, parsed.width) != (height, width):
        raise DecodeError(f"corrupt SVG: drawn as {parsed.width} x {parsed.height} pixels")
    raster = parsed.load()
    if raster.space == "gray":
        return Raster(np.dstack([raster.samples] * 3), "rgb", raster.alpha)
    return raster


def _draw(drawing: bytes, folder: str, memory: int) -> bytes:
    program = Path(__file__).with_name("svg_process.py")
    # Isolated, and without site: nothing of the user's environment takes part; 11 ms.
    command = [sys.executable, "-I", "-S", str(program), folder, str(memory), str(_SECONDS)]
    done = subprocess.run(command, input=drawing, capture_output=True, check=False)
    if done.returncode < 0:
        raise LimitError(
            f"SVG that takes more than {memory / 2**20:,.0f} MiB or {_SECONDS} s to draw"
        )
    if done.returncode:
        complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise DecodeError(f"corrupt SVG: {complaint[-1] if complaint else 'not drawn'}")
    return done.stdout
