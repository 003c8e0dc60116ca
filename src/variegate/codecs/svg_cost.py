"""What an SVG would take to draw, told without drawing it.

References let a short file stand for any number of elements, and any depth of layers, each as large
as the picture.
"""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from variegate.errors import LimitError

MAX_ELEMENTS = 200_000
_URL = re.compile(r"url\(\s*['\"]?#([^)'\"]+)")
_MAX_REFERENCE_DEPTH = 400


def check_cost(root: Element, height: int, width: int) -> None:
    """Raise LimitError if, with references followed, there is too much to draw."""
    named = {element.get("id"): element for element in root.iter() if element.get("id")}
    elements, depth = _Cost(named).of(root, 0)
    if elements > MAX_ELEMENTS:
        raise LimitError(f"SVG that unfolds to more than {MAX_ELEMENTS:,} elements")
    if depth * height * width > 64 * 2**20 + 16 * height * width:
        raise LimitError(f"SVG of {depth} layers of {width:,} x {height:,} pixels")


class _Cost:
    """Number of elements, and depth, below an element with its references followed."""

    def __init__(self, named: dict[str | None, Element]) -> None:
        self.named = named
        self.known: dict[Element, tuple[int, int]] = {}
        self.open: set[Element] = set()

    def of(self, element: Element, nesting: int) -> tuple[int, int]:
        if element in self.known:
            return self.known[element]
        if element in self.open:
            # A reference to itself; renderers refuse these.
            return 1, 1
        if nesting > _MAX_REFERENCE_DEPTH:
            raise LimitError("SVG whose references lead to references, and so on, too often")
        self.open.add(element)
        elements, deepest = 1, 0
        for below, times in (*((child, 1) for child in element), *self._references(element)):
            count, depth = self.of(below, nesting + 1)
            elements += times * count
            deepest = max(deepest, depth)
        self.open.discard(element)
        # Every step of a filter keeps its result.
        own = len(element) if element.tag == "filter" else 1
        self.known[element] = (elements, deepest + own)
        return self.known[element]

    def _references(self, element: Element) -> Iterator[tuple[Element, int]]:
        """Elements that this one draws too, and how often."""
        if element.tag in ("use", "pattern", "filter") and element.get("href"):
            target = self.named.get(element.attrib["href"][1:])
            if target is not None:
                yield target, 1
        corners = 1 + len(element.get("d", "") + element.get("points", "")) // 2
        for key, value in element.attrib.items():
            for name in _URL.findall(value):
                target = self.named.get(name)
                if target is not None:
                    # A marker is drawn at every corner.
                    yield target, corners if "marker" in key + value else 1
