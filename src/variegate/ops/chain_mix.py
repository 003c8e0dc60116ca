"""`ChainMix`: an image mixed with what several chains of operations make of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image
from variegate.ops.base import Operation, Pixels

_ONE = 1 << 16
_BAND = 64


@dataclass(frozen=True)
class ChainMix(Pixels):
    """The weighted mean of an image and of the results of chains that begin with it.

    Labels are those of the image itself, and so is its transparency.

    Source: Hendrycks et al., AugMix, ICLR 2020.

    Attributes:
        share: of all chains together, 0 ... 1; 0 is the identity.
        weights: of each chain among them; their sum is 1.
        chains: operations that keep the size, in order.
    """

    strength_field: ClassVar = "share"

    share: float
    weights: tuple[float, ...]
    chains: tuple[tuple[Operation, ...], ...]

    def _act_on_colors(self, image: Image) -> Image:
        image = np.ascontiguousarray(image)
        own, *others = _whole([1 - self.share, *(self.share * one for one in self.weights)])
        # Whole numbers, so that the sum is the same on every machine.
        total = np.full(image.shape, _ONE // 2, np.uint32)
        _add(total, image, own)
        for weight, chain in zip(others, self.chains, strict=True):
            changed = image
            for operation in chain:
                changed = operation.apply_image(changed)
            _add(total, changed, weight)
        total //= np.uint32(_ONE)
        return total.astype(np.uint8)


def _add(total: npt.NDArray[np.uint32], image: Image, weight: int) -> None:
    """Add an image times a weight to a sum of images."""
    # By bands of rows: what is multiplied takes four times the memory of bytes.
    for start in range(0, len(image), _BAND):
        total[start : start + _BAND] += image[start : start + _BAND] * np.uint32(weight)


def _whole(shares: Sequence[float]) -> list[int]:
    """Return shares as whole numbers with the sum `_ONE`."""
    ends = np.rint(np.cumsum(shares) * (_ONE / sum(shares))).astype(int)
    return np.diff(ends, prepend=0).tolist()
