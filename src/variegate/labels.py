"""From annotations to targets, and back to annotations of the result.

`read` makes arrays of what a format read; operations move them; `written` drops what has left
the picture and says the rest as an annotation again. Nothing is invented: an object
keeps the kinds of description that it had, and its other fields.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations import Annotation, Object, Point, Skeleton
from variegate.errors import PictureError
from variegate.formats import rle
from variegate.outlines import Outlines, Points, box_ring
from variegate.recipes import LabelRule
from variegate.sample import Size
from variegate.targets import (
    Keypoints,
    Layer,
    Mask,
    Targets,
)


def read(
    annotation: Annotation,
    size: Size,
    *,
    rule: LabelRule,
    skeletons: Mapping[str, Skeleton],
    load_mask: Callable[[str], Mask],
) -> Targets:
    """Make targets of an annotation.

    Args:
        annotation: of the picture.
        size: the picture's (height, width).
        rule: what becomes of labels.
        skeletons: category -> its keypoints.
        load_mask: returns the mask (H, W) that a key names.

    Raises:
        PictureError: the annotation is for another picture: its size or a mask's disagrees.
    """
    annotation = fitted(annotation, size)
    layers, layer_of = _Layers(size, load_mask).read(annotation, rule)
    rings: list[tuple[int, Points]] = []
    boxes = np.full((len(annotation.objects), 4), np.nan)
    for number, one in enumerate(annotation.objects):
        if one.box is not None:
            boxes[number] = one.box
        layer = layer_of[number]
        mask = layers[layer].values == number + 1 if layer >= 0 else None
        rings += [(number, ring) for ring in _outline(one, rule, mask)]
    return Targets(
        objects=annotation.objects,
        boxes=boxes,
        outlines=Outlines.of(rings),
        keypoints=_keypoints(annotation.objects, skeletons),
        visible=np.ones(len(annotation.objects)),
        layers=tuple(layers),
        layer_of=tuple(layer_of),
    )


def written(
    annotation: Annotation,
    targets: Targets,
    size: Size,
    *,
    rule: LabelRule,
    mask_key: Callable[[str], str],
) -> tuple[Annotation, dict[str, Mask]]:
    """Return the annotation of a result and the masks that it names.

    Args:
        annotation: of the source.
        targets: as they came out.
        size: the result's (height, width).
        rule: decides which objects are still worth naming.
        mask_key: takes the key of a source's mask to that of the result's.
    """
    masks: dict[str, Mask] = {}
    objects = []
    for number, one in enumerate(targets.objects):
        mask = targets.mask_of(number)
        kept = _kept(number, one, targets, mask, rule)
        if kept is not None:
            objects.append(kept if mask is None else _with_mask(kept, mask, mask_key, masks))
    changed = replace(annotation, size=size, objects=tuple(objects))
    if annotation.mask_file is not None and targets.semantic is not None:
        key = mask_key(annotation.mask_file)
        masks[key] = _whole(targets.semantic.values)
        changed = replace(changed, mask_file=key)
    return changed, masks


def _kept(
    number: int,
    one: Object,
    targets: Targets,
    mask: npt.NDArray[np.bool_] | None,
    rule: LabelRule,
) -> Object | None:
    """Return an object as it is described now, or None if it is out of sight."""
    described: dict[str, Any] = {}
    if one.keypoints is not None:
        described["keypoints"] = _keypoints_of(targets.keypoints, number)
    if mask is None and one.box is None and one.corners is None and one.polygons is None:
        seen = one.keypoints is None or any(v for _, _, v in described["keypoints"])
        return replace(one, **described) if seen else None
    box = targets.boxes[number]
    if mask is not None and not (targets.kept_boxes and one.box is not None):
        box = _bounds(mask)
    if targets.visible[number] < rule.min_visible:
        return None
    if not targets.kept_boxes and not _large_enough(box, rule):
        return None
    rings = targets.outlines.of_object(number)
    if one.polygons is not None:
        described["polygons"] = tuple(_points(ring) for ring in rings)
    if one.corners is not None:
        described["corners"] = _corners(rings)
    if one.box is not None:
        described["box"] = tuple(box.tolist())
    return replace(one, **described)


def _large_enough(box: Points, rule: LabelRule) -> bool:
    if not np.isfinite(box).all():
        return False
    return bool(min(box[2] - box[0], box[3] - box[1]) >= rule.min_side)


def _with_mask(
    one: Object,
    mask: npt.NDArray[np.bool_],
    mask_key: Callable[[str], str],
    masks: dict[str, Mask],
) -> Object:
    """Put an object's mask where it belongs, and say where that is."""
    if one.rle is not None:
        return replace(one, rle=rle.encode(mask.astype(np.uint8)))
    assert one.mask_file is not None
    key = mask_key(one.mask_file)
    if one.mask_value is None:
        masks[key] = mask.astype(np.uint8) * np.uint8(255)
        return replace(one, mask_file=key)
    shared = masks.setdefault(key, np.zeros(mask.shape, np.uint8))
    if one.mask_value > np.iinfo(shared.dtype).max:
        wider = np.uint16 if one.mask_value < 65536 else np.uint32
        masks[key] = shared = shared.astype(wider)
    shared[mask] = one.mask_value
    return replace(one, mask_file=key)


