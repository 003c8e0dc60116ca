"""Random erasing."""

from typing import Annotated, ClassVar, Literal, get_args

import numpy as np

from variegate.annotations.sample import Size
from variegate.ops import Operation
from variegate.ops.erasure import Erasure, RegionShape, Where
from variegate.ops.occlusion import Fill
from variegate.seeding import noise_key
from variegate.transforms.base import Axis, Bounds, Parameters, Range, Transform
from variegate.transforms.occlusion import Level


class RandomErasing(Transform):
    """Hide regions of any shape, anywhere or inside of each object (Zhong et al. 2020).

    They lie wholly within the image, or the object's box. Labels under them count as hidden.
    """

    name: ClassVar = "random_erasing"
    axes: ClassVar = (Axis("random_erasing", "area", 0.0, 0.5),)
    undrawn: ClassVar = frozenset({"p", "shape", "fill", "color", "inside"})

    area: Annotated[Range, Bounds(0, 1)] = (0.02, 0.2)
    """Area of each region, as a fraction of the image's or the object's box; 0 is the identity."""
    aspect_ratio: Annotated[Range, Bounds(0.05, 20, log=True)] = (0.3, 1 / 0.3)
    """Width to height of a region, in pixels, as far as there is room."""
    regions: Annotated[Range, Bounds(1, 64, whole=True)] = (1.0, 1.0)
    """Number of regions in the image, or in each object."""
    shape: Literal["rectangle", "ellipse", "polygon", "any"] = "rectangle"
    """Shape of the regions; any draws one of the three."""
    inside: Where = "image"
    """Erase anywhere in the image, or inside of each object's box."""
    fill: Fill = "noise"
    """What is shown instead: `noise` (even, colored), `mean` (the image's mean color), `constant`
    (a color) or `blur` (the image, strongly blurred)."""
    color: tuple[Level, Level, Level] = (0, 0, 0)
    """RGB of the fill `constant`, 0 to 255."""

    def further(self, rng: np.random.Generator) -> Parameters:
        shapes = get_args(RegionShape)
        number = int(rng.integers(len(shapes)))
        return {
            "shape": shapes[number] if self.shape == "any" else self.shape,
            "inside": self.inside,
            "fill": self.fill,
            "color": list(self.color),
            "noise_key": noise_key(rng),
            **super().further(rng),
        }

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        r, g, b = parameters["color"]
        return Erasure(
            parameters["fill"],
            (r, g, b),
            parameters["noise_key"],
            parameters["area"],
            parameters["aspect_ratio"],
            shape=parameters["shape"],
            count=parameters["regions"],
            inside=parameters["inside"],
        )
