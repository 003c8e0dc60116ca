"""Transforms that add noise. The pattern is drawn once: more strength is more of the same noise."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from variegate.annotations.sample import Size
from variegate.ops import Operation
from variegate.ops import noise as ops
from variegate.transforms.base import Axis, Bounds, GrainSize, Parameters, Range, Transform


class _Grained(Transform):
    """Noise in grains."""

    noisy: ClassVar = True
    of_shorter_side: ClassVar = ("grain",)

    grain: GrainSize = 0.001
    """Side of the grains, as a fraction of the shorter side, in whole pixels; at least one, which
    it is below 1,500 pixels. 0.01 means the same from 96 pixels on."""


class GaussianNoise(_Grained):
    """Add normal noise, as a sensor in poor light does."""

    name: ClassVar = "gaussian_noise"
    axes: ClassVar = (Axis("gaussian_noise", "sigma", 0.0, 0.5),)
    acts: ClassVar = lambda sigma, **drawn: ops.GaussianNoise(255 * sigma, **drawn)

    sigma: Annotated[Range, Bounds(0, 2)] = (0.01, 0.08)
    """Standard deviation, as a fraction of full scale; 0 is the identity."""

    per_channel: bool = True
    """Whether each channel has its own noise (colored grain) or all have the same (gray grain)."""


class Speckle(_Grained):
    """Multiply by normal noise about 1, as in radar and ultrasound images: black stays black."""

    name: ClassVar = "speckle"
    axes: ClassVar = (Axis("speckle", "sigma", 0.0, 1.0),)
    acts: ClassVar = ops.Speckle

    sigma: Annotated[Range, Bounds(0, 4)] = (0.03, 0.2)
    """Standard deviation of the factor; 0 is the identity."""

    per_channel: bool = True
    """Whether each channel has its own noise (colored grain) or all have the same (gray grain)."""


@dataclass(frozen=True)
class _PhotonAxis(Axis):
    """An axis of photons along which the noise, 1 / sqrt(photons), grows evenly."""

    def value(self, intensity: float) -> float:
        super().value(intensity)
        start, end = self.start**-0.5, self.end**-0.5
        return (
            (start + (end - start) * intensity) ** -2
            if 0 < intensity < 1
            else (self.end if intensity else self.start)
        )


class PoissonNoise(_Grained):
    """Count few photons instead of measuring light: the noise grows with the root of brightness."""

    name: ClassVar = "poisson_noise"
    axes: ClassVar = (_PhotonAxis("poisson_noise", "photons", 1e8, 4.0),)
    acts: ClassVar = ops.PoissonNoise

    photons: Annotated[Range, Bounds(1, 1e8, log=True)] = (150.0, 3000.0)
    """Photons that make white, drawn on a log scale; noise there is 1 / sqrt(photons) of full
    scale; 1e8 is the identity."""


class SaltPepper(_Grained):
    """Make some pixels white and as many black, as dead sensor cells and lost bits do."""

    name: ClassVar = "salt_pepper"
    axes: ClassVar = (Axis("salt_pepper", "fraction", 0.0, 0.5),)
    acts: ClassVar = ops.SaltPepper

    fraction: Annotated[Range, Bounds(0, 1)] = (0.002, 0.03)
    """Share of the pixels that change, half of them to white; 0 is the identity."""

    color: bool = False
    """Whether each channel of a pixel changes by itself: impulses in color."""


class IsoNoise(_Grained):
    """Noise of a camera at high ISO: fine in luminance, blotchy in color, worst in shadows."""

    name: ClassVar = "iso_noise"
    axes: ClassVar = (Axis("iso_noise", "intensity", 0.0, 1.0),)

    #: Luminance noise in shadows at intensity 1, in levels of 255.
    strongest: ClassVar = 90.0

    intensity: Annotated[Range, Bounds(0, 1)] = (0.05, 0.35)
    """0 is the identity, 1 a noise of 35% of full scale, less where a shadow's own level is less:
    black stays black."""

    color: Annotated[Range, Bounds(0, 1)] = (0.3, 0.7)
    """Color noise as a share of the luminance noise."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        return ops.IsoNoise(
            cls.strongest * parameters["intensity"],
            parameters["color"],
            max(1.0, min(size) / 160),
            parameters["noise_key"],
            parameters.get("grain", 0.0) * min(size),
        )
