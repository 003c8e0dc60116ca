"""Transforms of color that act on each pixel alone."""

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Size
from variegate.ops import ColorMatrix, Lut, Operation
from variegate.ops.adaptive import MeanContrast
from variegate.ops.color import LUMINANCE
from variegate.transforms.base import Axis, Bounds, Parameters, Range, Transform, both_ways

_LEVELS = np.arange(256, dtype=np.float64)
_TO_NEGATIVE = 255 - 2 * _LEVELS
_SAME = np.eye(3)
_TO_GRAY = np.tile(LUMINANCE, (3, 1))
_WEIGHTS: list[float] = LUMINANCE.tolist()
_SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])


# Where an axis of light or contrast ends is measured (benchmarks/axes.py): one step further, and
# photos, bright or dark or of a microscope, show hardly anything any more.


class Brightness(Transform):
    """Add an amount to every channel."""

    name: ClassVar = "brightness"
    axes: ClassVar = both_ways("brightness", "amount", 0.0, up=0.35, down=-0.5, version=2)
    acts: ClassVar = lambda amount: Lut.of(_LEVELS + 255 * amount)

    amount: Annotated[Range, Bounds(-1, 1)] = (-0.25, 0.25)
    """Amount added, as a fraction of full scale; 0 is the identity."""


class Exposure(Transform):
    """Expose longer or shorter: multiply the light, not the stored values (sRGB transfer curve)."""

    name: ClassVar = "exposure"
    axes: ClassVar = (
        Axis("exposure+", "stops", 0.0, 1.5, version=2),
        Axis("exposure-", "stops", 0.0, -3.0),
    )
    acts: ClassVar = lambda stops: Lut.of(255 * _to_srgb(_to_light(_LEVELS / 255) * 2.0**stops))

    stops: Annotated[Range, Bounds(-8, 8)] = (-1.0, 1.0)
    """Doublings of the light; 0 is the identity."""


class Contrast(Transform):
    """Stretch or shrink the distance of every value from mid gray, or from the image's mean."""

    name: ClassVar = "contrast"
    # About the image's mean: about mid gray a dark image would get darker, too.
    axes: ClassVar = (
        Axis("contrast+", "factor", 1.0, 4.0, "log", (("about", "mean"),), version=2),
        Axis("contrast-", "factor", 1.0, 0.35, fixed=(("about", "mean"),), version=3),
    )
    acts: ClassVar = lambda factor, about="gray": (
        Lut.of(127.5 + factor * (_LEVELS - 127.5))
        if about == "gray"
        else MeanContrast(factor, per_channel=about == "channels")
    )

    factor: Annotated[Range, Bounds(0, 100, log=True)] = (0.7, 1.4)
    """Factor on the distance; 1 is the identity, 0 leaves one plain color."""

    about: Literal["gray", "mean", "channels"] = "gray"
    """What stays as it is: mid gray (`gray`), the mean of the image's luminance (`mean`), or the
    mean of each channel (`channels`)."""


class Gamma(Transform):
    """Raise values (0 ... 1) to a power: above 1 darker mid tones, below 1 brighter ones."""

    name: ClassVar = "gamma"
    axes: ClassVar = both_ways("gamma", "exponent", 1.0, up=4.0, down=0.25, scale="log")
    acts: ClassVar = lambda exponent: Lut.of(255 * (_LEVELS / 255) ** exponent)

    exponent: Annotated[Range, Bounds(high=20, above=0, log=True)] = (0.7, 1.4)
    """The exponent; 1 is the identity."""


