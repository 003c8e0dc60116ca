"""Images as a model takes them: augmented for training, as a server would take them to judge."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import Dataset

from variegate.annotations.sample import Sample
from variegate.codecs import Limits, decode
from variegate.datasets.torch import VariantDataset
from variegate.datasets.torch.options import ItemOptions
from variegate.formats import Source
from variegate.models.preprocessing import Preprocessing
from variegate.recipes.recipe import Output, Recipe
from variegate.recipes.trial import try_recipe
from variegate.seeding import generator
from variegate.storage import open_storage
from variegate.training.contents import TRAIN, TrainingImages, class_of

# Others that may be mixed into an image.
_PARTNERS = 8


class AugmentedItems(VariantDataset):
    """Item i is variant i % n of image i // n of train, with (C,) shares of the classes.

    Recipes that make images of several find the others here: a few of train, drawn for each image
    and epoch.
    """

    numbers: dict[str, int]

    @classmethod
    def of(
        cls, images: TrainingImages, recipe: Recipe, input_: Preprocessing, limits: Limits
    ) -> "AugmentedItems":
        """Return the images of train as a recipe makes them.

        Raises:
            RecipeError: the recipe does not return images, or moves labels.
        """
        options = ItemOptions(
            channels=1 if input_.channels == "gray" else 3,
            statistics=(input_.mean, input_.std),
            # What a step cannot work on costs no training; it is counted.
            on_error="skip",
        )
        options.check()
        made = cls(
            open_storage(images.place),
            images.sources[TRAIN],
            sized(recipe, input_.size),
            images.dataset_format,
            options,
            objects=any(one.objects for one in images.sources[TRAIN]),
            limits=limits,
        )
        made.numbers = images.numbers
        return made

    def _item(self, source: Source, variant: int) -> tuple[torch.Tensor, Any]:
        if self.recipe.mixes:
            source = replace(source, partners=self._partners(source))
        return super()._item(source, variant)

    def _partners(self, source: Source) -> tuple[Source, ...]:
        rng = generator(self.recipe.seed, "training partners", self.epoch, source.key)
        count = min(_PARTNERS, len(self.sources))
        chosen = sorted(rng.choice(len(self.sources), size=count, replace=False).tolist())
        return tuple(self.sources[one] for one in chosen if self.sources[one].key != source.key)

    def _label(self, source: Source, sample: Sample) -> torch.Tensor:
        shares = torch.zeros(len(self.numbers))
        for name, share in (sample.labels or source.shares).items():
            shares[self.numbers[name]] += share
        return shares


class FixedItems(AugmentedItems):
    """The same variants in every epoch: those that `variegate.augment` writes."""

    def set_epoch(self, epoch: int) -> None:
        """Stay with the variants of the first epoch."""


class PlainItems(Dataset[tuple[torch.Tensor, int]]):
    """Images as they are, in the model's preprocessing, with the numbers of their classes.

    Decoded and preprocessed as evaluation and the server do, bit for bit.
    """

    def __init__(
        self,
        place: str,
        sources: Sequence[Source],
        numbers: dict[str, int],
        input_: Preprocessing,
        limits: Limits,
    ) -> None:
        self._storage = open_storage(place)
        self._sources = sources
        self._numbers = numbers
        self._input = input_
        self._limits = limits

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        source = self._sources[index]
        data = self._storage.read(source.key, limit=self._limits.max_bytes)
        values = self._input.apply([decode(data, limits=self._limits)])[0]
        return torch.from_numpy(values), self._numbers[class_of(source)]


def sized(recipe: Recipe, size: tuple[int, int]) -> Recipe:
    """Return a recipe whose results are of (height, width) `size`, without alpha.

    Raises:
        RecipeError: it changes labels, or its steps do not return images.
    """
    output = Output.model_validate({**recipe.output.model_dump(), "size": size, "alpha": "white"})
    made = recipe.model_copy(update={"output": output})
    try_recipe(made)
    return made
