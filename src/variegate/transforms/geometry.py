"""Transforms that draw one `Warp` and keep the canvas, or give it the size of what they show."""

import math
from functools import cached_property, lru_cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Bound

from variegate.annotations.sample import Size
from variegate.ops import Operation, View, Warp
from variegate.ops.matrices import Array, Matrix, about, scaling, translation
from variegate.ops.view import Border, Color, Interpolation
from variegate.transforms.base import (
    Axis,
    Bounds,
    Draw,
    Parameters,
    Range,
    Transform,
    both_ways,
    draw_from,
    draw_log,
)

Channel = Annotated[int, Bound(ge=0, le=255)]
BorderChoice = Literal["auto", "reflect", "edge", "constant", "wrap"]

#: What fills beyond a source with objects: the gray that detectors are used to.
OBJECTS_FILL: Color = (114, 114, 114)

_UNIT_SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


class Viewed(Transform):
    """A geometric transform: how it samples its source."""

    undrawn: ClassVar = frozenset({"p", "border", "fill", "interpolation"})

    border: BorderChoice = "auto"
    """What shows beyond the source: mirror image, edge, constant color, or a repeat; auto is the
    mirror image, or gray in datasets with objects."""
    fill: tuple[Channel, Channel, Channel] = (0, 0, 0)
    """RGB color for border "constant"."""
    interpolation: Interpolation = "linear"
    """How values between pixels are found."""

    def further(self, rng: np.random.Generator) -> Parameters:
        """Add what `view` needs, without what it takes for granted."""
        return {**super().further(rng), **self._view_parameters}

    @cached_property
    def _view_parameters(self) -> Parameters:
        drawn: dict[str, Any] = {"border": self.border}
        if self.border == "constant" or (self.border == "auto" and self.fill != (0, 0, 0)):
            drawn["fill"] = list(self.fill)
        if self.interpolation != "linear":
            drawn["interpolation"] = self.interpolation
        return drawn


def with_border(drawn: Draw, *, objects: bool) -> Draw:
    """Return a draw whose border "auto" is settled.

    Args:
        drawn: of any transform.
        objects: whether the dataset has objects.
    """
    if drawn.parameters.get("border") != "auto":
        return drawn
    settled: dict[str, Any] = {**drawn.parameters, "border": "constant" if objects else "reflect"}
    fill = settled.pop("fill", OBJECTS_FILL)
    return Draw(
        drawn.transform, {**settled, "fill": list(fill)} if objects else settled, drawn.along
    )


def view(parameters: Parameters) -> View:
    """Return the view that drawn parameters describe; "auto" knows of no objects."""
    fill: Color = tuple(parameters.get("fill", (0, 0, 0)))
    border: Border = "reflect" if parameters["border"] == "auto" else parameters["border"]
    return _view(border, fill, parameters.get("interpolation", "linear"))


def inner_view(parameters: Parameters) -> View:
    """Return the view of an operation that never looks beyond its source."""
    return _view(None, (0, 0, 0), parameters.get("interpolation", "linear"))


@lru_cache(maxsize=256)
def _view(border: Border | None, fill: Color, interpolation: Interpolation) -> View:
    return View(border, fill, interpolation)


def centred(matrix: Matrix, size: Size) -> Matrix:
    """Return `matrix` acting about the middle of a canvas of `size`."""
    return about(matrix, size[1] / 2, size[0] / 2)


class Flip(Transform):
    """Mirror the image."""

    name: ClassVar = "flip"
    mirrors: ClassVar = True

    axis: Literal["horizontal", "vertical", "both", "any"] = "horizontal"
    """Horizontal mirrors left and right; both is a half turn; any draws one of the three."""

    def parameters(self, rng: np.random.Generator) -> Parameters:
        axes = ("horizontal", "vertical", "both")
        return {"axis": axes[int(rng.integers(3))] if self.axis == "any" else self.axis}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        x = -1.0 if parameters["axis"] in ("horizontal", "both") else 1.0
        y = -1.0 if parameters["axis"] in ("vertical", "both") else 1.0
        return Warp.of(centred(scaling(x, y), size), size)


