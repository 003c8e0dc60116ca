"""How transforms combine: from one image to the list of its variants.

A policy *expands* into chains of steps. Each step carries the path of choices that led to it, and
its randomness is drawn from ``generator(seed, key, *path)``: two variants that begin with the same
choices share the same draws, and no variant depends on which others are made.

| policy | variants |
| --- | --- |
| `Sequence` | all steps in order; the product of the variants of its steps |
| `Subsets` | the power set: N steps give 2**N, the source counted as one |
| `Each` | every step alone, `draws` times |
| `SampleOf` | `n` random choices of `k_min` to `k_max` steps |
| `OneOf` | one, of one step chosen at random |
| `Trivial` | `n` of one axis at a random strength (Mueller and Hutter 2021) |
| `Rand` | `n` of `k` axes at one strength (Cubuk et al. 2020) |
| `Original` | one: the source itself |
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, InstanceOf, model_validator

from variegate.errors import did_you_mean
from variegate.seeding import KeyedSeed, Path
from variegate.transforms import Transform, all_transforms
from variegate.transforms.base import Axis, Bounds, Draw, Range, draw_from
from variegate.validation import Spec

#: The 14 operations of TrivialAugment and RandAugment, as transforms of this catalogue.
STANDARD = (
    *("source", "rotate", "translate_x", "translate_y", "shear_x", "shear_y", "brightness"),
    *("saturation", "contrast", "sharpen", "posterize", "solarize", "autocontrast", "equalize"),
)


class Along(Spec):
    """One transform at a strength between 0 (the identity) and 1, on one of its axes."""

    name: ClassVar = "along"

    axis: str
    """Name of the axis, for example "brightness+"."""
    intensity: Annotated[Range, Bounds(0, 1)] = (0.0, 1.0)
    """Strength, drawn uniformly."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        find_axis(self.axis)
        return self

    def drawn(self, rng: np.random.Generator) -> Draw | None:
        """Draw the strength and what else the transform leaves to chance."""
        transform, axis = find_axis(self.axis)
        parameters = transform.at(self.axis, draw_from(rng, self.intensity), rng)
        return Draw(transform.name, parameters, (axis.name, axis.version))


def find_axis(name: str) -> tuple[type[Transform], Axis]:
    """Return the transform that has the axis of that name, and the axis.

    Raises:
        ValueError: no transform has it.
    """
    axes = all_axes()
    if name not in axes:
        raise ValueError(f"unknown axis {name!r}{did_you_mean(name, axes)}")
    return axes[name]


def all_axes() -> dict[str, tuple[type[Transform], Axis]]:
    """Return every strength axis of every transform, by its name."""
    return {
        axis.name: (transform, axis)
        for transform in all_transforms().values()
        for axis in transform.axes
    }


def axes_by_name() -> dict[str, list[str]]:
    """Return what `Trivial` and `Rand` may choose from, each with its axes: transforms, axes in
    both directions (`translate_x`), single axes, and the source as it is, which has none."""
    named: dict[str, list[str]] = {Original.name: []}
    for axis, (transform, _) in all_axes().items():
        for name in dict.fromkeys((transform.name, axis.rstrip("+-"), axis)):
            named.setdefault(name, []).append(axis)
    return named


@dataclass(frozen=True, slots=True)
class Step:
    """A draw that is to be made, and the path of choices its randomness comes from."""

    source: Transform | Along
    path: Path


@dataclass(frozen=True, slots=True)
class Chain:
    """Some steps, in order, and the path of choices behind the last of them."""

    steps: tuple[Step, ...]
    path: Path


class Place:
    """Whose variants are expanded: random choices come from generator(seed, key, *path)."""

    __slots__ = ("_seed", "key")

    def __init__(self, seed: int, key: str) -> None:
        self.key = key
        self._seed = KeyedSeed(seed, key)

    def rng(self, path: Path) -> np.random.Generator:
        """Return the generator of one choice."""
        return self._seed.generator(*path)


