"""What an inspection finds, as JSON values."""

import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

_EXAMPLES = 3
# Further kinds of faults are counted together.
_MOST_KINDS = 500
_OTHER_KINDS = "of further kinds"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How numbers are spread: the least, three quartiles, the greatest."""

    least: float
    lower: float
    median: float
    upper: float
    greatest: float

    @classmethod
    def of(cls, numbers: npt.ArrayLike) -> "Spread | None":
        """Return the spread of some numbers, or None of none."""
        values = np.asarray(numbers, np.float64)
        if not values.size:
            return None
        least, lower, median, upper, greatest = np.percentile(values, (0, 25, 50, 75, 100)).tolist()
        return cls(least=least, lower=lower, median=median, upper=upper, greatest=greatest)


@dataclass(slots=True, kw_only=True)
class ClassCount:
    """How often a class comes.

    Attributes:
        objects: of the class.
        images: that show it, or are of it as a whole.
    """

    objects: int = 0
    images: int = 0


@dataclass(slots=True, kw_only=True)
class Fault:
    """One kind of fault, or of something else that should be known.

    Attributes:
        count: how often it was found.
        examples: the first of them, each with its place.
    """

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example)


Faults = dict[str, Fault]
"""By kind."""


def count_fault(faults: Faults, kind: str, example: str) -> None:
    """Count a fault among those of its kind."""
    if kind not in faults and len(faults) >= _MOST_KINDS:
        kind = _OTHER_KINDS
    faults.setdefault(kind, Fault()).add(example)


def kind_of_problem(words: str) -> str:
    """Return the kind of a problem: names and numbers in it do not make another."""
    return _QUOTED.sub("...", words)


@dataclass(slots=True, kw_only=True)
class MaskValue:
    """A value of masks.

    Attributes:
        share: of the pixels of all masks.
        masks: that hold it.
    """

    share: float
    masks: int


@dataclass(slots=True, kw_only=True)
class MaskValues:
    """What the masks of a dataset hold.

    Attributes:
        masks: that were read.
        colored: how many of them hold colors, whose values are R + 256 G + 65536 B.
        values: by value, at most 256: those with the most pixels.
        other_values: how many more there are.
        other_share: of the pixels, that these have.
    """

    masks: int = 0
    colored: int = 0
    values: dict[int, MaskValue] = field(default_factory=dict)
    other_values: int = 0
    other_share: float = 0.0


@dataclass(slots=True, kw_only=True)
class Exports:
    """Files that a tool has made of originals, several of one ("7_jpg.rf.<digest>.jpg").

    Attributes:
        originals: how many, by their names.
        files: made of them.
        several: originals of which there are several files.
        in_splits: originals whose files are in several splits.
    """

    originals: int = 0
    files: int = 0
    several: int = 0
    in_splits: Fault = field(default_factory=Fault)


@dataclass(slots=True, kw_only=True)
class Inspection:
    """What was found.

    Attributes:
        place: of the dataset.
        format: its name, as `--format` and `--to` take it.
        description: how it was recognised, a sentence.
        notes: what else should be known.
        checked: what was looked at, one clause each.
        not_checked: what was not, with the option that has it checked, if there is one.
        images: how many, by split ("" for none), without those that cannot be used.
        labelled: how many of them have a label.
        objects: how many there are in these images.
        objects_quarantined: in images that cannot be used.
        objects_left_out: by reason, how many objects of the annotation files cannot be used.
        objects_in_files: the sum of these three.
        classes: by name, in the dataset's order.
        kinds: how many objects or images have each kind of label.
        objects_a_image, sides, aspects, heights, widths: spreads; sides are square roots of
            boxes' areas in pixels, aspects width over height; heights and widths those of the
            images, upright, by their headers.
        small, medium, large: shares of the objects, by COCO's limits.
        sizes_of: by how many images heights and widths were judged.
        sizes_compared: images whose annotation states a size, which was compared.
        file_types: images by the type of their content.
        depths: images by bits a channel ("not told" by some headers).
        channels: images by what their channels are.
        deep: images of more than 8 bits; results have 8.
        decoded: images of which every pixel was decoded.
        masks: the values of the masks; None without masks.
        outlines: boxes that were compared with the polygons or masks of their objects.
        identical_files: files whose bytes another file has, too.
        exports: files that were made of originals; None without such.
        findings: what may be wrong, by kind.
        hidden: files that systems leave behind, by the hidden folder or name; never used.
        side_files: files of no role that may hold annotations, by extension.
        others: other files that are no images of the set, by what they are.
        quarantined: images that cannot be used, by reason.
        problems: faults in annotations, by kind.
    """

    place: str
    format: str
    description: str
    notes: tuple[str, ...] = ()
    checked: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    images: dict[str, int] = field(default_factory=dict)
    labelled: int = 0
    objects: int = 0
    objects_quarantined: int = 0
    objects_left_out: dict[str, int] = field(default_factory=dict)
    objects_in_files: int = 0
    classes: dict[str, ClassCount] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    objects_a_image: Spread | None = None
    sides: Spread | None = None
    aspects: Spread | None = None
    heights: Spread | None = None
    widths: Spread | None = None
    small: float = 0.0
    medium: float = 0.0
    large: float = 0.0
    sizes_of: int = 0
    sizes_compared: int = 0
    file_types: dict[str, int] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)
    deep: int = 0
    decoded: int = 0
    masks: MaskValues | None = None
    outlines: int = 0
    identical_files: int = 0
    exports: Exports | None = None
    findings: Faults = field(default_factory=dict)
    hidden: Faults = field(default_factory=dict)
    side_files: Faults = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    quarantined: Faults = field(default_factory=dict)
    problems: Faults = field(default_factory=dict)
