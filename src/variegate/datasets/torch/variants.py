"""The dataset: which item is which variant of which image."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from variegate.annotations.annotation import Annotation
from variegate.annotations.sample import Sample
from variegate.annotations.targets import Targets
from variegate.codecs import Limits
from variegate.datasets.torch.options import ItemOptions, OnError
from variegate.datasets.torch.parts import parts_of_sources
from variegate.datasets.torch.shared import SharedCounts, SharedNumbers
from variegate.datasets.torch.tensors import (
    ByteTensors,
    Channels,
    Statistics,
    described,
    with_channels,
)
from variegate.errors import ImageError, InputError, RecipeError
from variegate.formats import NO_HINTS, DatasetFormat, Hints, Source, detect
from variegate.recipes.borders import border_notes
from variegate.recipes.recipe import Output, Recipe
from variegate.recipes.trial import try_recipe
from variegate.runs.annotate import AnnotationWriter, mirror_notes
from variegate.runs.class_names import check_class_names
from variegate.runs.render import Renderer
from variegate.runs.run import load_recipe
from variegate.seeding import generator
from variegate.storage import Snapshot, Storage, key_to_text, open_storage, printable

_log = logging.getLogger(__name__)

# Images that follow each other and cannot be used: after so many, something else is wrong.
_MOST_SKIPPED = 1_000


def dataset(
    source: str | Path,
    *,
    recipe: Recipe | str | Path | None = None,
    seed: int | None = None,
    split: str | None = "train",
    size: int | tuple[int, int] | None = None,
    channels: Channels = 3,
    statistics: Statistics | None = None,
    on_error: OnError = "raise",
    epoch: int = 0,
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
        channels: of every image: 3 for RGB, 1 for gray, 4 for RGBA, or "same" for as many as each
            has. Without alpha, what is transparent is laid over white.
        statistics: for `normalize`; None to leave values between 0 and 1.
        on_error: where an image cannot be used, "raise", or "skip": the same variant of the next
            image that can takes its place, is counted (`skipped`) and logged once.
        epoch: of which variants come first; see `VariantDataset.set_epoch`.
        format: of the input; None to detect it.
        hints: what cannot be told from the files of the dataset; it goes before the recipe's.

    Raises:
        InputError: there are no images of that split.
        RecipeError: the recipe or an option is not right, or makes results of several images.
    """
    options = ItemOptions(channels=channels, statistics=statistics, on_error=on_error)
    options.check()
    made = _recipe(recipe, seed, size, channels)
    hints = hints.over(made.hints)
    storage = open_storage(source)
    with Snapshot(storage) as seen:
        found = detect(seen, name=format, hints=hints)
        every = list(found.sources(seen))
    sources = tuple(one for one in every if _usable(one, found, split))
    if not sources:
        which = f"of the split {split!r} " if found.splits else ""
        raise InputError(f"{storage.url}: no images {which}there")
    check_class_names(made, found, every, printable(storage.url))
    objects = any(one.objects or one.objects_left_out for one in every)
    for note in (
        *mirror_notes(made.labels, found.skeletons, mirrors=made.mirrors),
        *(border_notes(made.policy) if objects else ()),
    ):
        _log.warning("%s: %s", printable(storage.url), note)
    limits = hints.decoding(Limits())
    loaded = VariantDataset(storage, sources, made, found, options, objects=objects, limits=limits)
    loaded.set_epoch(epoch)
    return loaded


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
        options: ItemOptions,
        *,
        objects: bool,
        limits: Limits,
    ) -> None:
        self.classes = dataset_format.classes
        self.sources = sources
        self.recipe = recipe
        self.options = options
        self._storage = storage
        self._format = dataset_format
        self._objects = objects
        self._limits = limits
        self._epoch = SharedNumbers([0])
        self._skipped = SharedCounts(len(sources)) if options.on_error == "skip" else None
        self._made: tuple[int, Renderer] | None = None
        self._tensors = ByteTensors(options.statistics)

    def __len__(self) -> int:
        return len(self.sources) * self.recipe.count()

    def __getitem__(self, index: int) -> tuple[torch.Tensor, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of {len(self)}")
        number, variant = divmod(index % len(self), self.recipe.count())
        if self._skipped is None:
            return self._item(self.sources[number], variant)
        for ahead in range(min(len(self.sources), _MOST_SKIPPED)):
            place = (number + ahead) % len(self.sources)
            try:
                return self._item(self.sources[place], variant)
            except (ImageError, InputError) as error:
                # If more is gone than this file, the training must not go on without all others.
                open_storage(self._storage.url)
                reason = str(error)
                if self._skipped.is_first(place):
                    _log.warning("%s; another image takes its place", reason)
        raise InputError(
            f"{self._storage.url}: none of {min(len(self.sources), _MOST_SKIPPED):,} images that "
            f"follow each other can be used; the last: {reason}"
        )

    @property
    def epoch(self) -> int:
        """Of which the variants are."""
        return self._epoch[0]

    def set_epoch(self, epoch: int) -> None:
        """Let variants be drawn anew; those of one epoch are always the same.

        Epoch 0 has the variants that `variegate.augment` makes. Loader workers that live on hear of
        it, too; call it between two passes.

        Raises:
            RecipeError: it is no whole number from 0 on.
        """
        if isinstance(epoch, bool) or not isinstance(epoch, int) or not 0 <= epoch < 2**63:
            raise RecipeError(f"epoch: expected a whole number from 0 on, got {epoch!r}")
        self._epoch[0] = epoch

    @property
    def skipped(self) -> dict[str, int]:
        """Keys of the images that cannot be used (`on_error="skip"`), and how many items of each
        another image took the place of, by all loader workers."""
        counts = {} if self._skipped is None else self._skipped.above_zero()
        return {self.sources[number].key: count for number, count in counts.items()}

    def split(self, fractions: Sequence[float], *, seed: int = 0) -> tuple["VariantDataset", ...]:
        """Divide the images into parts; all variants of an image are in the same.

        The same fractions and seed divide the same images in the same way, whatever the recipe.

        Args:
            fractions: of the images, such as [0.8, 0.2].
            seed: by which images are dealt.

        Raises:
            InputError: the fractions do not add up to 1, or a part would be empty.
        """
        parts = parts_of_sources(self.sources, fractions, seed=seed, storage=self._storage)
        made = [
            VariantDataset(
                *(self._storage, part, self.recipe, self._format, self.options),
                objects=self._objects,
                limits=self._limits,
            )
            for part in parts
        ]
        for one in made:
            one.set_epoch(self.epoch)
        return tuple(made)

    def name(self, index: int) -> tuple[str, int]:
        """Return the key of an item's source, and the number of its variant."""
        number, variant = divmod(index % len(self), self.recipe.count())
        return self.sources[number].key, variant

    def _item(self, source: Source, variant: int) -> tuple[torch.Tensor, Any]:
        try:
            sample = self._renderer.variant(source, variant)
            label = self._label(source, sample)
        except ImageError as error:
            raise type(error)(f"{key_to_text(source.key)}: {error}") from error
        return self._tensors.of(with_channels(sample.image, self.options.channels)), label

    @property
    def _renderer(self) -> Renderer:
        epoch = self.epoch
        if self._made is None or self._made[0] != epoch:
            self._made = (epoch, self._make_renderer(epoch))
        return self._made[1]

    def _make_renderer(self, epoch: int) -> Renderer:
        recipe, limits = self.recipe, self._limits
        if epoch:
            seed = int(generator(recipe.seed, "epoch", epoch).integers(2**63 - 1))
            recipe = recipe.model_copy(update={"seed": seed})
        writer = self._format.writer()
        annotations = AnnotationWriter(recipe.labels, writer, self._storage, self._storage, limits)
        return Renderer(recipe, self._storage, limits, annotations, self._objects)

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    def _label(self, source: Source, sample: Sample) -> Any:
        if sample.targets is not None:
            return self._known(source, sample, sample.targets)
        if not sample.labels:
            return -1
        return self._numbers[next(iter(sample.labels))]

    def _known(self, source: Source, sample: Sample, targets: Targets) -> dict[str, Any]:
        annotation, masks = self._renderer.annotation_writer.result(
            source, targets, sample.size, source.key
        )
        return described(annotation or Annotation(), masks, sample.size, self._numbers)


def _recipe(
    recipe: Recipe | str | Path | None,
    seed: int | None,
    size: int | tuple[int, int] | None,
    channels: Channels,
) -> Recipe:
    """Return what is made of every image.

    Raises:
        RecipeError: it is not right.
        InputError: it makes images of several.
    """
    loaded = Recipe.from_data({"variants": "source"}) if recipe is None else recipe
    made = load_recipe(loaded, seed)
    if made.classes is not None or made.variants_by_class:
        raise RecipeError(
            "classes and variants_by_class cannot be used on the fly, where every image has as "
            "many variants as any other; write the results with variegate.augment first, or draw "
            "items with torch.utils.data.WeightedRandomSampler"
        )
    if made.mixes:
        raise InputError(
            "a recipe that makes images of several cannot be used on the fly; "
            "write its results with variegate.augment first"
        )
    changes: dict[str, Any] = {} if size is None else {"size": size}
    if channels in (1, 3):
        # Before anything is drawn over it, as in files without alpha.
        changes["alpha"] = "white"
    if changes:
        output = Output.model_validate({**made.output.model_dump(), **changes})
        made = made.model_copy(update={"output": output})
    try_recipe(made)
    return made


def _usable(source: Source, dataset_format: DatasetFormat, split: str | None) -> bool:
    if not source.seems_usable:
        return False
    return split is None or not dataset_format.splits or source.split == split
