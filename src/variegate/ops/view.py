"""`View`: how geometry samples its source, and what lies beyond it."""

from dataclasses import dataclass
from typing import Literal

import cv2

from variegate.annotations.sample import Image
from variegate.annotations.targets import Layer

Border = Literal["reflect", "edge", "constant", "wrap"]
Interpolation = Literal["nearest", "linear", "cubic"]
Color = tuple[int, int, int]

BORDERS: dict[Border, int] = {
    "reflect": cv2.BORDER_REFLECT_101,
    "edge": cv2.BORDER_REPLICATE,
    "constant": cv2.BORDER_CONSTANT,
    "wrap": cv2.BORDER_WRAP,
}
INTERPOLATIONS: dict[Interpolation, int] = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
}


@dataclass(frozen=True)
class View:
    """How a geometric operation samples its source.

    Attributes:
        border: what lies beyond the source; None where that is never seen.
        fill: RGB, for border "constant".
        interpolation: how values between pixels are found; None where none are needed.
        gray: the level that fills a gray image; None where it is the luminance of `fill`.
    """

    border: Border | None = None
    fill: Color = (0, 0, 0)
    interpolation: Interpolation | None = None
    gray: int | None = None

    def joined(self, other: "View") -> "View | None":
        """Return the view of a chain of two, or None where they contradict each other."""
        if other is self:
            return self
        if self.border and other.border:
            if self.border != other.border:
                return None
            fills = (self.fill, self.gray_fill), (other.fill, other.gray_fill)
            if self.border == "constant" and fills[0] != fills[1]:
                return None
        if self.interpolation and other.interpolation and self.interpolation != other.interpolation:
            return None
        edge = self if self.border else other
        interpolation = self.interpolation or other.interpolation
        if edge.interpolation == interpolation:
            return edge
        return View(edge.border, edge.fill, interpolation, edge.gray)

    @property
    def gray_fill(self) -> int:
        """What fills a gray image."""
        if self.gray is not None:
            return self.gray
        r, g, b = self.fill
        return round(0.299 * r + 0.587 * g + 0.114 * b)

    @property
    def cv_border(self) -> int:
        """The border for cv2; where none is asked for, half-pixel overhangs repeat the edge."""
        return BORDERS[self.border or "edge"]

    @property
    def cv_interpolation(self) -> int:
        """The interpolation for cv2."""
        return INTERPOLATIONS[self.interpolation or "linear"]

    def cv_fill(self, image: Image) -> tuple[float, ...]:
        """Return the fill for an image of this kind: its luminance for gray, alpha 0 for RGBA."""
        if image.ndim == 2:
            return (float(self.gray_fill),)
        r, g, b = self.fill
        return (float(r), float(g), float(b), 0.0)


def mask_view(view: View, layer: Layer) -> View:
    """Return how a mask is sampled where its image is sampled by `view`."""
    border: Border | None = "constant" if layer.role == "objects" else view.border
    value = 0 if layer.role == "objects" else layer.beyond
    fill = (value, value, value)
    if layer.values.ndim == 3:
        fill = (value % 256, value // 256 % 256, value // 65_536)
    return View(border, fill, "linear" if layer.role == "soft" else "nearest")