def fitted(annotation: Annotation, size: Size) -> Annotation:
    """Return the annotation in the coordinates of a picture of `size`.

    One that was made on a larger or smaller copy of the picture is scaled.

    Raises:
        PictureError: it was made on a picture of another shape.
    """
    if annotation.size in (None, size):
        return annotation
    height, width = annotation.size or size
    if min(height, width) < 1 or abs(height * size[1] - width * size[0]) > max(
        *size, height, width
    ):
        raise PictureError(
            f"its annotation is for a picture of {width} x {height}, it has {size[1]} x {size[0]}"
        )
    x, y = size[1] / width, size[0] / height
    objects = tuple(_scaled(one, x, y) for one in annotation.objects)
    return replace(annotation, size=size, objects=objects)


def _scaled(one: Object, x: float, y: float) -> Object:
    scaled: dict[str, Any] = {}
    if one.box is not None:
        scaled["box"] = (one.box[0] * x, one.box[1] * y, one.box[2] * x, one.box[3] * y)
    if one.corners is not None:
        scaled["corners"] = tuple((u * x, v * y) for u, v in one.corners)
    if one.polygons is not None:
        scaled["polygons"] = tuple(tuple((u * x, v * y) for u, v in r) for r in one.polygons)
    if one.keypoints is not None:
        scaled["keypoints"] = tuple((u * x, v * y, seen) for u, v, seen in one.keypoints)
    return replace(one, **scaled)


def _in_bytes(values: Mask) -> Mask:
    """Return a mask of 32 bits, which cv2 cannot move, as four channels; others as they are."""
    if values.dtype != np.uint32:
        return values
    return np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 4)


def _whole(values: Mask) -> Mask:
    """Undo `_in_bytes`."""
    if values.ndim == 2:
        return values
    return np.ascontiguousarray(values).view(np.uint32)[..., 0]


