"""Any transform of Albumentations as an operation: seeded, with all that is known of the image.

The package (2.0.8, the last MIT release) is optional and imported only when it is used.
"""

import json
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from variegate.annotations.polygons import Points
from variegate.annotations.sample import Image, Sample, Size
from variegate.annotations.targets import Mask, Targets
from variegate.errors import RecipeError, did_you_mean
from variegate.ops.base import Operation


def package() -> Any:
    """Import Albumentations.

    Raises:
        RecipeError: it is not installed.
    """
    # It would ask the network for a newer version of itself at import.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        import albumentations
    except ImportError as error:
        raise RecipeError(
            "transforms of Albumentations need the extra: pip install 'variegate[albumentations]'"
        ) from error
    return albumentations


def transform_class(name: str) -> Any:
    """Return the class of that name.

    Raises:
        RecipeError: there is none, or it needs more than one image.
    """
    library = package()
    known = {
        key
        for key, value in vars(library).items()
        if isinstance(value, type)
        and issubclass(value, library.BasicTransform)
        and key not in ("BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D")
    }
    if name not in known:
        raise RecipeError(f"albumentations has no transform {name!r}{did_you_mean(name, known)}")
    return getattr(library, name)


def checked(name: str, arguments: dict[str, Any]) -> None:
    """Make sure that a transform takes some arguments.

    Raises:
        RecipeError: it does not know one, or one is out of range; or it needs other images.
    """
    kind = transform_class(name)
    known = [key for key in kind.InitSchema.model_fields if key not in ("p", "strict")]
    for key in arguments:
        if key not in known:
            close = did_you_mean(key, known) or "; it knows " + ", ".join(known)
            raise RecipeError(f"unknown parameter {key!r}{close}")
    try:
        made = kind(**arguments, p=1.0)
    except (ValueError, TypeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise RecipeError(": ".join(lines[1:3]) if len(lines) > 2 else lines[0]) from error
    if made.targets_as_params:
        raise RecipeError(f"it needs {', '.join(made.targets_as_params)}, which a recipe has not")


@dataclass(frozen=True)
class Albumentations(Operation):
    """One transform of Albumentations with one seed.

    Attributes:
        transform: its class's name.
        arguments: JSON.
        seed: of its own generators.
        canvas: (height, width) of the result.
    """

    transform: str
    arguments: str
    seed: int
    canvas: Size

    @classmethod
    def of(cls, transform: str, arguments: dict[str, Any], seed: int, size: Size) -> Operation:
        """Make one for an image of (height, width) `size`."""
        text = json.dumps(arguments, sort_keys=True)
        after = size
        if issubclass(transform_class(transform), package().DualTransform):
            # Its canvas may depend on what it draws: try it.
            blank = np.zeros((*size, 3), np.uint8)
            height, width = _run(transform, text, seed, blank, [], np.empty((0, 2)))[0].shape[:2]
            after = (height, width)
        return cls(transform, text, seed, after)

    def output_size(self, size: Size) -> Size:
        return self.canvas

    def mirrors(self, size: Size) -> bool:
        if not self._moves:
            return False
        blank = np.zeros((*size, 3), np.uint8)
        return _is_mirrored(self._run(blank, [], _probes(size))[2])

    def apply(self, sample: Sample) -> Sample:
        targets = sample.targets
        if targets is None or not self._moves:
            return replace(sample, image=self.apply_image(sample.image))
        dense = replace(targets, outlines=targets.outlines.densified(max(self.canvas) / 40))
        points = np.concatenate(
            [
                dense.outlines.points,
                dense.keypoints.points,
                dense.beside.points,
                _probes(sample.size),
            ]
        )
        masks = [layer.values for layer in dense.layers]
        image, moved_masks, moved = self._moved(sample.image, masks, points)
        places, at = {}, 0
        for one in (dense.outlines.points, dense.keypoints.points, dense.beside.points):
            places[id(one)] = moved[at : at + len(one)]
            at += len(one)
        layers = {id(layer): mask for layer, mask in zip(dense.layers, moved_masks, strict=True)}
        changed: Targets = dense.moved(
            points=lambda points: places[id(points)],
            straight=True,
            mirrored=_is_mirrored(moved[-3:]),
            mask=lambda layer: layers[id(layer)],
            size=self.canvas,
        )
        return replace(sample, image=image, targets=changed)

    @property
    def _moves(self) -> bool:
        return issubclass(transform_class(self.transform), package().DualTransform)

    def _act(self, image: Image) -> Image:
        return self._moved(image, [], np.empty((0, 2)))[0]

    def _moved(
        self, image: Image, masks: list[Mask], points: Points
    ) -> tuple[Image, list[Mask], Points]:
        """Return an image of any kind, masks and points, changed together."""
        shape = image.shape
        flat = image.reshape(shape[0], shape[1], -1)
        if flat.shape[2] == 3:
            return self._run(image, masks, points)
        if flat.shape[2] == 1:
            gray = cv2.cvtColor(np.ascontiguousarray(flat[..., 0]), cv2.COLOR_GRAY2RGB)
            colors, masks, points = self._run(gray, masks, points)
            changed = cv2.cvtColor(colors, cv2.COLOR_RGB2GRAY)
            return changed.reshape(*changed.shape[:2], *shape[2:]), masks, points
        colors = cv2.cvtColor(flat, cv2.COLOR_RGBA2RGB)
        alpha = np.ascontiguousarray(flat[..., 3])
        if not self._moves:
            colors, masks, points = self._run(colors, masks, points)
            return np.dstack([colors, alpha]), masks, points
        colors, with_alpha, points = self._run(colors, [*masks, alpha], points)
        return np.dstack([colors, with_alpha[-1]]), with_alpha[:-1], points

    def _run(
        self, image: Image, masks: list[Mask], points: Points
    ) -> tuple[Image, list[Mask], Points]:
        return _run(self.transform, self.arguments, self.seed, image, masks, points)


def _run(
    transform: str, arguments: str, seed: int, image: Image, masks: list[Mask], points: Points
) -> tuple[Image, list[Mask], Points]:
    """Apply a transform; points are continuous, Albumentations counts from pixel centres."""
    pipeline = _pipeline(transform, arguments)
    pipeline.set_random_seed(seed)
    given: dict[str, Any] = {"image": np.ascontiguousarray(image)}
    if masks:
        given["masks"] = masks
    if len(points):
        given["keypoints"] = (points - 0.5).astype(np.float32)
    done = pipeline(**given)
    moved = done["keypoints"].astype(np.float64) + 0.5 if len(points) else points
    return np.ascontiguousarray(done["image"]), list(done.get("masks", [])), moved[:, :2]


@lru_cache(maxsize=256)
def _pipeline(transform: str, arguments: str) -> Any:
    library = package()
    step = transform_class(transform)(**json.loads(arguments), p=1.0)
    # What has left the image is cut and dropped by variegate, by its own rule.
    points = None
    if isinstance(step, library.DualTransform):
        points = library.KeypointParams(format="xy", remove_invisible=False)
    return library.Compose([step], keypoint_params=points)


def _probes(size: Size) -> Points:
    """Return three points, counterclockwise, by which a mirror image is told."""
    height, width = size
    return np.array([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75]]) * (width, height)


def _is_mirrored(probes: Points) -> bool:
    (ax, ay), (bx, by) = probes[1] - probes[0], probes[2] - probes[0]
    return bool(ax * by - ay * bx < 0)