class Rotate90(Transform):
    """Turn by quarter turns; the canvas turns along."""

    name: ClassVar = "rotate90"

    k: Annotated[Range, Bounds(0, 3, whole=True)] = (1.0, 3.0)
    """Quarter turns, counterclockwise; 0 is the identity."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        height, width = size
        k = parameters["k"]
        turned = size if k % 2 == 0 else (width, height)
        matrix = translation(turned[1] / 2, turned[0] / 2) @ _rotation(90.0 * k)
        return Warp.of(matrix @ translation(-width / 2, -height / 2), turned)


class Transpose(Transform):
    """Exchange rows and columns."""

    name: ClassVar = "transpose"
    mirrors: ClassVar = True

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        return Warp.of([[0, 1, 0], [1, 0, 0], [0, 0, 1]], (size[1], size[0]))


class Rotate(Viewed):
    """Turn about the middle."""

    name: ClassVar = "rotate"
    axes: ClassVar = both_ways("rotate", "angle_degrees", 0.0, up=180.0, down=-180.0)

    angle_degrees: Annotated[Range, Bounds(-360, 360)] = (-30.0, 30.0)
    """Counterclockwise, degrees; 0 is the identity."""
    fit: Literal["keep", "expand", "inside"] = "keep"
    """Keep the canvas, expand it to hold all, or zoom just enough that no border shows."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        height, width = size
        turn = _rotation(parameters["angle_degrees"])
        cos, sin = abs(turn[0]), abs(turn[1])
        if parameters["fit"] == "inside":
            # A corner of the canvas, turned back, has to stay within the source on both axes.
            zoom = cos + sin * max(height / width, width / height)
            return Warp.of(centred(scaling(zoom, zoom) @ turn, size), size, inner_view(parameters))
        if parameters["fit"] == "keep":
            return Warp.of(centred(turn, size), size, view(parameters))
        # A millionth of a pixel less, so that a right angle does not add a row for rounding.
        canvas = (
            math.ceil(width * sin + height * cos - 1e-6),
            math.ceil(width * cos + height * sin - 1e-6),
        )
        matrix = translation(canvas[1] / 2, canvas[0] / 2) @ turn
        return Warp.of(matrix @ translation(-width / 2, -height / 2), canvas, view(parameters))


