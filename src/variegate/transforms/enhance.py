"""Adjustments by a factor, as enhancers of photos have them: 0 is a plain version, 1 the source."""

from typing import Annotated, ClassVar

import numpy as np

from variegate.ops import Lut
from variegate.ops import enhance as ops
from variegate.transforms.base import Axis, Bounds, Range, Transform, both_ways

_LEVELS = np.arange(256, dtype=np.float64)


class Gain(Transform):
    """Multiply all values by a factor."""

    name: ClassVar = "gain"
    axes: ClassVar = (
        Axis("gain+", "factor", 1.0, 2.5, "log"),
        Axis("gain-", "factor", 1.0, 0.2),
    )
    acts: ClassVar = lambda factor: Lut.of(factor * _LEVELS)

    factor: Annotated[Range, Bounds(0, 100, log=True)] = (0.7, 1.4)
    """The factor; 1 is the identity, 0 black."""


class Sharpness(Transform):
    """Make the image softer or sharper, pixel by pixel."""

    name: ClassVar = "sharpness"
    axes: ClassVar = both_ways("sharpness", "factor", 1.0, up=6.0, down=0.0)
    acts: ClassVar = lambda factor: ops.Sharpness(factor - 1)

    factor: Annotated[Range, Bounds(0, 100)] = (0.0, 2.0)
    """Factor on the difference from a smoothed image, in which each pixel is a mean of 3 x 3; 1 is
    the identity, 0 the smoothed image."""
