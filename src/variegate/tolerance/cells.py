"""Images of cells: each image at each level, made in memory from sources that are decoded once.

Common random numbers: what an axis leaves to chance is drawn from a generator keyed by (seed, axis,
image, replicate), which is made anew for every level. So an image is rotated, cut and made noisy in
the same way at every level, only weaker or stronger, and its curve is its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from variegate.annotations.sample import Sample, Size
from variegate.annotations.targets import Targets
from variegate.ops import Operation
from variegate.recipes.plan import build, draw_variants
from variegate.recipes.policies import Realistic, find_axis
from variegate.recipes.steps import applied
from variegate.seeding import generator
from variegate.tolerance.answers import LEVELS
from variegate.tolerance.log import digest
from variegate.transforms.base import Draw
from variegate.transforms.geometry import with_border

#: Strain at the last level of a composite.
_FULL = 3.0


class Sources:
    """Images by their numbers; what fits into memory is decoded once.

    Those that were asked for first are kept: a search goes through its images again and again, in
    one order, so what is thrown out for the next would be needed again before it.
    """

    def __init__(self, count: int, load: Callable[[int], Sample], *, memory: int = 1 << 29) -> None:
        """Take a function that loads an image by its number.

        Args:
            count: how many there are.
            load: decodes one, with its targets.
            memory: bytes of pixels that are kept.
        """
        self._load, self._count, self._free = load, count, memory
        self._kept: dict[int, Sample] = {}
        self.loads = 0

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Sources":
        """Make them of samples that are in memory."""
        return cls(len(samples), samples.__getitem__, memory=0)

    def restricted(self, numbers: Sequence[int]) -> "Sources":
        """Return some of them, numbered anew; what is in memory is shared."""
        return Sources(len(numbers), lambda number: self[numbers[number]], memory=0)

    def with_targets(self, told: Callable[[int], Targets | None], *, memory: int) -> "Sources":
        """Return them with other targets.

        Args:
            told: returns those of an image by its number.
            memory: bytes of pixels and masks that are kept.
        """
        return Sources(
            self._count,
            lambda number: replace(self[number], targets=told(number)),
            memory=memory,
        )

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Sample:
        if number in self._kept:
            return self._kept[number]
        sample = self._load(number)
        self.loads += 1
        if (size := _bytes_of(sample)) <= self._free:
            self._free -= size
            self._kept[number] = sample
        return sample


def _bytes_of(sample: Sample) -> int:
    layers = sample.targets.layers if sample.targets is not None else ()
    return sample.image.nbytes + sum(one.values.nbytes for one in layers)


class LevelPlan(ABC):
    """What is done to an image at each level; nothing at level 0.

    Attributes:
        identity: of all that decides it, but for the image.
    """

    identity: str

    @abstractmethod
    def operations(self, key: str, size: Size, level: int) -> tuple[Operation, ...]:
        """Return what is done to the image `key` of (height, width) `size`."""

    def apply(self, key: str, sample: Sample, level: int) -> Sample:
        """Return the image at a level, its targets moved along."""
        if level == 0:
            return sample
        for operation in self.operations(key, sample.size, level):
            sample = applied(operation, sample, None)
        return sample


@dataclass(frozen=True)
class AxisPlan(LevelPlan):
    """One axis; level 100 is its end.

    Attributes:
        axis: its name.
        seed: of what it leaves to chance.
        objects: whether borders must not show copies of objects.
        replicate: number of the set of random numbers.
    """

    axis: str
    seed: int = 0
    objects: bool = False
    replicate: int = 0

    @cached_property
    def identity(self) -> str:  # type: ignore[override]
        version = find_axis(self.axis)[1].version
        return digest("axis", self.axis, version, self.seed, self.objects, self.replicate)

    def operations(self, key: str, size: Size, level: int) -> tuple[Operation, ...]:
        transform, _ = find_axis(self.axis)
        rng = generator(self.seed, "tolerance", self.axis, key, self.replicate)
        parameters = transform.at(self.axis, level / LEVELS, rng)
        drawn = with_border(Draw(transform.name, parameters), objects=self.objects)
        return tuple(build([drawn], size)[0])


@dataclass(frozen=True)
class CompositePlan(LevelPlan):
    """Variants of a policy, all their operations together; levels are of one common strain.

    Attributes:
        policy: whose variants; its own realism and calibration are not used.
        seed, objects, replicate: as in `AxisPlan`.
    """

    policy: Realistic
    seed: int = 0
    objects: bool = False
    replicate: int = 0

    @cached_property
    def _policies(self) -> dict[int, Realistic]:
        return {}

    @cached_property
    def identity(self) -> str:  # type: ignore[override]
        axes = [(name, find_axis(name)[1].version) for name in self.policy.axes]
        text = self.policy.model_dump_json(exclude={"realism", "composite", "n"})
        return digest("composite", text, axes, self.seed, self.objects, self.replicate)

    def operations(self, key: str, size: Size, level: int) -> tuple[Operation, ...]:
        named = f"tolerance/composite/{self.replicate}/{key}"
        if level not in self._policies:
            realism = 1 - strain_of(level) / 2
            fixed = {"realism": (realism, realism), "composite": None, "n": 1}
            self._policies[level] = self.policy.model_copy(update=fixed)
        (variant,) = draw_variants(
            self._policies[level],
            seed=self.seed,
            key=named,
            size=size,
            objects=self.objects,
        )
        return variant.operations


def strain_of(level: float) -> float:
    """Return the strain at a level: finer where it is small, and where variants begin to fail."""
    return _FULL * (level / LEVELS) ** 2


def changes_something(plan: LevelPlan, keyed: Sequence[tuple[str, Sample]]) -> bool:
    """Whether the last level changes any of some images: color does nothing to gray ones."""
    for key, sample in keyed:
        made = plan.apply(key, sample, LEVELS)
        if made.image.shape != sample.image.shape or (made.image != sample.image).any():
            return True
    return not keyed
