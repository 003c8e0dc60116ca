"""Frozen features of images, and a logistic head on them: weak evidence, in a minute."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from variegate.annotations.sample import Image
from variegate.errors import InputError, UsageError
from variegate.models.card import ModelCard, card_path
from variegate.models.predictors.onnx import session
from variegate.models.preprocessing import Preprocessing
from variegate.storage import printable
from variegate.training.backbones import SmallNetwork, head_names, make_model
from variegate.training.options import SMALL
from variegate.training.train import IMAGENET
from variegate.training.weights import load_weights

Floats = npt.NDArray[np.float32]

#: Gives (N, D) features of images.
Extractor = Callable[[Sequence[Image]], Floats]

_STEPS = 60
_POOLED = 6
_PUBLISHED_CLASSES = 1000
_BATCH = 32


def extractor(model: str, weights: str, *, size: int, gray: bool, seed: int) -> Extractor:
    """Return what makes features.

    Args:
        model: an ONNX file with its card, a backbone of torchvision, or `small` (random filters).
        weights: of a backbone: "hub" or a file.
        size: side of the input, pixels; of a file its card's.
        gray: one channel.
        seed: of random filters.

    Raises:
        UsageError: there is no such model, or it has no features.
    """
    if model.endswith(".onnx"):
        return _of_file(Path(model))
    count = 1 if gray else 3
    mean, std = ((0.5,), (0.5,)) if gray else IMAGENET
    input_ = Preprocessing(
        size=(size, size), channels="gray" if gray else "rgb", mean=mean, std=std
    )
    torch.manual_seed(seed)
    if model == SMALL:
        layers = SmallNetwork(2, channels=count, side=size).features[:-1]
        return _of_torch(nn.Sequential(layers, nn.AdaptiveAvgPool2d(_POOLED), nn.Flatten()), input_)
    if weights == "none":
        raise UsageError(
            "--weights none: frozen features need weights; give hub or a file, or --backbone small"
        )
    network = make_model(model, _PUBLISHED_CLASSES, gray=gray, side=size)
    load_weights(network, weights, backbone=model, classes=_PUBLISHED_CLASSES, gray=gray)
    # What goes into the last layer.
    name = next(iter(head_names(network, _PUBLISHED_CLASSES))).rpartition(".")[0]
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, nn.Identity())
    return _of_torch(nn.Sequential(network, nn.Flatten()), input_)


def _of_torch(network: nn.Module, input_: Preprocessing) -> Extractor:
    network.eval()

    def extract(images: Sequence[Image]) -> Floats:
        with torch.no_grad():
            made = [
                network(torch.from_numpy(input_.apply(images[begin : begin + _BATCH]))).numpy()
                for begin in range(0, len(images), _BATCH)
            ]
        return np.concatenate(made)

    return extract


def _of_file(path: Path) -> Extractor:
    """Take the answers of a file: logits are features of the classes that it knows."""
    card = card_path(path)
    if not card.exists():
        raise InputError(
            f"{printable(str(path))}: no card beside it ({card.name}), which says how images "
            "become its input; variegate train writes one"
        )
    input_ = ModelCard.load(card).input
    asked = session(path)
    name = input_.name or asked.get_inputs()[0].name

    def extract(images: Sequence[Image]) -> Floats:
        made = [
            np.asarray(asked.run(None, {name: input_.apply([one])})[0], np.float32).reshape(1, -1)
            for one in images
        ]
        return np.concatenate(made)

    return extract


class LogisticHead:
    """Multinomial logistic regression on standardised features, by a fixed number of steps."""

    def __init__(self, features: Floats, labels: npt.NDArray[Any], *, classes: int, decay: float):
        """Fit.

        Args:
            features: (N, D).
            labels: (N,).
            classes: how many.
            decay: by which large weights are punished.
        """
        self._mean = features.mean(axis=0)
        self._std = np.maximum(features.std(axis=0), 1e-6)
        self._layer = nn.Linear(features.shape[1], classes)
        nn.init.zeros_(self._layer.weight)
        nn.init.zeros_(self._layer.bias)
        values, targets = self._scaled(features), torch.from_numpy(labels)
        optimizer = torch.optim.LBFGS(
            self._layer.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe"
        )

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self._layer(values), targets)
            loss = loss + decay * (self._layer.weight**2).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]

    def logits(self, features: Floats) -> Floats:
        """Return (N, C) answers."""
        with torch.no_grad():
            found: Floats = self._layer(self._scaled(features)).numpy()
        return found

    def _scaled(self, features: Floats) -> torch.Tensor:
        return torch.from_numpy(((features - self._mean) / self._std).astype(np.float32))
