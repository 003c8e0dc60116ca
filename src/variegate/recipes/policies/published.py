"""Policies of papers, as they were published.

Their operations and magnitudes are in `transforms.published`; what is drawn is settled here, from
few possible values, so that nothing is left to a step.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from variegate.recipes.policies.base import Chain, Drawable, Place, Policy, Settled, Step
from variegate.recipes.policies.subpolicies import SUBPOLICIES
from variegate.seeding import Path
from variegate.transforms.base import Draw
from variegate.transforms.chain_mix import ChainMix, Chains
from variegate.transforms.geometry import Channel
from variegate.transforms.published import USUAL, WIDE, Magnitudes, filled, published

# AutoAugment's levels are 0 to 9.
_LEVELS = 9


class _Several(Policy):
    """Variants as a paper draws them."""

    n: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many variants."""

    def count(self) -> int:
        return self.n


class _Sampled(_Several):
    """Variants of operations that follow each other."""

    fill: tuple[Channel, Channel, Channel] = (0, 0, 0)
    """RGB color of what lies beyond the image."""
    interpolation: Literal["nearest", "linear"] = "nearest"
    """How values between pixels are found; nearest, as published, or linear."""

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        for draw in range(self.n):
            here = (*path, f"{depth}:{draw}")
            drawn = self._drawn(place.rng((*here, "choice")))
            steps = (Step(Settled(one), (*here, i)) for i, one in enumerate(drawn) if one)
            yield Chain(tuple(steps), here)

    @abstractmethod
    def _drawn(self, rng: np.random.Generator) -> list[Draw | None]:
        """Return the operations of one variant; None for the identity."""

    def _made(self, operation: str, magnitudes: Magnitudes, share: float, sign: int) -> Draw | None:
        magnitude = magnitudes.at(share) * (sign if magnitudes.signed else 1)
        sampling = filled(self.fill, self.interpolation)
        return published(operation, magnitude, sampling, unit=magnitudes.unit)

    def _strongest(self, table: Mapping[str, Magnitudes]) -> Iterator[Drawable]:
        for operation, magnitudes in table.items():
            if (drawn := self._made(operation, magnitudes, 1.0, 1)) is not None:
                yield Settled(drawn)


def _sign(rng: np.random.Generator) -> int:
    return 1 - 2 * int(rng.integers(2))


def _refuse_axes(data: Any, policy: str) -> None:
    """Refuse what was once a choice of the catalogue's axes, and say where it is now.

    Raises:
        ValueError: it is asked for.
    """
    for name in ("transforms", "strength"):
        if isinstance(data, Mapping) and name in data:
            raise ValueError(
                f"{name}: {policy} has the operations and magnitudes of its paper; for a choice of "
                "transforms and strengths use axes: {transforms: [...], strength: [0, 1]}"
            )


class Trivial(_Sampled):
    """TrivialAugment: one operation for a variant, at any strength; the wide space of the paper.

    Source: Mueller and Hutter, TrivialAugment, ICCV 2021.
    """

    name: ClassVar = "trivial"

    bins: Annotated[int, Field(ge=2, le=1001)] = 31
    """How many strengths there are, from none to the strongest."""

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, data: Any) -> Any:
        _refuse_axes(data, cls.name)
        return data

    def _drawn(self, rng: np.random.Generator) -> list[Draw | None]:
        operation = list(WIDE)[int(rng.integers(len(WIDE)))]
        share = int(rng.integers(self.bins)) / (self.bins - 1)
        return [self._made(operation, WIDE[operation], share, _sign(rng))]

    def drawables(self) -> Iterator[Drawable]:
        return self._strongest(WIDE)


class Rand(_Sampled):
    """RandAugment: several operations for a variant, all at the same strength.

    Source: Cubuk, Zoph, Shlens and Le, RandAugment, CVPR workshops 2020.
    """

    name: ClassVar = "rand"

    k: Annotated[int, Field(ge=1, le=20)] = 2
    """How many operations, drawn with replacement; the paper's N."""
    magnitude: Annotated[int, Field(ge=0, le=1000)] = 9
    """Number of the strength of all of them, from 0 to bins - 1; the paper's M."""
    bins: Annotated[int, Field(ge=2, le=1001)] = 31
    """How many strengths there are, from none to the strongest."""

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, data: Any) -> Any:
        _refuse_axes(data, cls.name)
        return data

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.magnitude >= self.bins:
            raise ValueError(
                f"magnitude: expected 0 to {self.bins - 1}, one of {self.bins} bins, "
                f"got {self.magnitude}"
            )
        return self

    def _drawn(self, rng: np.random.Generator) -> list[Draw | None]:
        share, drawn = self.magnitude / (self.bins - 1), []
        for _ in range(self.k):
            operation = list(USUAL)[int(rng.integers(len(USUAL)))]
            drawn.append(self._made(operation, USUAL[operation], share, _sign(rng)))
        return drawn

    def drawables(self) -> Iterator[Drawable]:
        return self._strongest(USUAL)


class AutoAugment(_Sampled):
    """AutoAugment: one of 25 learned pairs of operations for a variant.

    The sub-policies are the paper's; levels mean what they mean in RandAugment, as in torchvision:
    the paper's own enhancements have no sign, and there level 0 is a factor of 0.1.

    Source: Cubuk, Zoph, Mane, Vasudevan and Le, AutoAugment, CVPR 2019.
    """

    name: ClassVar = "auto_augment"

    policy: Literal["imagenet", "cifar10"] = "imagenet"
    """The dataset that the pairs were learned on."""

    def _drawn(self, rng: np.random.Generator) -> list[Draw | None]:
        pairs = SUBPOLICIES[self.policy]
        drawn: list[Draw | None] = []
        for operation, p, level in pairs[int(rng.integers(len(pairs)))]:
            applied, sign = rng.random() < p, _sign(rng)
            drawn.append(self._leveled(operation, level, sign) if applied else None)
        return drawn

    def _leveled(self, operation: str, level: int, sign: int) -> Draw | None:
        magnitudes = USUAL.get(operation, Magnitudes())
        return self._made(operation, magnitudes, level / _LEVELS, sign)

    def drawables(self) -> Iterator[Drawable]:
        pairs = SUBPOLICIES[self.policy]
        steps = {(operation, level) for pair in pairs for operation, _, level in pair}
        for operation, level in sorted(steps):
            if (drawn := self._leveled(operation, level, 1)) is not None:
                yield Settled(drawn)


class AugMix(Chains, _Several):
    """AugMix: the image mixed with what several random chains of operations make of it.

    Source: Hendrycks, Mu, Cubuk, Zoph, Gilmer and Lakshminarayanan, AugMix, ICLR 2020.
    """

    name: ClassVar = "aug_mix"

    @property
    def is_fixed(self) -> bool:
        return True

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        del place
        (mix,) = self.drawables()
        for draw in range(self.n):
            here = (*path, f"{depth}:{draw}")
            yield Chain((Step(mix, here),), here)

    def drawables(self) -> Iterator[Drawable]:
        fields = {name: getattr(self, name) for name in Chains.model_fields}
        yield ChainMix.model_validate(fields)
