"""Policies that choose among steps."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from variegate.errors import did_you_mean
from variegate.recipes.policies.base import Chain, Place, Step, Steps, choose, count, expand, mark
from variegate.seeding import Path


class _SingleSteps(Steps):
    """Steps of which some are chosen: each must be one variant."""

    weights: tuple[Annotated[float, Field(gt=0)], ...] | None = None
    """How often each step is chosen, relative to the others; equally often where none are given."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for index, step in enumerate(self.steps):
            if count(step) != 1:
                raise ValueError(
                    f"steps[{index}]: expected one variant, got {step.name} of {count(step)}"
                )
        if self.weights is not None and len(self.weights) != len(self.steps):
            raise ValueError(
                f"weights: expected one for each of {len(self.steps)} steps, "
                f"got {len(self.weights)}"
            )
        return self

    def _weights(self) -> list[float]:
        return list(self.weights or (1.0,) * len(self.steps))


class OneOf(_SingleSteps):
    """One step, chosen at random."""

    name: ClassVar = "one_of"

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        index = choose(place.rng((*path, "choice")), self._weights())
        yield from expand(self.steps[index], place, (*path, mark(depth, index)), depth + 1)


class SampleOf(_SingleSteps):
    """A number of variants, each of some steps chosen at random, in the order of the list."""

    name: ClassVar = "sample"

    n: Annotated[int, Field(ge=1, le=1_000_000)]
    """How many variants."""
    k_min: Annotated[int, Field(ge=0)] = 1
    """Least number of steps in a variant."""
    k_max: Annotated[int, Field(ge=1)] | None = None
    """Greatest number of steps; all that the groups allow where none is given."""
    groups: tuple[tuple[str, ...], ...] = ()
    """Names of steps that exclude each other: of each group at most one is chosen."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        names = {step.name for step in self.steps}
        grouped = [name for group in self.groups for name in group]
        for name in grouped:
            if name not in names:
                raise ValueError(f"groups: no step is named {name!r}{did_you_mean(name, names)}")
            if grouped.count(name) > 1:
                raise ValueError(f"groups: {name!r} appears in more than one place")
        most = self._most()
        if self.k_max is not None and self.k_max > most:
            raise ValueError(f"k_max: expected at most {most} (steps and groups), got {self.k_max}")
        if self.k_min > (self.k_max or most):
            raise ValueError(f"k_min: expected at most {self.k_max or most}, got {self.k_min}")
        return self

    def _group(self, index: int) -> str:
        """Return what names the group of a step; a step without one is its own."""
        name = self.steps[index].name
        return next((f"group {i}" for i, g in enumerate(self.groups) if name in g), f"step {index}")

    def _most(self) -> int:
        return len({self._group(index) for index in range(len(self.steps))})

    def count(self) -> int:
        return self.n

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        groups = [self._group(index) for index in range(len(self.steps))]
        for draw in range(self.n):
            here = (*path, f"{depth}:{draw}")
            steps: tuple[Step, ...] = ()
            for index in self._chosen(place.rng((*here, "choice")), groups):
                for chain in expand(
                    self.steps[index], place, (*here, mark(depth, index)), depth + 1
                ):
                    steps += chain.steps
            yield Chain(steps, here)

    def _chosen(self, rng: np.random.Generator, groups: list[str]) -> list[int]:
        wanted = int(rng.integers(self.k_min, (self.k_max or len(set(groups))) + 1))
        weights, chosen = self._weights(), list[int]()
        while len(chosen) < wanted:
            index = choose(rng, weights)
            chosen.append(index)
            for other, group in enumerate(groups):
                if group == groups[index]:
                    weights[other] = 0.0
        return sorted(chosen)
