"""From an image to what a model takes: the same steps wherever a model is asked.

Training validates with it, an exported model's card holds it, evaluation and the server apply it;
so all of them give a model the same numbers, bit for bit.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from variegate.annotations.sample import Image, Size, check_image
from variegate.models.placement import Placement
from variegate.validation import Spec

Floats = npt.NDArray[np.float32]

Fit = Literal["stretch", "pad", "crop"]


class Preprocessing(Spec):
    """How an image becomes what a model takes.

    The image is brought to `size` (`fit`), its channels are put in the order of `channels`, and
    then every value v from 0 to 255 becomes (v * scale - mean) / std.

    Attributes:
        size: (height, width), pixels.
        fit: "stretch" ignores the ratio of the sides; "pad" keeps it and centres the image on gray
            `fill`; "crop" keeps it and takes the middle, after the shorter side was brought to
            `resize_to`.
        resize_to: shorter side before "crop", pixels; None: that of `size`.
        fill: value of the padding, 0 to 255.
        channels: "rgb", "bgr" or "gray".
        order: of the axes, "nchw" or "nhwc".
        dtype: element type.
        scale: factor, usually 1/255.
        mean, std: one for each channel, in the order of `channels`.
        name: of the model's input; None: it has only one.
    """

    size: tuple[Annotated[int, Field(ge=1, le=8192)], Annotated[int, Field(ge=1, le=8192)]]
    fit: Fit = "stretch"
    resize_to: Annotated[int, Field(ge=1, le=16384)] | None = None
    fill: Annotated[int, Field(ge=0, le=255)] = 114
    channels: Literal["rgb", "bgr", "gray"] = "rgb"
    order: Literal["nchw", "nhwc"] = "nchw"
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    scale: Annotated[float, Field(gt=0)] = 1 / 255
    mean: tuple[float, ...] = ()
    std: tuple[Annotated[float, Field(gt=0)], ...] = ()
    name: str | None = None

    @model_validator(mode="after")
    def _by_channel(self) -> Self:
        wanted = 1 if self.channels == "gray" else 3
        for name in ("mean", "std"):
            if (given := getattr(self, name)) and len(given) != wanted:
                raise ValueError(f"{name}: expected {wanted} numbers, one for each channel")
        if self.resize_to is not None and self.resize_to < min(self.size):
            raise ValueError(f"resize_to: expected at least {min(self.size)}, the shorter side")
        return self

    def apply(self, images: Sequence[Image]) -> npt.NDArray[Any]:
        """Return a batch, (N, C, H, W) or (N, H, W, C), of `dtype`.

        Args:
            images: (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA, uint8, of any size.

        Raises:
            ShapeError: one is none of these.
        """
        return np.stack([self._one(check_image(one)) for one in images])

    def placement(self, size: Size) -> Placement:
        """Return where an image of (height, width) `size` comes to lie in what the model takes."""
        if self.fit == "stretch":
            inner, offset = self.size, (0, 0)
        elif self.fit == "pad":
            inner = self._inner(size)
            offset = ((self.size[0] - inner[0]) // 2, (self.size[1] - inner[1]) // 2)
        else:
            inner = self._outer(size)
            offset = (-((inner[0] - self.size[0]) // 2), -((inner[1] - self.size[1]) // 2))
        return Placement(image=size, input=self.size, inner=inner, offset=offset)

    def _one(self, image: Image) -> npt.NDArray[Any]:
        fitted = self._fitted(self._in_channels(image))
        if self.dtype == "uint8" and not self.mean and not self.std:
            # A model of whole numbers takes them as they are.
            values: npt.NDArray[Any] = fitted
        else:
            values = self._normalised(fitted).astype(self.dtype, copy=False)
        if values.ndim == 2:
            values = values[:, :, None]
        return values if self.order == "nhwc" else np.ascontiguousarray(values.transpose(2, 0, 1))

    def _normalised(self, image: Image) -> Floats:
        values = image.astype(np.float32) * np.float32(self.scale)
        if self.mean:
            values -= np.asarray(self.mean, np.float32)
        if self.std:
            values /= np.asarray(self.std, np.float32)
        return values

    def _in_channels(self, image: Image) -> Image:
        if self.channels == "gray":
            if image.ndim == 2 or image.shape[2] == 1:
                return image.reshape(image.shape[:2])
            return cv2.cvtColor(as_rgb(image), cv2.COLOR_RGB2GRAY)
        image = as_rgb(image)
        return image if self.channels == "rgb" else np.ascontiguousarray(image[:, :, ::-1])

    def _fitted(self, image: Image) -> Image:
        size = (image.shape[0], image.shape[1])
        if self.fit == "stretch":
            return resized(image, self.size)
        if self.fit == "pad":
            return self._padded(resized(image, self._inner(size)))
        outer = resized(image, self._outer(size))
        top = (outer.shape[0] - self.size[0]) // 2
        left = (outer.shape[1] - self.size[1]) // 2
        return outer[top : top + self.size[0], left : left + self.size[1]]

    def _inner(self, size: Size) -> Size:
        """Return how large an image is that just fits in."""
        times = min(self.size[0] / size[0], self.size[1] / size[1])
        return _sides(*size, times, most=self.size)

    def _outer(self, size: Size) -> Size:
        """Return how large an image is of which the middle is taken."""
        times = (self.resize_to or min(self.size)) / min(size)
        # Both sides must hold what is taken of them.
        times = max(times, self.size[0] / size[0], self.size[1] / size[1])
        return _sides(*size, times, least=self.size)

    def _padded(self, image: Image) -> Image:
        rows, columns = (whole - part for whole, part in zip(self.size, image.shape, strict=False))
        top, left = rows // 2, columns // 2
        return cv2.copyMakeBorder(
            image,
            top,
            rows - top,
            left,
            columns - left,
            cv2.BORDER_CONSTANT,
            value=(self.fill,) * 3,
        )


def as_rgb(image: Image) -> Image:
    """Return an image of any kind as (H, W, 3) RGB; what is transparent is white."""
    image = image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return _over_white(image) if image.shape[2] == 4 else image


def _sides(
    height: int, width: int, times: float, *, least: Size = (1, 1), most: Size = (1 << 30, 1 << 30)
) -> Size:
    """Return both sides `times` as long, whole and within bounds."""
    scaled = (round(height * times), round(width * times))
    tall, wide = (min(max(a, b), c) for a, b, c in zip(scaled, least, most, strict=True))
    return tall, wide


def resized(image: Image, size: Size) -> Image:
    """Return an image in (height, width) `size`: averaged where it shrinks, linear otherwise."""
    if image.shape[:2] == size:
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (size[1], size[0]), interpolation=method)


def _over_white(image: Image) -> Image:
    alpha = image[:, :, 3:].astype(np.uint16)
    color = image[:, :, :3].astype(np.uint16)
    return ((color * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
