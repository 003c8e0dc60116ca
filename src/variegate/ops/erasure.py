"""`Erasure`: regions of any shape hidden, anywhere in the image or inside of each object."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.polygons import Points, rasterised
from variegate.annotations.sample import Image, Sample, Size
from variegate.annotations.targets import Targets
from variegate.ops.grain import even_bytes
from variegate.ops.occlusion import Occluder
from variegate.seeding import noise_generator

RegionShape = Literal["rectangle", "ellipse", "polygon"]
Where = Literal["image", "objects"]

#: (x1, y1, x2, y2), pixels.
Box = tuple[float, float, float, float]

_CORNERS = 9
#: Of 64 points: an area one part in 600 less than the ellipse's.
_TURNS = [2 * math.pi * number / 64 for number in range(64)]
_ELLIPSE = np.array([(0.5 + math.cos(t) / 2, 0.5 + math.sin(t) / 2) for t in _TURNS])


@dataclass(frozen=True)
class Erasure(Occluder):
    """Hide regions.

    Source: Zhong, Zheng, Kang, Li and Yang, Random Erasing Data Augmentation, AAAI 2020, with its
    object-aware form: one in each object's box.

    Attributes:
        area: of each region, as a fraction of what it lies in; 0 is the identity.
        aspect_ratio: width to height of a region's box, in pixels, as far as there is room.
        shape: of each region.
        count: how many regions there are in the image, or in each object.
        inside: whether regions lie anywhere in the image or inside of its objects.
        boxes: of the objects; None where they are those of the sample.
    """

    strength_field = "area"

    area: float
    aspect_ratio: float
    shape: RegionShape = "rectangle"
    count: int = 1
    inside: Where = "image"
    boxes: tuple[Box, ...] | None = None

    def apply(self, sample: Sample) -> Sample:
        if self.inside == "image" or self.boxes is not None or sample.targets is None:
            return super().apply(sample)
        return replace(self, boxes=_boxes(sample.targets, sample.size)).apply(sample)

    def _hidden(self, size: Size) -> npt.NDArray[np.bool_]:
        hidden = np.zeros(size, np.bool_)
        for top, left, region in self._regions(size):
            hidden[top : top + region.shape[0], left : left + region.shape[1]] |= region
        return hidden

    def _act_on_colors(self, image: Image) -> Image:
        changed = np.array(image, order="C")
        size = (image.shape[0], image.shape[1])
        # The fills of the whole image are made once, and only where a region needs them.
        cover = self._cover(image) if self.fill == "blur" else None
        color = None if self.fill in ("blur", "noise") else self._level(image)
        for number, (top, left, region) in enumerate(self._regions(size)):
            bottom, right = top + region.shape[0], left + region.shape[1]
            if color is not None and self.shape == "rectangle":
                corners = ((left, top), (right - 1, bottom - 1))
                cv2.rectangle(changed, *corners, color, cv2.FILLED)
                continue
            part = changed[top:bottom, left:right]
            if color is not None:
                shown = np.full(part.shape, color if image.ndim == 3 else color[0], np.uint8)
            elif cover is not None:
                shown = cover[top:bottom, left:right]
            else:
                shown = even_bytes(self.noise_key, part.shape, "fill", number)
            part[...] = cv2.copyTo(shown, region.view(np.uint8), part.copy())
        return changed

    def _level(self, image: Image) -> tuple[int, ...]:
        """Return the one color that is shown, a level for each channel."""
        if self.fill == "mean":
            # Whole numbers: the sums are exact whatever their order.
            pixels = image.shape[0] * image.shape[1]
            sums = (int(total) for total in cv2.sumElems(image)[: 3 if image.ndim == 3 else 1])
            return tuple((2 * total + pixels) // (2 * pixels) for total in sums)
        return tuple(self._cover(image[:1, :1]).ravel().tolist())

    def _frames(self, size: Size) -> tuple[Box, ...]:
        """Return what regions lie in."""
        if self.inside == "image":
            return ((0.0, 0.0, float(size[1]), float(size[0])),)
        return self.boxes or ()

    def _regions(self, size: Size) -> list[tuple[int, int, npt.NDArray[np.bool_]]]:
        """Return the top and the left of each region, and which of its pixels are hidden."""
        found = []
        for owner, frame in enumerate(self._frames(size)):
            for number in range(self.count):
                rng = noise_generator(self.noise_key, "region", owner, number)
                x, y = float(rng.random()), float(rng.random())
                if self.shape == "rectangle":
                    x1, y1, x2, y2 = map(round, self._box(frame, x, y, 1.0))
                    hidden = np.ones((y2 - y1, x2 - x1), np.bool_)
                else:
                    unit = _unit_ring(self.shape, rng)
                    left, top, right, bottom = self._box(frame, x, y, _area(unit))
                    x1, y1 = math.floor(left), math.floor(top)
                    x2, y2 = min(size[1], math.ceil(right)), min(size[0], math.ceil(bottom))
                    ring = unit * (right - left, bottom - top)
                    ring = np.array([left - x1, top - y1]) + ring
                    hidden = rasterised([ring], (max(0, y2 - y1), max(0, x2 - x1))) > 0
                if hidden.size:
                    found.append((y1, x1, hidden))
        return found

    def _box(self, frame: Box, across: float, down: float, filled: float) -> Box:
        """Return the box of a shape that fills a share of it, somewhere in a frame."""
        x1, y1, x2, y2 = frame
        full_width, full_height = x2 - x1, y2 - y1
        # The box around a shape is larger than the shape: its area is what was asked for.
        area = self.area * full_width * full_height / filled
        width = min(full_width, math.sqrt(area * self.aspect_ratio))
        height = min(full_height, area / width) if width > 0 else 0.0
        width = min(full_width, area / height) if height > 0 else 0.0
        left, top = x1 + across * (full_width - width), y1 + down * (full_height - height)
        return left, top, left + width, top + height


def _boxes(targets: Targets, size: Size) -> tuple[Box, ...]:
    """Return the boxes of the objects that are seen, within the image."""
    limits = (size[1], size[0], size[1], size[0])
    boxes = np.clip(targets.boxes, 0, limits)[targets.visible > 0]
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    return tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in boxes.tolist() if x2 > x1 and y2 > y1)


def _unit_ring(shape: RegionShape, rng: np.random.Generator) -> Points:
    """Return an outline (K, 2), no rectangle, that touches the four sides of the unit square."""
    if shape == "ellipse":
        return _ELLIPSE
    # Around a middle, in turn, near or far: no edge crosses another.
    turns = (np.arange(_CORNERS) + 0.8 * rng.random(_CORNERS)) * (2 * math.pi / _CORNERS)
    reach = 0.5 + 0.5 * rng.random(_CORNERS)
    ring = np.array(
        [
            (far * math.cos(turn), far * math.sin(turn))
            for turn, far in zip(turns.tolist(), reach.tolist(), strict=True)
        ]
    )
    low, high = ring.min(axis=0), ring.max(axis=0)
    return np.asarray((ring - low) / (high - low))


def _area(ring: Points) -> float:
    """Return the area of one ring."""
    points = ring.tolist()
    pairs = zip(points, [*points[1:], points[0]], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)) / 2
