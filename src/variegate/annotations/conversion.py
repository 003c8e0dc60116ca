"""From annotations to targets, and back to annotations of the result.

`read` makes arrays of what a format read; operations move them; `written` drops what has left
the image and says the rest as an annotation again. Nothing is invented: an object
keeps the kinds of description that it had, and its other fields.
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.alignment import fitted
from variegate.annotations.annotation import Annotation, Object, Point, Skeleton
from variegate.annotations.body_parts import parts_beside, with_moved_parts, without_places
from variegate.annotations.masks import MaskFiles, MaskKey, MaskReader
from variegate.annotations.polygons import Outlines, Points, box_ring
from variegate.annotations.rules import LabelRule
from variegate.annotations.sample import Size
from variegate.annotations.targets import Keypoints, Mask, Targets, whole

_ROUNDING = 1e-9


def read(
    annotation: Annotation,
    size: Size,
    *,
    rule: LabelRule,
    skeletons: Mapping[str, Skeleton],
    load_mask: Callable[[str], Mask],
    orientation: int = 1,
    key: str = "",
) -> Targets:
    """Make targets of an annotation.

    Args:
        annotation: of the image.
        size: the image's (height, width), upright.
        rule: what becomes of labels.
        skeletons: category -> its keypoints.
        load_mask: returns the mask (H, W) that a key names.
        orientation: EXIF's, 1 to 8, by which the image was turned upright.
        key: of the image.

    Raises:
        ImageError: the annotation is for another image: its size or a mask's disagrees.
    """
    annotation = fitted(annotation, size, orientation)
    layers, layer_of = MaskReader(size, orientation, load_mask).read(annotation, rule.mask_fill)
    rings: list[tuple[int, Points]] = []
    boxes = np.full((len(annotation.objects), 4), np.nan)
    for number, one in enumerate(annotation.objects):
        if one.box is not None:
            boxes[number] = one.box
        layer = layer_of[number]
        mask = layers[layer].values == number + 1 if layer >= 0 else None
        rings += [(number, ring) for ring in _outline(one, rule, mask)]
    outlines = Outlines.of(rings)
    return Targets(
        objects=annotation.objects,
        # An object without a box has the bounds of its outline: it may be mixed with moved ones.
        boxes=np.where(np.isnan(boxes), outlines.bounds(len(boxes)), boxes),
        outlines=outlines,
        keypoints=_keypoints(annotation.objects, skeletons),
        beside=parts_beside(annotation.objects),
        visible=np.ones(len(annotation.objects)),
        layers=tuple(layers),
        layer_of=tuple(layer_of),
        origins=((key, len(annotation.objects)),),
    )


def written(
    annotation: Annotation,
    targets: Targets,
    size: Size,
    *,
    rule: LabelRule,
    mask_key: MaskKey,
) -> tuple[Annotation, dict[str, Mask]]:
    """Return the annotation of a result and the masks that it names.

    Args:
        annotation: of the source.
        targets: as they came out.
        size: the result's (height, width).
        rule: decides which objects are still worth naming.
        mask_key: takes the key of a mask, and of its image, to that of the result's mask.
    """
    source = targets.origins[0][0]
    files = MaskFiles(annotation, source, mask_key)
    objects = []
    images = ((n, key) for n, (key, count) in enumerate(targets.origins) for _ in range(count))
    boxes, large = targets.boxes.tolist(), _large(targets, rule)
    # Sums of areas are right to some digits only: what is all in sight counts as such.
    seen = (targets.visible >= rule.min_visible - _ROUNDING).tolist()
    for number, (one, origin) in enumerate(zip(targets.objects, images, strict=True)):
        mask = targets.mask_of(number)
        if mask is not None:
            kept = _kept_mask(number, one, targets, mask, rule) if seen[number] else None
            if kept is not None:
                kept = files.put(kept, mask, image=origin[0], origin=origin[1])
        elif one.box is None and one.corners is None and one.polygons is None:
            kept = _kept_points(number, one, targets)
        elif seen[number] and large[number]:
            kept = _described(number, one, targets, boxes[number])
        else:
            kept = None
        if kept is not None:
            kept = kept if targets.kept_boxes else _with_moved_fields(kept, number, targets, size)
            objects.append(kept)
    changed = annotation.changed(size=size, objects=tuple(objects))
    if annotation.mask_file is not None and targets.semantic is not None:
        key = mask_key(annotation.mask_file, source)
        files.masks[key] = whole(targets.semantic.values)
        changed = changed.changed(mask_file=key)
    return changed, files.masks


def _with_moved_fields(one: Object, number: int, targets: Targets, size: Size) -> Object:
    """Return an object whose other fields say nothing of where it was."""
    # Places are lists. Without any all stays as it is: that of most objects, and asked for each.
    if not any(isinstance(value, list | tuple) for value in one.extra.values()):
        return one
    points = _keypoints_of(targets.beside, number)
    extra = with_moved_parts(one.extra, points, size) if points else one.extra
    return one.changed(extra=without_places(extra))


def _large(targets: Targets, rule: LabelRule) -> list[bool]:
    """Return which boxes are large enough; those that nothing has moved always are."""
    if targets.kept_boxes:
        return [True] * targets.count
    sides = targets.boxes[:, 2:] - targets.boxes[:, :2]
    # A comparison with NaN is false.
    large: npt.NDArray[np.bool_] = np.all(sides >= rule.min_side, axis=1)
    return list(large.tolist())


def _kept_mask(
    number: int,
    one: Object,
    targets: Targets,
    mask: npt.NDArray[np.bool_],
    rule: LabelRule,
) -> Object | None:
    """Return an object with a mask as it is described now, or None if it is too small."""
    box: list[float] = targets.boxes[number].tolist()
    if not (targets.exact_boxes and one.box is not None):
        box = _bounds(mask).tolist()
    x1, y1, x2, y2 = box
    if not targets.kept_boxes and not min(x2 - x1, y2 - y1) >= rule.min_side:
        return None
    return _described(number, one, targets, box)


def _kept_points(number: int, one: Object, targets: Targets) -> Object | None:
    """Return an object that has keypoints or nothing, or None if none of them is in sight."""
    if one.keypoints is None:
        return one
    points = _keypoints_of(targets.keypoints, number)
    return one.changed(keypoints=points) if any(v for _, _, v in points) else None


def _described(number: int, one: Object, targets: Targets, box: list[float]) -> Object:
    """Return an object as it is described now."""
    polygons, corners, keypoints = one.polygons, one.corners, one.keypoints
    if polygons is not None or corners is not None:
        rings = targets.outlines.of_object(number)
        if polygons is not None:
            polygons = tuple(_points(ring) for ring in rings)
        if corners is not None:
            corners = _corners(rings)
    if keypoints is not None:
        keypoints = _keypoints_of(targets.keypoints, number)
    x1, y1, x2, y2 = box
    # Not `replace`: of twenty objects it takes a tenth of a millisecond.
    return Object(
        category=one.category,
        box=None if one.box is None else (x1, y1, x2, y2),
        corners=corners,
        polygons=polygons,
        rle=one.rle,
        mask_file=one.mask_file,
        mask_value=one.mask_value,
        keypoints=keypoints,
        extra=one.extra,
    )


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
    return Keypoints.of(points, starts, partners)


def _keypoints_of(keypoints: Keypoints, number: int) -> tuple[tuple[float, float, int], ...]:
    part = slice(keypoints.starts[number], keypoints.starts[number + 1])
    if part.start == part.stop:
        return ()
    points, visibility = keypoints.points[part].tolist(), keypoints.visibility[part].tolist()
    return tuple((x, y, seen) for (x, y), seen in zip(points, visibility, strict=True))


def _points(ring: Points) -> tuple[Point, ...]:
    return tuple((x, y) for x, y in ring.tolist())


def _corners(rings: list[Points]) -> tuple[Point, Point, Point, Point]:
    """Return the four corners of an oriented box; the smallest around what was cut off it."""
    ring = np.concatenate(rings)
    if len(ring) != 4:
        ring = cv2.boxPoints(cv2.minAreaRect(ring.astype(np.float32))).astype(np.float64)
    first, second, third, fourth = _points(ring)
    return first, second, third, fourth


def _bounds(mask: npt.NDArray[np.bool_]) -> Points:
    """Return the box (4,) around the pixels of a mask; NaN if there are none."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return np.full(4, np.nan)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
