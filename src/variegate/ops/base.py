"""What every operation can do."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.polygons import Outlines, Points
from variegate.annotations.sample import Image, Sample, Size
from variegate.annotations.targets import Layer, Mask, Targets
from variegate.ops import alpha
from variegate.ops.view import View, mask_view


@dataclass(frozen=True)
class Operation(ABC):
    """A fixed action on a sample: nothing about it is random any more.

    Operations are values: equal parameters mean equal operations, and equal operations give equal
    bytes. They never change the sample they are given.
    """

    def apply(self, sample: Sample) -> Sample:
        """Return the changed sample: the same kind of image, every label moved along."""
        image, targets = self.apply_image(sample.image), sample.targets
        if targets is not None:
            targets = self.apply_targets(targets, sample.size)
        return Sample(image, sample.labels, targets)

    def apply_targets(self, targets: Targets, size: Size) -> Targets:
        """Return what becomes of the targets of an image of (height, width) `size`."""
        del size
        return targets

    def apply_image(self, image: Image) -> Image:
        """Return the changed image.

        Args:
            image: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8.

        Returns:
            uint8 with as many dimensions and channels; its size is `output_size` of the size given.
        """
        if image.ndim == 3 and image.shape[2] == 1:
            return self._act(np.ascontiguousarray(image[..., 0]))[..., np.newaxis]
        return self._act(image)

    @abstractmethod
    def _act(self, image: Image) -> Image:
        """Change an image of shape (H, W), (H, W, 3) or (H, W, 4); the argument stays as it is."""

    def output_size(self, size: Size) -> Size:
        """Return the (height, width) that comes out when `size` goes in."""
        return size

    def mirrors(self, size: Size) -> bool:
        """Whether right becomes left in an image of (height, width) `size`."""
        del size
        return False

    def then(self, other: "Operation") -> "Operation | None":
        """Return one operation that does this one and then `other`, or None where there is none."""
        return other.after(self)

    def after(self, first: "Operation") -> "Operation | None":
        """Answer `first.then(self)` where `first` does not know this kind of operation."""
        del first
        return None

    @property
    def is_identity(self) -> bool:
        """Whether the operation returns every sample as it is, bit for bit."""
        return False


@dataclass(frozen=True)
class Identity(Operation):
    """Nothing. It joins with everything."""

    def _act(self, image: Image) -> Image:
        return image

    def then(self, other: Operation) -> Operation:
        return other

    def after(self, first: Operation) -> Operation:
        return first

    @property
    def is_identity(self) -> bool:
        return True


@dataclass(frozen=True)
class Pixels(Operation):
    """An action on pixel values that depends on their neighbours, their place or the whole image.

    It joins with nothing and nothing moves past it. Alpha is left alone.
    """

    strength_field: ClassVar[str] = ""
    """The field that is 0 where the operation changes nothing."""

    @property
    def is_identity(self) -> bool:
        return bool(self.strength_field) and getattr(self, self.strength_field) == 0

    def apply_targets(self, targets: Targets, size: Size) -> Targets:
        seen = self.visible(size)
        return targets if seen is None else targets.hidden(seen)

    def _act(self, image: Image) -> Image:
        if self.is_identity:
            return image
        if image.ndim == 3 and image.shape[2] == 4:
            colors = self._act_on_colors(cv2.cvtColor(image, cv2.COLOR_RGBA2RGB))
            return np.dstack([colors, image[..., 3]])
        return self._act_on_colors(image)

    def visible(self, size: Size) -> npt.NDArray[np.bool_] | None:
        """Return (H, W) where the source still shows, or None where the operation hides nothing."""
        del size
        return None

    @abstractmethod
    def _act_on_colors(self, image: Image) -> Image:
        """Change an image of shape (H, W) or (H, W, 3)."""


@dataclass(frozen=True)
class Graded(Pixels):
    """An action on pixel values with a strength, which is its first field: 0 is the identity."""

    @property
    def is_identity(self) -> bool:
        return bool(getattr(self, fields(self)[0].name) == 0)


class Pointwise(Operation):
    """An action on each pixel by its own value alone: `Lut` and `ColorMatrix`.

    It can change places with a geometric operation, which moves pixels and does not change them.
    """

    @abstractmethod
    def on_colors(self, colors: Image) -> Image:
        """Return what becomes of RGB colors, (N, 3)."""

    @abstractmethod
    def on_gray(self, level: int) -> int:
        """Return what becomes of one level of a gray image."""

    def on_color(self, color: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return what becomes of one RGB color."""
        r, g, b = self.on_colors(np.array([color], np.uint8))[0].tolist()
        return r, g, b


class Geometric(Operation):
    """An action that moves pixels, and all that is known of them: `Warp` and `Field`.

    Attributes:
        view: how the source is sampled.
    """

    view: View

    def apply_targets(self, targets: Targets, size: Size) -> Targets:
        return targets.moved(
            points=self.move_points,
            shown=self.before_viewer,
            straight=self.straight,
            mirrored=self.mirrored,
            mask=self.move_mask,
            size=self.output_size(size),
            turned=self.turns(size),
        )

    @abstractmethod
    def move_points(self, points: Points) -> Points:
        """Return (K, 2) where source points come to lie; beyond the canvas, too."""

    def turns(self, size: Size) -> bool:
        """Whether all of an image of `size` is flipped, or turned by quarters, and nothing more."""
        del size
        return False

    def before_viewer(self, outlines: Outlines) -> Outlines:
        """Return the part of source outlines that does not lie behind the viewer."""
        return outlines

    def move_mask(self, layer: Layer) -> Mask:
        """Return a mask moved as images are: by the nearest pixel, amounts by interpolation.

        Classes continue beyond the source as the image does; objects do not, since their mirror
        images are none of them.
        """
        return self._viewed(mask_view(self.view, layer)).apply_image(layer.values)

    @property
    @abstractmethod
    def straight(self) -> bool:
        """Whether straight lines stay straight."""

    def mirrors(self, size: Size) -> bool:
        del size
        return self.mirrored

    @property
    @abstractmethod
    def mirrored(self) -> bool:
        """Whether right becomes left."""

    @property
    def paints(self) -> bool:
        """Whether what lies beyond the source is filled with a color (border "constant")."""
        return self.view.border == "constant"

    def repainted(self, change: Pointwise) -> Self:
        """Return this operation with its fill color changed as `change` changes colors."""
        # On gray images a color change asks for the luminance first: the order matters.
        gray, fill = change.on_gray(self.view.gray_fill), change.on_color(self.view.fill)
        return self._viewed(replace(self.view, fill=fill, gray=gray))

    def _viewed(self, view: View) -> Self:
        # A field only of the subclasses, since theirs without defaults have to come first.
        return replace(self, view=view)  # type: ignore[call-arg]

    def _act(self, image: Image) -> Image:
        return alpha.resampled(image, self.view, self._resampled)

    @abstractmethod
    def _resampled(self, image: Image, view: View) -> Image:
        """Return an image of 8 or 16 bits a value, moved, sampled as `view` says."""
