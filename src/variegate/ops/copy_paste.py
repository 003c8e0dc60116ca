"""`CopyPaste`: objects of another image on top of this one."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from variegate.annotations.polygons import Points, rasterised
from variegate.annotations.sample import Image, Sample, Size
from variegate.annotations.targets import Targets
from variegate.ops.blur import gaussian_blurred
from variegate.ops.matrices import scaling, translation
from variegate.ops.mixing import Combination, like, pasted_over
from variegate.ops.pieces import Piece, assembled, covered_by
from variegate.ops.view import View
from variegate.ops.warp import Warp
from variegate.seeding import noise_generator

# What an interpolation sees beyond an object, pixels.
_MARGIN = 2


@dataclass(frozen=True)
class CopyPaste(Combination):
    """Objects of another image on top of this one, each scaled and moved by itself.

    They lie where they would if the other image covered the canvas, give or take, and whole
    wherever they fit.

    Sources: Ghiasi et al., Simple Copy-Paste, CVPR 2021; soft edges as in Dwibedi, Misra and
    Hebert, Cut, Paste and Learn, ICCV 2017.

    Attributes:
        chosen: for each object of the partner, in turn, whether it is taken; repeated as needed.
            Where that takes none, one of them is.
        scale: the least and the greatest factor of an object's size.
        shift: how far an object is moved at most, as a fraction of the canvas's sides.
        feather: sigma by which edges are softened, pixels.
        noise_key: the key of each object's factor and place.
    """

    chosen: tuple[bool, ...]
    scale: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    feather: float = 0.0
    noise_key: int = 0

    @property
    def is_identity(self) -> bool:
        return not any(self.chosen)

    def combine(self, sample: Sample, partners: tuple[Sample, ...]) -> Sample:
        other = partners[0]
        if sample.targets is None or other.targets is None:
            return sample
        source = replace(other, image=like(other.image, sample.image))
        bounds = _bounds(other.targets, other.size)
        image, pieces = sample.image.copy(), []
        for number in self._taken(bounds):
            cut = _cut_out(source, number, bounds[number])
            pasted = self._pasted(image, cut, number, bounds[number], other.size)
            if pasted is not None:
                pieces.append(pasted)
        if not pieces:
            return sample
        above = assembled(pieces, sample.size)
        below = pasted_over(sample.targets, above, covered_by(pieces, sample.size))
        return replace(sample, image=image, targets=below.joined(above))

    def _taken(self, bounds: Points) -> list[int]:
        """Return the numbers of the objects that are taken, of those that can be."""
        there = np.flatnonzero(np.isfinite(bounds[:, 0])).tolist()
        taken = [number for number in there if self.chosen[number % len(self.chosen)]]
        if there and not taken and not self.is_identity:
            taken = [there[int(noise_generator(self.noise_key, "one").integers(len(there)))]]
        return taken

    def _pasted(
        self, image: Image, cut: Sample, number: int, box: Points, partner: Size
    ) -> Piece | None:
        """Paste what is cut out into the image; None where nothing of it would be seen."""
        size = (image.shape[0], image.shape[1])
        factor, left, top = self._placed(number, box, partner, size)
        ends = (left + factor * (box[2] - box[0]), top + factor * (box[3] - box[1]))
        beyond = math.ceil(3 * self.feather)
        x1, y1 = (max(0, math.floor(low) - beyond) for low in (left, top))
        x2, y2 = (
            min(side, math.ceil(high) + beyond) for side, high in zip(size[::-1], ends, strict=True)
        )
        if x2 <= x1 or y2 <= y1:
            return None
        corner = _corner(box)
        inner = (corner[0] - box[0], corner[1] - box[1])
        matrix = translation(left - x1, top - y1) @ scaling(factor, factor) @ translation(*inner)
        moved = Warp.of(matrix, (y2 - y1, x2 - x1), View("edge")).apply(cut)
        assert moved.targets is not None
        shape = _shape(moved.targets, moved.size)
        if not shape.any():
            return None
        region = image[y1:y2, x1:x2]
        region[...] = self._blended(region, moved.image, shape)
        return Piece(moved.targets, shape, y1, x1)

    def _placed(
        self, number: int, box: Points, partner: Size, size: Size
    ) -> tuple[float, float, float]:
        """Return an object's factor, and where the left and the top of its box come to lie."""
        rng = noise_generator(self.noise_key, "place", number)
        jitter, across, down = rng.random(3).tolist()
        low, high = self.scale
        cover = max(size[0] / partner[0], size[1] / partner[1])
        own = low * (high / low) ** jitter
        sides = (box[2] - box[0], box[3] - box[1])
        # No jitter makes an object larger than the canvas.
        fitting = min(size[1] / sides[0], size[0] / sides[1])
        factor = min(cover * own, max(cover, fitting)) if own > 1 else cover * own
        corner = []
        for axis, move in ((0, across), (1, down)):
            canvas = size[1 - axis]
            start = box[axis] * cover + (canvas - partner[1 - axis] * cover) / 2
            start += (cover - factor) * sides[axis] / 2 + (2 * move - 1) * self.shift * canvas
            room = canvas - factor * sides[axis]
            corner.append(min(max(start, min(0.0, room)), max(0.0, room)))
        return float(factor), float(corner[0]), float(corner[1])

    def _blended(self, below: Image, above: Image, shape: npt.NDArray[np.bool_]) -> Image:
        """Return one image over another within a shape, soft at its edge."""
        whole = shape.reshape(shape.shape + (1,) * (below.ndim - 2))
        if self.feather == 0:
            return np.where(whole, above, below)
        alpha = gaussian_blurred(shape.astype(np.uint8) * np.uint8(255), self.feather)
        share = alpha.reshape(whole.shape).astype(np.uint16)
        # Beyond its edge an object goes on with its own colors, not with those that lay around it:
        # the blurred object is its color times its share.
        beyond = gaussian_blurred(np.where(whole, above, np.uint8(0)), self.feather)
        own = np.where(whole, above * share, beyond.astype(np.uint16) * 255)
        mixed = own + below * (255 - share)
        return ((np.minimum(mixed, 65_025) + 127) // 255).astype(np.uint8)


def _bounds(targets: Targets, size: Size) -> Points:
    """Return (N, 4) the boxes of objects that can be cut out; NaN for the others."""
    boxes = targets.outlines.bounds(targets.count)
    boxes = np.clip(boxes, 0, (size[1], size[0], size[1], size[0]))
    large = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1) & (targets.visible > 0)
    return np.where(large[:, np.newaxis], boxes, np.nan)


def _corner(box: Points) -> tuple[int, int]:
    """Return (x, y) of the pixel from which an object is cut out."""
    return max(0, math.floor(box[0]) - _MARGIN), max(0, math.floor(box[1]) - _MARGIN)


def _cut_out(sample: Sample, number: int, box: Points) -> Sample:
    """Return the part of a sample around one object, and what is known of that object."""
    x, y = _corner(box)
    height = min(sample.size[0], math.ceil(box[3]) + _MARGIN) - y
    width = min(sample.size[1], math.ceil(box[2]) + _MARGIN) - x
    part = Warp.of(translation(-x, -y), (height, width), View("edge")).apply(sample)
    assert part.targets is not None
    return replace(part, targets=part.targets.only([number]))


def _shape(targets: Targets, size: Size) -> npt.NDArray[np.bool_]:
    """Return (H, W) where the only object is."""
    mask = targets.mask_of(0)
    return rasterised(targets.outlines.of_object(0), size) > 0 if mask is None else mask
