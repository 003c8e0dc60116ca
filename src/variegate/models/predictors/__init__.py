"""What can be asked about images: ONNX files, functions, servers, other programs."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from variegate.annotations.sample import Image
from variegate.errors import InputError, UsageError
from variegate.models.card import ModelCard, card_path
from variegate.models.class_names import distinct, matched, read_class_names
from variegate.models.guess import Graph, Guess, KnownScaling, candidates, choose
from variegate.models.predictors.aligned import AlignedPredictor
from variegate.models.predictors.arrays import ArrayPredictor
from variegate.models.predictors.base import Floats, Predictor

#: A value for the header Authorization of --url: "Bearer ...".
TOKEN_VARIABLE = "VARIEGATE_URL_TOKEN"

_EXTENSIONS = (".onnx", ".tflite")
#: Labelled images for a guess: at first, and where they do not decide.
GUESS_IMAGES = (256, 768)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedModel:
    """A model as the user names it: one of the first four, and what else is known of it.

    Attributes:
        model: file, ONNX or TFLite.
        predict: function, as `module:function` or `file.py:function`.
        url: of a server.
        command: of a program.
        card: of `model`; None: the file beside it, if there is one.
        classes: file of class names.
        map_class: dataset's class -> the model's classes that it is.
        version: of what runs behind `url` or `command`.
        paths: functions and programs are given paths of files.
        known: what is not to be guessed.
        threads: of the runtime.
        timeout_s: for each reply of `url` and `command`; None: their own.
    """

    model: Path | None = None
    predict: str | None = None
    url: str | None = None
    command: str | None = None
    card: Path | None = None
    classes: Path | None = None
    map_class: Mapping[str, Sequence[str]] = field(default_factory=dict)
    version: str = ""
    paths: bool = False
    known: KnownScaling = field(default_factory=KnownScaling)
    threads: int = 1
    timeout_s: float | None = None

    @property
    def name(self) -> str:
        """What to call it."""
        from variegate.errors import without_password

        if self.model is not None:
            return self.model.name
        return without_password(self.predict or self.url or self.command or "")


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Clean images for a guess.

    Attributes:
        images: decoded.
        labels: class of each, by name.
    """

    images: Sequence[Image]
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model that can be asked.

    Attributes:
        predictor: to be closed.
        notes: what was assumed or guessed, a sentence each.
        guess: how the preprocessing was found, where there was no card.
    """

    predictor: Predictor
    notes: tuple[str, ...] = ()
    guess: Guess | None = None


def open_predictor(
    named: NamedModel,
    *,
    dataset_classes: Sequence[str] = (),
    labelled: Callable[[int], LabelledImages] | None = None,
) -> OpenedModel:
    """Open a model.

    Args:
        named: what the user says.
        dataset_classes: classes of the labels that it is compared with; none: its own are kept.
        labelled: returns clean images with their labels for a guess, at most as many as it is told;
            None where there are none.

    Raises:
        UsageError: not one model is named, or what is not known cannot be found out; it names the
            option.
        InputError: the model cannot be loaded.
    """
    given = [one for one in (named.model, named.predict, named.url, named.command) if one]
    if len(given) != 1:
        raise UsageError(
            f"expected one of --model, --predict, --url and --command, got {len(given) or 'none'}"
        )
    names, notes = read_class_names(named.classes) if named.classes else ((), ())
    guess = None
    if named.model is not None:
        predictor, more, guess = _from_file(named, names, dataset_classes, labelled)
        notes += more
    else:
        predictor = from_elsewhere(named, names, dataset_classes)
    if not predictor.classes and dataset_classes:
        raise UsageError(
            f"{named.name}: the names of its classes are not known; give --model-classes FILE"
        )
    predictor, more = aligned(named, predictor, dataset_classes)
    return OpenedModel(predictor, (*notes, *more), guess)


def aligned(
    named: NamedModel, predictor: Predictor, dataset_classes: Sequence[str]
) -> tuple[Predictor, tuple[str, ...]]:
    """Return a model that answers in a dataset's classes, and what should be known of that.

    Raises:
        UsageError: its classes are not those of the dataset.
    """
    if predictor.classes == tuple(dataset_classes) or not dataset_classes:
        return predictor, ()
    if predictor.task == "keypoints":
        return predictor, ()
    try:
        match = matched(predictor.classes, dataset_classes, named.map_class)
    except UsageError as error:
        predictor.close()
        raise UsageError(f"{named.name}: {error}") from error
    if match.classes == predictor.classes and match.plain:
        return predictor, match.notes
    return AlignedPredictor(predictor, match), match.notes


def from_elsewhere(
    named: NamedModel, names: Sequence[str], dataset_classes: Sequence[str]
) -> Predictor:
    """Open a function, a server or a program; without names, it knows the dataset's classes."""
    from variegate.models.predictors.command import CommandPredictor
    from variegate.models.predictors.function import FunctionPredictor, load_function
    from variegate.models.predictors.http import UrlPredictor

    task, classes = named.known.task, tuple(names)
    if named.predict:
        function = load_function(named.predict)
        classes = classes or tuple(getattr(function, "classes", ())) or tuple(dataset_classes)
        takes: Any = "path" if named.paths else "arrays"
        return FunctionPredictor(
            function, task=task, classes=classes, takes=takes, name=named.predict
        )
    more: dict[str, Any] = {"task": task or "classification"}
    more["classes"] = classes or tuple(dataset_classes)
    more["version"] = named.version
    if named.timeout_s is not None:
        more["timeout_s"] = named.timeout_s
    if named.url:
        token = os.environ.get(TOKEN_VARIABLE)
        headers = {"Authorization": token} if token else {}
        return UrlPredictor(named.url, headers=headers, **more)
    assert named.command is not None
    return CommandPredictor(named.command, sends="path" if named.paths else "png", **more)


