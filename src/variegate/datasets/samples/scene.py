"""Puts parts on a bench, lights and photographs them, and records what is where."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from variegate.datasets.samples.backgrounds import draw_background
from variegate.datasets.samples.blueprint import Blueprint
from variegate.datasets.samples.kinds import KINDS, plan_part
from variegate.datasets.samples.light import Lamp, cast_shadow, draw_lamp, illuminate, photograph
from variegate.datasets.samples.raster import coverage
from variegate.datasets.samples.spindles import rotation
from variegate.errors import ShapeError
from variegate.seeding import generator, uniform

_SMALLEST = 32  # pixels, an image's side
_MARGIN = 0.03  # of the shorter side, kept free all around
_FINEST = 420  # sprite pixels to a part's length; more would cost and not show
_LEAST = 14  # pixels, the room a part must at least fill
_LEAD = 1.8  # pixels, the least width of a lead


@dataclass(frozen=True)
class DrawnPart:
    """One part in an image. All coordinates are pixels, continuous: 0 to width, 0 to height.

    Attributes:
        label: one of KINDS.
        box: XYXY, the tight box of the mask.
        polygon: (N, 2) float32, the outline.
        mask: (H, W) bool, True where the part covers at least half of the pixel.
        keypoints: (x, y) by name; KEYPOINTS has the names of each kind.
    """

    label: str
    box: tuple[float, float, float, float]
    polygon: np.ndarray
    mask: np.ndarray
    keypoints: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class DrawnImage:
    """An image and the truth about it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        label: the kind of the first part.
        objects: the parts; they lie side by side, none on another.
    """

    image: np.ndarray
    label: str
    objects: tuple[DrawnPart, ...]


def draw_images(
    count: int, *, seed: int = 7, size: tuple[int, int] = (240, 320), objects: int = 1
) -> Iterator[tuple[str, DrawnImage]]:
    """Draw a dataset, the kinds in turn.

    Specimen i depends on (seed, i, size, objects) alone, not on `count`.

    Args:
        count: how many images.
        seed: of the dataset.
        size: (height, width), pixels.
        objects: parts in each image; the first one gives the label.

    Yields:
        Its key, such as "resistor/resistor-0003.jpg", and the specimen.
    """
    for i in range(count):
        label = KINDS[i % len(KINDS)]
        rng = generator(seed, "specimen", i)
        drawn = draw_image(rng, label=label, size=size, objects=objects)
        yield f"{label}/{label}-{i // len(KINDS):04d}.jpg", drawn


def draw_image(
    rng: np.random.Generator, *, label: str, size: tuple[int, int] = (240, 320), objects: int = 1
) -> DrawnImage:
    """Draw one image.

    Args:
        rng: where all choices come from.
        label: the kind of the first part, one of KINDS; further parts are of any kind.
        size: (height, width), pixels, each at least 32.
        objects: how many parts.

    Raises:
        ShapeError: there is no such kind, the size is too small, or that many parts do not fit.
    """
    if min(size) < _SMALLEST:
        raise ShapeError(f"size: expected at least {_SMALLEST} pixels a side, got {size}")
    if objects < 1:
        raise ShapeError(f"objects: expected at least 1, got {objects}")
    labels = [label, *(KINDS[int(rng.integers(len(KINDS)))] for _ in range(objects - 1))]
    lamp, ground = draw_lamp(rng), draw_background(rng, size)
    placed: list[_Placed] = []
    taken = np.zeros(size, np.uint8)
    for each in labels:
        part = _place(rng, each, size=size, crowd=objects, taken=taken)
        part.window(taken)[:] |= cv2.dilate(part.cover, np.ones((5, 5), np.uint8))
        placed.append(part)
    for part in placed:
        whole = np.zeros(size, np.uint8)
        part.window(whole)[:] = part.cover
        cast_shadow(ground, whole, lamp, height=part.blueprint.height * part.scale)
    for part in placed:
        part.paint_onto(ground, lamp)
    image = photograph(rng, illuminate(rng, ground, lamp))
    return DrawnImage(image, label, tuple(part.annotate(size) for part in placed))


@dataclass(frozen=True)
class _Placed:
    """A blueprint at its place: turned by `angle` radians, enlarged by `scale`, moved to `at`."""

    label: str
    blueprint: Blueprint
    angle: float
    scale: float
    at: np.ndarray
    corner: tuple[int, int]
    cover: np.ndarray  # (h, w) uint8, of the window whose upper left pixel is `corner`

    def points(self, points: np.ndarray) -> np.ndarray:
        """Part coordinates to pixels, (N, 2)."""
        return points @ rotation(self.angle).T * self.scale + self.at

    def window(self, ground: np.ndarray) -> np.ndarray:
        """The view of an image that this part covers."""
        (x, y), (height, width) = self.corner, self.cover.shape
        return ground[y : y + height, x : x + width]

    def paint_onto(self, ground: np.ndarray, lamp: Lamp) -> None:
        """Paint the part at twice its size, turn it into place, blend it in by coverage."""
        easel = self.blueprint.render(min(2 * self.scale, _FINEST), lamp.seen_from(self.angle))
        sprite = cv2.GaussianBlur(easel.image, (3, 3), 0.7)
        linear = rotation(self.angle) * (self.scale / easel.scale)
        origin = self.points((easel.origin + 0.5 / easel.scale)[None])[0]
        matrix = np.column_stack([linear, origin - self.corner - 0.5])
        height, width = self.cover.shape
        turned = cv2.warpAffine(sprite, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        share = self.cover.astype(np.float32) / 255
        under = self.window(ground)
        under[:] = cv2.blendLinear(turned, under, share, 1 - share)

    def annotate(self, size: tuple[int, int]) -> DrawnPart:
        mask = np.zeros(size, bool)
        self.window(mask)[:] = self.cover >= 128
        columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
        where = self.points(np.array(list(self.blueprint.keypoints.values())))
        return DrawnPart(
            label=self.label,
            box=box,
            polygon=self.points(self.blueprint.outline).astype(np.float32),
            mask=mask,
            keypoints={
                name: (float(x), float(y))
                for name, (x, y) in zip(self.blueprint.keypoints, where, strict=True)
            },
        )


def _place(
    rng: np.random.Generator, label: str, *, size: tuple[int, int], crowd: int, taken: np.ndarray
) -> _Placed:
    """Find a place where the part touches nothing that is there; shrink it until there is one.

    Raises:
        ShapeError: it would become too small to be seen.
    """
    fill = uniform(rng, 0.55, 0.98) / crowd**0.4
    room = np.array(size[::-1]) - 2 * _MARGIN * min(size)
    while fill * float(room.min()) >= _LEAST:
        blueprint = plan_part(rng, label, thinnest=_LEAD / (fill * 0.8 * float(room.min())))
        angle = uniform(rng, 0, 2 * np.pi)
        turned = blueprint.outline @ rotation(angle).T
        low, high = turned.min(0), turned.max(0)
        scale = fill * float((room / (high - low)).min())
        free = room - (high - low) * scale
        at = _MARGIN * min(size) + rng.random(2) * free - low * scale
        corner = np.maximum(np.floor(turned.min(0) * scale + at).astype(int) - 3, 0)
        end = np.minimum(np.ceil(turned.max(0) * scale + at).astype(int) + 3, size[::-1])
        width, height = (int(v) for v in end - corner)
        corner_xy = (int(corner[0]), int(corner[1]))
        cover = coverage(turned * scale + at, corner_xy, (height, width))
        part = _Placed(label, blueprint, angle, scale, at, corner_xy, cover)
        if not np.any(part.window(taken) & cover):
            return part
        fill *= 0.95
    raise ShapeError(f"objects: {crowd} do not fit into {size}; use fewer, or a larger size")
