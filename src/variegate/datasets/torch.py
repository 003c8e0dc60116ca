"""Images and labels for PyTorch: a written set, or the same variants made on the fly.

```python
from variegate.datasets import torch as variegate_torch

train = variegate_torch.dataset("photos", recipe="light", seed=7, size=224)
loader = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True, num_workers=4)
```

Item i is variant i % n of image i // n, whoever asks for it: any number of loader workers, any
order, and a training run that goes on at an index all see the same. Made on the fly, an item has
the pixels that `variegate.augment` would have written, before they were encoded.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from variegate.annotations import rle
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.polygons import rasterised
from variegate.annotations.sample import Sample
from variegate.annotations.targets import Mask, Targets
from variegate.codecs import Limits
from variegate.errors import ImageError, InputError
from variegate.formats import NO_HINTS, DatasetFormat, Hints, Source, detect
from variegate.recipes.recipe import Output, Recipe
from variegate.runs.annotate import AnnotationWriter
from variegate.runs.render import Renderer
from variegate.runs.run import load_recipe
from variegate.storage import Snapshot, Storage, key_to_text, open_storage

#: Mean and deviation of ImageNet's images, red, green and blue, full scale 1: `normalize`.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

_LIMITS = Limits()

Statistics = tuple[Sequence[float], Sequence[float]]


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


def normalize(tensor: torch.Tensor, statistics: Statistics = IMAGENET) -> torch.Tensor:
    """Subtract the mean and divide by the deviation of each channel.

    Args:
        tensor: (C, H, W) float32 from 0 to 1.
        statistics: means and deviations, one for each channel or one for all.
    """
    mean, deviation = (torch.tensor(list(values)).view(-1, 1, 1) for values in statistics)
    return (tensor - mean) / deviation


def dataset(
    source: str | Path,
    *,
    recipe: Recipe | str | Path | None = None,
    seed: int | None = None,
    split: str | None = "train",
    size: int | tuple[int, int] | None = None,
    statistics: Statistics | None = None,
    format: str | None = None,  # noqa: A002 - as the option is called
    hints: Hints = NO_HINTS,
) -> "VariantDataset":
    """Make a dataset of a written output, or of a dataset and a recipe.

    Args:
        source: what `variegate.augment` wrote, or any dataset that it reads.
        recipe: makes variants on the fly; None for the images as they are.
        seed: instead of the recipe's.
        split: of which images; where the set has no splits, all of them.
        size: (height, width) to which all are brought, or one number; instead of the recipe's.
        statistics: for `normalize`; None to leave values between 0 and 1.
        format: of the input; None to detect it.
        hints: what cannot be told from the files of the dataset.

    Raises:
        InputError: there are no images of that split.
        RecipeError: the recipe is not right, or makes results of several images.
    """
    storage = open_storage(source)
    with Snapshot(storage) as seen:
        found = detect(seen, name=format, hints=hints)
        sources = [one for one in found.sources(seen) if _usable(one, found, split)]
    if not sources:
        which = f"of the split {split!r} " if found.splits else ""
        raise InputError(f"{storage.url}: no images {which}there")
    loaded = Recipe.from_data({"variants": "source"}) if recipe is None else recipe
    made = load_recipe(loaded, seed)
    if made.mixes:
        raise InputError(
            "a recipe that makes images of several cannot be used on the fly; "
            "write its results with variegate.augment first"
        )
    if size is not None:
        output = Output.model_validate({**made.output.model_dump(), "size": size})
        made = made.model_copy(update={"output": output})
    limits = hints.over(made.hints).decoding(_LIMITS)
    return VariantDataset(storage, tuple(sources), made, found, statistics, limits=limits)


class VariantDataset(Dataset[tuple[torch.Tensor, Any]]):
    """Item i is (image, label) of variant i % n of source i // n.

    The image is (C, H, W) float32. The label is the number of its class in `classes`; or, for
    sets with annotations, a dictionary of what they hold, as torchvision's detectors take it:
    boxes (N, 4) float32 XYXY, labels (N,) int64, masks (N, H, W) uint8, keypoints (N, K, 3)
    float32, and mask (H, W) int64 for a semantic mask.
    """

    def __init__(
        self,
        storage: Storage,
        sources: tuple[Source, ...],
        recipe: Recipe,
        dataset_format: DatasetFormat,
        statistics: Statistics | None,
        *,
        limits: Limits = _LIMITS,
    ) -> None:
        self.classes = dataset_format.classes
        self.sources = sources
        self.recipe = recipe
        self._storage = storage
        self._writer = dataset_format.writer()
        self._statistics = statistics
        self._limits = limits

    def __len__(self) -> int:
        return len(self.sources) * self.recipe.count()

    def __getitem__(self, index: int) -> tuple[torch.Tensor, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of {len(self)}")
        number, variant = divmod(index % len(self), self.recipe.count())
        source = self.sources[number]
        try:
            sample = self._renderer.variant(source, variant)
        except ImageError as error:
            raise type(error)(f"{key_to_text(source.key)}: {error}") from error
        tensor = to_tensor(sample.image)
        if self._statistics is not None:
            tensor = normalize(tensor, self._statistics)
        return tensor, self._label(source, sample)

    def name(self, index: int) -> tuple[str, int]:
        """Return the key of an item's source, and the number of its variant."""
        number, variant = divmod(index % len(self), self.recipe.count())
        return self.sources[number].key, variant

    @cached_property
    def _renderer(self) -> Renderer:
        annotation_writer = AnnotationWriter(
            self.recipe.labels, self._writer, self._storage, self._storage, self._limits
        )
        return Renderer(self.recipe, self._storage, self._limits, annotation_writer)

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    def _label(self, source: Source, sample: Sample) -> Any:
        if sample.targets is not None:
            return self._objects(source, sample, sample.targets)
        if not sample.labels:
            return -1
        return self._numbers[next(iter(sample.labels))]

    def _objects(self, source: Source, sample: Sample, targets: Targets) -> dict[str, Any]:
        annotation, masks = self._renderer.annotation_writer.result(
            source, targets, sample.size, source.key
        )
        return described(annotation or Annotation(), masks, sample.size, self._numbers)


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


def _usable(source: Source, dataset_format: DatasetFormat, split: str | None) -> bool:
    if not source.seems_usable:
        return False
    return split is None or not dataset_format.splits or source.split == split
