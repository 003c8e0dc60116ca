"""What is known about an image, in no particular format: JSON values, exact floats.

This is what formats read and write and what travels with a shard. For the work itself it becomes
arrays (`targets`). Coordinates are continuous (see `sample`): a box that holds just the first pixel
is (0, 0, 1, 1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from variegate.annotations.sides import are_known, pairs_by_name

# An integer that a file has stays one.
Number = float | int
Point = tuple[Number, Number]


class Rle(msgspec.Struct, frozen=True, array_like=True):
    """A binary mask as run lengths, column by column, in COCO's compressed notation.

    Attributes:
        height, width: pixels.
        counts: as pycocotools writes it, as text.
    """

    height: int
    width: int
    counts: str


class _Known(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """JSON values with names; what is None or empty is not written.

    `variegate.storage.json.dumped` writes them as they are.
    """

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return msgspec.to_builtins(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Make one from what `to_json` gave, before or after it was text.

        Raises:
            msgspec.ValidationError: it is something else.
        """
        return msgspec.convert(data, cls)

    def changed(self, **fields: Any) -> Self:
        """Return a copy with some fields changed."""
        return msgspec.structs.replace(self, **fields)


class Object(_Known, frozen=True, kw_only=True, omit_defaults=True):
    """One object in an image. What a format does not have is None.

    Attributes:
        category: its class.
        box: x1, y1, x2, y2.
        corners: an oriented box: four points, in order around it.
        polygons: one ring of points for each visible piece; no holes.
        rle: its mask, kept in the annotation.
        mask_file: key of its mask, an image of its own (0 is background).
        mask_value: the value that is this object in `mask_file`, where that holds several.
        keypoints: x, y, visibility (0 not labelled, 1 hidden, 2 visible) of each.
        extra: what else the format says of it, carried through.
    """

    category: str
    box: tuple[Number, Number, Number, Number] | None = None
    corners: tuple[Point, Point, Point, Point] | None = None
    polygons: tuple[tuple[Point, ...], ...] | None = None
    mask_file: str | None = None
    mask_value: int | None = None
    keypoints: tuple[tuple[Number, Number, int], ...] | None = None
    rle: Rle | None = None
    extra: Mapping[str, Any] = {}


class Annotation(_Known, frozen=True, kw_only=True, omit_defaults=True):
    """What is known about one image.

    Attributes:
        size: (height, width) that the annotation says the image has.
        labels: classes of the image as a whole, each with its share (1 for a plain label).
        objects: in the order of the file.
        mask_file: key of the semantic mask: an image whose values are classes.
        soft: the semantic mask holds amounts, not classes, and may be interpolated.
        extra: what else the format says of the image, carried through.
    """

    size: tuple[int, int] | None = None
    labels: Mapping[str, Number] = {}
    objects: tuple[Object, ...] = ()
    mask_file: str | None = None
    soft: bool = False
    extra: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The keypoints of a category.

    Attributes:
        names: of the keypoints, in order.
        pairs: indices (from 0) of left and right counterparts, which a mirror image exchanges.
        edges: indices of keypoints that are joined when drawn.
        mirrors: it is known what a mirror image exchanges: these pairs and nothing else.
    """

    names: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    mirrors: bool = True

    @classmethod
    def of(
        cls,
        names: tuple[str, ...],
        edges: tuple[tuple[int, int], ...] = (),
        *,
        given: Sequence[tuple[str, str]] = (),
    ) -> Self:
        """Find the pairs by the names, such as "left_eye" and "right_eye"; see `sides`.

        Args:
            names: of the keypoints.
            edges: between them.
            given: names of keypoints that are pairs; others are then found no more.
        """
        index = {name.lower(): number for number, name in enumerate(names)}
        said = [(index.get(one.lower()), index.get(two.lower())) for one, two in given]
        own = tuple((i, j) for i, j in said if i is not None and j is not None)
        if own:
            return cls(names, own, edges)
        pairs = pairs_by_name(names)
        return cls(names, pairs, edges, are_known(names, pairs))
