"""Transforms that give the canvas another size. They draw nothing."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator
from pydantic import Field as Bound

from variegate.annotations.sample import Size
from variegate.ops import Operation, Warp
from variegate.ops.matrices import scaling, translation
from variegate.transforms.base import Parameters
from variegate.transforms.geometry import BorderChoice, Viewed, inner_view, view
from variegate.validation import shown

Side = Annotated[int, Bound(ge=1, le=65_500)]


def _one_or_two(value: object) -> object:
    sides = value if isinstance(value, list | tuple) else (value, value)
    if len(sides) != 2 or not all(_is_side(side) for side in sides):
        raise ValueError(
            f"expected a whole number or [height, width], from 1 to 65500, got {shown(value)}"
        )
    return value


def _is_side(side: object) -> bool:
    return isinstance(side, int | float) and 1 <= side <= 65_500 and side == int(side)


Canvas = Annotated[Side | tuple[Side, Side], BeforeValidator(_one_or_two)]


def canvas_size(size: int | tuple[int, int] | list[int]) -> Size:
    """Return (height, width); one number stands for both."""
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


class _Sized(Viewed):
    """A step that ends on a canvas of a given size."""

    size: Canvas = 224
    """(height, width) of the result, pixels, or one number for both."""

    def parameters(self, rng: np.random.Generator) -> Parameters:
        return {"size": list(canvas_size(self.size)), **self.further(rng)}


class Resize(_Sized):
    """Bring the image to a size, whatever its shape."""

    name: ClassVar = "resize"

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        return _resized(parameters, size, canvas_size(parameters["size"]))


class _OneSide(Viewed):
    """A step that brings one side to a length, and the other with it."""

    longer: ClassVar[bool]
    """Whether that is the longer side."""

    size: Side = 224
    """Length of that side in the result, pixels."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        factor = parameters["size"] / (max(size) if cls.longer else min(size))
        canvas = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
        return _resized(parameters, size, canvas)


class LongestSide(_OneSide):
    """Bring the longer side to a length; the shape is kept."""

    name: ClassVar = "longest_side"
    longer: ClassVar = True


class ShortestSide(_OneSide):
    """Bring the shorter side to a length; the shape is kept."""

    name: ClassVar = "shortest_side"
    longer: ClassVar = False


class CenterCrop(_Sized):
    """Cut the middle out; where the image is smaller, the border shows."""

    name: ClassVar = "center_crop"
    border: BorderChoice = "constant"
    """What shows beyond the source: constant color, edge, mirror image, or a repeat."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        return _centred_on(parameters, size, canvas_size(parameters["size"]))


class Pad(_Sized):
    """Put the image in the middle of a larger canvas; a side already larger stays."""

    name: ClassVar = "pad"
    border: BorderChoice = "constant"
    """What shows beyond the source: constant color, edge, mirror image, or a repeat."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        height, width = canvas_size(parameters["size"])
        return _centred_on(parameters, size, (max(size[0], height), max(size[1], width)))


class Square(Viewed):
    """Make the image square, by padding to its longer side or cropping to its shorter one."""

    name: ClassVar = "square"
    undrawn: ClassVar = Viewed.undrawn | {"size"}
    border: BorderChoice = "constant"
    """What shows beyond the source: constant color, edge, mirror image, or a repeat."""

    by: Literal["pad", "crop"] = "pad"
    """How the image becomes square."""
    size: Side | None = None
    """Side of the result, pixels; as it comes where none is given."""

    def further(self, rng: np.random.Generator) -> Parameters:
        drawn = super().further(rng)
        return {**drawn, "size": self.size} if self.size else drawn

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        side = max(size) if parameters["by"] == "pad" else min(size)
        squared = _centred_on(parameters, size, (side, side))
        wanted = parameters.get("size", side)
        resized = squared.then(_resized(parameters, (side, side), (wanted, wanted)))
        return resized or squared


def _resized(parameters: Parameters, size: Size, canvas: Size) -> Warp:
    matrix = scaling(canvas[1] / size[1], canvas[0] / size[0])
    return Warp.of(matrix, canvas, inner_view(parameters))


def _centred_on(parameters: Parameters, size: Size, canvas: Size) -> Warp:
    # Whole pixels, so that cropping and padding interpolate nothing.
    left, top = (canvas[1] - size[1]) // 2, (canvas[0] - size[0]) // 2
    sees_border = canvas[0] > size[0] or canvas[1] > size[1]
    return Warp.of(
        translation(left, top), canvas, view(parameters) if sees_border else inner_view(parameters)
    )
