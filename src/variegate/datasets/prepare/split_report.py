"""What a split is like, as JSON values: every class in every part, and how far off it is."""

from dataclasses import dataclass, field

import numpy as np

from variegate.datasets.prepare.group_rule import GroupRule
from variegate.datasets.prepare.image_table import ImageTable
from variegate.datasets.prepare.parts import Parts
from variegate.datasets.prepare.solver import Floats, Groups, Numbers
from variegate.formats.base import counted
from variegate.storage import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSplit:
    """A class in the parts of a split.

    Attributes:
        name: of the class; "" for images without a label.
        images: that show it, by part.
        objects: of it, by part; empty where there are none.
        groups: in how many it is.
        wanted: images, by part, if all were divisible.
        off: the largest difference between a part's share of its images and the share asked for.
        off_images: the largest difference in images.
    """

    name: str
    images: dict[str, int]
    objects: dict[str, int]
    groups: int
    wanted: dict[str, float]
    off: float
    off_images: float


@dataclass(slots=True, kw_only=True)
class SplitReport:
    """What a split is like.

    Attributes:
        place: of the dataset.
        format: its name.
        description: how it was recognised, a sentence.
        notes: what else should be known.
        rules: what groups go by.
        seed: of the choice between equal solutions.
        wanted: share of each part.
        images: in each part.
        groups: how many.
        largest: images in the largest group.
        kept: images that are where they were.
        crossing: groups that were in several parts before, and stay so.
        classes: each in the parts.
        within_one: every class is within one image of its share, in every part.
        worst: the largest of all differences between shares of a class.
        csv: file that was written, or None.
        output: dataset that was written, or None.
    """

    place: str
    format: str
    description: str
    notes: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    seed: int = 0
    wanted: dict[str, float] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    groups: int = 0
    largest: int = 0
    kept: int = 0
    crossing: int = 0
    classes: list[ClassSplit] = field(default_factory=list)
    within_one: bool = True
    worst: float = 0.0
    csv: str | None = None
    output: str | None = None


def describe(
    found: SplitReport,
    images: ImageTable,
    groups: Groups,
    columns: list[tuple[int, bool]],
    numbers: Numbers,
    parts: Parts,
    rules: list[GroupRule],
) -> None:
    """Say what the split is like."""
    counts = groups.counts(numbers, len(parts.names))
    by_column = {column: counts[place] for place, column in enumerate(columns, 1)}
    held = np.bincount(groups.columns, minlength=groups.width)
    in_groups = {column: int(held[place]) for place, column in enumerate(columns, 1)}
    found.images = _by_part(counts[0], parts)
    found.groups = groups.count
    sizes = groups.amounts[groups.columns == 0]
    found.largest = int(sizes.max())
    found.kept = int(sizes[groups.fixed >= 0].sum())
    found.crossing = images.crossing
    found.rules = [rule.description for rule in rules]
    for number, name in enumerate(images.names()):
        shown = by_column[number, False]
        off = np.abs(shown - shown.sum() * parts.array)
        objects = by_column.get((number, True))
        found.classes.append(
            ClassSplit(
                name=name,
                images=_by_part(shown, parts),
                objects={} if objects is None else _by_part(objects, parts),
                groups=in_groups[number, False],
                wanted=dict(zip(parts.names, (shown.sum() * parts.array).tolist(), strict=True)),
                off=float(off.max() / shown.sum()),
                off_images=float(off.max()),
            )
        )
    found.within_one = all(one.off_images < 1 for one in found.classes)
    found.worst = max(one.off for one in found.classes)
    found.notes += [note for rule in rules for note in rule.notes()]
    if images.crossing:
        several = counted(images.crossing, "group is", "groups are")
        found.notes.append(
            f"{several} in several parts already, and stay so: "
            f"{', '.join(map(printable, images.examples))}; variegate leaks lists them"
        )


def _by_part(counts: Floats, parts: Parts) -> dict[str, int]:
    return {name: int(count) for name, count in zip(parts.names, counts, strict=True)}