class _Channel(Transform):
    """Add an amount to one channel."""

    channel: ClassVar[int]

    amount: Annotated[Range, Bounds(-1, 1)] = (-0.15, 0.15)
    """Amount added to the channel, as a fraction of full scale; 0 is the identity."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        tables = np.tile(_LEVELS, (3, 1))
        tables[cls.channel] += 255 * parameters["amount"]
        return Lut.of(tables)


class Red(_Channel):
    """Add an amount to the red channel."""

    name: ClassVar = "red"
    axes: ClassVar = (
        Axis("red+", "amount", 0.0, 0.5, version=2),
        Axis("red-", "amount", 0.0, -1.0),
    )
    channel: ClassVar = 0


class Green(_Channel):
    """Add an amount to the green channel."""

    name: ClassVar = "green"
    axes: ClassVar = (
        Axis("green+", "amount", 0.0, 0.5, version=2),
        Axis("green-", "amount", 0.0, -1.0),
    )
    channel: ClassVar = 1


class Blue(_Channel):
    """Add an amount to the blue channel."""

    name: ClassVar = "blue"
    axes: ClassVar = (
        Axis("blue+", "amount", 0.0, 0.5, version=2),
        Axis("blue-", "amount", 0.0, -1.0),
    )
    channel: ClassVar = 2


class Posterize(Transform):
    """Keep fewer levels of each channel, evenly spread from black to white."""

    name: ClassVar = "posterize"
    axes: ClassVar = (Axis("posterize", "bits", 8.0, 1.0, version=2),)
    undrawn: ClassVar = Transform.undrawn | {"cut"}

    bits: Annotated[Range, Bounds(1, 8)] = (3.0, 6.0)
    """Bits a channel: 2**bits levels, rounded; 8 is the identity."""
    cut: bool = False
    """Only cut the lower bits off, as Pillow does: the levels are multiples, and white gets
    darker."""

    def further(self, rng: np.random.Generator) -> Parameters:
        return {"cut": True} if self.cut else {}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        if parameters.get("cut", False):
            step = 256 / round(2 ** parameters["bits"])
            return Lut.of(np.floor(np.floor(_LEVELS / step) * step))
        levels = round(2 ** parameters["bits"])
        return Lut.of(np.floor(_LEVELS * levels / 256) * 255 / (levels - 1))


class Solarize(Transform):
    """Invert what is at least as bright as a threshold."""

    name: ClassVar = "solarize"
    axes: ClassVar = (Axis("solarize", "threshold", 1.0, 0.25, version=2),)
    acts: ClassVar = lambda threshold: Lut.of(
        np.where(256 * threshold <= _LEVELS, 255 - _LEVELS, _LEVELS)
    )

    threshold: Annotated[Range, Bounds(0, 1)] = (0.5, 1.0)
    """Fraction of full scale from which values are inverted; 1 is the identity."""


class Mixed(Transform):
    """A change that can be mixed with the source."""

    mix: Annotated[Range, Bounds(0, 1)] = (1.0, 1.0)
    """Share of the changed image in the result; 0 is the identity."""


class Invert(Mixed):
    """Turn the image into its negative."""

    name: ClassVar = "invert"
    # Not along the mix: half an image and half its negative are plain gray.
    axes: ClassVar = (Axis("invert", "share", 0.0, 1.0, version=2),)
    acts: ClassVar = lambda mix, share=1.0: Lut.of(
        np.where(np.abs(_TO_NEGATIVE) <= 255 * share, _LEVELS + mix * _TO_NEGATIVE, _LEVELS)
    )

    share: Annotated[Range, Bounds(0, 1)] = (1.0, 1.0)
    """Share of the levels, from mid gray outwards, that are inverted; 0 is the identity."""


class Saturation(Transform):
    """Make colors stronger or weaker; luminance is kept."""

    name: ClassVar = "saturation"
    axes: ClassVar = both_ways("saturation", "factor", 1.0, up=3.0, down=0.0)
    acts: ClassVar = lambda factor: _saturated(factor)

    factor: Annotated[Range, Bounds(0, 100, log=True)] = (0.4, 1.8)
    """Factor on the distance from gray; 1 is the identity, 0 a gray image."""


class Hue(Transform):
    """Turn all colors about the gray axis; luminance is kept."""

    name: ClassVar = "hue"
    axes: ClassVar = both_ways("hue", "angle_degrees", 0.0, up=180.0, down=-180.0)

    angle_degrees: Annotated[Range, Bounds(-180, 180)] = (-36.0, 36.0)
    """Angle on the color wheel, degrees; 120 takes red to green; 0 is the identity."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        # A rotation about (1, 1, 1) keeps the mean of the channels, not their luminance; taking
        # the luminance out afterwards is a shear along the gray axis, so angles still add up.
        turned = _about_gray(math.radians(parameters["angle_degrees"]))
        chroma = _SAME - _TO_GRAY
        return ColorMatrix.of(_TO_GRAY + chroma @ turned @ chroma)


