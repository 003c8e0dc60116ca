"""Policies without choices: steps in order, all their subsets, every step alone, the source."""

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from variegate.recipes.policies.along import SOURCE
from variegate.recipes.policies.base import (
    Chain,
    Drawable,
    Place,
    Policy,
    Steps,
    count,
    expand,
    is_fixed,
    mark,
)
from variegate.seeding import Path


class _Ordered(Steps):
    """Steps that follow each other."""

    @property
    def is_fixed(self) -> bool:
        return all(map(is_fixed, self.steps))

    def _chains(self, place: Place, path: Path, depth: int, *, skipping: bool) -> Iterator[Chain]:
        """Yield every chain of one variant of each step; `skipping` leaves steps out, too."""

        def longer(before: Chain, index: int) -> Iterator[Chain]:
            if skipping:
                yield before
            here = (*before.path, mark(depth, index))
            for chain in expand(self.steps[index], place, here, depth + 1):
                yield Chain(before.steps + chain.steps, chain.path)

        # Depth first, without recursion: a list of steps may be long.
        growing: list[Iterator[Chain]] = [iter([Chain((), path)])]
        while growing:
            chain = next(growing[-1], None)
            if chain is None:
                growing.pop()
            elif len(growing) > len(self.steps):
                yield chain
            else:
                growing.append(longer(chain, len(growing) - 1))


class Sequence(_Ordered):
    """All steps, one after the other."""

    name: ClassVar = "sequence"

    p: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Probability that the sequence is applied; otherwise it does nothing."""

    @property
    def is_fixed(self) -> bool:
        return self.p == 1 and super().is_fixed

    def count(self) -> int:
        return math.prod(map(count, self.steps))

    @model_validator(mode="after")
    def _one_if_left_out(self) -> Self:
        if self.p < 1 and self.count() != 1:
            raise ValueError(
                f"p: a sequence of {self.count()} variants cannot be left out; give p to its steps"
            )
        return self

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        if self.p < 1 and place.rng((*path, "p")).random() >= self.p:
            yield Chain((), path)
            return
        yield from self._chains(place, path, depth, skipping=False)


class Original(Policy):
    """The source as it is: one more variant beside those of other steps."""

    name: ClassVar = SOURCE

    @property
    def is_fixed(self) -> bool:
        return True

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        yield Chain((), path)

    def drawables(self) -> Iterator[Drawable]:
        return iter(())


class Subsets(_Ordered):
    """Every subset of the steps, in their order: 2**N variants for N transforms."""

    name: ClassVar = "subsets"

    def count(self) -> int:
        return math.prod(1 + count(step) for step in self.steps)

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        yield from self._chains(place, path, depth, skipping=True)


class Each(Steps):
    """Every step alone."""

    name: ClassVar = "each"

    draws: Annotated[int, Field(ge=1, le=100_000)] = 1
    """How often each step is drawn."""

    def count(self) -> int:
        return self.draws * sum(count(step) for step in self.steps)

    @property
    def is_fixed(self) -> bool:
        return all(map(is_fixed, self.steps))

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        for index, step in enumerate(self.steps):
            for draw in range(self.draws):
                yield from expand(step, place, (*path, mark(depth, index), draw), depth + 1)
