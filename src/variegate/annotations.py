"""What is known about a picture, in no particular format: JSON values, exact floats.

This is what formats read and write and what travels with a shard. For the work itself it becomes
arrays (`variegate.targets`). Coordinates are continuous (see `variegate.sample`): a box that holds
just the first pixel is (0, 0, 1, 1).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, cast

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rle:
    """A binary mask as run lengths, column by column, in COCO's compressed notation.

    Attributes:
        height, width: pixels.
        counts: as pycocotools writes it, as text.
    """

    height: int
    width: int
    counts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """One object in a picture. What a format does not have is None.

    Attributes:
        category: its class.
        box: x1, y1, x2, y2.
        corners: an oriented box: four points, in order around it.
        polygons: one ring of points for each visible piece; no holes.
        rle: its mask, kept in the annotation.
        mask_file: key of its mask, a picture of its own (0 is background).
        mask_value: the value that is this object in `mask_file`, where that holds several.
        keypoints: x, y, visibility (0 not labelled, 1 hidden, 2 visible) of each.
        extra: what else the format says of it, carried through.
    """

    category: str
    box: tuple[float, float, float, float] | None = None
    corners: tuple[Point, Point, Point, Point] | None = None
    polygons: tuple[tuple[Point, ...], ...] | None = None
    rle: Rle | None = None
    mask_file: str | None = None
    mask_value: int | None = None
    keypoints: tuple[tuple[float, float, int], ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, without what is None or empty."""
        data: dict[str, Any] = {"category": self.category}
        for name in ("box", "corners", "polygons", "mask_file", "mask_value", "keypoints"):
            if (value := getattr(self, name)) is not None:
                data[name] = value
        if self.rle is not None:
            data["rle"] = [self.rle.height, self.rle.width, self.rle.counts]
        if self.extra:
            data["extra"] = dict(self.extra)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Make an object from what `to_json` gave, before or after it was text."""
        get: Callable[..., Any] = data.get
        box, corners, rings = get("box"), get("corners"), get("polygons")
        rle, keypoints = get("rle"), get("keypoints")
        return cls(
            category=data["category"],
            box=None if box is None else tuple(box),
            corners=None if corners is None else cast("Any", tuple(map(tuple, corners))),
            polygons=None if rings is None else tuple([tuple(map(tuple, ring)) for ring in rings]),
            rle=None if rle is None else Rle(*rle),
            mask_file=get("mask_file"),
            mask_value=get("mask_value"),
            keypoints=None if keypoints is None else tuple(map(tuple, keypoints)),
            extra=get("extra", {}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """What is known about one picture.

    Attributes:
        size: (height, width) that the annotation says the picture has.
        labels: classes of the picture as a whole, each with its share (1 for a plain label).
        objects: in the order of the file.
        mask_file: key of the semantic mask: a picture whose values are classes.
        soft: the semantic mask holds amounts, not classes, and may be interpolated.
        extra: what else the format says of the picture, carried through.
    """

    size: tuple[int, int] | None = None
    labels: Mapping[str, float] = field(default_factory=dict)
    objects: tuple[Object, ...] = ()
    mask_file: str | None = None
    soft: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, without what is None or empty."""
        data: dict[str, Any] = {}
        if self.size is not None:
            data["size"] = list(self.size)
        if self.labels:
            data["labels"] = dict(self.labels)
        if self.objects:
            data["objects"] = [one.to_json() for one in self.objects]
        if self.mask_file is not None:
            data["mask_file"] = self.mask_file
        if self.soft:
            data["soft"] = True
        if self.extra:
            data["extra"] = dict(self.extra)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Make an annotation from what `to_json` gave, before or after it was text."""
        fields = dict(data)
        if "size" in fields:
            fields["size"] = tuple(fields["size"])
        fields["objects"] = tuple(Object.from_json(one) for one in fields.get("objects", ()))
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The keypoints of a category.

    Attributes:
        names: of the keypoints, in order.
        pairs: indices (from 0) of left and right counterparts, which a mirror image exchanges.
        edges: indices of keypoints that are joined when drawn.
    """

    names: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...] = ()
    edges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, names: tuple[str, ...], edges: tuple[tuple[int, int], ...] = ()) -> Self:
        """Find the pairs by the names: "left_eye" and "right_eye", "lead_left" and "lead_right"."""
        index = {name.lower(): i for i, name in enumerate(names)}
        pairs = []
        for name, i in index.items():
            other = index.get(name.replace("left", "right"))
            if "left" in name and other is not None:
                pairs.append((i, other))
        return cls(names, tuple(pairs), edges)
