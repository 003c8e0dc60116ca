"""Transforms of sharpness."""

from typing import Annotated, ClassVar

from variegate.annotations.sample import Size
from variegate.ops import Operation
from variegate.ops import blur as ops
from variegate.transforms.base import Axis, Bounds, Parameters, Range, Transform


def _visible(length: float, *, least: float) -> float:
    """Return a length in pixels, at least one that can be seen (36 to 41 dB), or none at all."""
    return max(least, length) if length else 0.0


class GaussianBlur(Transform):
    """Blur evenly in all directions, with a normal kernel."""

    name: ClassVar = "gaussian_blur"
    axes: ClassVar = (Axis("gaussian_blur", "sigma", 0.0, 0.05),)
    acts: ClassVar = lambda sigma: ops.GaussianBlur(_visible(sigma, least=0.5))
    of_shorter_side: ClassVar = ("sigma",)

    sigma: Annotated[Range, Bounds(0, 0.5)] = (0.001, 0.008)
    """Standard deviation, as a fraction of the shorter side, but at least half a pixel; 0 is the
    identity."""


class MotionBlur(Transform):
    """Blur along a line, as where camera or thing moved while the shutter was open."""

    name: ClassVar = "motion_blur"
    axes: ClassVar = (Axis("motion_blur", "length", 0.0, 0.2),)
    acts: ClassVar = lambda length, angle_degrees: ops.MotionBlur(
        _visible(length, least=1.0), angle_degrees
    )
    of_shorter_side: ClassVar = ("length",)

    length: Annotated[Range, Bounds(0, 1)] = (0.005, 0.04)
    """Length of the line, as a fraction of the shorter side, but at least a pixel; 0 is the
    identity."""

    angle_degrees: Annotated[Range, Bounds(-360, 360)] = (0.0, 180.0)
    """Direction of the line, degrees: 0 along a row, 90 along a column."""


class Defocus(Transform):
    """Blur with a disk, as a lens does off its focus: bright points become bright disks."""

    name: ClassVar = "defocus"
    axes: ClassVar = (Axis("defocus", "radius", 0.0, 0.08),)
    acts: ClassVar = lambda radius: ops.Defocus(_visible(radius, least=0.7))
    of_shorter_side: ClassVar = ("radius",)

    radius: Annotated[Range, Bounds(0, 0.5)] = (0.002, 0.015)
    """Radius of the disk, as a fraction of the shorter side, but at least 0.7 pixels; 0 is the
    identity."""


class ZoomBlur(Transform):
    """Blur towards the centre, as where the lens zoomed while the shutter was open."""

    name: ClassVar = "zoom_blur"
    axes: ClassVar = (Axis("zoom_blur", "amount", 0.0, 0.5),)
    acts: ClassVar = ops.ZoomBlur

    amount: Annotated[Range, Bounds(0, 2)] = (0.01, 0.1)
    """How much larger the last moment is than the first; 0 is the identity."""


class GlassBlur(Transform):
    """Show the image through frosted glass: every point is moved a little, by chance."""

    name: ClassVar = "glass_blur"
    axes: ClassVar = (Axis("glass_blur", "amount", 0.0, 0.03),)
    noisy: ClassVar = True

    amount: Annotated[Range, Bounds(0, 0.2)] = (0.001, 0.006)
    """Standard deviation of the shifts, as a fraction of the shorter side; 0 is the identity."""

    blur: Annotated[Range, Bounds(0, 4)] = (0.5, 0.5)
    """Standard deviation of the blur before and after the shifts, as a share of theirs."""

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        shorter = min(size)
        amount = parameters["amount"] * shorter
        # Rows drawn before there was a blur have none.
        sigma = parameters.get("blur", 0.0) * amount
        return ops.GlassBlur(amount, max(1.0, shorter / 120), parameters["noise_key"], sigma)


class MedianBlur(Transform):
    """Replace every value by the median about it: fine detail goes, edges stay."""

    name: ClassVar = "median_blur"
    axes: ClassVar = (Axis("median_blur", "size", 0.0, 0.08),)
    acts: ClassVar = lambda size: ops.MedianBlur(1 + _visible(size, least=0.5))
    of_shorter_side: ClassVar = ("size",)

    size: Annotated[Range, Bounds(0, 0.5)] = (0.003, 0.02)
    """Side of the square less one pixel, as a fraction of the image's shorter side, but at least
    half a pixel; 0 is the identity."""


class Sharpen(Transform):
    """Strengthen fine detail (unsharp mask)."""

    name: ClassVar = "sharpen"
    axes: ClassVar = (Axis("sharpen", "amount", 0.0, 4.0),)
    acts: ClassVar = lambda amount, radius: ops.Sharpen(amount, max(0.7, radius))
    of_shorter_side: ClassVar = ("radius",)

    amount: Annotated[Range, Bounds(0, 20)] = (0.2, 1.0)
    """How many times the detail is added once more; 0 is the identity."""

    radius: Annotated[Range, Bounds(0, 0.1)] = (0.003, 0.003)
    """Size of what counts as detail (standard deviation of the blur that takes it away), as a
    fraction of the shorter side, but at least 0.7 pixels."""
