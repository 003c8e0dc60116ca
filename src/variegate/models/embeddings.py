"""Images as a model sees them: its answer as a short vector, by which similar ones are near.

The first output of a model, flat, is brought to a length of 1. Where it is long, random directions
make it shorter; angles stay within about a degree. Whole numbers of 8 bits are kept: their products
are sums of whole numbers, so which images are near does not depend on how a library adds.
"""

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from variegate.annotations.sample import Image
from variegate.errors import InputError, UsageError
from variegate.models.card import card_path
from variegate.models.predictors import NamedModel, open_predictor
from variegate.models.predictors.arrays import ArrayPredictor
from variegate.models.predictors.base import Floats, PredictionError
from variegate.models.predictors.spec import open_spec, spec_of
from variegate.seeding import generator

#: Numbers of a vector, at most.
LONGEST = 512
_LEVELS = 127
_PROJECTION_SEED = 20_260_214
_TRIED = (64, 96, 3)


def embedding_spec(model: str | Path) -> dict[str, Any]:
    """Return JSON values from which workers open a model: its card and identity among them.

    Args:
        model: its file; the card beside it says what it must be given.

    Raises:
        InputError: it has no card, or cannot be loaded.
        UsageError: it gives no answer.
    """
    path = Path(model)
    card = card_path(path)
    if path.is_file() and not card.is_file():
        raise InputError(
            f"{path}: there is no {card.name} beside it, which says how an image becomes what the "
            'model takes, such as {"input": {"size": [224, 224], "mean": [0.485, 0.456, 0.406], '
            '"std": [0.229, 0.224, 0.225]}}'
        )
    named = NamedModel(model=path)
    with open_predictor(named).predictor as predictor:
        spec = spec_of(named, predictor, ())
        try:
            _answer(predictor, np.full(_TRIED, 128, np.uint8))
        except PredictionError as error:
            raise UsageError(f"{path.name}: {error}; see {card.name}") from error
    return spec


def embedding(spec: Mapping[str, Any], image: Image) -> bytes:
    """Return what a model sees in an image: int8, at most `LONGEST`; none if it sees nothing.

    Args:
        spec: of the model, from `embedding_spec`.
        image: (H, W) or (H, W, 3) uint8, of any size.

    Raises:
        InputError: the model cannot be loaded.
        UsageError: it is another one now.
    """
    try:
        found = _answer(_opened(json.dumps(spec)), image)
    except PredictionError:
        # Of this image alone: the model was tried before.
        return b""
    if len(found) > LONGEST:
        found = found @ _directions(len(found))
    most = float(np.abs(found).max(initial=0.0))
    if not np.isfinite(most) or most < 1e-12:
        return b""
    return np.round(found * (_LEVELS / most)).astype(np.int8).tobytes()


def _answer(predictor: Any, image: Image) -> Floats:
    if not isinstance(predictor, ArrayPredictor):
        raise PredictionError("expected a model file")
    return predictor.raw(predictor.card.input, [image])[0]


@lru_cache(maxsize=2)
def _opened(text: str) -> ArrayPredictor:
    """Open a model, once in a process."""
    predictor = open_spec(json.loads(text))
    assert isinstance(predictor, ArrayPredictor)
    return predictor


@cache
def _directions(length: int) -> np.ndarray:
    rng = generator(_PROJECTION_SEED, "embedding", length)
    return np.asarray(rng.normal(size=(length, LONGEST)), np.float32)
