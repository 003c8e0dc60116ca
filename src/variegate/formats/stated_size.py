"""Which image an annotation was made on, where its file states another size than the image has.

Either the file states a wrong size, and the coordinates are those of the image; or they are those
of a copy, larger or smaller, and have to be scaled. Coordinates tell: those beyond one of the two
sizes are not of an image of that size. Where those of one image lie in both, the other images of
the set tell, by majority; and where they do not either, coordinates are taken as they are.

A set whose coordinates all lie in the stated size, the smaller one, though they would by chance
in one case of ten thousand only, is one of smaller copies.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from variegate.annotations.alignment import is_stored, same_shape
from variegate.annotations.annotation import Annotation
from variegate.annotations.boxes import Box, around
from variegate.annotations.checks import Size
from variegate.errors import ImageError, InputError
from variegate.formats.image_size import Measure, measure
from variegate.storage import Storage

MadeOn = Literal["image", "copy"]

# Boxes reach a little beyond their images: tools round, and people draw over the edge.
_SLACK = 0.02
_CHANCE = 1e-4
# So many images are looked at, where those of one image do not tell; sizes of so many are kept.
_LOOKED_AT = 2_000
_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class StatedSize:
    """What a file says of one image.

    Attributes:
        key: of the image.
        size: (height, width) that the file states.
        boxes: around each object, as the file has them, wherever they lie.
        masks: sizes of the masks of its objects.
    """

    key: str
    size: Size
    boxes: tuple[Box, ...] = ()
    masks: frozenset[Size] = frozenset()

    @classmethod
    def of(cls, key: str, annotation: Annotation) -> "StatedSize | None":
        """Make one of an annotation that was read without a size; None where it states none."""
        if annotation.size is None:
            return None
        objects = annotation.objects
        boxes = (box for one in objects for box in (one.box, around(one)) if box is not None)
        masks = frozenset((one.rle.height, one.rle.width) for one in objects if one.rle)
        return cls(key, annotation.size, tuple(boxes), masks)


@dataclass(frozen=True, slots=True)
class SettledSize:
    """What is made of it.

    Attributes:
        size: (height, width) of the image that the coordinates are of; None where nobody knows.
        problem: what is said of it.
        unusable: why the annotation cannot be that of the image.
    """

    size: Size | None
    problem: str | None = None
    unusable: str | None = None


@dataclass(slots=True)
class SizeEvidence:
    """What a set tells about the sizes that its files state; filled when it is needed.

    Attributes:
        measures: of images that were looked at; None for those that cannot be read.
        majority: what most images tell, once they are counted.
        doubtful: what so few objects of the set tell that they are drawn over the edge of theirs.
    """

    measures: dict[str, Measure | None] = field(default_factory=dict)
    majority: MadeOn | None = None
    doubtful: frozenset[MadeOn] = frozenset()
    is_counted: bool = False

    def settled(
        self,
        storage: Storage,
        key: str,
        stated: Size | None,
        *,
        claim: Callable[[], StatedSize | None],
        others: Callable[[], Iterable[StatedSize]],
    ) -> SettledSize:
        """Return which size the coordinates of an image are to be read with.

        Args:
            storage: the dataset.
            key: of the image.
            stated: (height, width) that its file states.
            claim: returns what the file says of the image.
            others: yields what the files say of all images of the set.
        """
        if stated is None or (real := self._measured(storage, key)) is None:
            return SettledSize(stated)
        if real.size == stated:
            return SettledSize(stated)
        own = claim() or StatedSize(key, stated)
        told = f"a size of {_by(stated)} is stated, the image has {_by(real.size)}"
        if is_stored(stated, real.size, real.orientation):
            # It was made on the image as it is stored, before it is turned upright.
            if _made_on(own, real.size) != "image":
                return SettledSize(stated)
        elif same_shape(stated, real.size):
            most = self._of_most(storage, others)
            made_on = _made_on(own, real.size)
            if (most if made_on is None or (made_on in self.doubtful) else made_on) == "copy":
                return SettledSize(stated, f"{told}; coordinates scaled to it")
        elif _made_on(own, real.size) == "copy":
            wrong = f"its annotation is for an image of {_by(stated)}, it has {_by(real.size)}"
            return SettledSize(stated, unusable=f"{wrong}, and coordinates lie outside of it")
        return SettledSize(real.size, f"{told}; coordinates taken as they are")

    def _measured(self, storage: Storage, key: str) -> Measure | None:
        if key in self.measures:
            return self.measures[key]
        try:
            found = measure(storage, key)
        except (ImageError, InputError):
            # Whoever decodes the image will say what is wrong.
            found = None
        if len(self.measures) < _KEPT:
            self.measures[key] = found
        return found

    def _of_most(
        self, storage: Storage, others: Callable[[], Iterable[StatedSize]]
    ) -> MadeOn | None:
        """Return what most images tell that do, of those whose size is stated wrongly."""
        if not self.is_counted:
            self.is_counted = True
            copies = list(self._copies(storage, islice(others(), _LOOKED_AT)))
            votes, self.doubtful = _votes(copies)
            if votes["copy"] != votes["image"]:
                self.majority = "copy" if votes["copy"] > votes["image"] else "image"
            elif not votes and _is_unlikely(copies):
                self.majority = "copy"
        return self.majority

    def _copies(
        self, storage: Storage, others: Iterable[StatedSize]
    ) -> Iterator[tuple[StatedSize, Size]]:
        """Yield those that may have been made on a larger or smaller copy, with the real size."""
        for one in others:
            real = self._measured(storage, one.key)
            if real is None or real.size == one.size or not same_shape(one.size, real.size):
                continue
            yield one, real.size


def _made_on(claim: StatedSize, real: Size) -> MadeOn | None:
    """Return what the coordinates of one image tell."""
    if claim.masks:
        return "image" if claim.masks == {real} else "copy"
    if same_shape(claim.size, real):
        return _of_larger(claim, real) if _counts((_beyond(claim, real),)) else None
    in_image = sum(_lies_in(box, real) for box in claim.boxes)
    in_copy = sum(_lies_in(box, claim.size) for box in claim.boxes)
    if in_image == in_copy:
        return None
    return "image" if in_image > in_copy else "copy"


def _of_larger(claim: StatedSize, real: Size) -> MadeOn:
    """Return which of the two is the larger one."""
    return "copy" if claim.size > real else "image"


def _beyond(claim: StatedSize, real: Size) -> tuple[int, float]:
    """Return how many boxes lie in the larger size and not in the smaller one, and how many are
    expected to where coordinates are those of the larger: as many as its area is wider."""
    small, large = sorted((claim.size, real))
    beyond = sum(_lies_in(box, large) and not _lies_in(box, small) for box in claim.boxes)
    return beyond, len(claim.boxes) * (1 - small[1] / large[1])


def _counts(found: Iterable[tuple[int, float]]) -> bool:
    """Say whether boxes beyond a size are more than the few that somebody drew over the edge."""
    beyond, expected = map(sum, zip(*found, strict=True))
    return beyond > 0 and beyond >= expected / 3


def _lies_in(box: Box, size: Size) -> bool:
    height, width = size
    dx, dy = max(1.0, _SLACK * width), max(1.0, _SLACK * height)
    return box[0] >= -dx and box[1] >= -dy and box[2] <= width + dx and box[3] <= height + dy


def _votes(
    copies: Iterable[tuple[StatedSize, Size]],
) -> tuple[Counter[MadeOn], frozenset[MadeOn]]:
    """Count the objects that tell what images were annotated, over a set.

    Returns:
        The counts, and what too few objects tell.
    """
    votes: Counter[MadeOn] = Counter()
    found: dict[MadeOn, list[tuple[int, float]]] = {"copy": [], "image": []}
    for one, real in copies:
        if one.masks:
            votes["image" if one.masks == {real} else "copy"] += 1
        else:
            found[_of_larger(one, real)].append(_beyond(one, real))
    told = {made_on for made_on, counts in found.items() if counts and _counts(counts)}
    for made_on in told:
        votes[made_on] += sum(beyond for beyond, _ in found[made_on])
    return votes, frozenset(found.keys() - told)


def _is_unlikely(copies: Iterable[tuple[StatedSize, Size]]) -> bool:
    """Say whether boxes in large images would hardly all lie in the corner of smaller ones."""
    boxes = {
        box: math.prod(one.size) / math.prod(real)
        for one, real in copies
        if one.size < real
        for box in one.boxes
    }
    return math.fsum(map(math.log, boxes.values())) < math.log(_CHANCE)


def _by(size: Size) -> str:
    return f"{size[1]:,} x {size[0]:,}"
