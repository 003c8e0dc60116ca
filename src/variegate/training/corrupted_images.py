"""Images of a fold under common corruptions, at the size that a model takes; kept while asked."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import nn

from variegate.annotations.sample import Image, Sample
from variegate.codecs import Limits, decode
from variegate.formats import Source
from variegate.models.preprocessing import Preprocessing
from variegate.recipes.plan import draw_variants, execute
from variegate.recipes.policies import Each
from variegate.recipes.recipe import Recipe
from variegate.storage import open_storage

#: Of the five of each corruption.
SEVERITIES = (1, 3, 5)
_ALL_SEVERITIES = 5
#: Images of a fold: with 45 results each, at 224 x 224 in color, 280 MB.
MOST_IMAGES = 40
_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class CorruptedImages:
    """Results of every corruption at some severities.

    Attributes:
        images: of each image in turn, all corruptions.
        labels: (N,) classes of the images.
    """

    images: tuple[Image, ...]
    labels: np.ndarray

    @classmethod
    def of(
        cls,
        place: str,
        sources: Sequence[Source],
        labels: np.ndarray,
        *,
        side: int,
        gray: bool,
        limits: Limits,
        seed: int,
    ) -> "CorruptedImages":
        """Make them.

        Args:
            place: of the dataset.
            sources: images.
            labels: (N,) numbers of their classes.
            side: of the model's input, at which they are corrupted, as the published ones are.
            gray: one channel.
            limits: of images.
            seed: of what corruptions leave to chance.
        """
        storage = open_storage(place)
        shaped = Preprocessing(
            size=(side, side),
            channels="gray" if gray else "rgb",
            order="nhwc",
            dtype="uint8",
            scale=1,
        )
        made: list[Image] = []
        for source in sources:
            data = storage.read(source.key, limit=limits.max_bytes)
            image = shaped.apply([decode(data, limits=limits)])[0]
            image = image[:, :, 0] if gray else image
            made += _corrupted(np.ascontiguousarray(image), source.key, seed)
        return cls(tuple(made), labels)

    def asked(
        self, model: nn.Module, input_: Preprocessing, device: torch.device
    ) -> tuple[list[float], dict[str, float]]:
        """Return the share of right answers to each image, and under each corruption."""
        model.eval()
        found = []
        with torch.no_grad():
            for begin in range(0, len(self.images), _BATCH):
                values = torch.from_numpy(input_.apply(self.images[begin : begin + _BATCH]))
                found.append(model(values.to(device)).argmax(dim=1).cpu().numpy())
        answers = np.concatenate(found).reshape(len(self.labels), -1)
        right = answers == self.labels[:, None]
        columns = defaultdict(list)
        for number, (name, _) in enumerate(_steps()):
            columns[name].append(number)
        by_name = {name: float(right[:, places].mean()) for name, places in columns.items()}
        return right.mean(axis=1).tolist(), by_name


@cache
def _steps() -> tuple[tuple[str, Each], ...]:
    """Return the corruptions at their severities: name and policy of each."""
    policy = Recipe.load("corruptions").policy
    assert isinstance(policy, Each)
    return tuple(
        (str(getattr(step, "name")), Each(steps=(step,)))  # noqa: B009
        for number, step in enumerate(policy.steps)
        if number % _ALL_SEVERITIES + 1 in SEVERITIES
    )


def corrupted_places(folds: np.ndarray, fold: int) -> list[int]:
    """Return which images of a fold are corrupted: at most some, evenly spread."""
    places = np.flatnonzero(folds == fold)
    if len(places) > MOST_IMAGES:
        places = places[np.linspace(0, len(places) - 1, MOST_IMAGES).round().astype(int)]
    return [int(one) for one in places]


def results_of_image() -> int:
    """Return how many results each image has."""
    return len(_steps())


def _corrupted(image: Image, key: str, seed: int) -> list[Image]:
    sample = Sample(image)
    made = []
    for name, policy in _steps():
        named = f"proof/corruption/{name}/{key}"
        planned = draw_variants(policy, seed=seed, key=named, size=sample.size)
        found = execute(planned, lambda _: sample, size=sample.size, reducible=False)
        made.append(next(iter(found))[1].image.copy())
    return made
