"""What of one format another can represent, and what becomes of the rest.

Everything is decided by what an annotation says it has, so that it can be counted without opening
a mask. An *outcome* is what becomes of an object's shape:

| outcome | meaning |
| --- | --- |
| kept | as it is |
| traced | its mask becomes polygons, along the edges of the pixels |
| filled | its polygons become a mask |
| painted | it is painted into the semantic mask of its image |
| outlined | its oriented box becomes a polygon |
| turned | its box becomes an oriented box |
| boxed | only the box around it is kept |
| pointed | only its keypoints are kept |
| lost | nothing of it can be represented |
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import msgspec

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.boxes import around
from variegate.formats import Source, Writer
from variegate.formats.writer import Content

Outcome = Literal[
    "kept", "traced", "filled", "painted", "outlined", "turned", "boxed", "pointed", "lost"
]

# An edge of a box this far from that of its outline was not drawn by hand.
_SLACK = 1.0
_SHAPES: frozenset[Content] = frozenset(("boxes", "oriented boxes", "polygons", "instance masks"))
# shape -> what becomes of it in a format that can represent this; the first that can is taken.
_WAYS: Mapping[str, tuple[tuple[Content, Outcome], ...]] = {
    "masks": (
        ("instance masks", "kept"),
        ("polygons", "traced"),
        ("semantic masks", "painted"),
        ("boxes", "boxed"),
    ),
    "polygons": (
        ("polygons", "kept"),
        ("instance masks", "filled"),
        ("semantic masks", "painted"),
        ("boxes", "boxed"),
    ),
    "oriented boxes": (("oriented boxes", "kept"), ("polygons", "outlined"), ("boxes", "boxed")),
    "boxes": (("boxes", "kept"),),
    "keypoints": (("keypoints", "kept"), ("points", "kept")),
    "": (("other fields", "kept"),),
}
# In every format that has them, a remark with this value is as good as none.
_NOTHING: tuple[Any, ...] = (None, "", 0, False, "Unspecified", (), [], {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """How the labels of one format are told in another.

    Attributes:
        dropped: names in `extra` that mean something in the old format alone.
        captions: where in `extra` the old format has captions.
        nested: where in `extra` the old format has the fields of others.
        oriented_boxes: boxes become oriented boxes where the new format has them.
        polygons: masks become polygons where the new format has them.
        areas: (value, class) of semantic masks whose areas become objects, where the new format
            has no such masks.
        naming: number of the way in which images are named; see `filenames`.
    """

    dropped: tuple[str, ...] = ()
    captions: str = ""
    nested: str = ""
    oriented_boxes: bool = False
    polygons: bool = False
    areas: tuple[tuple[int, str], ...] = ()
    naming: int = 0

    @classmethod
    def between(cls, old: Writer, new: Writer, *, oriented_boxes: bool, polygons: bool) -> Self:
        """Prepare the way from one format to another."""
        dropped = old.own_fields
        if type(old) is type(new):
            dropped -= {"no_file"}
        return cls(
            dropped=tuple(sorted(dropped)),
            captions=old.captions,
            nested=old.nested,
            oriented_boxes=oriented_boxes,
            polygons=polygons,
        )

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which `from_json` makes an equal one."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Make one from what `to_json` gave, before or after it was text."""
        return msgspec.convert(data, cls)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a writer can represent of what a conversion brings.

    Attributes:
        writer: of the new format.
        conversion: from the old one.
    """

    writer: Writer
    conversion: Conversion

    @property
    def holds(self) -> frozenset[Content]:
        """What the writer can express."""
        return self.writer.held

    def outcome(self, one: Object, *, free: bool = True) -> Outcome:
        """Say what becomes of an object's shape.

        Args:
            one: the object.
            free: its image has no semantic mask of its own: objects may be painted into one.
        """
        holds = self.holds if free else self.holds - {"semantic masks"}
        shape = _shape(one)
        if shape == "boxes" and self.conversion.oriented_boxes and "oriented boxes" in holds:
            return "turned"
        if shape == "masks" and self.conversion.polygons and "polygons" in holds:
            return "traced"
        if not shape and "oriented boxes" not in holds:
            return "lost"
        other: Outcome = "pointed" if one.keypoints and "keypoints" in holds else "lost"
        return next((outcome for content, outcome in _WAYS[shape] if content in holds), other)

    def parts(self, annotation: Annotation) -> bool:
        """Say whether the areas of an image's semantic mask become objects."""
        return (
            annotation.mask_file is not None
            and not (annotation.soft or annotation.objects)
            and "semantic masks" not in self.holds
            and bool(self.holds & {"instance masks", "polygons"})
        )

    def losses(self, source: Source) -> Iterator[tuple[str, str]]:
        """Yield (kind, name) of everything about an image that changes or gets lost; see `LOSSES`.

        The name is of the field, where the kind has one.
        """
        yield from self._of_labels(source)
        annotation = source.annotation
        if annotation is None:
            return
        holds = self.holds
        if annotation.mask_file is not None:
            wanted: Content = "soft masks" if annotation.soft else "semantic masks"
            if self.parts(annotation):
                yield "areas", ""
            elif wanted not in holds:
                yield wanted, ""
        fields, captions = self._told(annotation)
        if captions and not self.writer.captions:
            yield "captions", ""
        if (
            annotation.extra.get("no_file")
            and "no_file" in self.conversion.dropped
            and holds & _SHAPES
        ):
            yield "unknown", ""
        if "other fields" not in holds:
            yield from (("image fields", name) for name in _said(fields))
        for one in annotation.objects:
            yield from self._of_object(one, free=annotation.mask_file is None)

    def _of_labels(self, source: Source) -> Iterator[tuple[str, str]]:
        shares = source.shares
        if not shares or "labels" in self.holds:
            return
        if "label" not in self.holds:
            yield "labels", ""
        elif len(shares) > 1 or set(shares.values()) != {1}:
            yield "further labels", ""

    def _of_object(self, one: Object, *, free: bool) -> Iterator[tuple[str, str]]:
        holds, outcome = self.holds, self.outcome(one, free=free)
        if outcome == "lost":
            yield _lost(one, bool(holds & _SHAPES) or "semantic masks" in holds), ""
            return
        if outcome == "boxed":
            yield f"{_shape(one)} boxed", ""
        elif outcome in ("traced", "filled", "painted", "outlined", "pointed"):
            yield outcome, ""
        if one.keypoints is not None and "keypoints" not in holds and has_shape(one):
            yield "keypoints", ""
        if outcome == "kept" and self.writer.one_shape and _differs(one):
            yield "boxes beside", ""
        if "other fields" not in holds:
            fields = self._kept(one.extra)
            yield from (("object fields", name) for name in _said(fields))

    def label(self, source: Source) -> str | None:
        """Return the class of an image, if it has just one here."""
        shares = source.shares
        if not shares or not self.holds & {"label", "labels"}:
            return None
        if "labels" in self.holds and (len(shares) > 1 or set(shares.values()) != {1}):
            return None
        # The largest share, the first of equal ones.
        return max(shares, key=lambda name: shares[name])

    def told(self, source: Source, annotation: Annotation) -> Annotation:
        """Return an annotation with labels and fields as the new format has them."""
        shares = source.shares
        several = "labels" in self.holds and self.label(source) is None
        fields, captions = self._told(annotation)
        extra = fields if "other fields" in self.holds else {}
        if self.writer.nested and extra:
            extra = {self.writer.nested: extra}
        if captions and self.writer.captions:
            text = captions if self.writer.captions == "captions" else "\n".join(captions)
            extra = {**extra, self.writer.captions: text}
        if "no_file" in annotation.extra and "no_file" not in self.conversion.dropped:
            extra = {**extra, "no_file": annotation.extra["no_file"]}
        return annotation.changed(labels=shares if several else {}, extra=extra)

    def fields(self, one: Object) -> Mapping[str, Any]:
        """Return the further fields of an object that the new format holds."""
        return self._kept(one.extra) if "other fields" in self.holds else {}

    def _kept(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        return {name: v for name, v in extra.items() if name not in self.conversion.dropped}

    def _told(self, annotation: Annotation) -> tuple[dict[str, Any], list[str]]:
        """Return the fields of an image without those of the old format, and its captions."""
        fields = self._kept(annotation.extra)
        fields.pop("no_file", None)
        found = fields.pop(self.conversion.captions, None) if self.conversion.captions else None
        inner = fields.pop(self.conversion.nested, None) if self.conversion.nested else None
        if isinstance(inner, Mapping):
            fields |= inner
        elif inner is not None:
            fields[self.conversion.nested] = inner
        captions = [found] if isinstance(found, str) else list(found or ())
        return fields, [str(one) for one in captions]


def _shape(one: Object) -> str:
    """Return the word for an object's most telling shape, a key of `_WAYS`."""
    if one.rle is not None or one.mask_file is not None:
        return "masks"
    shapes = (one.polygons, one.corners, one.box, one.keypoints)
    words = ("polygons", "oriented boxes", "boxes", "keypoints")
    known = (word for word, shape in zip(words, shapes, strict=True) if shape is not None)
    return next(known, "")


def has_shape(one: Object) -> bool:
    """Say whether an object is more than keypoints."""
    return _shape(one) not in ("keypoints", "")


def _lost(one: Object, shapes: bool) -> str:
    """Return what is said of an object of which nothing is kept."""
    if shapes and _shape(one) in ("boxes", "oriented boxes"):
        return "only boxes"
    return "only points" if shapes and one.keypoints is not None else "objects"


def _differs(one: Object) -> bool:
    """Say whether an object's box is another one than that around its outline."""
    other_box = around(one.changed(keypoints=None, rle=None)) if one.box else None
    pairs = zip(one.box or (), other_box or (), strict=False)
    return any(abs(own - other) > _SLACK for own, other in pairs)


def _said(fields: Mapping[str, Any]) -> list[str]:
    return [name for name, value in fields.items() if not _is_nothing(value)]


def _is_nothing(value: Any) -> bool:
    return any(type(value) is type(none) and value == none for none in _NOTHING)