class _Layers:
    """Puts masks into as few layers as hold them without overlapping."""

    def __init__(self, size: Size, load_mask: Callable[[str], Mask]) -> None:
        self._size = size
        self._load_mask = load_mask
        self._layers: list[Layer] = []
        self._packed: list[Mask] = []
        self._files: dict[str, Mask] = {}

    def read(self, annotation: Annotation, rule: LabelRule) -> tuple[list[Layer], list[int]]:
        """Return the layers, and the number of the layer with each object's mask, or -1."""
        layer_of = []
        for number, one in enumerate(annotation.objects):
            mask = self._mask(one)
            layer_of.append(-1 if mask is None else self._place(mask, number + 1))
        layers = [Layer(values, "objects") for values in self._packed]
        if annotation.mask_file is not None:
            values = _in_bytes(self._loaded(annotation.mask_file))
            layers.append(Layer(values, "soft" if annotation.soft else "classes", rule.mask_fill))
        return layers, layer_of

    def _mask(self, one: Object) -> npt.NDArray[np.bool_] | None:
        if one.rle is not None:
            if (one.rle.height, one.rle.width) != self._size:
                raise PictureError(
                    f"a mask of {one.rle.width} x {one.rle.height} for a picture of "
                    f"{self._size[1]} x {self._size[0]}"
                )
            return np.asarray(rle.decode(one.rle) > 0)
        if one.mask_file is None:
            return None
        values = self._loaded(one.mask_file)
        return np.asarray(values > 0 if one.mask_value is None else values == one.mask_value)

    def _loaded(self, key: str) -> Mask:
        if key not in self._files:
            values = self._load_mask(key)
            if values.shape[:2] != self._size:
                raise PictureError(
                    f"its mask {key} is {values.shape[1]} x {values.shape[0]}, "
                    f"it has {self._size[1]} x {self._size[0]}"
                )
            self._files[key] = values
        return self._files[key]

    def _place(self, mask: npt.NDArray[np.bool_], value: int) -> int:
        """Write a mask into the first layer where it covers no other; return its number."""
        for number, packed in enumerate(self._packed):
            if not packed[mask].any():
                packed[mask] = value
                return number
        fresh = np.zeros(self._size, np.uint16)
        fresh[mask] = value
        self._packed.append(fresh)
        return len(self._packed) - 1


def _outline(one: Object, rule: LabelRule, mask: npt.NDArray[np.bool_] | None) -> list[Points]:
    """Return the rings by which an object is moved."""
    if one.polygons is not None:
        return [np.array(ring, np.float64) for ring in one.polygons]
    if one.corners is not None:
        return [np.array(one.corners, np.float64)]
    if mask is not None:
        return _contours(mask)
    if one.box is not None:
        return [box_ring(np.array(one.box), ellipse=rule.box == "ellipse")]
    return []


def _contours(mask: npt.NDArray[np.bool_]) -> list[Points]:
    """Return the outer contours of a mask, along the outside of its pixels, nearly."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    rings = (ring[:, 0].astype(np.float64) + 0.5 for ring in found)
    # A contour of cv2 runs through pixel centres: one of a single pixel or row has no area.
    return [ring if len(ring) > 2 else _around(ring) for ring in rings]


def _around(ring: Points) -> Points:
    low, high = ring.min(axis=0) - 0.5, ring.max(axis=0) + 0.5
    return box_ring(np.concatenate([low, high]), ellipse=False)


def _keypoints(objects: tuple[Object, ...], skeletons: Mapping[str, Skeleton]) -> Keypoints:
    points: list[tuple[float, float, int]] = []
    starts, partners = [0], list[int]()
    for one in objects:
        own = one.keypoints or ()
        swapped = list(range(len(points), len(points) + len(own)))
        skeleton = skeletons.get(one.category)
        for left, right in skeleton.pairs if skeleton else ():
            if max(left, right) < len(own):
                swapped[left], swapped[right] = swapped[right], swapped[left]
        partners += swapped
        points += own
        starts.append(len(points))
    array = np.array(points, np.float64).reshape(-1, 3)
    return Keypoints(
        array[:, :2],
        array[:, 2].astype(np.uint8),
        np.array(starts, np.intp),
        np.array(partners, np.intp),
    )


def _keypoints_of(keypoints: Keypoints, number: int) -> tuple[tuple[float, float, int], ...]:
    part = slice(keypoints.starts[number], keypoints.starts[number + 1])
    points, visibility = keypoints.points[part].tolist(), keypoints.visibility[part].tolist()
    return tuple((x, y, seen) for (x, y), seen in zip(points, visibility, strict=True))


def _points(ring: Points) -> tuple[Point, ...]:
    return tuple((x, y) for x, y in ring.tolist())


def _corners(rings: list[Points]) -> tuple[Point, ...]:
    """Return the four corners of an oriented box; the smallest around what was cut off it."""
    ring = rings[0]
    if len(ring) != 4:
        ring = cv2.boxPoints(cv2.minAreaRect(ring.astype(np.float32))).astype(np.float64)
    return _points(ring)


def _bounds(mask: npt.NDArray[np.bool_]) -> Points:
    """Return the box (4,) around the pixels of a mask; NaN if there are none."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return np.full(4, np.nan)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
