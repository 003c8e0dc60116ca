"""From annotations to targets, and back to annotations of the result.

`Labelled.read` makes arrays of what a format read; operations move them; `Labelled.written` drops
what has left the picture and says the rest as an annotation again. Nothing is invented: an object
keeps the kinds of description that it had, and its other fields.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations import Annotation, Object, Point, Skeleton
from variegate.errors import PictureError
from variegate.formats import rle
from variegate.recipes import LabelRule
from variegate.sample import Size
from variegate.targets import (
    Keypoints,
    Layer,
    Mask,
    Outlines,
    Points,
    Targets,
    box_ring,
)


@dataclass(frozen=True, slots=True)
class _Region:
    """Where an object's mask is: the pixels of a layer that have a value."""

    layer: int
    value: int


@dataclass(frozen=True, slots=True)
class Labelled:
    """An annotation made ready to be moved.

    Attributes:
        annotation: as it was read, fitted to the picture's real size.
        targets: to be moved along with the picture.
        regions: the masks of the objects that have one.
        semantic: number of the layer that is the semantic mask.
    """

    annotation: Annotation
    targets: Targets
    rule: LabelRule
    regions: Mapping[int, _Region] = field(default_factory=dict)
    semantic: int | None = None

    @classmethod
    def read(
        cls,
        annotation: Annotation,
        size: Size,
        *,
        rule: LabelRule,
        skeletons: Mapping[str, Skeleton],
        load_mask: Callable[[str], Mask],
    ) -> "Labelled":
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
        layers, regions, semantic = _Layers(size, load_mask).read(annotation, rule)
        rings: list[tuple[int, Points]] = []
        boxes = np.full((len(annotation.objects), 4), np.nan)
        for number, one in enumerate(annotation.objects):
            if one.box is not None:
                boxes[number] = one.box
            region = regions.get(number)
            mask = layers[region.layer].values == region.value if region else None
            rings += [(number, ring) for ring in _outline(one, rule, mask)]
        targets = Targets(
            boxes=boxes,
            outlines=Outlines.of(rings),
            keypoints=_keypoints(annotation.objects, skeletons),
            visible=np.ones(len(annotation.objects)),
            layers=tuple(layers),
        )
        return cls(annotation, targets, rule, regions, semantic)

    def written(
        self, targets: Targets, size: Size, mask_key: Callable[[str], str]
    ) -> tuple[Annotation, dict[str, Mask]]:
        """Return the annotation of a result and the masks that it names.

        Args:
            targets: as they came out.
            size: the result's (height, width).
            mask_key: takes the key of a source's mask to that of the result's.
        """
        masks: dict[str, Mask] = {}
        objects = []
        bounds = {number: _bounds(targets, region) for number, region in self.regions.items()}
        for number, one in enumerate(self.annotation.objects):
            kept = self._kept(number, one, targets, bounds.get(number))
            if kept is not None:
                objects.append(self._named(number, kept, targets, mask_key, masks))
        changed = replace(self.annotation, size=size, objects=tuple(objects))
        if self.semantic is not None and self.annotation.mask_file is not None:
            key = mask_key(self.annotation.mask_file)
            masks[key] = targets.layers[self.semantic].values
            changed = replace(changed, mask_file=key)
        return changed, masks

    def _kept(
        self, number: int, one: Object, targets: Targets, mask_bounds: Points | None
    ) -> Object | None:
        """Return an object as it is described now, or None if it is out of sight."""
        described: dict[str, Any] = {}
        if one.keypoints is not None:
            described["keypoints"] = _keypoints_of(targets.keypoints, number)
        region = self.regions.get(number)
        only_points = one.box is None and one.corners is None and one.polygons is None
        if only_points and region is None:
            if one.keypoints is not None and not any(v for _, _, v in described["keypoints"]):
                return None
            return replace(one, **described)
        box = targets.boxes[number] if mask_bounds is None else mask_bounds
        if targets.kept_boxes:
            box = targets.boxes[number] if one.box is not None else box
        if not self._large_enough(number, box, targets):
            return None
        rings = targets.outlines.of_object(number)
        if one.polygons is not None:
            described["polygons"] = tuple(_points(ring) for ring in rings)
        if one.corners is not None:
            described["corners"] = _corners(rings)
        if one.box is not None:
            described["box"] = tuple(box.tolist())
        return replace(one, **described)

    def _large_enough(self, number: int, box: Points, targets: Targets) -> bool:
        if targets.visible[number] < self.rule.min_visible:
            return False
        if targets.kept_boxes:
            return True
        if not np.isfinite(box).all():
            return False
        return min(box[2] - box[0], box[3] - box[1]) >= self.rule.min_side

    def _named(
        self,
        number: int,
        one: Object,
        targets: Targets,
        mask_key: Callable[[str], str],
        masks: dict[str, Mask],
    ) -> Object:
        """Put an object's mask where it belongs, and say where that is."""
        region = self.regions.get(number)
        if region is None:
            return one
        here = targets.layers[region.layer].values == region.value
        if one.rle is not None:
            return replace(one, rle=rle.encode(here.astype(np.uint8)))
        assert one.mask_file is not None
        key = mask_key(one.mask_file)
        if one.mask_value is None:
            masks[key] = here.astype(np.uint8) * np.uint8(255)
        else:
            shared = masks.setdefault(key, np.zeros(here.shape, _dtype(one.mask_value)))
            if one.mask_value > np.iinfo(shared.dtype).max:
                masks[key] = shared = shared.astype(np.uint32)
            shared[here] = one.mask_value
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


class _Layers:
    """Puts masks into as few layers as hold them without overlapping."""

    def __init__(self, size: Size, load_mask: Callable[[str], Mask]) -> None:
        self._size = size
        self._load_mask = load_mask
        self._layers: list[Layer] = []
        self._packed: list[Mask] = []
        self._files: dict[str, Mask] = {}

    def read(
        self, annotation: Annotation, rule: LabelRule
    ) -> tuple[list[Layer], dict[int, _Region], int | None]:
        """Return the layers, where each object's mask is, and the semantic mask's layer."""
        regions = {}
        for number, one in enumerate(annotation.objects):
            mask = self._mask(one)
            if mask is not None:
                regions[number] = _Region(self._place(mask, number + 1), number + 1)
        layers = [Layer(values, "objects") for values in self._packed]
        semantic = None
        if annotation.mask_file is not None:
            values = self._loaded(annotation.mask_file)
            role = "soft" if annotation.soft else "classes"
            semantic = len(layers)
            layers.append(Layer(values, role, rule.mask_fill))  # type: ignore[arg-type]
        return layers, regions, semantic

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


def _bounds(targets: Targets, region: _Region) -> Points:
    """Return the box (4,) around the pixels of a mask; NaN if there are none."""
    here = targets.layers[region.layer].values == region.value
    columns, rows = np.flatnonzero(here.any(axis=0)), np.flatnonzero(here.any(axis=1))
    if not len(columns):
        return np.full(4, np.nan)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)


def _dtype(value: int) -> type[np.unsignedinteger[Any]]:
    return np.uint8 if value < 256 else np.uint16 if value < 65536 else np.uint32
