"""The operations of published policies, each as a draw of a transform of this catalogue.

What an operation does, and how far it goes, are facts of the papers; torchvision's tables agree
with them. They do not follow the axes of the catalogue, which end elsewhere.

| operation | becomes | magnitude |
| --- | --- | --- |
| shear_x, shear_y | `shear` about the top left corner | slope |
| translate_x, translate_y | `translate` by whole pixels | pixels, or a fraction of the side |
| rotate | `rotate` | degrees, counterclockwise |
| brightness | `gain` | factor less 1 |
| color | `saturation` | factor less 1 |
| contrast | `contrast` about the mean | factor less 1 |
| sharpness | `sharpness` | factor less 1 |
| posterize | `posterize`, lower bits cut off | bits that stay |
| solarize | `solarize` | level from which values are inverted, of 255 |
| autocontrast, equalize, invert | the same, whole | none |
| identity | nothing | none |
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from variegate.transforms.base import Draw, Parameters

#: How what lies beyond the image is filled, and how values between pixels are found.
Sampling = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Magnitudes:
    """From where to where the magnitude of an operation goes.

    Attributes:
        start, end: the magnitude at the weakest and at the strongest.
        signed: its sign is drawn, too.
        whole: it is rounded.
        unit: "pixels" where it is not the operation's usual one.
    """

    start: float = 0.0
    end: float = 0.0
    signed: bool = False
    whole: bool = False
    unit: str = ""

    def at(self, share: float) -> float:
        """Return the magnitude at a share from 0 to 1 of the way."""
        if self.whole:
            return self.start - round((self.start - self.end) * share)
        return self.start + (self.end - self.start) * share


def _signed(end: float, unit: str = "") -> Magnitudes:
    return Magnitudes(0.0, end, signed=True, unit=unit)


def _alike(names: str, magnitudes: Magnitudes) -> dict[str, Magnitudes]:
    return dict.fromkeys(names.split(), magnitudes)


_WHOLLY = _alike("autocontrast equalize", Magnitudes())
_FACTORS = "brightness color contrast sharpness"

#: RandAugment and AutoAugment: Cubuk et al. 2020 and 2019, as torchvision has them.
USUAL: Mapping[str, Magnitudes] = {
    "identity": Magnitudes(),
    **_alike("shear_x shear_y", _signed(0.3)),
    **_alike("translate_x translate_y", _signed(150 / 331)),
    "rotate": _signed(30.0),
    **_alike(_FACTORS, _signed(0.9)),
    "posterize": Magnitudes(8, 4, whole=True),
    "solarize": Magnitudes(255, 0),
    **_WHOLLY,
}
#: TrivialAugment, the wide space: Mueller and Hutter 2021.
WIDE: Mapping[str, Magnitudes] = {
    "identity": Magnitudes(),
    **_alike("shear_x shear_y", _signed(0.99)),
    **_alike("translate_x translate_y", _signed(32.0, "pixels")),
    "rotate": _signed(135.0),
    **_alike(_FACTORS, _signed(0.99)),
    "posterize": Magnitudes(8, 2, whole=True),
    "solarize": Magnitudes(255, 0),
    **_WHOLLY,
}


def published(
    operation: str, magnitude: float, sampling: Sampling, *, unit: str = ""
) -> Draw | None:
    """Return an operation at a magnitude, which may be negative; None for the identity.

    Args:
        operation: its name, as in the module's docstring.
        magnitude: in its usual unit.
        sampling: of geometric operations: border, fill, interpolation.
        unit: "pixels" for a translation by pixels, not by a fraction of the side.
    """
    if operation == "identity":
        return None
    magnitude += 0.0  # no negative zero
    if operation in MOVES:
        return MOVES[operation](magnitude, unit, sampling)
    transform, parameters = _COLORS[operation]
    return Draw(transform, parameters(magnitude))


def filled(fill: tuple[int, int, int], interpolation: str) -> Sampling:
    """Return how geometric operations sample: beyond the image is a plain color."""
    return {"border": "constant", "fill": list(fill), "interpolation": interpolation}


def _shear(axis: str) -> Callable[[float, str, Sampling], Draw]:
    def made(slope: float, unit: str, sampling: Sampling) -> Draw:
        del unit
        # A positive slope takes what is shown from further along: the image moves back.
        degrees = {"x_degrees": 0.0, "y_degrees": 0.0}
        degrees[f"{axis}_degrees"] = 0.0 - math.degrees(math.atan(slope))
        return Draw("shear", {**degrees, "about": "corner", **sampling})

    return made


def _translate(axis: str) -> Callable[[float, str, Sampling], Draw]:
    def made(amount: float, unit: str, sampling: Sampling) -> Draw:
        parameters: dict[str, Any] = {"x": 0.0, "y": 0.0}
        if unit:
            parameters[f"{axis}_pixels"] = float(math.trunc(amount))
        else:
            parameters[axis] = amount
        return Draw("translate", {**parameters, "whole": True, **sampling})

    return made


def _rotate(degrees: float, unit: str, sampling: Sampling) -> Draw:
    del unit
    return Draw("rotate", {"angle_degrees": degrees, "fit": "keep", **sampling})


#: The operations that move pixels.
MOVES: Mapping[str, Callable[[float, str, Sampling], Draw]] = {
    "shear_x": _shear("x"),
    "shear_y": _shear("y"),
    "translate_x": _translate("x"),
    "translate_y": _translate("y"),
    "rotate": _rotate,
}


def _factor(change: float) -> Parameters:
    return {"factor": 1 + change}


_COLORS: Mapping[str, tuple[str, Callable[[float], Parameters]]] = {
    "brightness": ("gain", _factor),
    "color": ("saturation", _factor),
    "contrast": ("contrast", lambda change: {"factor": 1 + change, "about": "mean"}),
    "sharpness": ("sharpness", _factor),
    "posterize": ("posterize", lambda bits: {"bits": bits, "cut": True}),
    "solarize": ("solarize", lambda level: {"threshold": level / 256}),
    "autocontrast": ("autocontrast", lambda _: {"mix": 1.0, "cutoff": 0.0}),
    "equalize": ("equalize", lambda _: {"mix": 1.0, "steps": True}),
    "invert": ("invert", lambda _: {"mix": 1.0}),
}
