"""`ChainMix`: an image mixed with what several chains of operations make of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from variegate.annotations.sample import Image
from variegate.ops.base import Operation, Pixels

_ONE = 1 << 16


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
        total = image.astype(np.uint32) * np.uint32(own)
        for weight, chain in zip(others, self.chains, strict=True):
            changed = image
            for operation in chain:
                changed = operation.apply_image(changed)
            total += changed * np.uint32(weight)
        total += np.uint32(_ONE // 2)
        total //= np.uint32(_ONE)
        return total.astype(np.uint8)


def _whole(shares: Sequence[float]) -> list[int]:
    """Return shares as whole numbers with the sum `_ONE`."""
    ends = np.rint(np.cumsum(shares) * (_ONE / sum(shares))).astype(int)
    return np.diff(ends, prepend=0).tolist()
