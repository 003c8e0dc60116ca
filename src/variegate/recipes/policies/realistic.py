"""Variants that a model takes to a chosen degree: strengths come from its tolerance.

Every axis maps *strain* to intensity, straight between four points: strain 0 is the identity, 1 the
model's onset on this axis, 2 its critical level, 3 the end of the axis. Transforms that each stay
below the onset are together far beyond it; so the strain of a whole variant is calibrated, and
`composite` holds what was found: the strains at which 2, 5, 20 and 50% of variants fail.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from variegate.errors import did_you_mean
from variegate.recipes.policies.along import Along, all_axes
from variegate.recipes.policies.base import Chain, Drawable, Place, Policy, Step, choose
from variegate.seeding import Path
from variegate.transforms.base import Bounds, Range, draw_from
from variegate.validation import Spec

Strength = Annotated[float, Field(ge=0, le=1)]
Strain = Annotated[float, Field(ge=0, le=3)]

#: Axes, without their directions, that would undo or repeat each other: one of each at most.
CONTRADICTIONS: tuple[tuple[str, ...], ...] = tuple(
    tuple(line.split())
    for line in (
        (
            "brightness exposure gain gamma illumination shadow plasma_brightness plasma_shadow "
            "vignette"
        ),
        "contrast autocontrast equalize clahe tone_curve histogram_match",
        "hue saturation grayscale sepia color_jitter invert solarize posterize",
        "red green blue temperature channel_shuffle stain_jitter",
        (
            "gaussian_blur motion_blur defocus zoom_blur glass_blur median_blur downscale "
            "superpixels sharpen sharpness"
        ),
        "gaussian_noise speckle poisson_noise salt_pepper iso_noise pixel_dropout",
        "scale zoom random_crop safe_crop",
        "cutout random_erasing grid_dropout grid_shuffle",
        "elastic grid_distort wave lens thin_plate piecewise_affine perspective",
        "jpeg webp video_compression",
        "fog rain snow frost spatter sun_flare",
    )
)

#: Where the strain of a variant is known: realism, and what share of variants fails there.
REALISM = (1.0, 0.75, 0.5, 0.25, 0.0, -0.5)
COMPOSITE_FAILURES = (0.02, 0.05, 0.2, 0.5)
_FULL = 3.0


def base(axis: str) -> str:
    """Return the name of an axis without its direction."""
    return axis.rstrip("+-")


class AxisStrain(Spec):
    """What strain means on one axis for a model, and what the user wants there."""

    onset: Annotated[float, Field(gt=0, le=1)] | None = None
    """Intensity at which the model begins to fail; none where it never does."""
    critical: Annotated[float, Field(gt=0, le=1)] | None = None
    """Intensity at which it fails on every other image; none where it never does."""
    version: Annotated[int, Field(ge=1)] | None = None
    """Version of the axis that these intensities are of; that of this installation where none is
    given."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """How often it is chosen, relative to others; opposite directions share their weight."""
    realism: Annotated[float, Field(le=1)] | None = None
    """Its own realism, in place of the policy's."""
    min: Strength | None = None
    """Least intensity, whatever the realism."""
    max: Strength | None = None
    """Greatest intensity, whatever the realism."""
    multiplier: Annotated[float, Field(gt=0)] = 1.0
    """Factor on the intensity, before `min` and `max`."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.onset is not None and self.critical is not None and self.critical < self.onset:
            raise ValueError(
                f"critical: expected at least the onset {self.onset:g}, got {self.critical:g}"
            )
        if self.onset is None and self.critical is not None:
            raise ValueError("critical: expected an onset, too")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min: expected at most max ({self.max:g}), got {self.min:g}")
        return self

    def intensity(self, strain: float) -> float:
        """Return the intensity of a strain, as the user wants it."""
        knots = (0.0, self.onset or 1.0, self.critical or 1.0, 1.0)
        wanted = min(1.0, self.multiplier * float(np.interp(strain, (0.0, 1.0, 2.0, 3.0), knots)))
        wanted = wanted if self.max is None else min(wanted, self.max)
        return wanted if self.min is None else max(wanted, self.min)


class Realistic(Policy):
    """Some operations for a variant, together as strong as a model takes to a chosen degree."""

    name: ClassVar = "realistic"

    axes: Annotated[dict[str, AxisStrain], Field(min_length=1)]
    """What may be chosen, by the name of its axis, in the order in which it is applied."""
    composite: tuple[Strain, Strain, Strain, Strain] | None = None
    """Strain of a variant at realism 0.75, 0.5, 0.25 and 0; 2 (1 - realism) where none is given,
    which is right for one operation alone."""
    realism: Annotated[Range, Bounds(-1000, 1)] = (0.5, 0.5)
    """1 changes nothing, at 0.5 the model fails on 5% of variants, at 0 on every other one; below,
    up to the end of every axis at -0.5."""
    n: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many variants."""
    k_min: Annotated[int, Field(ge=0)] = 1
    """Least number of operations."""
    k_max: Annotated[int, Field(ge=1)] = 3
    """Greatest number of operations; fewer where the groups allow no more."""
    groups: tuple[tuple[str, ...], ...] = CONTRADICTIONS
    """Axes, without their directions, of which at most one is chosen from each group."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        known = all_axes()
        for name, one in self.axes.items():
            if name not in known:
                raise ValueError(f"axes: unknown axis {name!r}{did_you_mean(name, known)}")
            transform, axis = known[name]
            if transform.partners:
                raise ValueError(f"axes: {name} needs other images, and has no tolerance")
            if one.version not in (None, axis.version):
                raise ValueError(
                    f"axes: {name} has version {axis.version} here, and these intensities are of "
                    f"version {one.version}; search the tolerance again"
                )
        if self.composite is not None and list(self.composite) != sorted(self.composite):
            raise ValueError("composite: expected strains that never fall")
        self._check_groups({base(name) for name in known})
        return self

    def _check_groups(self, bases: set[str]) -> None:
        grouped = [name for group in self.groups for name in group]
        for name in grouped:
            if name not in bases:
                raise ValueError(f"groups: unknown axis {name!r}{did_you_mean(name, bases)}")
            if grouped.count(name) > 1:
                raise ValueError(f"groups: {name!r} appears in more than one place")
        if self.k_min > self.k_max:
            raise ValueError(f"k_min: expected at most k_max ({self.k_max}), got {self.k_min}")
        if self.k_min > (most := len(set(self._groups()))):
            raise ValueError(
                f"k_min: expected at most {most}, which the groups of these axes allow, "
                f"got {self.k_min}"
            )

    def _groups(self) -> list[str]:
        """Return, for each axis, what names its group; both directions are in one."""
        return [
            next((f"group {i}" for i, g in enumerate(self.groups) if base(n) in g), base(n))
            for n in self.axes
        ]

    def strain(self, realism: float) -> float:
        """Return the strain of a variant, 0 to 3."""
        if self.composite is None:
            return float(np.clip(2 * (1 - realism), 0.0, _FULL))
        strains = (0.0, *self.composite, _FULL)
        return float(np.interp(-realism, [-one for one in REALISM], strains))

    def count(self) -> int:
        return self.n

    def drawables(self) -> Iterator[Drawable]:
        for axis in self.axes:
            yield Along(axis=axis)

    def expand(self, place: Place, path: Path = (), depth: int = 0) -> Iterator[Chain]:
        for draw in range(self.n):
            here = (*path, f"{depth}:{draw}")
            realism = draw_from(place.rng((*here, "realism")), self.realism)
            # What is chosen does not depend on the realism: the same variant, weaker or stronger.
            chosen = self._chosen(place.rng((*here, "choice")))
            steps = []
            for name, share in chosen.items():
                own = self.axes[name].realism
                strain = self.strain(realism if own is None else own)
                intensity = self.axes[name].intensity(strain * share)
                if intensity > 0:
                    along = Along(axis=name, intensity=(intensity, intensity))
                    steps.append(Step(along, (*here, name)))
            yield Chain(tuple(steps), here)

    def _chosen(self, rng: np.random.Generator) -> Mapping[str, float]:
        """Return some axes, in their order, and for each the share of the strain it gets."""
        names, groups = list(self.axes), self._groups()
        most = min(self.k_max, len(set(groups)))
        wanted = int(rng.integers(self.k_min, most + 1))
        directions = [base(name) for name in names]
        weights = [self.axes[n].weight / directions.count(base(n)) for n in names]
        chosen = list[int]()
        while len(chosen) < wanted:
            index = choose(rng, weights)
            chosen.append(index)
            weights = [
                0.0 if group == groups[index] else weight
                for group, weight in zip(groups, weights, strict=True)
            ]
        shares = {}
        for index in sorted(chosen):
            # Where nothing was reached, the axis is weak all along: any of it will do.
            least = 0.5 if self.axes[names[index]].onset is not None else 0.0
            shares[names[index]] = draw_from(rng, (least, 1.0))
        return shares
