"""Transforms of what optics and filters leave beside edges."""

from typing import Annotated, ClassVar

import numpy as np

from variegate.annotations.sample import Size
from variegate.ops import Operation, overshoot
from variegate.ops import aberration as ops
from variegate.transforms.base import Axis, Bounds, Parameters, Range, Transform


class ChromaticAberration(Transform):
    """Color edges towards the corners as a lens does: red larger than green, blue smaller.

    Which of the two is the larger is drawn (lateral chromatic aberration). Purple fringes beside
    what is bright come with it (longitudinal). A gray image loses a little sharpness instead.
    """

    name: ClassVar = "chromatic_aberration"
    axes: ClassVar = (Axis("chromatic_aberration", "shift", 0.0, 0.04, fixed=(("fringe", 0.0),)),)

    shift: Annotated[Range, Bounds(0, 0.2)] = (0.003, 0.012)
    """How far red and blue are moved in the corners, as a fraction of their distance from the
    centre; 0 is the identity where `fringe` is 0, too."""

    fringe: Annotated[Range, Bounds(0, 1)] = (0.0, 0.5)
    """Strength of the purple fringes beside what is bright; 0 is none."""

    def further(self, rng: np.random.Generator) -> Parameters:
        return {"larger": "red" if rng.random() < 0.5 else "blue"}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        shift = parameters["shift"]
        outwards = shift if parameters["larger"] == "red" else 1 / (1 + shift) - 1
        return ops.ChromaticAberration(outwards, parameters["fringe"])


class Ringing(Transform):
    """Let edges overshoot and ring, as where a filter, a codec or a scan cut off fine detail."""

    name: ClassVar = "ringing"
    axes: ClassVar = (Axis("ringing", "strength", 0.0, 1.0, fixed=(("wavelength", 0.03),)),)

    strength: Annotated[Range, Bounds(0, 1)] = (0.6, 1.0)
    """Share of what is filtered in the result; 0 is the identity."""

    wavelength: Annotated[Range, Bounds(high=0.2, above=0)] = (0.006, 0.018)
    """Wavelength of the finest detail that is left and rings, beyond the 2 pixels that are the
    finest of any image, as a fraction of the shorter side."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        return overshoot.Ringing(parameters["strength"], 2 + parameters["wavelength"] * min(size))
