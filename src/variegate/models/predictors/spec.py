"""A model that was opened once, as JSON values by which other processes open the same one.

What was guessed and checked on labelled images is in it, so that nobody guesses again; so is the
identity, so that a file that has changed since is noticed. There are no secrets in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from variegate.errors import UsageError, without_password
from variegate.models.card import ModelCard
from variegate.models.guess import KnownScaling
from variegate.models.predictors import NamedModel, aligned, from_elsewhere, load_file
from variegate.models.predictors.aligned import AlignedPredictor
from variegate.models.predictors.arrays import ArrayPredictor
from variegate.models.predictors.base import Predictor

_PLACES = ("predict", "url", "command")


def spec_of(
    named: NamedModel, predictor: Predictor, dataset_classes: Sequence[str]
) -> dict[str, Any]:
    """Return JSON values from which `open_spec` opens the same model.

    Args:
        named: what the user said.
        predictor: what `open_predictor` made of it.
        dataset_classes: what that was given.

    Raises:
        UsageError: the URL holds a password, which must not be written down.
    """
    if named.url and without_password(named.url) != named.url:
        raise UsageError(
            "--url: a URL with a password would be written into the output; set the variable "
            "VARIEGATE_URL_TOKEN instead"
        )
    inner = predictor.inner if isinstance(predictor, AlignedPredictor) else predictor
    spec: dict[str, Any] = {
        "identity": predictor.identity,
        "classes": list(inner.classes),
        "dataset_classes": list(dataset_classes),
        "map_class": {name: list(found) for name, found in named.map_class.items()},
        "threads": named.threads,
    }
    if isinstance(inner, ArrayPredictor):
        return spec | {
            "file": str(inner.path.resolve()),
            "card": inner.card.model_dump(mode="json"),
        }
    places = {name: value for name in _PLACES if (value := getattr(named, name))}
    return spec | {
        **places,
        "task": named.known.task,
        "version": named.version,
        "paths": named.paths,
        "timeout_s": named.timeout_s,
    }


def open_spec(spec: Mapping[str, Any]) -> Predictor:
    """Open a model again.

    Raises:
        InputError: it cannot be loaded.
        UsageError: it is another one now.
    """
    named = NamedModel(map_class=spec["map_class"], threads=spec["threads"])
    opened: Predictor
    if "file" in spec:
        path = Path(spec["file"])
        card = ModelCard.model_validate(spec["card"])
        named, opened = replace(named, model=path), load_file(path, card, spec["threads"])
    else:
        named = replace(
            named,
            **{name: spec[name] for name in _PLACES if name in spec},
            known=KnownScaling(task=spec["task"]),
            version=spec["version"],
            paths=spec["paths"],
            timeout_s=spec["timeout_s"],
        )
        opened = from_elsewhere(named, spec["classes"], spec["dataset_classes"])
    predictor, _ = aligned(named, opened, spec["dataset_classes"])
    if predictor.identity != spec["identity"]:
        predictor.close()
        raise UsageError(
            f"{named.name}: another model than the one that was asked at first; write to a new "
            "output"
        )
    return predictor
