"""What is known of every image at every level: what was asked, and what follows from it.

An image that passed a level passes the weaker ones, and one that failed fails the stronger ones:
its *bracket* is the last level it passed and the first it failed. What lies outside of it is
implied, not asked. Some images fail, recover, and fail again: an answer tells nothing beyond the
next one that contradicts it.
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


@dataclass(frozen=True)
class Neighbours:
    """The closest levels at which some images were asked, at or below a level, and above it.

    Attributes:
        below: 0, where every image passes, if none was asked.
        above: LEVELS + 1, as if the image failed there, if none was asked.
        failed_below, failed_above: whether it failed there.
    """

    below: Whole
    above: Whole
    failed_below: Flags
    failed_above: Flags


class Answers:
    """All answers of one axis. See the module's docstring.

    Attributes:
        calls: how many cells were asked.
        unusable: how many of them had no usable answer; they count as failures.
        implies: whether an answer tells about other levels of its image.
        passed, failed: (N,), the last level each passed and the first it failed.
    """

    def __init__(self, ask: Ask, images: int, *, tau: float = TAU) -> None:
        self._ask, self._tau = ask, tau
        self.given = np.full((images, LEVELS + 1), -1, np.int8)
        self.passed = np.zeros(images, np.int64)
        self.failed = np.full(images, LEVELS + 1, np.int64)
        self.implies, self.calls, self.unusable = True, 0, 0

    def ask(self, cells: Sequence[Cell]) -> list[bool]:
        """Ask about cells that are not known yet; return for each of them whether it failed."""
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
            if failed:
                self.failed[image] = min(self.failed[image], level)
            else:
                self.passed[image] = max(self.passed[image], level)
        return [bool(self.given[cell]) for cell in cells]

    def neighbours(self, level: int, n: int) -> Neighbours:
        """Return where the first n images were asked next to a level."""
        given, images = self.given[:n], np.arange(n)
        asked = given >= 0
        asked[:, 0] = True
        below = level - asked[:, level::-1].argmax(axis=1)
        higher = asked[:, level + 1 :]
        none = ~higher.any(axis=1)
        above = np.full(n, LEVELS + 1)
        if higher.shape[1]:
            above = np.where(none, above, level + 1 + higher.argmax(axis=1))
        failed_above = none | (given[images, np.minimum(above, LEVELS)] == 1)
        return Neighbours(below, above, given[images, below] == 1, failed_above)

    def known(self, level: int, n: int) -> Known:
        """Return what is known of the first n images at a level."""
        given = self.given[:n, level]
        if not self.implies:
            return Known(given == 1, given == 0)
        near = self.neighbours(level, n)
        return Known(
            (given == 1) | (given < 0) & near.failed_below & near.failed_above,
            (given == 0) | (given < 0) & ~near.failed_below & ~near.failed_above,
        )

    def counts(self, n: int) -> tuple[Whole, Whole]:
        """Return how many of the first n images are known to fail at each level, and to pass."""
        given, levels = self.given[:n], np.arange(LEVELS + 1)
        # Level by level: where it was asked last, and where it will be asked next.
        asked = given >= 0
        asked[:, 0] = True
        last = np.maximum.accumulate(np.where(asked, levels, 0), axis=1)
        following = np.minimum.accumulate(np.where(asked, levels, LEVELS + 1)[:, ::-1], axis=1)[
            :, ::-1
        ]
        failed_last = np.take_along_axis(given, last, axis=1) == 1
        there = np.take_along_axis(given, np.minimum(following, LEVELS), axis=1) == 1
        failed_next = (following > LEVELS) | there
        failing = (failed_last & failed_next).sum(axis=0)
        return failing, (~failed_last & ~failed_next).sum(axis=0)

    def brackets(self, level: int, n: int) -> tuple[Whole, Whole]:
        """Return the last level that the first n images pass and the first they fail.

        Of one that recovers, those next to where it was asked closest to a level.
        """
        given, levels = self.given[:n], np.arange(LEVELS + 1)
        near = self.neighbours(level, n)
        nearer_below = level - near.below <= near.above - level
        failing = np.where(nearer_below, near.failed_below, near.failed_above)
        passes, fails = given == 0, given == 1
        passes[:, 0] = True
        # One that fails is followed downwards to where it passes, one that passes upwards.
        last_pass = np.where(passes & (levels <= level), levels, 0).max(axis=1)
        start = np.where(failing, last_pass, level)
        ends = np.where(fails & (levels > start[:, None]), levels, LEVELS + 1).min(axis=1)
        return np.where(passes & (levels < ends[:, None]), levels, 0).max(axis=1), ends

    def implied(self, level: int, n: int) -> Whole:
        """Return the images whose answer at a level was implied, not asked."""
        known = self.known(level, n)
        return np.flatnonzero((known.failed | known.passed) & (self.given[:n, level] < 0))

    def rate(self, level: int, n: int) -> float:
        """Ask every one of the first n images that is open; return which share fails."""
        self.ask([(int(image), level) for image in self.known(level, n).open])
        return float(self.known(level, n).failed.mean())
