"""Transforms of sharpness: blurs, sharpening."""

from typing import Annotated, ClassVar

import numpy as np

from variegate.ops import Operation
from variegate.ops import blur as ops
from variegate.sample import Size
from variegate.transforms.base import Axis, Bounds, Parameters, Range, Transform, draw_from


class GaussianBlur(Transform):
    """Blur evenly in all directions, with a normal kernel."""

    name: ClassVar = "gaussian_blur"
    axes: ClassVar = (Axis("gaussian_blur", "sigma", 0.0, 0.05),)

    sigma: Annotated[Range, Bounds(0, 0.5)] = (0.002, 0.012)
    """Standard deviation, as a fraction of the shorter side; 0 is the identity."""

    def parameters(self, rng: np.random.Generator) -> Parameters:
        return {"sigma": draw_from(rng, self.sigma)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        return ops.GaussianBlur(parameters["sigma"] * min(size))
