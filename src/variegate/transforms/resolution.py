"""Transforms that lose detail as small or strongly compressed files do."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from variegate.annotations.sample import Size
from variegate.ops import Operation
from variegate.ops import resolution as ops
from variegate.transforms.base import Axis, Bounds, GrainSize, Parameters, Range, Transform


class Downscale(Transform):
    """Make the image smaller and then as large as it was; the detail is gone."""

    name: ClassVar = "downscale"
    axes: ClassVar = (Axis("downscale", "factor", 1.0, 0.125, "log"),)

    factor: Annotated[Range, Bounds(high=1, above=0, log=True)] = (0.35, 0.9)
    """Share of the sides that is kept in between, drawn on a log scale; 1 is the identity."""

    by: Literal["interpolation", "blocks"] = "interpolation"
    """How it becomes as large as it was: smoothly (`interpolation`), or each pixel as a block of
    one color (`blocks`)."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        height, width = (max(1, round(parameters["factor"] * side)) for side in size)
        return ops.Downscale(height, width, parameters.get("by") == "blocks")


@dataclass(frozen=True)
class _QualityAxis(Axis):
    """An axis of JPEG qualities along which the loss grows evenly: fast at first, then slower."""

    def value(self, intensity: float) -> float:
        super().value(intensity)
        return self.end + (self.start - self.end) * (1 - intensity) ** 2


class Jpeg(Transform):
    """Compress as a JPEG file, with its blocks and its ringing."""

    name: ClassVar = "jpeg"
    axes: ClassVar = (_QualityAxis("jpeg", "quality", 100.0, 1.0),)
    acts: ClassVar = lambda quality, grain=1.0: ops.Jpeg(round(quality), grain)
    of_shorter_side: ClassVar = ("grain",)

    quality: Annotated[Range, Bounds(1, 100)] = (25.0, 90.0)
    """Quality as libjpeg counts, rounded; 1 is the worst, and 100 leaves the image as it is."""

    grain: GrainSize = 0.001
    """Side of what is compressed as one pixel (a block is eight of them wide), as a fraction of the
    shorter side, in whole pixels; at least one, which it is below 1,500 pixels."""
