"""Which parts a dataset is split into, and how large they are to be."""

from dataclasses import dataclass

import numpy as np

from variegate.annotations.splits import SPLITS, canonical_split
from variegate.datasets.prepare.solver import Floats
from variegate.errors import UsageError

DEFAULT_PARTS = "70/15/15"
_FOLD = "fold"
_EXPECTED = "expected shares such as 70/30, 70/15/15 or train=80,test=20, whose sum is 100 or 1"
_SLACK = 1e-6


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a split.

    Attributes:
        names: "train", "val", "test", or "fold1" and so on.
        shares: of each; their sum is 1.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> "Parts":
        """Read shares: two for train and val, three for train, val and test, or with names.

        Raises:
            UsageError: they are no shares.
        """
        if "=" in text:
            cells = [cell.partition("=")[::2] for cell in text.split(",")]
        else:
            numbers = text.split("/")
            if len(numbers) > len(SPLITS):
                raise UsageError(f"--parts {text}: {_EXPECTED}; folds are --folds")
            cells = list(zip(SPLITS, numbers, strict=False))
        shares: dict[str, float] = {}
        for word, number in cells:
            name = canonical_split(word.strip())
            try:
                share = float(number)
            except ValueError:
                share = 0.0
            if name is None or name in shares or not 0 < share < float("inf"):
                raise UsageError(f"--parts {text}: {_EXPECTED}")
            shares[name] = share
        total = sum(shares.values())
        if len(shares) < 2 or min(abs(total - 100), abs(total - 1)) > _SLACK * total:
            raise UsageError(f"--parts {text}: {_EXPECTED}")
        names = tuple(name for name in SPLITS if name in shares)
        return cls(names, tuple(shares[name] / total for name in names))

    @classmethod
    def folds(cls, count: int) -> "Parts":
        """Return equal parts for cross-validation.

        Raises:
            UsageError: there are less than two.
        """
        if count < 2:
            raise UsageError(f"--folds {count}: expected at least 2")
        return cls(tuple(f"{_FOLD}{number + 1}" for number in range(count)), (1 / count,) * count)

    @property
    def array(self) -> Floats:
        """The shares as an array."""
        return np.array(self.shares)

    def number(self, name: str) -> int:
        """Return the number of a part, or -1 where there is none of that name."""
        return self.names.index(name) if name in self.names else -1

    def __str__(self) -> str:
        return ", ".join(
            f"{name} {share:.4g}"
            for name, share in zip(self.names, (100 * one for one in self.shares), strict=True)
        )


def is_fold(name: str) -> bool:
    """Say whether a part is a fold."""
    return name.startswith(_FOLD) and name[len(_FOLD) :].isdigit()
