"""Transforms that make one image of several.

Which others is drawn as a number from 0 to 1 for each, and becomes a key when the plan knows whom
it may choose from: sources of the same split.
"""

from typing import Annotated, ClassVar

import numpy as np

from variegate.annotations.sample import Size
from variegate.ops import Operation
from variegate.ops.copy_paste import CopyPaste
from variegate.ops.mixing import Cutmix, Mixup, Mosaic
from variegate.seeding import noise_key
from variegate.transforms.base import Axis, Bounds, Parameters, Range, Transform, draw_from


class MixupTransform(Transform):
    """Let another image shine through; labels are shared accordingly."""

    name: ClassVar = "mixup"
    axes: ClassVar = (Axis("mixup", "share", 0.0, 0.5),)
    acts: ClassVar = Mixup
    partners: ClassVar = 1

    share: Annotated[Range, Bounds(0, 1)] = (0.1, 0.5)
    """Share of the other image; 0 is the identity."""


class CutmixTransform(Transform):
    """Replace a piece by a piece of another image; labels are shared by area."""

    name: ClassVar = "cutmix"
    axes: ClassVar = (Axis("cutmix", "area", 0.0, 0.5),)
    partners: ClassVar = 1

    area: Annotated[Range, Bounds(0, 1)] = (0.1, 0.4)
    """Area of the piece, as a fraction of the image's; 0 is the identity."""

    def further(self, rng: np.random.Generator) -> Parameters:
        return {"x": float(rng.random()), "y": float(rng.random()), **super().further(rng)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        side = parameters["area"] ** 0.5
        height, width = round(size[0] * side), round(size[1] * side)
        top = round(parameters["y"] * (size[0] - height))
        left = round(parameters["x"] * (size[1] - width))
        region = (top, left, top + height, left + width)
        return Cutmix(tuple(parameters["partners"]), region)


class MosaicTransform(Transform):
    """Put four images around a point, each in a corner."""

    name: ClassVar = "mosaic"
    partners: ClassVar = 3

    center: Annotated[Range, Bounds(0.1, 0.9)] = (0.3, 0.7)
    """Where the four meet, as a fraction of the height and of the width."""

    def parameters(self, rng: np.random.Generator) -> Parameters:
        center = [draw_from(rng, self.center), draw_from(rng, self.center)]
        return {"center": center, **self.further(rng)}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        y, x = (
            min(max(1, round(share * side)), side - 1) if side > 1 else 0
            for share, side in zip(parameters["center"], size, strict=True)
        )
        return Mosaic(tuple(parameters["partners"]), (y, x))


class CopyPasteTransform(Transform):
    """Paste objects of another image, cut out along their masks, polygons or boxes.

    Each is scaled and moved by itself, and softened at its edge. The other image is one that has
    objects, as long as there are any.
    """

    name: ClassVar = "copy_paste"
    axes: ClassVar = (Axis("copy_paste", "fraction", 0.0, 1.0),)
    partners: ClassVar = 1
    partners_have_objects: ClassVar = True

    fraction: Annotated[Range, Bounds(0, 1)] = (0.3, 0.8)
    """Fraction of the other image's objects that are pasted, one at least; 0 is the identity."""
    scale: Annotated[Range, Bounds(high=10, above=0, log=True)] = (0.7, 1.4)
    """Factor of each object's size, beside what fits its image to this one; 1 keeps it."""
    shift: Annotated[Range, Bounds(0, 1)] = (0.2, 0.2)
    """How far an object is moved at most, as a fraction of the sides; 0 keeps its place."""
    feather: Annotated[Range, Bounds(0, 0.1)] = (0.002, 0.002)
    """Sigma by which edges are softened, as a fraction of the shorter side; 0 keeps them hard."""

    #: Choices that are drawn; more objects than these repeat them.
    _choices: ClassVar = 64

    def parameters(self, rng: np.random.Generator) -> Parameters:
        fraction = draw_from(rng, self.fraction)
        drawn = rng.random(self._choices)
        # Nested: what a smaller fraction takes, a larger one takes, too.
        chosen = "".join("1" if value < fraction else "0" for value in drawn)
        # So that no small fraction means that nothing is ever pasted.
        if fraction > 0 and "1" not in chosen:
            place = int(drawn.argmin())
            chosen = f"{chosen[:place]}1{chosen[place + 1 :]}"
        return {
            "fraction": fraction,
            "chosen": chosen,
            "scale": list(self.scale),
            "shift": draw_from(rng, self.shift),
            "feather": draw_from(rng, self.feather),
            "noise_key": noise_key(rng),
            **self.further(rng),
        }

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        low, high = parameters["scale"]
        return CopyPaste(
            tuple(parameters["partners"]),
            tuple(mark == "1" for mark in parameters["chosen"]),
            scale=(low, high),
            shift=parameters["shift"],
            feather=parameters["feather"] * min(size),
            noise_key=parameters["noise_key"],
        )
