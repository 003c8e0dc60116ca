"""Images and annotations as tensors."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import cv2
import numpy as np
import torch

from variegate.annotations import rle
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.polygons import rasterised
from variegate.annotations.sample import Image
from variegate.annotations.targets import Mask
from variegate.errors import ShapeError
from variegate.ops.mixing import like

#: Mean and deviation of ImageNet's images, red, green and blue, full scale 1: `normalize`.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

Statistics = tuple[Sequence[float], Sequence[float]]
Channels = Literal[1, 3, 4, "same"]


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """Return an image as float32 from 0 to 1.

    Args:
        image: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8.

    Returns:
        (C, H, W); gray has one channel.
    """
    channels_last = image.reshape(*image.shape[:2], -1)
    planes = np.ascontiguousarray(channels_last.transpose(2, 0, 1))
    return torch.from_numpy(planes).float().div_(255)


def with_channels(image: Image, channels: Channels) -> Image:
    """Return an image as gray (1), RGB (3) or RGBA (4); "same" as it is.

    What is transparent is laid over white where alpha goes.
    """
    if channels == "same":
        return image
    return like(image, np.empty((0, 0, channels), np.uint8))


def normalize(tensor: torch.Tensor, statistics: Statistics = IMAGENET) -> torch.Tensor:
    """Subtract the mean and divide by the deviation of each channel.

    Args:
        tensor: (C, H, W) float32 from 0 to 1.
        statistics: means and deviations, one for each channel or one for all.

    Raises:
        ShapeError: there are as many of them as there are channels in other images.
    """
    for values in statistics:
        if len(values) not in (1, len(tensor)):
            raise ShapeError(
                f"statistics: expected one or {len(tensor)} values, one for each channel, "
                f"got {len(values)}"
            )
    mean, deviation = (torch.tensor(list(values)).view(-1, 1, 1) for values in statistics)
    return (tensor - mean) / deviation


class ByteTensors:
    """Makes tensors of images: `to_tensor` and `normalize` at once, and the same to the last bit.

    A byte has 256 values, so what becomes of each is known beforehand.
    """

    def __init__(self, statistics: Statistics | None) -> None:
        """Make one.

        Args:
            statistics: for `normalize`; None to leave values between 0 and 1.
        """
        self._statistics = statistics
        self._tables: dict[int, np.ndarray] = {}

    def of(self, image: Image) -> torch.Tensor:
        """Return an image as (C, H, W) float32.

        Args:
            image: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8.

        Raises:
            ShapeError: there are as many statistics as there are channels in other images.
        """
        planes = cv2.split(np.ascontiguousarray(image))
        values = np.empty((len(planes), *image.shape[:2]), np.float32)
        for plane, table, place in zip(planes, self._of_channels(len(planes)), values, strict=True):
            cv2.LUT(plane, table, dst=place)
        return torch.from_numpy(values)

    def _of_channels(self, count: int) -> np.ndarray:
        """Return (C, 256), what becomes of each value in each channel."""
        if count not in self._tables:
            every = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], count, axis=2)
            tensor = to_tensor(every)
            if self._statistics is not None:
                tensor = normalize(tensor, self._statistics)
            self._tables[count] = np.ascontiguousarray(tensor.numpy().reshape(count, 256))
        return self._tables[count]


def described(
    annotation: Annotation,
    masks: Mapping[str, Mask],
    size: tuple[int, int],
    numbers: Mapping[str, int],
) -> dict[str, Any]:
    """Return an annotation as the tensors that torchvision's detectors take.

    Args:
        annotation: of an image.
        masks: those that it names, by key.
        size: the image's (height, width).
        numbers: category -> its number.
    """
    objects = annotation.objects
    known: dict[str, Any] = {}
    if annotation.mask_file is not None:
        known["mask"] = torch.from_numpy(masks[annotation.mask_file].astype(np.int64))
    if not objects and known:
        return known
    known["labels"] = torch.tensor([numbers[one.category] for one in objects], dtype=torch.int64)
    boxes = [one.box or (0.0, 0.0, 0.0, 0.0) for one in objects]
    known["boxes"] = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    if any(one.keypoints for one in objects):
        most = max(len(one.keypoints or ()) for one in objects)
        points = [[*(one.keypoints or ()), *[(0.0, 0.0, 0)] * most][:most] for one in objects]
        known["keypoints"] = torch.tensor(points, dtype=torch.float32)
    shapes = [_shape(one, masks, size) for one in objects]
    if any(shape is not None for shape in shapes):
        blank = np.zeros(size, np.uint8)
        stacked = np.stack([blank if shape is None else shape for shape in shapes])
        known["masks"] = torch.from_numpy(stacked)
    return known


def _shape(one: Object, masks: Mapping[str, Mask], size: tuple[int, int]) -> np.ndarray | None:
    """Return the mask of an object, (H, W) uint8 of 0 and 1, or None if it has no shape."""
    if one.rle is not None:
        return np.array(rle.decode(one.rle))
    if one.mask_file is not None:
        values = masks[one.mask_file]
        here = values > 0 if one.mask_value is None else values == one.mask_value
        return here.astype(np.uint8)
    if one.polygons is not None:
        return rasterised([np.array(ring, np.float64) for ring in one.polygons], size)
    return None
