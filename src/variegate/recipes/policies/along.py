"""Strength axes by name, and a step along one of them."""

from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import model_validator

from variegate.errors import did_you_mean
from variegate.transforms import Transform, all_transforms
from variegate.transforms.base import Axis, Bounds, Draw, Range, draw_from
from variegate.validation import Spec

#: What stands for the source as it is, which has no axis.
SOURCE = "source"


class Along(Spec):
    """One transform at a strength between 0 (the identity) and 1, on one of its axes."""

    name: ClassVar = "along"

    axis: str
    """Name of the axis, for example "brightness+"."""
    intensity: Annotated[Range, Bounds(0, 1)] = (0.0, 1.0)
    """Strength, drawn uniformly."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        find_axis(self.axis)
        return self

    def drawn(self, rng: np.random.Generator) -> Draw | None:
        """Draw the strength and what else the transform leaves to chance."""
        transform, axis = find_axis(self.axis)
        parameters = transform.at(self.axis, draw_from(rng, self.intensity), rng)
        return Draw(transform.name, parameters, (axis.name, axis.version))


def find_axis(name: str) -> tuple[type[Transform], Axis]:
    """Return the transform that has the axis of that name, and the axis.

    Raises:
        ValueError: no transform has it.
    """
    axes = all_axes()
    if name not in axes:
        raise ValueError(f"unknown axis {name!r}{did_you_mean(name, axes)}")
    return axes[name]


def all_axes() -> dict[str, tuple[type[Transform], Axis]]:
    """Return every strength axis of every transform, by its name."""
    return {
        axis.name: (transform, axis)
        for transform in all_transforms().values()
        for axis in transform.axes
    }


def axes_by_name() -> dict[str, list[str]]:
    """Return what `Axes` may choose from, each with its axes: transforms, axes in
    both directions (`translate_x`), single axes, and the source as it is, which has none."""
    named: dict[str, list[str]] = {SOURCE: []}
    for axis, (transform, _) in all_axes().items():
        for name in dict.fromkeys((transform.name, axis.rstrip("+-"), axis)):
            named.setdefault(name, []).append(axis)
    return named
