"""A part before it is placed: its outline, its keypoints and how to paint it.

Coordinates are the part's own: x to the right along its length, y down, about one unit long.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from variegate.datasets.samples.easel import Color, Easel, Finish, Vector
from variegate.datasets.samples.spindles import Points, Spindle, wire
from variegate.seeding import uniform

#: The colour wherever nothing else is painted: that of the leads.
_TIN: Color = (196, 198, 202)


@dataclass(frozen=True)
class Blueprint:
    """One part, before it is placed.

    Attributes:
        outline: (N, 2) float64, the silhouette as one simple polygon.
        keypoints: by name, in the order of KEYPOINTS.
        height: over the bench.
        paint: draws flat colours, in the order of the layers.
        surfaces: what light falls on, and how it looks, after painting.
        finishing: draws what stands over the lit surfaces.
    """

    outline: Points
    keypoints: dict[str, tuple[float, float]]
    height: float
    paint: Callable[[Easel], None]
    surfaces: tuple[tuple[Spindle, Finish], ...] = ()
    finishing: Callable[[Easel, Vector], None] = field(default=lambda _easel, _toward: None)

    def render(self, scale: float, toward: Vector) -> Easel:
        """Paint and light the part at `scale` pixels to the unit."""
        bounds = (self.outline.min(0), self.outline.max(0))
        easel = Easel(bounds, scale=scale, ground=_TIN)
        self.paint(easel)
        for surface, finish in self.surfaces:
            easel.light(surface, toward, finish)
        self.finishing(easel, toward)
        return easel


def axial(body: Spindle, rng: np.random.Generator, *, lead: float) -> Spindle:
    """Give a body a lead at either end, each a little bent, extension at -0.5 and 0.5."""
    bends = [uniform(rng, -0.06, 0.06) for _ in range(2)]
    left = wire(-0.5, float(body.x[0]), radius=lead, y0=bends[0])
    right = wire(float(body.x[-1]), 0.5, radius=lead, y1=bends[1])
    parts = (left, body, right)
    return Spindle(
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.radius for part in parts]),
        np.concatenate([part.center for part in parts]),
    )


def tips(leads: Spindle) -> tuple[tuple[float, float], tuple[float, float]]:
    """The middles of the left and right end, half a lead's width inside."""
    inset = float(leads.radius[0])
    first, last = float(leads.center[0]), float(leads.center[-1])
    return (float(leads.x[0]) + inset, first), (float(leads.x[-1]) - inset, last)


def two_legs(
    rng: np.random.Generator, start: float, *, apart: float, thinnest: float, shorter: float
) -> tuple[Spindle, Spindle]:
    """Two legs to the right of `start`: the upper one ends at 0.5, the lower one `shorter`."""
    # In a tiny image thick legs must still not touch.
    width = min(max(thinnest, 0.022), 1.5 * apart)
    spread = apart * uniform(rng, 0.9, 1.9)
    skew = uniform(rng, -0.05, 0.05)
    ends = (-spread + skew, spread + skew)
    upper = wire(start, 0.5, radius=width / 2, y0=-apart, y1=ends[0])
    lower = wire(start, 0.5 - shorter, radius=width / 2, y0=apart, y1=ends[1])
    return upper, lower