class Scale(Viewed):
    """Enlarge or shrink about the middle; the canvas stays."""

    name: ClassVar = "scale"
    axes: ClassVar = both_ways("scale", "factor", 1.0, up=2.0, down=0.5, scale="log")

    factor: Annotated[Range, Bounds(high=20, above=0)] = (0.8, 1.25)
    """Factor, drawn on a log scale; 1 is the identity."""
    independent: bool = False
    """Draw a factor of its own for each axis."""

    def parameters(self, rng: np.random.Generator) -> Parameters:
        x, y = draw_log(rng, self.factor), draw_log(rng, self.factor)
        return {"x": x, "y": y if self.independent else x, **self.further(rng)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        matrix = scaling(parameters["x"], parameters["y"])
        return Warp.of(centred(matrix, size), size, view(parameters))


class Zoom(Viewed):
    """Show a window of the image at full size."""

    name: ClassVar = "zoom"
    axes: ClassVar = (Axis("zoom", "factor", 1.0, 3.0, "log"),)

    factor: Annotated[Range, Bounds(1, 20, log=True)] = (1.0, 1.5)
    """How many times the window is enlarged; 1 is the identity."""

    def further(self, rng: np.random.Generator) -> Parameters:
        return {"x": float(rng.random()), "y": float(rng.random()), **super().further(rng)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        factor = parameters["factor"]
        window = (size[0] / factor, size[1] / factor)
        return _window(parameters, size, window, size)


class Translate(Viewed):
    """Move the image on its canvas."""

    name: ClassVar = "translate"
    axes: ClassVar = (
        *both_ways("translate_x", "x", 0.0, up=0.5, down=-0.5, fixed=(("y", 0.0),)),
        *both_ways("translate_y", "y", 0.0, up=0.5, down=-0.5, fixed=(("x", 0.0),)),
    )
    undrawn: ClassVar = Viewed.undrawn | {"x_pixels", "y_pixels", "whole"}

    x: Annotated[Range, Bounds(-1, 1)] = (-0.1, 0.1)
    """To the right, as a fraction of the width."""
    y: Annotated[Range, Bounds(-1, 1)] = (-0.1, 0.1)
    """Down, as a fraction of the height."""
    x_pixels: Annotated[Range, Bounds(-65_500, 65_500)] = (0.0, 0.0)
    """To the right, in pixels; added to x."""
    y_pixels: Annotated[Range, Bounds(-65_500, 65_500)] = (0.0, 0.0)
    """Down, in pixels; added to y."""
    whole: bool = False
    """Move by whole pixels: what is drawn beyond one is left out."""

    def further(self, rng: np.random.Generator) -> Parameters:
        drawn: dict[str, Any] = {}
        for name in ("x_pixels", "y_pixels"):
            if (bounds := getattr(self, name)) != (0, 0):
                drawn[name] = draw_from(rng, bounds)
        return {**drawn, **({"whole": True} if self.whole else {}), **super().further(rng)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        x = parameters["x"] * size[1] + parameters.get("x_pixels", 0.0)
        y = parameters["y"] * size[0] + parameters.get("y_pixels", 0.0)
        if parameters.get("whole", False):
            x, y = _truncated(x), _truncated(y)
        return Warp.of(translation(x, y), size, view(parameters))


class Shear(Viewed):
    """Slant the image about its middle, or about its top left corner."""

    name: ClassVar = "shear"
    axes: ClassVar = (
        *both_ways("shear_x", "x_degrees", 0.0, up=45.0, down=-45.0, fixed=(("y_degrees", 0.0),)),
        *both_ways("shear_y", "y_degrees", 0.0, up=45.0, down=-45.0, fixed=(("x_degrees", 0.0),)),
    )
    undrawn: ClassVar = Viewed.undrawn | {"about"}

    x_degrees: Annotated[Range, Bounds(-60, 60)] = (-10.0, 10.0)
    """Slant of vertical lines, degrees."""
    y_degrees: Annotated[Range, Bounds(-60, 60)] = (0.0, 0.0)
    """Slant of horizontal lines, degrees."""
    about: Literal["middle", "corner"] = "middle"
    """The point that stays: the middle, or the top left corner."""

    def further(self, rng: np.random.Generator) -> Parameters:
        about = {} if self.about == "middle" else {"about": self.about}
        return {**about, **super().further(rng)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        matrix = _shear(parameters["x_degrees"], parameters["y_degrees"])
        if parameters.get("about", "middle") == "middle":
            matrix = centred(matrix, size)
        return Warp.of(matrix, size, view(parameters))


class Perspective(Viewed):
    """Move the four corners, as if seen from another place."""

    name: ClassVar = "perspective"
    axes: ClassVar = (Axis("perspective", "amount", 0.0, 0.3),)

    greatest: ClassVar = 0.45

    amount: Annotated[Range, Bounds(0, greatest)] = (0.0, 0.12)
    """Greatest displacement of a corner, as a fraction of the sides; 0 is the identity."""

    def further(self, rng: np.random.Generator) -> Parameters:
        corners = rng.uniform(-1, 1, (4, 2))
        # From 0.25 on some draws fold the image over. Those are drawn again, judged at the
        # greatest amount, so that the corners are the same at every amount.
        while not _stays_convex(_UNIT_SQUARE + self.greatest * corners):
            corners = rng.uniform(-1, 1, (4, 2))
        return {"corners": corners.tolist(), **super().further(rng)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        height, width = size
        corners = _UNIT_SQUARE * (width, height)
        shift = parameters["amount"] * np.array(parameters["corners"]) * (width, height)
        return Warp.of(homography(corners, corners + shift), size, view(parameters))


class Affine(Viewed):
    """Rotate, scale, shear and translate at once."""

    name: ClassVar = "affine"
    axes: ClassVar = (
        Axis(
            "affine",
            "amount",
            0.0,
            1.0,
            fixed=(
                ("angle_degrees", (-180.0, 180.0)),
                ("factor", (0.5, 2.0)),
                ("x", (-0.5, 0.5)),
                ("y", (-0.5, 0.5)),
                ("x_degrees", (-45.0, 45.0)),
                ("y_degrees", (0.0, 0.0)),
            ),
        ),
    )

    angle_degrees: Annotated[Range, Bounds(-360, 360)] = (-15.0, 15.0)
    """Counterclockwise, degrees."""
    factor: Annotated[Range, Bounds(high=20, above=0)] = (0.9, 1.1)
    """Scale, drawn on a log scale."""
    x: Annotated[Range, Bounds(-1, 1)] = (-0.05, 0.05)
    """To the right, as a fraction of the width."""
    y: Annotated[Range, Bounds(-1, 1)] = (-0.05, 0.05)
    """Down, as a fraction of the height."""
    x_degrees: Annotated[Range, Bounds(-60, 60)] = (-5.0, 5.0)
    """Slant of vertical lines, degrees."""
    y_degrees: Annotated[Range, Bounds(-60, 60)] = (0.0, 0.0)
    """Slant of horizontal lines, degrees."""
    amount: Annotated[Range, Bounds(0, 1)] = (1.0, 1.0)
    """Share of everything above that is applied; 0 is the identity."""

    def parameters(self, rng: np.random.Generator) -> Parameters:
        share = draw_from(rng, self.amount)
        return {
            "angle_degrees": share * draw_from(rng, self.angle_degrees),
            "factor": draw_log(rng, self.factor) ** share,
            "x": share * draw_from(rng, self.x),
            "y": share * draw_from(rng, self.y),
            "x_degrees": share * draw_from(rng, self.x_degrees),
            "y_degrees": share * draw_from(rng, self.y_degrees),
            **self.further(rng),
        }

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        matrix = (
            scaling(parameters["factor"], parameters["factor"])
            @ _rotation(parameters["angle_degrees"])
            @ _shear(parameters["x_degrees"], parameters["y_degrees"])
        )
        move = translation(parameters["x"] * size[1], parameters["y"] * size[0])
        return Warp.of(move @ centred(matrix, size), size, view(parameters))


class RandomCrop(Viewed):
    """Cut a random window out and bring it to the original size, or to one given."""

    name: ClassVar = "random_crop"
    axes: ClassVar = (Axis("random_crop", "area", 1.0, 0.25, fixed=(("aspect_ratio", 1.0),)),)
    undrawn: ClassVar = Viewed.undrawn | {"size"}

    area: Annotated[Range, Bounds(high=1, above=0)] = (0.4, 1.0)
    """Fraction of the area that is kept; 1 is the identity."""
    aspect_ratio: Annotated[Range, Bounds(high=10, above=0, log=True)] = (0.75, 4 / 3)
    """Width to height of the window, relative to the image's own; 1 keeps it."""
    size: tuple[Annotated[int, Bound(ge=1)], Annotated[int, Bound(ge=1)]] | None = None
    """(height, width) of the result; the image's own where none is given."""

    def further(self, rng: np.random.Generator) -> Parameters:
        drawn = {"x": float(rng.random()), "y": float(rng.random()), **super().further(rng)}
        return {**drawn, "size": list(self.size)} if self.size else drawn

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        height, width = size
        aspect = math.sqrt(parameters["aspect_ratio"])
        side = math.sqrt(parameters["area"])
        window = (min(height, height * side / aspect), min(width, width * side * aspect))
        canvas = parameters.get("size", size)
        return _window(parameters, size, window, (int(canvas[0]), int(canvas[1])))


def _stays_convex(corners: Array) -> bool:
    """Whether each of four corners (4, 2), in order, turns the same way, and not too sharply."""
    sides = np.roll(corners, -1, axis=0) - corners
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    return bool(turns.min() > 0.05)


def homography(source: Array, target: Array) -> Matrix:
    """Return the matrix that takes four points to four others.

    Args:
        source, target: (4, 2) float64, no three points of either on a line.
    """
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    solution = np.linalg.solve(np.array(rows), target.ravel())
    return Matrix([*solution.tolist(), 1.0])


def _window(
    parameters: Parameters, size: Size, window: tuple[float, float], canvas: Size
) -> Operation:
    """Show a window of (height, width) `window`, placed by the drawn x and y, on `canvas`."""
    top = parameters["y"] * (size[0] - window[0])
    left = parameters["x"] * (size[1] - window[1])
    matrix = scaling(canvas[1] / window[1], canvas[0] / window[0]) @ translation(-left, -top)
    return Warp.of(matrix, canvas, inner_view(parameters))


def _truncated(pixels: float) -> float:
    # A millionth more, so that a product that should be whole loses no pixel to rounding.
    return float(math.trunc(pixels + math.copysign(1e-6, pixels)))


def _rotation(degrees: float) -> Matrix:
    """Return the counterclockwise rotation about the origin (y points down)."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return Matrix((cos, sin, 0.0, -sin, cos, 0.0, 0.0, 0.0, 1.0))


def _shear(x_degrees: float, y_degrees: float) -> Matrix:
    x, y = math.tan(math.radians(x_degrees)), math.tan(math.radians(y_degrees))
    return Matrix((1.0, x, 0.0, y, 1.0 + x * y, 0.0, 0.0, 0.0, 1.0))
