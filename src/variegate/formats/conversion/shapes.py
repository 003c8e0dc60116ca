"""The shapes of one image's objects, made into those that another format has."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from variegate.annotations import rle
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.boxes import Box, around, corners_of
from variegate.annotations.masks import MaskReader, Shape, traced
from variegate.annotations.polygons import rasterised
from variegate.annotations.targets import Mask
from variegate.codecs import MASK_EXTENSION
from variegate.formats.conversion.areas import areas_of
from variegate.formats.conversion.capabilities import Capabilities, Outcome, has_shape
from variegate.formats.writer import Content

# Field of an object -> what a format must be able to represent for it to stay.
_OUTLINES: dict[str, Content] = {"corners": "oriented boxes", "polygons": "polygons"}


@dataclass(slots=True)
class ShapeConverter:
    """Reshapes the objects of one image.

    Attributes:
        fit: what the new format holds.
        reader: of the image's masks.
        source, output: keys of the image, in the old and in the new set.
        masks: those that the new annotation names, by key.
    """

    fit: Capabilities
    reader: MaskReader
    source: str
    output: str
    masks: dict[str, Mask] = field(default_factory=dict)

    def converted_shapes(self, annotation: Annotation) -> Annotation:
        """Return the annotation; objects of which nothing can be represented are left out."""
        semantic, free = self._semantic(annotation), annotation.mask_file is None
        objects: list[Object] = []
        for one in (*annotation.objects, *self._areas(annotation)):
            fields = self._fields(one, self.fit.outcome(one, free=free), len(objects) + 1)
            if fields is not None:
                objects.append(one.changed(extra=self.fit.fields(one), **fields))
        if semantic is None and not annotation.objects and self._paints_all(annotation):
            # Nothing is there, which the mask of a class says, too.
            self._blank()
        if semantic is None and self._painted_key in self.masks:
            semantic = self._painted_key
        soft = annotation.soft and semantic is not None
        return annotation.changed(objects=tuple(objects), mask_file=semantic, soft=soft)

    def _areas(self, annotation: Annotation) -> Iterator[Object]:
        """Yield the areas of a semantic mask, where they become objects."""
        if annotation.mask_file is not None and self.fit.parts(annotation):
            values = self.reader.values(annotation.mask_file)
            yield from areas_of(values, dict(self.fit.conversion.areas))

    def _semantic(self, annotation: Annotation) -> str | None:
        wanted = "soft masks" if annotation.soft else "semantic masks"
        if annotation.mask_file is None or wanted not in self.fit.holds:
            return None
        key = self._mask_key(annotation.mask_file)
        self.masks[key] = self.reader.values(annotation.mask_file)
        return key

    def _mask_key(self, mask_file: str) -> str:
        return self.fit.writer.mask_key(mask_file, source=self.source, output=self.output)

    @property
    def _painted_key(self) -> str:
        return self._mask_key(self.output.rpartition(".")[0] + MASK_EXTENSION)

    def _fields(self, one: Object, outcome: Outcome, number: int) -> dict[str, Any] | None:
        """Return the fields of an object that change; None if nothing of it is left."""
        if outcome == "lost":
            return None
        if outcome == "painted":
            self._paint(one)
            return None
        fields = self._bare(one)
        if outcome == "pointed":
            return fields | {"box": None}
        if outcome == "turned":
            return fields | {"corners": corners_of(one.box or (0, 0, 0, 0)), "box": None}
        mask = self._filled(one) if outcome == "filled" else self.reader.mask(one)
        if mask is not None and not mask.any():
            return None
        if outcome == "outlined":
            fields["polygons"] = (one.corners,)
        if outcome == "traced" and mask is not None:
            fields["polygons"] = one.polygons or traced(mask)
        if mask is not None and outcome != "traced" and "instance masks" in self.fit.holds:
            fields |= self._masked(mask, number)
        return fields | {"box": self._box(one, mask)}

    def _bare(self, one: Object) -> dict[str, Any]:
        """Return the descriptions that the new format cannot represent, as nothing; and masks."""
        holds = self.fit.holds
        fields: dict[str, Any] = {"rle": None, "mask_file": None, "mask_value": None}
        fields |= {name: None for name, content in _OUTLINES.items() if content not in holds}
        points = {"keypoints"} if has_shape(one) else {"keypoints", "points"}
        return fields if holds & points else fields | {"keypoints": None}

    def _box(self, one: Object, mask: Shape | None) -> Box | None:
        holds = self.fit.holds
        if "boxes" not in holds:
            return None
        if one.box is not None:
            return one.box
        if mask is not None:
            return rle.bounds(rle.encode(mask))
        if (one.polygons and "polygons" in holds) or (one.corners and "oriented boxes" in holds):
            # The outline says it all.
            return None
        return around(one.changed(keypoints=None))

    def _filled(self, one: Object) -> Shape:
        rings = [np.array(ring, np.float64) for ring in one.polygons or ()]
        return np.asarray(rasterised(rings, self.reader.size) > 0)

    def _masked(self, mask: Shape, number: int) -> dict[str, Any]:
        """Put a mask where the new format has it."""
        key = self.fit.writer.object_mask_key(self.output)
        if key is None:
            return {"rle": rle.encode(mask)}
        shared = self.masks.setdefault(key, np.zeros(self.reader.size, np.uint16))
        shared[mask] = number
        return {"mask_file": key, "mask_value": number}

    def _paints_all(self, annotation: Annotation) -> bool:
        """Say whether objects are nothing but areas of masks of classes in the new format."""
        shapes = {"boxes", "oriented boxes", "polygons", "instance masks"}
        is_known = annotation.mask_file is None and not annotation.extra.get("no_file")
        return is_known and "semantic masks" in self.fit.holds and not self.fit.holds & shapes

    def _blank(self) -> Mask:
        """Return the semantic mask of the image, new or as painted so far."""
        dtype = np.uint8 if len(self.fit.writer.classes) <= 256 else np.uint16
        return self.masks.setdefault(self._painted_key, np.zeros(self.reader.size, dtype))

    def _paint(self, one: Object) -> None:
        """Paint an object into the semantic mask, over those before it."""
        mask = self.reader.mask(one)
        area = self._filled(one) if mask is None else mask
        self._blank()[area] = self.fit.writer.classes.index(one.category)
