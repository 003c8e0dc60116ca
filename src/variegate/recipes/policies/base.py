"""What every policy is: a way of combining steps, which expands into chains of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, InstanceOf

from variegate.recipes.policies.along import Along
from variegate.seeding import KeyedSeed, Path
from variegate.transforms import Transform
from variegate.transforms.base import Draw
from variegate.validation import Spec


@dataclass(frozen=True)
class Settled:
    """What a policy has drawn itself: nothing is left to chance."""

    draw: Draw

    @property
    def name(self) -> str:
        """The transform's."""
        return self.draw.transform

    def drawn(self, rng: np.random.Generator) -> Draw:
        """Return it."""
        del rng
        return self.draw


#: What draws: a transform, one along an axis, or what is drawn already.
Drawable = Transform | Along | Settled


@dataclass(frozen=True, slots=True)
class Step:
    """A draw that is to be made, and the path of choices its randomness comes from."""

    source: Drawable
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
        return self._seed.at(path)


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

    @abstractmethod
    def drawables(self) -> Iterator[Drawable]:
        """Yield everything that it may draw from, whatever else it leaves to chance once."""


Node = InstanceOf[Transform] | InstanceOf[Along] | InstanceOf[Policy]


class Steps(Policy):
    """A policy of steps that are given."""

    steps: Annotated[tuple[Node, ...], Field(min_length=1)]
    """Transforms and policies."""

    def drawables(self) -> Iterator[Drawable]:
        for step in self.steps:
            yield from steps_of(step)


def steps_of(node: Node) -> Iterator[Drawable]:
    """Yield everything that a node may draw from."""
    if isinstance(node, Policy):
        yield from node.drawables()
    else:
        yield node


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


def is_fixed(node: Node) -> bool:
    """Whether a node expands alike for every image."""
    return node.is_fixed if isinstance(node, Policy) else True


def mark(depth: int, index: int) -> str:
    """Return what stands in a path for the choice of a step at a level."""
    return f"{depth}.{index}"


def choose(rng: np.random.Generator, weights: list[float]) -> int:
    """Draw an index with a probability proportional to its weight."""
    rest = float(rng.random()) * sum(weights)
    for index, weight in enumerate(weights):
        rest -= weight
        if rest < 0 and weight > 0:
            return index
    return max(index for index, weight in enumerate(weights) if weight > 0)
