"""What is known of every image at every level: what was asked, and what follows from it.

An image that passed a level passes the weaker ones, and one that failed fails the stronger ones:
its *bracket* is the last level it passed and the first it failed. What lies outside of it is
implied, not asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from variegate.tolerance.statistics import Whole

#: The number of an image, and a level from 1 to `LEVELS`.
Cell = tuple[int, int]

#: Asks about cells and returns the error of each, 0 to 1; NaN where there was no usable answer.
Ask = Callable[[Sequence[Cell]], Sequence[float]]

#: Levels of an axis: hundredths of its intensity.
LEVELS = 100

#: An error from here on is a failure.
TAU = 0.5

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Known:
    """What is known of some images at one level; what is in neither is open."""

    failed: Flags
    passed: Flags

    @property
    def open(self) -> Whole:
        """Numbers of the images of which nothing is known."""
        return np.flatnonzero(~(self.failed | self.passed))


class Answers:
    """All answers of one axis. See the module's docstring.

    Attributes:
        calls: how many cells were asked.
        unusable: how many of them had no usable answer; they count as failures.
        implies: whether an answer tells about other levels of its image.
        passed, failed: (N,), the brackets.
    """

    def __init__(self, ask: Ask, images: int, *, tau: float = TAU) -> None:
        self._ask, self._tau = ask, tau
        self.given = np.full((images, LEVELS + 1), -1, np.int8)
        self.passed = np.zeros(images, np.int64)
        self.failed = np.full(images, LEVELS + 1, np.int64)
        self.implies, self.calls, self.unusable = True, 0, 0

    def ask(self, cells: Sequence[Cell], *, brackets: bool = True) -> list[bool]:
        """Ask about cells that are not known yet; return for each of them whether it failed.

        Args:
            cells: which.
            brackets: whether brackets follow; not where a bracket is put to the test.
        """
        new = [cell for cell in dict.fromkeys(cells) if self.given[cell] < 0]
        errors = self._ask(new) if new else []
        if len(errors) != len(new):
            raise ValueError(f"expected {len(new)} errors, got {len(errors)}")
        self.calls += len(new)
        for (image, level), error in zip(new, errors, strict=True):
            self.unusable += bool(np.isnan(error))
            # Written so that NaN is a failure.
            failed = not error < self._tau
            self.given[image, level] = failed
            if brackets and failed:
                self.failed[image] = min(self.failed[image], level)
            elif brackets:
                self.passed[image] = max(self.passed[image], level)
        return [bool(self.given[cell]) for cell in cells]

    def known(self, level: int, n: int) -> Known:
        """Return what is known of the first n images at a level."""
        given = self.given[:n, level]
        failed, passed = given == 1, given == 0
        if self.implies:
            above, below = self.failed[:n] <= level, self.passed[:n] >= level
            # Where an image passed above what it failed, nothing follows in between.
            failed |= (given < 0) & above & ~below
            passed |= (given < 0) & below & ~above
        return Known(failed, passed)

    def implied(self, level: int, n: int) -> Whole:
        """Return the images whose answer at a level was implied, not asked."""
        known = self.known(level, n)
        return np.flatnonzero((known.failed | known.passed) & (self.given[:n, level] < 0))

    def rate(self, level: int, n: int) -> float:
        """Ask every one of the first n images that is open; return which share fails."""
        self.ask([(int(image), level) for image in self.known(level, n).open])
        return float(self.known(level, n).failed.mean())
