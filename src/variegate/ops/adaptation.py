"""Operations that give an image the look of another: `FourierAdaptation`, `HistogramMatch`.

What it shows, and all that is known of it, stays.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image, Sample
from variegate.ops.adaptive import histogram
from variegate.ops.color import round_to_bytes
from variegate.ops.grain import looked_up
from variegate.ops.mixing import Combination, like

Floats = npt.NDArray[np.float64]
Waves = npt.NDArray[np.complex128]

# A wave this weak, of levels at each pixel, is what rounding leaves of none: it has no phase.
_NO_WAVE = 1e-6
# Away from the middle between two levels, where sums of whole numbers often end.
_OFF_MIDDLE = 1e-5
_LEVELS = np.arange(256, dtype=np.float64)


@dataclass(frozen=True)
class Adaptation(Combination):
    """What gives an image the look of another.

    Attributes:
        share: of the change that is made, 0 (the identity) to 1.
    """

    share: float

    @property
    def is_identity(self) -> bool:
        return self.share == 0

    def combine(self, sample: Sample, partners: tuple[Sample, ...]) -> Sample:
        image, other = sample.image, like(partners[0].image, sample.image)
        if image.ndim == 2:
            return replace(sample, image=self._adapted(image, other))
        planes, others = cv2.split(image), cv2.split(other)
        changed = [
            # Alpha is left alone.
            plane if number == 3 else self._adapted(plane, example)
            for number, (plane, example) in enumerate(zip(planes, others, strict=True))
        ]
        return replace(sample, image=cv2.merge(changed).reshape(image.shape))

    @abstractmethod
    def _adapted(self, plane: Image, example: Image) -> Image:
        """Return (H, W) with the look of an example of any size."""


@dataclass(frozen=True)
class FourierAdaptation(Adaptation):
    """The slow waves of another image, as strong as they are there, and where they are here.

    Source: Yang and Soatto, FDA: Fourier Domain Adaptation for Semantic Segmentation, CVPR 2020.
    The change is computed in double precision by numpy's own FFT, which is the same code on every
    machine; it is rounded to a level at the end, away from where sums of whole numbers end.

    Attributes:
        beta: which waves: those of at most this fraction of the shorter side to a side.
    """

    beta: float

    def _adapted(self, plane: Image, example: Image) -> Image:
        height, width = plane.shape
        reach = min(math.floor(self.beta * min(height, width)), (min(height, width) - 1) // 2)
        if example.shape != plane.shape:
            example = cv2.resize(example, (width, height), interpolation=cv2.INTER_AREA)
        own, other = _slow_waves(plane, reach), _slow_waves(example, reach)
        strength, wanted = _strength(own), _strength(other)
        there = strength > _NO_WAVE * height * width
        ratio = np.divide(wanted, strength, out=np.ones_like(strength), where=there)
        change = _image_of(own * (self.share * (ratio - 1)), (height, width))
        change += plane
        change += 0.5 + _OFF_MIDDLE
        np.clip(change, 0, 255, out=change)
        return change.astype(np.uint8)


def _slow_waves(plane: Image, reach: int) -> Waves:
    """Return (2 * reach + 1, reach + 1) the waves of -reach ... reach down, 0 ... reach across."""
    across = np.ascontiguousarray(np.fft.rfft(plane, axis=1)[:, : reach + 1])
    down = np.fft.fft(across, axis=0)
    return np.concatenate([down[: reach + 1], down[len(down) - reach :]])


def _image_of(waves: Waves, size: tuple[int, int]) -> Floats:
    """Undo `_slow_waves`: return (height, width) the sum of the waves."""
    reach = waves.shape[1] - 1
    spread = np.zeros((size[0], reach + 1), np.complex128)
    spread[: reach + 1] = waves[: reach + 1]
    spread[size[0] - reach :] = waves[reach + 1 :]
    return np.fft.irfft(np.fft.ifft(spread, axis=0), n=size[1], axis=1)


def _strength(waves: Waves) -> Floats:
    # Not np.abs, whose last digits depend on the processor.
    squares: Floats = waves.real * waves.real + waves.imag * waves.imag
    return np.sqrt(squares)


@dataclass(frozen=True)
class HistogramMatch(Adaptation):
    """Levels as often as in another image, channel by channel, in the order that they have.

    Each level becomes the lowest one of the other image that has at least as many pixels at and
    below it, by share; see Gonzalez and Woods, Digital Image Processing, 3.3.
    """

    def _adapted(self, plane: Image, example: Image) -> Image:
        below, wanted = np.cumsum(histogram(plane)), np.cumsum(histogram(example))
        # Shares are compared as whole numbers.
        levels = np.searchsorted(wanted * below[-1], below * wanted[-1])
        return looked_up(plane, round_to_bytes(_LEVELS + self.share * (levels - _LEVELS)))