class Policy(Spec, ABC):
    """A way of combining steps."""

    name: ClassVar[str]

    def count(self) -> int:
        """Return how many variants every image gets."""
        return 1

    @property
    def is_fixed(self) -> bool:
        """Whether it expands alike for every image: only what its steps draw is random."""
        return False

    @cached_property
    def fixed_chains(self) -> tuple[Chain, ...]:
        """The chains of a fixed policy, whose variants they ever are."""
        return tuple(self.expand(Place(0, "")))

    @abstractmethod
    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        """Yield every variant as a chain, always in the same order.

        Args:
            place: whose variants.
            path: the choices made before.
            depth: how deeply the policy is nested; it keeps paths of different levels apart.
        """


Node = InstanceOf[Transform] | InstanceOf[Along] | InstanceOf[Policy]


class _Steps(Policy):
    steps: Annotated[tuple[Node, ...], Field(min_length=1)]
    """Transforms and policies."""


def count(node: Node) -> int:
    """Return how many variants a node gives."""
    return node.count() if isinstance(node, Policy) else 1


def expand(node: Node, place: Place, path: Path, depth: int) -> Iterator[Chain]:
    """Yield the variants of a node; a transform is one chain of one step."""
    if isinstance(node, Policy):
        yield from node.expand(place, path, depth)
    else:
        yield Chain((Step(node, path),), path)


def chains(node: Node, place: Place) -> Iterable[Chain]:
    """Return the variants of a whole recipe's node."""
    if isinstance(node, Policy) and node.is_fixed:
        return node.fixed_chains
    return expand(node, place, (), 0)


def _is_fixed(node: Node) -> bool:
    return node.is_fixed if isinstance(node, Policy) else True


def _mark(depth: int, index: int) -> str:
    return f"{depth}.{index}"


class _Ordered(_Steps):
    """Steps that follow each other."""

    @property
    def is_fixed(self) -> bool:
        return all(map(_is_fixed, self.steps))

    def _chains(self, place: Place, path: Path, depth: int, *, skipping: bool) -> Iterator[Chain]:
        """Yield every chain of one variant of each step; `skipping` leaves steps out, too."""

        def longer(before: Chain, index: int) -> Iterator[Chain]:
            if skipping:
                yield before
            here = (*before.path, _mark(depth, index))
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

    name: ClassVar = "source"

    @property
    def is_fixed(self) -> bool:
        return True

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        yield Chain((), path)


class Subsets(_Ordered):
    """Every subset of the steps, in their order: 2**N variants for N transforms."""

    name: ClassVar = "subsets"

    def count(self) -> int:
        return math.prod(1 + count(step) for step in self.steps)

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        yield from self._chains(place, path, depth, skipping=True)


class Each(_Steps):
    """Every step alone."""

    name: ClassVar = "each"

    draws: Annotated[int, Field(ge=1, le=100_000)] = 1
    """How often each step is drawn."""

    def count(self) -> int:
        return self.draws * sum(count(step) for step in self.steps)

    @property
    def is_fixed(self) -> bool:
        return all(map(_is_fixed, self.steps))

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        for index, step in enumerate(self.steps):
            for draw in range(self.draws):
                yield from expand(step, place, (*path, _mark(depth, index), draw), depth + 1)


class _SingleSteps(_Steps):
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
        index = _choose(place.rng((*path, "choice")), self._weights())
        yield from expand(self.steps[index], place, (*path, _mark(depth, index)), depth + 1)


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
                    self.steps[index], place, (*here, _mark(depth, index)), depth + 1
                ):
                    steps += chain.steps
            yield Chain(steps, here)

    def _chosen(self, rng: np.random.Generator, groups: list[str]) -> list[int]:
        wanted = int(rng.integers(self.k_min, (self.k_max or len(set(groups))) + 1))
        weights, chosen = self._weights(), list[int]()
        while len(chosen) < wanted:
            index = _choose(rng, weights)
            chosen.append(index)
            for other, group in enumerate(groups):
                if group == groups[index]:
                    weights[other] = 0.0
        return sorted(chosen)


