"""Operations that make one image of several: `Mixup`, `Cutmix`, `Mosaic`.

Their partners are named by key; whoever executes them finds the images. A partner comes as it
was photographed, and is brought to the canvas here.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image, Sample, Size
from variegate.annotations.targets import Mask, Targets, in_bytes, whole
from variegate.errors import ShapeError
from variegate.ops.base import Operation
from variegate.ops.matrices import scaling, translation
from variegate.ops.view import View
from variegate.ops.warp import Warp

#: (top, left, bottom, right), pixels.
Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class Combination(Operation):
    """An operation on several samples.

    Attributes:
        partners: keys of the others.
    """

    partners: tuple[str, ...]

    @abstractmethod
    def combine(self, sample: Sample, partners: tuple[Sample, ...]) -> Sample:
        """Return one sample of several; `partners` in the order of the keys."""

    def apply(self, sample: Sample) -> Sample:
        raise ShapeError(f"{type(self).__name__}: it takes several samples; use combine")

    def _act(self, image: Image) -> Image:
        raise ShapeError(f"{type(self).__name__}: it takes several images; use combine")


@dataclass(frozen=True)
class Mixup(Combination):
    """Two images, one shining through the other.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz, mixup, ICLR 2018.

    Attributes:
        share: of the partner, 0 ... 1.
    """

    share: float

    @property
    def is_identity(self) -> bool:
        return self.share == 0

    def combine(self, sample: Sample, partners: tuple[Sample, ...]) -> Sample:
        other = covering(partners[0], sample)
        image = cv2.addWeighted(sample.image, 1 - self.share, other.image, self.share, 0)
        return Sample(
            image.reshape(sample.image.shape),
            mixed_labels([(sample.labels, 1 - self.share), (other.labels, self.share)]),
            _joined(sample.targets, other.targets),
        )


@dataclass(frozen=True)
class Cutmix(Combination):
    """A piece of another image in place of a piece of this one.

    Source: Yun et al., CutMix, ICCV 2019.

    Attributes:
        region: what is replaced.
    """

    region: Region

    @property
    def is_identity(self) -> bool:
        top, left, bottom, right = self.region
        return top == bottom or left == right

    def combine(self, sample: Sample, partners: tuple[Sample, ...]) -> Sample:
        top, left, bottom, right = self.region
        piece = within(covering(partners[0], sample), self.region)
        image = sample.image.copy()
        image[top:bottom, left:right] = piece.image
        share = (bottom - top) * (right - left) / (sample.size[0] * sample.size[1])
        targets = sample.targets
        if targets is not None and piece.targets is not None:
            covered = np.zeros(sample.size, bool)
            covered[top:bottom, left:right] = True
            placed = shifted(piece.targets, self.region, sample.size)
            targets = pasted_over(targets, placed, covered).joined(placed)
        labels = mixed_labels([(sample.labels, 1 - share), (piece.labels, share)])
        return Sample(image, labels, targets)


@dataclass(frozen=True)
class Mosaic(Combination):
    """Four images around a point, each in a corner.

    Source: Bochkovskiy, Wang and Liao, YOLOv4, 2020.

    Attributes:
        center: (y, x) where they meet, pixels.
    """

    center: tuple[int, int]

    @property
    def is_identity(self) -> bool:
        # An image of a single row or column has no corners to fill.
        return 0 in self.center

    def combine(self, sample: Sample, partners: tuple[Sample, ...]) -> Sample:
        height, width = sample.size
        y, x = self.center
        corners = ((0, 0, y, x), (0, x, y, width), (y, 0, height, x), (y, x, height, width))
        image = np.empty(sample.image.shape, np.uint8)
        shares: list[tuple[Mapping[str, float], float]] = []
        targets: Targets | None = None
        classes: Mask | None = None
        for region, one in zip(corners, (sample, *partners), strict=True):
            top, left, bottom, right = region
            tile = covering(one, Sample(image[top:bottom, left:right]))
            image[top:bottom, left:right] = tile.image
            shares.append((tile.labels, (bottom - top) * (right - left) / (height * width)))
            if tile.targets is None:
                continue
            placed = shifted(tile.targets, region, (height, width))
            targets = placed if targets is None else targets.joined(placed)
            if placed.semantic is not None:
                own = placed.semantic.values
                classes, own = alike(np.zeros_like(own) if classes is None else classes, own)
                classes[top:bottom, left:right] = own[top:bottom, left:right]
        if targets is not None and classes is not None:
            targets = _with_classes(targets, classes)
        return Sample(image, mixed_labels(shares), targets)


def covering(sample: Sample, canvas: Sample) -> Sample:
    """Return the middle of a sample, scaled to cover the canvas of another, and of its kind."""
    height, width = canvas.size
    scale = max(height / sample.size[0], width / sample.size[1])
    top, left = (height - sample.size[0] * scale) / 2, (width - sample.size[1] * scale) / 2
    matrix = translation(left, top) @ scaling(scale, scale)
    fitted = Warp.of(matrix, (height, width), View("edge")).apply(sample)
    return replace(fitted, image=like(fitted.image, canvas.image))


def like(image: Image, other: Image) -> Image:
    """Return an image with the channels of another: gray, RGB or RGBA."""
    channels = 1 if other.ndim == 2 else other.shape[2]
    own = 1 if image.ndim == 2 else image.shape[2]
    if channels != own:
        flat = image[..., 0] if image.ndim == 3 and own == 1 else image
        if own == 4:
            # What cannot be seen may have any color: lay it over white, as decoding does.
            alpha = image[..., 3:].astype(np.uint16)
            shown = (image[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
            flat, own = shown.astype(np.uint8), 3
        if channels == own:
            return flat
        codes = {
            (1, 3): cv2.COLOR_GRAY2RGB,
            (1, 4): cv2.COLOR_GRAY2RGBA,
            (3, 1): cv2.COLOR_RGB2GRAY,
            (3, 4): cv2.COLOR_RGB2RGBA,
        }
        image = cv2.cvtColor(flat, codes[own, channels])
    return image.reshape(*image.shape[:2], *other.shape[2:])


def within(sample: Sample, region: Region) -> Sample:
    """Return what of a sample lies in a region, as an image of its own."""
    top, left, bottom, right = region
    crop = Warp.of(translation(-left, -top), (bottom - top, right - left), View("edge"))
    return crop.apply(sample)


def shifted(targets: Targets, region: Region, size: Size) -> Targets:
    """Return the targets of a piece where it lies on a canvas of `size`."""
    move = Warp.of(translation(region[1], region[0]), size, View("constant"))
    return targets.moved(
        points=move.move_points, straight=True, mirrored=False, mask=move.move_mask, size=size
    )


def alike(one: Mask, two: Mask) -> tuple[Mask, Mask]:
    """Return two masks of classes as what holds the values of both."""
    if one.dtype == two.dtype and one.ndim == two.ndim:
        return one, two
    one, two = whole(one), whole(two)
    kind = np.result_type(one, two)
    return in_bytes(one.astype(kind)), in_bytes(two.astype(kind))


def mixed_labels(parts: list[tuple[Mapping[str, float], float]]) -> dict[str, float]:
    """Return the shares of all labels, added up."""
    labels: dict[str, float] = {}
    for own, share in parts:
        for label, part in own.items():
            labels[label] = labels.get(label, 0.0) + share * part
    return labels


def _joined(one: Targets | None, two: Targets | None) -> Targets | None:
    return one if two is None else two if one is None else one.joined(two)


def pasted_over(targets: Targets, above: Targets, covered: npt.NDArray[np.bool_]) -> Targets:
    """Return the targets of an image that is covered by another in some pixels, (H, W).

    They leave the masks of its objects; its semantic mask has the classes of the other there.
    """
    layers = tuple(
        replace(one, values=np.where(covered, 0, one.values).astype(one.values.dtype))
        if one.role == "objects"
        else one
        for one in targets.layers
    )
    changed = replace(targets.hidden(~covered), layers=layers)
    if targets.semantic is None or above.semantic is None:
        return changed
    classes, others = alike(targets.semantic.values, above.semantic.values)
    classes = classes.copy()
    classes[covered] = others[covered]
    return _with_classes(changed, classes)


def _with_classes(targets: Targets, classes: Mask) -> Targets:
    layers = tuple(
        one if one.role == "objects" else replace(one, values=classes) for one in targets.layers
    )
    return replace(targets, layers=layers)
