"""Intensities in units that people know: degrees, stops, pixels of blur, JPEG quality, decibels.

Lengths are those in an image of one megapixel, 1,000 pixels a side, as transforms measure them in
shares of the shorter side.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from variegate.recipes.policies import find_axis

#: Pixels of the side of a square image of one megapixel.
SIDE = 1000.0


@dataclass(frozen=True)
class Quantity:
    """An intensity as people call it.

    Attributes:
        value: in the unit; infinite where there is none of it (noise at no strength).
        unit: with what is meant, "degrees", "px blur at 1 MP".
        text: both, ready to read.
    """

    value: float
    unit: str
    text: str


@dataclass(frozen=True)
class _Unit:
    unit: str
    of: Callable[[float], float]
    digits: int = 2
    signed: bool = False


def _px(what: str) -> _Unit:
    return _Unit(f"px {what} at 1 MP", lambda share: share * SIDE)


def _percent(what: str) -> _Unit:
    return _Unit(f"% {what}", lambda share: 100 * share)


def _degrees(what: str = "degrees") -> _Unit:
    return _Unit(what, float, signed=True)


def _times(what: str) -> _Unit:
    return _Unit(f"x {what}", float)


def _decibels(sigma: float) -> float:
    return -20 * math.log10(sigma) if sigma > 0 else math.inf


_LEVELS = _Unit("levels of 255", lambda amount: 255 * amount, signed=True)
_SHIFT = _Unit("% of the side", lambda share: 100 * share, signed=True)

#: By transform and parameter: parameters of one name may mean different things.
_UNITS: dict[tuple[str, str], _Unit] = {
    ("brightness", "amount"): _LEVELS,
    ("red", "amount"): _LEVELS,
    ("green", "amount"): _LEVELS,
    ("blue", "amount"): _LEVELS,
    ("exposure", "stops"): _Unit("stops", float, signed=True),
    ("gain", "factor"): _Unit("stops of gain", math.log2, signed=True),
    ("gamma", "exponent"): _Unit("gamma", float),
    ("contrast", "factor"): _times("contrast"),
    ("saturation", "factor"): _times("saturation"),
    ("sharpness", "factor"): _times("sharpness"),
    ("sharpen", "amount"): _times("detail added"),
    ("hue", "angle_degrees"): _degrees("degrees of hue"),
    ("temperature", "mired"): _Unit("mired", float, signed=True),
    ("rotate", "angle_degrees"): _degrees(),
    ("shear", "x_degrees"): _degrees("degrees of shear"),
    ("shear", "y_degrees"): _degrees("degrees of shear"),
    ("translate", "x"): _SHIFT,
    ("translate", "y"): _SHIFT,
    ("scale", "factor"): _times("size"),
    ("zoom", "factor"): _times("zoom"),
    ("random_crop", "area"): _percent("of the area kept"),
    ("safe_crop", "area"): _percent("of the area kept"),
    ("perspective", "amount"): _percent("of the side moved"),
    ("lens", "coefficient"): _Unit("radial distortion", float, signed=True),
    ("gaussian_blur", "sigma"): _px("blur (sigma)"),
    ("motion_blur", "length"): _px("motion"),
    ("defocus", "radius"): _px("blur radius"),
    ("median_blur", "size"): _px("median"),
    ("glass_blur", "amount"): _px("scatter"),
    ("zoom_blur", "amount"): _percent("of zoom during exposure"),
    ("elastic", "amplitude"): _px("displacement"),
    ("wave", "amplitude"): _px("displacement"),
    ("thin_plate", "amount"): _percent("of the side displaced"),
    ("chromatic_aberration", "shift"): _percent("of color fringe"),
    ("grid_distort", "amount"): _percent("of a cell displaced"),
    ("piecewise_affine", "amount"): _percent("of a cell displaced"),
    ("downscale", "factor"): _percent("of the resolution kept"),
    ("jpeg", "quality"): _Unit("JPEG quality", float, digits=0),
    ("webp", "quality"): _Unit("WebP quality", float, digits=0),
    ("video_compression", "qp"): _Unit("H.264 QP", float, digits=0),
    ("gaussian_noise", "sigma"): _Unit("dB PSNR", _decibels),
    ("speckle", "sigma"): _Unit("dB signal to noise", _decibels),
    ("poisson_noise", "photons"): _Unit(
        "dB signal to noise", lambda photons: 10 * math.log10(photons)
    ),
    ("salt_pepper", "fraction"): _percent("of pixels"),
    ("pixel_dropout", "fraction"): _percent("of pixels"),
    ("superpixels", "fraction"): _percent("of cells"),
    ("grid_shuffle", "fraction"): _percent("of cells moved"),
    ("copy_paste", "fraction"): _percent("of objects"),
    ("grid_dropout", "ratio"): _percent("of each cell's side"),
    ("cutout", "size"): _percent("of the side covered"),
    ("random_erasing", "area"): _percent("of the area covered"),
    ("cutmix", "area"): _percent("of the area replaced"),
    ("posterize", "bits"): _Unit("bits a channel", float),
    ("solarize", "threshold"): _Unit("level of 255", lambda share: 255 * share, digits=0),
}
# Shares of an effect have one meaning in every transform.
_SHARES = {"mix": "mixed in", "share": "mixed in", "opacity": "opacity", "strength": "strength"}


def in_units(axis: str, intensity: float) -> Quantity:
    """Return an intensity, 0 to 1, of an axis in units that people know.

    Raises:
        ValueError: there is no such axis.
    """
    transform, found = find_axis(axis)
    number = found.value(intensity)
    unit = _UNITS.get((transform.name, found.parameter))
    if unit is None:
        word = _SHARES.get(found.parameter, found.parameter.replace("_", " "))
        unit = _percent(word)
    value = unit.of(number)
    if math.isinf(value):
        return Quantity(value, unit.unit, f"no noise ({unit.unit})")
    return Quantity(value, unit.unit, f"{_rounded(value, unit)} {unit.unit}".replace(" %", "%"))


def _rounded(value: float, unit: _Unit) -> str:
    """Return a value with three significant digits at most."""
    value += 0.0  # no "-0"
    whole = len(str(int(abs(value))))
    digits = max(0, min(unit.digits, 3 - whole))
    text = f"{value:+.{digits}f}" if unit.signed else f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