def _from_file(
    named: NamedModel,
    names: tuple[str, ...],
    dataset_classes: Sequence[str],
    labelled: Callable[[int], LabelledImages] | None,
) -> tuple[Predictor, tuple[str, ...], Guess | None]:
    path = named.model
    assert path is not None
    if path.suffix.lower() not in _EXTENSIONS:
        raise InputError(f"{path}: expected a model file, {' or '.join(_EXTENSIONS)}")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    place = named.card or card_path(path)
    if named.card is not None or place.is_file():
        card = ModelCard.load(place)
        if names:
            card = card.model_copy(update={"classes": names})
        return load_file(path, card, named.threads), (), None
    return _guessed(path, named, names, dataset_classes, labelled)


def load_file(path: Path, card: ModelCard, threads: int) -> ArrayPredictor:
    """Load a model file that is asked as its card says.

    Raises:
        InputError: it cannot be loaded.
        UsageError: the card does not fit it.
    """
    from variegate.models.predictors.litert import LiteRtPredictor
    from variegate.models.predictors.onnx import OnnxPredictor

    kind = OnnxPredictor if path.suffix.lower() == ".onnx" else LiteRtPredictor
    return kind(path, card, threads=threads)


def graph_of(path: Path) -> Graph:
    """Return what a model file says of itself.

    Raises:
        InputError: it cannot be loaded.
    """
    from variegate.models.predictors import litert, onnx

    return onnx.graph_of(path) if path.suffix.lower() == ".onnx" else litert.graph_of(path)


def _guessed(
    path: Path,
    named: NamedModel,
    names: tuple[str, ...],
    dataset_classes: Sequence[str],
    labelled: Callable[[int], LabelledImages] | None,
) -> tuple[Predictor, tuple[str, ...], Guess | None]:
    """Find out what a model without a card wants."""
    graph, known, notes = graph_of(path), named.known, list[str]()
    classes, renamed = distinct(names or graph.classes)
    notes += renamed
    count = graph.class_count
    if not classes and count is not None and count == len(dataset_classes):
        classes = tuple(dataset_classes)
        order = ", ".join(classes[:8]) + (", ..." if count > 8 else "")
        notes.append(
            f"the model's {count} classes are taken to be the dataset's, in this order: {order}; "
            "--model-classes says otherwise"
        )
    if classes and count is not None and count != len(classes):
        raise UsageError(
            f"{path.name}: the model answers {count:,} classes, {len(classes):,} names are given; "
            "give as many with --model-classes FILE"
        )
    found = [
        (name, card.model_copy(update={"classes": classes}))
        for name, card in candidates(graph, known)
    ]
    if not known.fit:
        notes.append(
            "the whole image is stretched to the size of the model's input; --fit says otherwise"
        )
    predictor = load_file(path, found[0][1], named.threads)
    settled = len(found) == 1 and (found[0][1].task != "classification" or known.output is not None)
    if settled:
        return predictor, (*notes, f"no card beside {path.name}: {found[0][0]}"), None
    if labelled is None or not dataset_classes:
        raise UsageError(
            f"{path.name}: there is no card beside it, and no labelled images to find out by; "
            "give --card, or --mean, --std, --scale, --channels and --output"
        )
    if not classes:
        raise UsageError(
            f"{path.name}: the model answers {count or 'some'} classes, the dataset has "
            f"{len(dataset_classes)}; name them with --model-classes FILE"
        )
    match = matched(classes, dataset_classes, named.map_class)
    numbers = {name: number for number, name in enumerate(match.classes[: match.known])}

    def ask(card: ModelCard, images: Sequence[Image]) -> Floats:
        return _in_classes(predictor.raw(card.input, images), match.numbers)

    for most in GUESS_IMAGES:
        tried = labelled(most)
        kept = [n for n, name in enumerate(tried.labels) if name in numbers]
        images, labels = [tried.images[n] for n in kept], [numbers[tried.labels[n]] for n in kept]
        guess = choose(found, ask, images, labels, classes=match.known)
        if guess.decided or len(tried.images) < most:
            break
    predictor.close()
    if not guess.decided:
        raise UsageError(f"{path.name}: {guess.refusal()}")
    card = guess.card if known.output is None else guess.card.changed_output(known.output)
    return load_file(path, card, named.threads), (*notes, f"{path.name}: {guess.note}"), guess


def _in_classes(values: Floats, numbers: Sequence[int]) -> Floats:
    """Return answers in a dataset's classes; of several that are one class, the greatest."""
    import numpy as np

    found = np.full((len(values), max(numbers) + 1), -np.inf, np.float32)
    for column, number in enumerate(numbers):
        found[:, number] = np.maximum(found[:, number], values[:, column])
    return found
