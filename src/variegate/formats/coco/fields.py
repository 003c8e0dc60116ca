"""From an `Object` to an entry of "annotations": the reverse of `objects`."""

from collections.abc import Mapping
from typing import Any

from variegate.annotations import rle as run_lengths
from variegate.annotations.annotation import Object
from variegate.formats.coco import geometry
from variegate.formats.coco.file import STANDARD
from variegate.formats.coco.objects import COCO

# What an annotation has where nothing else says so.
USUAL = ("segmentation", "area", "bbox", "iscrowd")
_KEPT_BACK = frozenset((*STANDARD, "id", "image_id", "category_id", COCO))
Fields = dict[str, Any]
Record = Mapping[str, Any]


def entry(one: Object, record: Record, *, head: Fields, standard: tuple[str, ...]) -> Fields:
    """Return the entry of one object.

    Args:
        one: the object.
        record: what the file had of it (see `objects`), or nothing.
        head: its ids.
        standard: the usual fields that the file has.
    """
    names = record.get("standard", standard or _usual(one))
    box = one.box or geometry.around(one)
    fields: Fields = dict(head)
    if "segmentation" in names:
        fields["segmentation"] = _segmentation(one, record)
    if "area" in names:
        fields["area"] = _area(one, record)
    if "bbox" in names and box:
        fields["bbox"] = _box(box, record)
    if "iscrowd" in names:
        fields["iscrowd"] = one.extra.get("iscrowd", 0)
    if "keypoints" in names and one.keypoints is not None:
        fields["keypoints"] = _keypoints(one.keypoints, record)
    if "num_keypoints" in names:
        fields["num_keypoints"] = sum(v > 0 for _, _, v in one.keypoints or ())
    return fields | other_fields(one.extra, record, _KEPT_BACK)


def segment(one: Object, record: Record, *, category_id: Any) -> Fields:
    """Return the entry of one object in "segments_info", without its area."""
    fields: Fields = {
        "id": one.mask_value,
        "category_id": category_id,
        "iscrowd": one.extra.get("iscrowd", 0),
    }
    if one.box:
        fields["bbox"] = _box(one.box, record)
    return fields | other_fields(one.extra, record, _KEPT_BACK)


def other_fields(extra: Record, record: Record, kept_back: frozenset[str]) -> Fields:
    """Return the fields that we do not know, as this file had them."""
    fields = record.get("fields", extra)
    return {name: value for name, value in fields.items() if name not in kept_back}


def _usual(one: Object) -> tuple[str, ...]:
    return (*USUAL, "keypoints", "num_keypoints") if one.keypoints else USUAL


def _box(box: geometry.Box, record: Record) -> list[float]:
    raw = record.get("bbox")
    return raw if raw and geometry.edges(raw) == box else geometry.raw_box(box)


def _area(one: Object, record: Record) -> float:
    if "area" in record and record["shape"] == geometry.shape_digest(one):
        number: float = record["area"]
        return number
    return geometry.area(one)


def _keypoints(points: geometry.Keypoints, record: Record) -> list[float]:
    raw = record.get("keypoints")
    return raw if raw and geometry.keypoints_of(raw) == points else geometry.raw_keypoints(points)


def _segmentation(one: Object, record: Record) -> Any:
    """Return polygons or run lengths; a mask is exact, so it goes first."""
    if record.get("bare"):
        return []
    if one.rle is not None:
        counts: Any = one.rle.counts
        if record.get("runs") == "list":
            counts = run_lengths.runs(one.rle).tolist()
        return {"size": [one.rle.height, one.rle.width], "counts": counts}
    rings = one.polygons or ((one.corners,) if one.corners else ())
    return [[number for point in ring for number in point] for ring in rings]
