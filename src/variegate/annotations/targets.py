"""What is known about an image as arrays, to be moved along with its pixels.

Every object has an outline, one or more rings of points: its polygons, its oriented corners, or
its box drawn as four corners or as the ellipse inside it. Geometry moves the points of all rings
at once, cuts them at the canvas, and finds boxes again from what is left. Since the outline is
carried on and not the box, two rotations do not make a box grow twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from variegate.annotations.annotation import Object
from variegate.annotations.polygons import Outlines, Points, Size, rasterised

Indices = npt.NDArray[np.intp]
#: (H, W) uint8 or uint16.
Mask = npt.NDArray[Any]

Role = Literal["objects", "classes", "soft"]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A mask as large as the image.

    Attributes:
        values: (H, W) uint8 or uint16; one of 32 bits as (H, W, 4) bytes, see `in_bytes`.
        role: "objects": 0, or the number of the object plus one; "classes": a class for each
            pixel; "soft": an amount, which may be interpolated.
        beyond: the value where the image is filled with a constant color.
    """

    values: Mask
    role: Role
    beyond: int = 0


FREE = 3
"""Visibility of a point that keeps its place beyond the canvas, too: a corner of a box."""

MoveMask = Callable[[Layer], Mask]
"""Moves a mask as the image is moved."""


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """The keypoints of all objects.

    Attributes:
        points: (K, 2) x, y.
        visibility: (K,) 0 not labelled, 1 hidden, 2 visible; or `FREE`.
        starts: (N + 1,) object n has points[starts[n]:starts[n + 1]].
        partners: (K,) the keypoint that each becomes in a mirror image; itself for most.
    """

    points: Points
    visibility: npt.NDArray[np.uint8]
    starts: Indices
    partners: Indices

    @classmethod
    def of(
        cls,
        points: Sequence[tuple[float, float, int]],
        starts: Sequence[int],
        partners: Sequence[int],
    ) -> "Keypoints":
        """Make them of lists: (x, y, visibility) of each, and the rest as in the attributes."""
        array = np.array(points, np.float64).reshape(-1, 3)
        return cls(
            array[:, :2],
            array[:, 2].astype(np.uint8),
            np.array(starts, np.intp),
            np.array(partners, np.intp),
        )

    def joined(self, other: "Keypoints") -> "Keypoints":
        """Return these and those of further objects."""
        return Keypoints(
            np.concatenate([self.points, other.points]),
            np.concatenate([self.visibility, other.visibility]),
            np.concatenate([self.starts, other.starts[1:] + self.starts[-1]]),
            np.concatenate([self.partners, other.partners + len(self.points)]),
        )

    def only(self, numbers: Indices) -> "Keypoints":
        """Return those of some objects, in turn."""
        lengths = np.diff(self.starts)[numbers]
        starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.intp)
        # Where each was, and by how much the points of its object have moved up.
        moved_up = np.repeat(self.starts[:-1][numbers] - starts[:-1], lengths)
        old = np.arange(starts[-1]) + moved_up
        return Keypoints(
            self.points[old], self.visibility[old], starts, self.partners[old] - moved_up
        )

    def shifted(self, x: float, y: float) -> "Keypoints":
        """Return them at another place; those that are not labelled have none."""
        labelled = (self.visibility > 0)[:, np.newaxis]
        return replace(self, points=np.where(labelled, np.array([x, y]) + self.points, self.points))

    def moved(self, move: Callable[[Points], Points], *, mirrored: bool, size: Size) -> "Keypoints":
        """Return them where `move` takes them; those off the canvas are not labelled any more."""
        if not len(self.points):
            return self
        points, visibility = move(self.points), self.visibility
        if mirrored:
            points, visibility = points[self.partners], visibility[self.partners]
        inside = ((points >= 0) & (points < (size[1], size[0]))).all(axis=1)
        inside |= (visibility == FREE) & np.isfinite(points).all(axis=1)
        labelled = inside & (visibility > 0)
        return replace(
            self,
            points=np.where(labelled[:, np.newaxis], points, 0.0),
            visibility=np.where(labelled, visibility, 0).astype(np.uint8),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What is known about an image, moved along with it.

    Attributes:
        objects: as they were read; what does not move is found there.
        boxes: (N, 4) x1, y1, x2, y2; the bounds of the outline for objects without one, NaN for
            those without either.
        outlines: of the objects.
        keypoints: of the objects.
        beside: what else of them is points; see `body_parts`.
        visible: (N,) share of each object that is still seen, 0 ... 1.
        layers: masks.
        layer_of: (N,) number of the layer with an object's mask, where its number plus one is its
            value; -1 for objects without a mask.
        kept_boxes: no geometry has touched the boxes: they are as they were read.
        exact_boxes: they are as they were read, but for flips and quarter turns.
        origins: (key, number of objects) of each image that objects come from, in turn.
    """

    objects: tuple[Object, ...]
    boxes: Points
    outlines: Outlines
    keypoints: Keypoints
    beside: Keypoints
    visible: npt.NDArray[np.float64]
    layers: tuple[Layer, ...] = ()
    layer_of: tuple[int, ...] = ()
    kept_boxes: bool = True
    exact_boxes: bool = True
    origins: tuple[tuple[str, int], ...] = ()

    @property
    def count(self) -> int:
        """How many objects there were, those out of sight included."""
        return len(self.objects)

    @property
    def semantic(self) -> Layer | None:
        """The semantic mask, if there is one."""
        return next((layer for layer in self.layers if layer.role != "objects"), None)

    def mask_of(self, number: int) -> npt.NDArray[np.bool_] | None:
        """Return (H, W) where an object is, or None if it has no mask."""
        layer = self.layer_of[number]
        return None if layer < 0 else np.asarray(self.layers[layer].values == number + 1)

    def only(self, numbers: Sequence[int]) -> "Targets":
        """Return the targets of some objects alone, numbered anew in that order, ascending."""
        chosen = np.array(numbers, np.intp)
        renumbered = np.zeros(self.count + 1, np.uint16)
        renumbered[chosen + 1] = np.arange(1, len(chosen) + 1)
        rings = [
            (new, ring) for new, old in enumerate(numbers) for ring in self.outlines.of_object(old)
        ]
        layers = tuple(
            replace(one, values=renumbered[one.values]) if one.role == "objects" else one
            for one in self.layers
        )
        ends = np.cumsum([count for _, count in self.origins])
        counts = np.bincount(np.searchsorted(ends, chosen, side="right"), minlength=len(ends))
        return replace(
            self,
            objects=tuple(self.objects[number] for number in numbers),
            boxes=self.boxes[chosen],
            outlines=Outlines.of(rings),
            keypoints=self.keypoints.only(chosen),
            beside=self.beside.only(chosen),
            visible=self.visible[chosen],
            layers=layers,
            layer_of=tuple(self.layer_of[number] for number in numbers),
            origins=tuple((key, int(counts[image])) for image, (key, _) in enumerate(self.origins)),
        )

    def moved(
        self,
        *,
        points: Callable[[Points], Points],
        straight: bool,
        mirrored: bool,
        mask: MoveMask,
        size: Size,
        shown: Callable[[Outlines], Outlines] = lambda outlines: outlines,
        turned: bool = False,
    ) -> "Targets":
        """Return the targets after a change of geometry.

        Args:
            points: takes (K, 2) source points to where they come to lie.
            shown: takes outlines to the part of them that `points` can take somewhere.
            straight: straight lines stay straight.
            mirrored: the image is its mirror image (right becomes left).
            mask: moves a mask.
            size: (height, width) of the new canvas.
            turned: the whole image is flipped, or turned by quarters: boxes stay exact.
        """
        outlines = shown(self.outlines)
        if not straight:
            outlines = outlines.densified(max(size) / 40)
        outlines = replace(outlines, points=points(outlines.points))
        cut = outlines.clipped(size)
        visible = self.visible
        if cut is not outlines:
            before, after = outlines.areas(self.count), cut.areas(self.count)
            has_outline = before > 0
            share = np.divide(after, before, out=np.ones(self.count), where=has_outline)
            visible = visible * np.clip(share, 0, 1)
        layers = tuple(replace(one, values=mask(one)) for one in self.layers)
        return replace(
            self,
            boxes=_moved_boxes(self.boxes, points) if turned else cut.bounds(self.count),
            outlines=cut,
            keypoints=self.keypoints.moved(points, mirrored=mirrored, size=size),
            beside=self.beside.moved(points, mirrored=mirrored, size=size),
            visible=visible,
            layers=layers,
            kept_boxes=False,
            exact_boxes=self.exact_boxes and turned,
        )

    def joined(self, other: "Targets") -> "Targets":
        """Return the targets of an image made of two, which have the same canvas.

        The semantic mask stays this one's; see `variegate.ops.mixing` for what is pasted into it.
        """
        count, layers = self.count, len(self.layers)
        moved = [
            replace(one, values=np.where(one.values > 0, one.values + np.uint16(count), 0))
            for one in other.layers
            if one.role == "objects"
        ]
        numbers = iter(range(layers, layers + len(moved)))
        places = [next(numbers) if one.role == "objects" else -1 for one in other.layers]
        return Targets(
            objects=self.objects + other.objects,
            boxes=np.concatenate([self.boxes, other.boxes]),
            outlines=self.outlines.joined(other.outlines, count),
            keypoints=self.keypoints.joined(other.keypoints),
            beside=self.beside.joined(other.beside),
            visible=np.concatenate([self.visible, other.visible]),
            layers=(*self.layers, *moved),
            layer_of=self.layer_of + tuple(-1 if i < 0 else places[i] for i in other.layer_of),
            kept_boxes=self.kept_boxes and other.kept_boxes,
            exact_boxes=self.exact_boxes and other.exact_boxes,
            origins=self.origins + other.origins,
        )

    def hidden(self, seen: npt.NDArray[np.bool_]) -> "Targets":
        """Return the targets after something was put before the image.

        Args:
            seen: (H, W) where the image still shows.
        """
        visible = self.visible.copy()
        masked = {
            layer: _seen_of_layer(self.layers[layer], seen)
            for layer in set(self.layer_of)
            if layer >= 0
        }
        for number, layer in enumerate(self.layer_of):
            if layer >= 0:
                visible[number] *= masked[layer].get(number, 1.0)
            elif rings := self.outlines.of_object(number):
                visible[number] *= _seen_share(rings, seen)
        return replace(
            self,
            visible=visible,
            keypoints=_covered(self.keypoints, seen),
            beside=_covered(self.beside, seen),
        )


def _moved_boxes(boxes: Points, move: Callable[[Points], Points]) -> Points:
    """Return the boxes (N, 4) around two moved corners of each."""
    ends = move(boxes.reshape(-1, 2)).reshape(-1, 2, 2)
    return np.concatenate([ends.min(axis=1), ends.max(axis=1)], axis=1)


def _covered(keypoints: Keypoints, seen: npt.NDArray[np.bool_]) -> Keypoints:
    """Mark keypoints behind an occluder as hidden."""
    if not len(keypoints.points):
        return keypoints
    height, width = seen.shape
    columns = np.clip(keypoints.points[:, 0].astype(np.intp), 0, width - 1)
    rows = np.clip(keypoints.points[:, 1].astype(np.intp), 0, height - 1)
    hidden = (keypoints.visibility == 2) & ~seen[rows, columns]
    return replace(keypoints, visibility=np.where(hidden, 1, keypoints.visibility).astype(np.uint8))


def _seen_of_layer(layer: Layer, seen: npt.NDArray[np.bool_]) -> dict[int, float]:
    """Return which share of the mask of each object in a layer is seen."""
    areas = np.bincount(layer.values.ravel())
    left = np.bincount(layer.values[seen], minlength=len(areas))
    values = np.flatnonzero(areas[1:]) + 1
    return {value - 1: float(left[value] / areas[value]) for value in values.tolist()}


def _seen_share(rings: list[Points], seen: npt.NDArray[np.bool_]) -> float:
    """Return which share of the area of some rings is seen."""
    height, width = seen.shape
    points = np.concatenate(rings)
    left, top = (int(v) for v in np.maximum(np.floor(points.min(axis=0)), 0))
    right, bottom = np.minimum(np.ceil(points.max(axis=0)), (width, height)).astype(int)
    if right <= left or bottom <= top:
        return 1.0
    shape = rasterised([ring - (left, top) for ring in rings], (bottom - top, right - left))
    area = np.count_nonzero(shape)
    if not area:
        return 1.0
    return float(np.count_nonzero(seen[top:bottom, left:right] & (shape > 0)) / area)


def in_bytes(values: Mask) -> Mask:
    """Return a mask of 32 bits, which cv2 cannot move, as four channels; others as they are."""
    if values.dtype != np.uint32:
        return values
    return np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 4)


def whole(values: Mask) -> Mask:
    """Undo `in_bytes`."""
    if values.ndim == 2:
        return values
    return np.ascontiguousarray(values).view(np.uint32)[..., 0]
