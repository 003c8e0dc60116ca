"""Which items come in which step: known beforehand for every epoch, whoever loads them.

In an epoch every image comes once (with weighted sampling: as often on average), as one of the
recipe's variants; the next epoch takes its next variant, drawn anew. So a training that goes on at
a step has the same images before it as one that was never stopped.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from variegate.seeding import generator

Numbers = npt.NDArray[np.int64]


class Batches:
    """The steps of an epoch, for a data loader.

    Attributes:
        epoch: which.
        first: step to begin with.
    """

    def __init__(
        self,
        labels: Numbers,
        *,
        variants: int,
        batch: int,
        seed: int,
        weighted: bool = False,
        limit: int | None = None,
    ) -> None:
        """Plan.

        Args:
            labels: (N,), numbers of the images' classes.
            variants: of each image.
            batch: images in a step.
            seed: decides the order.
            weighted: draw classes alike often, with replacement.
            limit: images in an epoch, instead of all.
        """
        self._labels, self._variants = labels, variants
        self._batch, self._seed, self._weighted = batch, seed, weighted
        self._images = len(labels) if limit is None else limit
        self._offsets = generator(seed, "variants").integers(variants, size=len(labels))
        self.epoch = self.first = 0

    @property
    def steps(self) -> int:
        """In an epoch."""
        return len(_bounds(self._images, self._batch)) - 1

    def __len__(self) -> int:
        return self.steps - self.first

    def __iter__(self) -> Iterator[list[int]]:
        items = self.items(self.epoch)
        bounds = _bounds(self._images, self._batch)
        for begin, end in zip(bounds[self.first :], bounds[self.first + 1 :], strict=False):
            yield items[begin:end].tolist()

    def items(self, epoch: int) -> Numbers:
        """Return numbers of the items of an epoch, in their order: image * variants + variant."""
        rng = generator(self._seed, "order", epoch)
        images = self._drawn(rng)
        return images * self._variants + (self._offsets[images] + epoch) % self._variants

    def _drawn(self, rng: np.random.Generator) -> Numbers:
        count = len(self._labels)
        if self._weighted:
            shares = 1 / np.bincount(self._labels)[self._labels]
            return rng.choice(count, size=self._images, p=shares / shares.sum())
        rounds = [rng.permutation(count) for _ in range(-(-self._images // count))]
        return np.concatenate(rounds)[: self._images]


def _bounds(images: int, batch: int) -> list[int]:
    """Return where steps begin, and the end: no step has a single image unless all have.

    Batch normalisation cannot learn from one.
    """
    bounds = [*range(0, images, batch), images]
    if batch > 1 and len(bounds) > 2 and bounds[-1] - bounds[-2] == 1:
        del bounds[-2]
    return bounds
