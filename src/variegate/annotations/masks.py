"""Masks: from files and run lengths into layers, and back into files.

A layer holds the masks of many objects, as long as they do not overlap, so that geometry moves few
of them. In files of results every object keeps a file or a value of its own, also where an image
is made of several, perhaps of the same one twice.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations import rle
from variegate.annotations.alignment import fitted_mask
from variegate.annotations.annotation import Annotation, Object, Point
from variegate.annotations.polygons import Points
from variegate.annotations.sample import Size
from variegate.annotations.targets import Layer, Mask, in_bytes
from variegate.errors import ImageError

Shape = npt.NDArray[np.bool_]
Ring = tuple[Point, ...]

#: Takes the key of a mask, and that of the image it belongs to, to the key of the result's mask.
MaskKey = Callable[[str, str], str]

# Pascal VOC's border around objects, which is none of them.
_NO_OBJECT = 255


@dataclass(slots=True)
class MaskReader:
    """Puts masks into as few layers as hold them without overlapping.

    Attributes:
        size: (height, width) of the image, upright.
        orientation: EXIF's, by which the image was turned.
        load: returns the mask that a key names.
    """

    size: Size
    orientation: int
    load: Callable[[str], Mask]
    _packed: list[Mask] = field(default_factory=list)
    _files: dict[str, Mask] = field(default_factory=dict)

    def read(self, annotation: Annotation, fill: int) -> tuple[list[Layer], list[int]]:
        """Return the layers, and the number of the layer with each object's mask, or -1.

        Args:
            annotation: of the image.
            fill: the class where the image will be filled with a constant color.
        """
        layer_of = []
        for number, one in enumerate(annotation.objects):
            mask = self.mask(one)
            layer_of.append(-1 if mask is None else self._place(mask, number + 1))
        layers = [Layer(values, "objects") for values in self._packed]
        if annotation.mask_file is not None:
            values = in_bytes(self.values(annotation.mask_file))
            layers.append(Layer(values, "soft" if annotation.soft else "classes", fill))
        return layers, layer_of

    def mask(self, one: Object) -> Shape | None:
        """Return where an object is, or None if it has no mask."""
        if one.rle is not None:
            return self._fitted(rle.decode(one.rle), "a mask") > 0
        if one.mask_file is None:
            return None
        values = self.values(one.mask_file)
        return np.asarray(values > 0 if one.mask_value is None else values == one.mask_value)

    def values(self, key: str) -> Mask:
        """Return the mask (H, W) that a key names."""
        if key not in self._files:
            self._files[key] = self._fitted(self.load(key), f"its mask {key}")
        return self._files[key]

    def _fitted(self, values: Mask, what: str) -> Mask:
        fitting = fitted_mask(values, self.size, self.orientation)
        if fitting is None:
            raise ImageError(
                f"{what} is {values.shape[1]} x {values.shape[0]}, "
                f"the image {self.size[1]} x {self.size[0]}"
            )
        return fitting

    def _place(self, mask: Shape, value: int) -> int:
        """Write a mask into the first layer where it covers no other; return its number."""
        for number, packed in enumerate(self._packed):
            if not packed[mask].any():
                packed[mask] = value
                return number
        fresh = np.zeros(self.size, np.uint16)
        fresh[mask] = value
        self._packed.append(fresh)
        return len(self._packed) - 1


@dataclass(slots=True)
class MaskFiles:
    """Gives the masks of a result's objects their files and values.

    Attributes:
        own: what the source says; its files and values stay.
        source: key of the source.
        mask_key: see `MaskKey`.
        masks: the files so far, by key.
    """

    own: Annotation
    source: str
    mask_key: MaskKey
    masks: dict[str, Mask] = field(default_factory=dict)
    _values: dict[str, set[int]] = field(default_factory=dict)
    _shared: str | None = None

    def __post_init__(self) -> None:
        """Find the files that objects of the source share, and the values that they have there."""
        for one in self.own.objects:
            if one.mask_file is not None and one.mask_value is not None:
                key = self.mask_key(one.mask_file, self.source)
                self._shared = self._shared or key
                self._values.setdefault(key, {_NO_OBJECT}).add(one.mask_value)

    def put(self, one: Object, mask: Shape, *, image: int, origin: str) -> Object:
        """Return an object with the place of its mask in the result.

        Args:
            one: as it was read.
            mask: as it is now.
            image: number of the image that it comes from; 0 is the source.
            origin: key of that image.
        """
        if one.rle is not None:
            return one.changed(rle=rle.encode(mask))
        assert one.mask_file is not None
        if one.mask_value is None:
            return self._alone(one, mask, self.mask_key(one.mask_file, origin))
        if image == 0:
            return self._among(one, mask, self.mask_key(one.mask_file, origin), one.mask_value)
        # One file for all, that of the source if it has one: readers expect no second.
        if self._shared is None:
            self._shared = self.mask_key(one.mask_file, origin)
        taken = self._values.setdefault(self._shared, {_NO_OBJECT})
        value = one.mask_value
        if value in taken:
            value = next(free for free in range(1, len(taken) + 2) if free not in taken)
        taken.add(value)
        return self._among(one, mask, self._shared, value)

    def _alone(self, one: Object, mask: Shape, key: str) -> Object:
        stem, dot, extension = key.rpartition(".")
        number = 1
        while key in self.masks:
            number += 1
            key = f"{stem}-{number}{dot}{extension}"
        self.masks[key] = mask.astype(np.uint8) * np.uint8(255)
        return one.changed(mask_file=key)

    def _among(self, one: Object, mask: Shape, key: str, value: int) -> Object:
        # All values that may come: variants of one source have masks of one kind.
        most = max(value, *self._values[key])
        kind = np.uint8 if most < 2**8 else np.uint16 if most < 2**16 else np.uint32
        shared = self.masks.get(key)
        if shared is None:
            shared = np.zeros(mask.shape, kind)
        elif np.iinfo(shared.dtype).max < most:
            shared = shared.astype(kind)
        shared[mask] = value
        self.masks[key] = shared
        return one.changed(mask_file=key, mask_value=value)


def traced(mask: npt.NDArray[np.bool_]) -> tuple[Ring, ...]:
    """Return one ring for each piece of a mask; a hole is reached by a cut without width.

    Args:
        mask: (H, W).

    Returns:
        Rings in pixels, whose inside by the even-odd rule is the mask, pixel for pixel.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return ()
    top, left = int(rows[0]), int(columns[0])
    piece = mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.uint8)
    # Each pixel as four, since contours run through pixel centres: those of its quarters tell on
    # which of its edges they lie.
    doubled = np.pad(piece.repeat(2, axis=0).repeat(2, axis=1), 2)
    found, tree = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings: dict[int, Points] = {}
    for number, (contour, (_, _, _, parent)) in enumerate(zip(found, tree[0], strict=True)):
        if parent < 0:
            rings[number] = _edges(contour[:, 0] - 2)
    for contour, (_, _, _, parent) in zip(found, tree[0], strict=True):
        if parent >= 0:
            # The contour of a hole runs through the pixels around it, whose edges are the same.
            rings[parent] = _with_hole(rings[parent], _edges(contour[:, 0] - 2))
    return tuple(tuple((x + left, y + top) for x, y in ring.tolist()) for ring in rings.values())


def _edges(contour: npt.NDArray[np.int32]) -> Points:
    """Return the pixels' edges along a contour of their quarters, without points on a line."""
    ring = (contour + 1) // 2
    ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)]
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    corner = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return ring[corner].astype(np.float64)


def _with_hole(ring: Points, hole: Points) -> Points:
    """Join a hole to the ring around it: there and back again over the shortest way."""
    start = int(np.argmin(((ring - hole[0]) ** 2).sum(axis=1)))
    return np.concatenate([ring[: start + 1], hole, hole[:1], ring[start:]])
