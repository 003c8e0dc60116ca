"""Variants along strength axes that are chosen at random."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from variegate.errors import did_you_mean
from variegate.recipes.policies.along import Along, axes_by_name
from variegate.recipes.policies.base import Chain, Drawable, Place, Policy, Step
from variegate.seeding import Path
from variegate.transforms.base import Bounds, Range


class Axes(Policy):
    """Some operations for a variant, each on an axis chosen at random, at a strength drawn."""

    name: ClassVar = "axes"

    transforms: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of transforms or of axes; any of a transform's axes is taken, in either direction where
    the name says none; "source" is no change."""
    n: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many variants."""
    k: Annotated[int, Field(ge=1, le=20)] = 1
    """How many operations, drawn with replacement."""
    strength: Annotated[Range, Bounds(0, 1)] = (0.0, 1.0)
    """Strength of each, drawn uniformly; 0 is the identity, 1 the strongest sensible value."""

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

    def drawables(self) -> Iterator[Drawable]:
        for axis in dict.fromkeys(axis for axes in self.axes() for axis in axes):
            yield Along(axis=axis)

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        axes = self.axes()
        for draw in range(self.n):
            here = (*path, f"{depth}:{draw}")
            rng = place.rng((*here, "choice"))
            steps = []
            for number in range(self.k):
                names = axes[int(rng.integers(len(axes)))]
                if names:
                    axis = names[int(rng.integers(len(names)))]
                    along = Along(axis=axis, intensity=self.strength)
                    steps.append(Step(along, (*here, number)))
            yield Chain(tuple(steps), here)
