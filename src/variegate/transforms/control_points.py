"""Transforms that move a grid of control points, edges and corners included."""

from typing import Annotated, ClassVar

import numpy as np

from variegate.annotations.sample import Size
from variegate.ops import Field, Operation
from variegate.ops.piecewise import PiecewiseAffine
from variegate.ops.thin_plate import thin_plate
from variegate.seeding import noise_generator
from variegate.transforms.base import Axis, Bounds, Parameters, Range
from variegate.transforms.geometry import Viewed, view


def _offsets(parameters: Parameters, nodes: int, size: Size) -> np.ndarray:
    """Return (nodes, nodes, 2) even offsets up to the drawn amount of the points' distance."""
    unit = noise_generator(parameters["noise_key"]).random((nodes, nodes, 2)) * 2 - 1
    reach = parameters["amount"] / (nodes - 1)
    return unit * (reach * size[1], reach * size[0])


class ThinPlate(Viewed):
    """Move a grid of control points; the image bends between them like a thin metal plate."""

    name: ClassVar = "thin_plate"
    axes: ClassVar = (Axis("thin_plate", "amount", 0.0, 0.25),)
    noisy: ClassVar = True

    amount: Annotated[Range, Bounds(0, 0.5)] = (0.05, 0.15)
    """Greatest displacement of a point, as a fraction of its distance to the next; 0 is the
    identity."""
    points: Annotated[Range, Bounds(2, 8, whole=True)] = (4.0, 4.0)
    """Control points along each side."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        points = parameters["points"]
        return Field(
            (thin_plate(size, points, _offsets(parameters, points, size)),), view(parameters)
        )


class PiecewiseAffineTransform(Viewed):
    """Move the points of a grid; every triangle between them is turned and stretched evenly."""

    name: ClassVar = "piecewise_affine"
    axes: ClassVar = (Axis("piecewise_affine", "amount", 0.0, 0.3),)
    noisy: ClassVar = True

    amount: Annotated[Range, Bounds(0, 0.5)] = (0.05, 0.15)
    """Greatest displacement of a point, as a fraction of its distance to the next; 0 is the
    identity."""
    points: Annotated[Range, Bounds(2, 32, whole=True)] = (5.0, 5.0)
    """Points along each side."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        points = parameters["points"]
        values = _offsets(parameters, points, size).astype(np.float32).tobytes()
        return Field((PiecewiseAffine(size, (points, points), values),), view(parameters))
