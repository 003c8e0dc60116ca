"""What parts are made of: bodies of revolution about a horizontal, possibly bent, axis.

Coordinates are those of the part: x to the right, y down, the whole part about one unit long. From
a spindle follow both the outline (exact, no pixels involved) and the surface normals that light
needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Points = np.ndarray  # (N, 2) float64, x and y
Stations = Sequence[float] | np.ndarray

_STEPS = 17  # points along a curve: at 300 pixels a chord then strays less than 0.1 pixel


@dataclass(frozen=True)
class Spindle:
    """A body of revolution: where its axis runs and how thick it is.

    Attributes:
        x: (N,) stations along the axis, not decreasing; two at one place make a step.
        radius: (N,) radius at each station.
        center: (N,) y of the axis at each station.
    """

    x: np.ndarray
    radius: np.ndarray
    center: np.ndarray

    @property
    def upper(self) -> Points:
        """The upper edge, left to right, (N, 2)."""
        return np.column_stack([self.x, self.center - self.radius])

    @property
    def lower(self) -> Points:
        """The lower edge, right to left, (N, 2)."""
        return np.column_stack([self.x, self.center + self.radius])[::-1]


def spindle(*pieces: tuple[Stations, Stations]) -> Spindle:
    """Join (x, radius) pieces, left to right, into a spindle about y = 0."""
    x = np.concatenate([np.asarray(piece[0], np.float64) for piece in pieces])
    radius = np.concatenate([np.asarray(piece[1], np.float64) for piece in pieces])
    return Spindle(x, radius, np.zeros_like(x))


def wire(x0: float, x1: float, *, radius: float, y0: float = 0.0, y1: float = 0.0) -> Spindle:
    """A lead from (x0, y0) to (x1, y1), x0 < x1, leaving either end level: a smooth step."""
    t = np.linspace(0.0, 1.0, _STEPS)
    center = y0 + (y1 - y0) * t * t * (3 - 2 * t)
    return Spindle(x0 + (x1 - x0) * t, np.full(_STEPS, radius), center)


def cap(x0: float, x1: float, *, radius: float, tip: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A quarter of an ellipse: the radius grows from `tip` at x0 to `radius` at x1.

    With x1 < x0 it is a right-hand end; the stations always run left to right.
    """
    angle = np.linspace(0.0, np.pi / 2, _STEPS)
    x = x0 + (x1 - x0) * (1 - np.cos(angle))
    grown = tip + (radius - tip) * np.sin(angle)
    return (x, grown) if x1 > x0 else (x[::-1], grown[::-1])


def outline(body: Spindle, legs: Sequence[Spindle] = ()) -> Points:
    """The union's outline: the body's edges, with the legs that leave its right end, top to bottom.

    Returns:
        (N, 2) float64, clockwise as seen on the screen.
    """
    edges = [body.upper]
    for leg in legs:
        edges += [leg.upper, leg.lower]
    return np.concatenate([*edges, body.lower])


def rotation(angle: float) -> np.ndarray:
    """The 2x2 matrix that turns the part's x and y by `angle` radians, clockwise on the screen."""
    c, s = float(np.cos(angle)), float(np.sin(angle))
    return np.array([[c, -s], [s, c]])
