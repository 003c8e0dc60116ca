"""`SafeCrop`: a window of the image that keeps every object whole."""

import math
from dataclasses import dataclass, replace

import numpy as np

from variegate.annotations.polygons import Points
from variegate.annotations.sample import Image, Sample, Size, size_of
from variegate.annotations.targets import FREE, Keypoints, Targets
from variegate.ops.base import Operation
from variegate.ops.matrices import scaling, translation
from variegate.ops.mixing import Region
from variegate.ops.view import View
from variegate.ops.warp import Warp

_PLAIN_VIEW = View()
_ROUNDING = 1e-9


@dataclass(frozen=True)
class SafeCrop(Operation):
    """Show a window of the image, at its own size or at one given, around all objects.

    The window is the smallest that has the drawn shape, at least the drawn area, and all objects
    in it; it is placed where the draw says, as far as the objects allow. Objects that leave no room
    get the whole image, and an image without objects a plain random crop.

    What is in the window depends on the sample, so nothing is joined with it.

    Attributes:
        area: fraction of the area that is kept at least; 1 is the identity.
        aspect_ratio: width to height of the window, relative to the image's own.
        place: (x, y), each from 0 to 1: where in the room that is left the window lies.
        canvas: (height, width) of the result; None for that of the image.
        view: how the source is sampled.
    """

    area: float
    aspect_ratio: float
    place: tuple[float, float]
    canvas: Size | None = None
    view: View = _PLAIN_VIEW

    def apply(self, sample: Sample) -> Sample:
        window = self.window(sample.size, sample.targets)
        targets = sample.targets
        if targets is not None:
            targets = self._warp(window, sample.size).apply_targets(targets, sample.size)
        return replace(sample, image=self._shown(sample.image, window), targets=targets)

    def apply_targets(self, targets: Targets, size: Size) -> Targets:
        return self._warp(self.window(size, targets), size).apply_targets(targets, size)

    def apply_image(self, image: Image) -> Image:
        return self._shown(image, self.window(size_of(image)))

    def output_size(self, size: Size) -> Size:
        return self.canvas or size

    def _act(self, image: Image) -> Image:
        return self.apply_image(image)

    def window(self, size: Size, targets: Targets | None = None) -> Region:
        """Return what is shown of an image of (height, width) `size`, in whole pixels."""
        needed = None if targets is None else _bounds(targets)
        sides = self._sides(size, needed)
        ends = []
        for axis, (place, whole, side) in enumerate(
            zip(self.place, size[::-1], sides, strict=True)
        ):
            first, last = 0.0, whole - side
            if needed is not None:
                low, high = max(needed[axis], 0.0), min(needed[axis + 2], whole)
                first, last = max(first, high - side), min(last, low)
            start = first + place * max(0.0, last - first)
            # Outwards, so that nothing is cut.
            begin = min(math.floor(start + _ROUNDING), whole - 1)
            ends.append((begin, min(whole, max(begin + 1, math.ceil(start + side - _ROUNDING)))))
        (left, right), (top, bottom) = ends
        return top, left, bottom, right

    def _warp(self, window: Region, size: Size) -> Warp:
        """Return what moves labels as the window moves pixels."""
        top, left, bottom, right = window
        canvas = self.output_size(size)
        zoom = scaling(canvas[1] / (right - left), canvas[0] / (bottom - top))
        return Warp.of(zoom @ translation(-left, -top), canvas, self.view)

    def _shown(self, image: Image, window: Region) -> Image:
        """Return the window at full size: cut out, then resized, in half the time of a warp."""
        top, left, bottom, right = window
        part = np.ascontiguousarray(image[top:bottom, left:right])
        whole = (0, 0, bottom - top, right - left)
        return self._warp(whole, size_of(image)).apply_image(part)

    def _sides(self, size: Size, needed: list[float] | None) -> tuple[float, float]:
        """Return the (width, height) of the window."""
        height, width = size
        aspect, side = math.sqrt(self.aspect_ratio), math.sqrt(self.area)
        across, down = min(width, width * side * aspect), min(height, height * side / aspect)
        if needed is None:
            return across, down
        x1, y1, x2, y2 = needed
        grown = max(1.0, (min(x2, width) - max(x1, 0.0)) / across)
        grown = max(grown, (min(y2, height) - max(y1, 0.0)) / down)
        return min(width, across * grown), min(height, down * grown)


def _bounds(targets: Targets) -> list[float] | None:
    """Return x1, y1, x2, y2 around all objects that are seen, their keypoints included."""
    seen = targets.visible > 0
    numbers = np.flatnonzero(seen)
    corners = [targets.boxes[seen], targets.outlines.bounds(targets.count)[seen]]
    corners += [_mask_bounds(targets, int(number)) for number in numbers]
    corners += [_points_of(one, seen) for one in (targets.keypoints, targets.beside)]
    boxes = np.concatenate([one.reshape(-1, 4) for one in corners])
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(boxes):
        return None
    return [*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()]


def _mask_bounds(targets: Targets, number: int) -> Points:
    """Return the box (1, 4) around an object's mask, or none, (0, 4)."""
    # Most have an outline around their mask, which is found faster.
    if len(targets.outlines.of_object(number)) or targets.layer_of[number] < 0:
        return np.empty((0, 4))
    mask = targets.mask_of(number)
    assert mask is not None
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return np.empty((0, 4))
    return np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float64)


def _points_of(keypoints: Keypoints, seen: np.ndarray) -> Points:
    """Return a box (1, 4) without area for each labelled keypoint of objects that are seen."""
    owners = np.repeat(np.arange(len(seen)), np.diff(keypoints.starts))
    labelled = (keypoints.visibility > 0) & (keypoints.visibility != FREE) & seen[owners]
    return np.tile(keypoints.points[labelled], 2)
