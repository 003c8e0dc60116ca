"""Text on top of images: captions, dates, marks."""

import string
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from variegate.annotations.sample import Size
from variegate.ops import Operation
from variegate.ops import text as ops
from variegate.transforms.base import Axis, Bounds, Parameters, Range, Transform, draw_whole

_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwz", "aeiou"
_COLORS = ((255, 255, 255), (255, 255, 255), (0, 0, 0), (255, 221, 51), (255, 120, 60))


class TextOverlayTransform(Transform):
    """Write text over the image: a date, a serial number, words. Labels under it are hidden."""

    name: ClassVar = "text_overlay"
    axes: ClassVar = (
        Axis("text_overlay", "opacity", 0.0, 1.0, fixed=(("height", 0.12), ("lines", 3))),
    )
    undrawn: ClassVar = frozenset({"p", "lines", "texts", "color"})

    height: Annotated[Range, Bounds(0, 1)] = (0.04, 0.1)
    """Height of a line, as a fraction of the image's shorter side; 0 is the identity."""
    lines: Annotated[Range, Bounds(1, 12, whole=True)] = (1.0, 3.0)
    """Number of lines."""
    opacity: Annotated[Range, Bounds(0, 1)] = (0.7, 1.0)
    """How much of what lies below is covered; 0 is the identity."""
    texts: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = None
    """Lines from which some are drawn; dates, numbers and invented words where there are none."""
    color: (
        tuple[
            Annotated[int, Field(ge=0, le=255)],
            Annotated[int, Field(ge=0, le=255)],
            Annotated[int, Field(ge=0, le=255)],
        ]
        | None
    ) = None
    """RGB color of the text, 0 to 255; where none is given, one that can be read there."""

    def further(self, rng: np.random.Generator) -> Parameters:
        color = self.color or _COLORS[int(rng.integers(len(_COLORS)))]
        place = rng.random(2).tolist()
        count = draw_whole(rng, self.lines)
        return {
            "color": list(color),
            "readable": self.color is None,
            "place": place,
            "lines": [self._line(rng) for _ in range(count)],
            **super().further(rng),
        }

    def _line(self, rng: np.random.Generator) -> str:
        if self.texts:
            return self.texts[int(rng.integers(len(self.texts)))]
        return (_date, _number, _words, _words)[int(rng.integers(4))](rng)

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        x, y = parameters["place"]
        r, g, b = parameters["color"]
        return ops.TextOverlay(
            parameters["height"] * min(size),
            tuple(parameters["lines"]),
            (x, y),
            (r, g, b),
            parameters["opacity"],
            readable=parameters["readable"],
        )


def _date(rng: np.random.Generator) -> str:
    highs = ((1998, 2031), (1, 13), (1, 29), (0, 24), (0, 60), (0, 60))
    year, *rest = (int(rng.integers(low, high)) for low, high in highs)
    month, day, hour, minute, second = rest
    return f"{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"


def _number(rng: np.random.Generator) -> str:
    signs = string.ascii_uppercase + 2 * string.digits
    length = int(rng.integers(5, 13))
    return "".join(signs[int(rng.integers(len(signs)))] for _ in range(length))


def _words(rng: np.random.Generator) -> str:
    words = []
    for _ in range(int(rng.integers(1, 5))):
        syllables = (
            _CONSONANTS[int(rng.integers(len(_CONSONANTS)))]
            + _VOWELS[int(rng.integers(len(_VOWELS)))]
            for _ in range(int(rng.integers(1, 4)))
        )
        words.append("".join(syllables))
    return " ".join(words).capitalize()