class _OnAxes(Policy):
    """Variants on strength axes."""

    n: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many variants."""
    transforms: Annotated[tuple[str, ...], Field(min_length=1)] = STANDARD
    """Names of transforms or of axes; any of a transform's axes is taken, in either direction where
    the name says none; "source" is no change."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        self.axes()
        return self

    def axes(self) -> list[list[str]]:
        """Return, for each entry, the names of its axes; none for "source".

        Raises:
            ValueError: an entry is neither a transform with an axis nor an axis.
        """
        named = axes_by_name()
        for entry in self.transforms:
            if entry not in named:
                raise ValueError(
                    f"transforms: no transform with a strength axis, and no axis, is named "
                    f"{entry!r}{did_you_mean(entry, named)}"
                )
        return [named[entry] for entry in self.transforms]

    def count(self) -> int:
        return self.n


class Trivial(_OnAxes):
    """TrivialAugment: one operation for a variant, at a strength drawn uniformly.

    Source: Mueller and Hutter, TrivialAugment, ICCV 2021.
    """

    name: ClassVar = "trivial"

    strength: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Greatest strength."""

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        axes = self.axes()
        for draw in range(self.n):
            here = (*path, f"{depth}:{draw}")
            along = _along(axes, place.rng((*here, "choice")), (0.0, self.strength))
            yield Chain((Step(along, here),) if along else (), here)


class Rand(_OnAxes):
    """RandAugment: several operations for a variant, all at the same strength.

    Source: Cubuk, Zoph, Shlens and Le, RandAugment, CVPR workshops 2020.
    """

    name: ClassVar = "rand"

    k: Annotated[int, Field(ge=1, le=20)] = 2
    """How many operations, drawn with replacement."""
    strength: Annotated[float, Field(ge=0, le=1)] = 0.3
    """The strength of all of them."""

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        axes, strength = self.axes(), (self.strength, self.strength)
        for draw in range(self.n):
            here = (*path, f"{depth}:{draw}")
            rng = place.rng((*here, "choice"))
            drawn = [_along(axes, rng, strength) for _ in range(self.k)]
            steps = (Step(along, (*here, i)) for i, along in enumerate(drawn) if along)
            yield Chain(tuple(steps), here)


def _along(axes: list[list[str]], rng: np.random.Generator, intensity: Range) -> Along | None:
    """Draw a transform, then one of its axes; None for the source as it is."""
    names = axes[int(rng.integers(len(axes)))]
    if not names:
        return None
    return Along(axis=names[int(rng.integers(len(names)))], intensity=intensity)


def _choose(rng: np.random.Generator, weights: list[float]) -> int:
    """Draw an index with a probability proportional to its weight."""
    rest = float(rng.random()) * sum(weights)
    for index, weight in enumerate(weights):
        rest -= weight
        if rest < 0 and weight > 0:
            return index
    return max(index for index, weight in enumerate(weights) if weight > 0)


POLICIES: dict[str, type[Policy]] = {
    policy.name: policy
    for policy in (Sequence, Subsets, Each, SampleOf, OneOf, Trivial, Rand, Original)
}


def transforms_of(node: Node) -> set[str]:
    """Return the names of all transforms that a node may draw."""
    if isinstance(node, Along):
        return {find_axis(node.axis)[0].name}
    if isinstance(node, _OnAxes):
        return {find_axis(axis)[0].name for axes in node.axes() for axis in axes}
    if isinstance(node, _Steps):
        return set[str]().union(*map(transforms_of, node.steps))
    return set() if isinstance(node, Policy) else {node.name}


def steps_of(node: Node) -> Iterator[Transform | Along]:
    """Yield everything that a node may draw from; of `Trivial` and `Rand` every axis once."""
    if isinstance(node, _OnAxes):
        for axis in dict.fromkeys(axis for axes in node.axes() for axis in axes):
            yield Along(axis=axis)
    elif isinstance(node, _Steps):
        for step in node.steps:
            yield from steps_of(step)
    elif not isinstance(node, Policy):
        yield node


def to_data(node: Node) -> dict[str, Any]:
    """Return a node as a recipe has it: {name: parameters}, without defaults."""
    if isinstance(node, _Steps):
        fields = node.model_dump(mode="json", exclude_defaults=True, exclude={"steps"})
        return {node.name: {"steps": [to_data(step) for step in node.steps], **fields}}
    return {node.name: node.model_dump(mode="json", exclude_defaults=True)}
