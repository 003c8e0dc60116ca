"""The random crop that cuts no object."""

from typing import Annotated, ClassVar

from variegate.annotations.sample import Size
from variegate.ops import Operation
from variegate.ops import safe_crop as ops
from variegate.transforms.base import Axis, Bounds, Parameters, Range
from variegate.transforms.geometry import RandomCrop, inner_view


class SafeCropTransform(RandomCrop):
    """Cut a random window out that keeps every object whole; without objects any window.

    Objects that leave no room get the whole image.
    """

    name: ClassVar = "safe_crop"
    axes: ClassVar = (Axis("safe_crop", "area", 1.0, 0.25, fixed=(("aspect_ratio", 1.0),)),)

    area: Annotated[Range, Bounds(high=1, above=0)] = (0.3, 1.0)
    """Fraction of the area that is kept, or more where objects need it; 1 is the identity."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        canvas = parameters.get("size")
        return ops.SafeCrop(
            parameters["area"],
            parameters["aspect_ratio"],
            (parameters["x"], parameters["y"]),
            (int(canvas[0]), int(canvas[1])) if canvas else None,
            inner_view(parameters),
        )