class Temperature(Transform):
    """Warm or cool the light, as another lamp would."""

    name: ClassVar = "temperature"
    axes: ClassVar = both_ways("temperature", "mired", 0.0, up=200.0, down=-100.0)

    mired: Annotated[Range, Bounds(-110, 400)] = (-40.0, 60.0)
    """Shift in mired (a million over kelvin) from daylight of 6504 K; above 0 warmer."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        daylight = 1e6 / 6504
        light = _black_body(1e6 / (daylight + parameters["mired"])) / _black_body(6504)
        # Gains for stored values; 2.2 is near enough to the sRGB curve for a gain to be one number.
        gains = (light / (LUMINANCE @ light)) ** (1 / 2.2)
        return ColorMatrix.of(np.diag(gains if parameters["mired"] else np.ones(3)))


class Grayscale(Mixed):
    """Take the colors out."""

    name: ClassVar = "grayscale"
    axes: ClassVar = (Axis("grayscale", "mix", 0.0, 1.0),)
    acts: ClassVar = lambda mix: _mixed(_TO_GRAY, mix)


class Sepia(Mixed):
    """Give the image the brown of old prints."""

    name: ClassVar = "sepia"
    axes: ClassVar = (Axis("sepia", "mix", 0.0, 1.0),)
    acts: ClassVar = lambda mix: _mixed(_SEPIA, mix)


class ChannelShuffle(Mixed):
    """Exchange the channels, by one of the five orders that are not the usual one."""

    name: ClassVar = "channel_shuffle"
    axes: ClassVar = (Axis("channel_shuffle", "mix", 0.0, 1.0),)
    acts: ClassVar = lambda mix, order: _mixed(np.eye(3)[list(order)], mix)

    orders: ClassVar = ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))

    def further(self, rng: np.random.Generator) -> Parameters:
        return {"order": list(self.orders[int(rng.integers(len(self.orders)))])}


def _saturated(factor: float) -> ColorMatrix:
    """Return factor * _SAME + (1 - factor) * _TO_GRAY, in plain numbers."""
    r, g, b = [(1 - factor) * weight for weight in _WEIGHTS]
    return ColorMatrix(((factor + r, g, b, 0.0), (r, factor + g, b, 0.0), (r, g, factor + b, 0.0)))


def _mixed(matrix: npt.NDArray[np.float64], mix: float) -> ColorMatrix:
    return ColorMatrix.of((1 - mix) * _SAME + mix * matrix)


def _about_gray(angle: float) -> npt.NDArray[np.float64]:
    """Return the rotation by `angle` (radians) about (1, 1, 1) that takes red towards green."""
    cos, sin = math.cos(angle), math.sin(angle) / math.sqrt(3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    return cos * _SAME + sin * cross + (1 - cos) / 3 * np.ones((3, 3))


def _to_light(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """sRGB values (0 ... 1) to linear light, IEC 61966-2-1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _to_srgb(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Linear light to sRGB values, IEC 61966-2-1."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _black_body(kelvin: float) -> npt.NDArray[np.float64]:
    """Return the linear sRGB color of a black body from 1,667 to 25,000 K, luminance 1.

    Chromaticity by the cubic splines of Kim et al., US patent 7,024,034 (2006), expired; the
    usual approximation of the Planckian locus. Cut at what sRGB can show.
    """
    kelvin = min(max(kelvin, 1667.0), 25000.0)
    t = 1e3 / kelvin
    if kelvin <= 4000:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    if kelvin <= 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif kelvin <= 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    xyz = np.array([x / y, 1.0, (1 - x - y) / y])
    to_rgb = np.array(
        [
            [3.2404542, -1.5371385, -0.4985314],
            [-0.9692660, 1.8760108, 0.0415560],
            [0.0556434, -0.2040259, 1.0572252],
        ]
    )
    return np.maximum(to_rgb @ xyz, 0.02)
