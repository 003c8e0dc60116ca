"""Transforms that give an image the look of another one of the same split."""

from typing import Annotated, ClassVar

from variegate.ops import adaptation as ops
from variegate.transforms.base import Axis, Bounds, Range, Transform


class FourierAdaptationTransform(Transform):
    """Give the slow changes of light and color the strength that they have in another image.

    Fourier domain adaptation (FDA, Yang and Soatto 2020); labels stay as they are.
    """

    name: ClassVar = "fourier_adaptation"
    axes: ClassVar = (Axis("fourier_adaptation", "share", 0.0, 1.0, fixed=(("beta", 0.02),)),)
    acts: ClassVar = ops.FourierAdaptation
    partners: ClassVar = 1

    share: Annotated[Range, Bounds(0, 1)] = (0.3, 1.0)
    """Share of the way to the other image's amplitudes; 0 is the identity."""
    beta: Annotated[Range, Bounds(0, 0.5)] = (0.005, 0.015)
    """Most waves along a side that are changed, as a fraction of the shorter side's pixels; 0
    changes the mean color alone."""


class HistogramMatchTransform(Transform):
    """Give every channel the histogram of another image; labels stay as they are."""

    name: ClassVar = "histogram_match"
    axes: ClassVar = (Axis("histogram_match", "share", 0.0, 1.0),)
    acts: ClassVar = ops.HistogramMatch
    partners: ClassVar = 1

    share: Annotated[Range, Bounds(0, 1)] = (0.3, 1.0)
    """Share of the way to the other image's levels; 0 is the identity."""
