"""What a model without a card must be given: guessed from its graph, and checked on images.

The graph tells size, order of axes and element type. It does not tell the order of the channels,
the scale, and the mean: each plausible one is tried on labelled images, and an exact sign test of
the images on which the best and another differ decides (`intervals.mcnemar`, corrected for the
number of comparisons). Where it cannot decide, that is what is said.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image
from variegate.errors import UsageError
from variegate.models.card import ModelCard, ModelOutput, Task
from variegate.models.intervals import mcnemar, wilson
from variegate.models.preprocessing import Preprocessing

Floats = npt.NDArray[np.float32]

_CONFIDENCE = 0.95
# Two preprocessings that give the same class to so large a share of images are one for the user.
_SAME_ANSWERS = 0.99
_ENOUGH = 20
# After the first images, those that are surely worse are asked no more.
_SCREEN, _HOPELESS = 64, 1e-3


@dataclass(frozen=True, slots=True)
class Family:
    """How values from 0 to 255 become those of a model; three numbers are in R, G, B order."""

    name: str
    scale: float
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def in_order(self, values: tuple[float, ...], channels: str) -> tuple[float, ...]:
        """Return numbers of channels in their order."""
        return values[::-1] if channels == "bgr" else values


_UNIT, _BYTES = 1 / 255, 1.0
COLOR_FAMILIES = (
    Family("0 to 1", _UNIT),
    # torchvision's, of ImageNet's training images.
    Family("ImageNet's mean and deviation", _UNIT, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    Family("-1 to 1 (mean and deviation 0.5)", _UNIT, (0.5,) * 3, (0.5,) * 3),
    Family("0 to 255", _BYTES),
    # Caffe's mean of ImageNet, rounded as its model zoo has it.
    Family("0 to 255 less Caffe's mean", _BYTES, (123.0, 117.0, 104.0)),
)
GRAY_FAMILIES = (
    Family("0 to 1", _UNIT),
    Family("0 to 255", _BYTES),
    Family("-1 to 1 (mean and deviation 0.5)", _UNIT, (0.5,), (0.5,)),
    # MNIST's, as PyTorch's examples have it.
    Family("MNIST's mean and deviation", _UNIT, (0.1307,), (0.3081,)),
)


@dataclass(frozen=True, slots=True)
class Graph:
    """What a model file says of itself.

    Attributes:
        input: name of its first input.
        shape: of that, None for what it leaves open.
        dtype: of that: "float32", "float16" or "uint8".
        outputs: shapes of its outputs.
        classes: names that the file holds.
    """

    input: str
    shape: tuple[int | None, ...]
    dtype: str
    outputs: tuple[tuple[int | None, ...], ...]
    classes: tuple[str, ...] = ()

    @property
    def class_count(self) -> int | None:
        """How many classes a classifier answers, where the graph tells."""
        shapes = self.outputs
        plain = len(shapes) == 1 and len(shapes[0]) >= 2 and all(n == 1 for n in shapes[0][2:])
        return shapes[0][1] if plain else None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownScaling:
    """What the user says of a model; None and empty for what is to be guessed."""

    task: Task | None = None
    size: tuple[int, int] | None = None
    channels: str | None = None
    scale: float | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    output: str | None = None
    fit: str | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PreprocessingTrial:
    """A preprocessing that was tried.

    Attributes:
        card: with it.
        name: in words.
        right: images whose class was right.
        total: images.
        p: of the test against the best one, corrected; 1 for the best itself.
        agreement: share of images to which it gives the class that the best gives.
    """

    card: ModelCard
    name: str
    right: int
    total: int
    p: float
    agreement: float


@dataclass(frozen=True, slots=True)
class Guess:
    """What was found out.

    Attributes:
        trials: the best first.
        decided: whether the best is surely better than each that answers otherwise.
        chance: share of right answers that blind guessing would have.
    """

    trials: tuple[PreprocessingTrial, ...]
    decided: bool
    chance: float

    @property
    def card(self) -> ModelCard:
        """The best."""
        return self.trials[0].card

    @property
    def note(self) -> str:
        """What was chosen and why, in a sentence."""
        best = self.trials[0]
        told = f"preprocessing was guessed: {best.name}, right on {best.right:,} of {best.total:,}"
        rivals = [one for one in self.trials[1:] if one.agreement < _SAME_ANSWERS]
        if not self.decided or not rivals:
            return told
        next_best = rivals[0]
        of = f"{next_best.right:,} of {next_best.total:,}"
        return f"{told} (next: {next_best.name}, {of}; p = {next_best.p:.2g})"

    def refusal(self) -> str:
        """What to say where it is undecided."""
        best = self.trials[0]
        low, _ = wilson(best.right, best.total)
        if low <= self.chance:
            return (
                f"no guess of the preprocessing is better than chance: the best, {best.name}, is "
                f"right on {best.right:,} of {best.total:,} images; give a card with --card, or "
                "check --model-classes"
            )
        others = [
            one
            for one in self.trials[1:]
            if one.p > 1 - _CONFIDENCE and one.agreement < _SAME_ANSWERS
        ]
        listed = ", ".join(f"{one.right:,} with {one.name}" for one in (best, *others[:3]))
        return (
            f"undecided which preprocessing the model wants: of {best.total:,} images it gets "
            f"right {listed}; give --mean, --std, --scale and --channels, a card with --card, or "
            f"about {self._wanted(others):,} labelled images of classes that the model knows well"
        )

    def _wanted(self, others: Sequence[PreprocessingTrial]) -> int:
        """Return about how many images would tell the best from all others."""
        best, closest = self.trials[0], max(one.p for one in others)
        # p falls by about a power of ten for so many more images; more than this is a guess, too.
        lacking = np.log(0.05) / np.log(min(max(closest, 1e-9), 0.7))
        return int(best.total * min(10.0, max(2.0, lacking)))


def candidates(graph: Graph, known: KnownScaling) -> list[tuple[str, ModelCard]]:
    """Return the plausible cards of a model, each with a name.

    Raises:
        UsageError: what the graph does not tell is missing; it names the option.
    """
    task = known.task or _task(graph)
    order, channels, size = _input(graph, known)
    known = _by_channel(known, channels)
    if task != "classification" and known.output is None:
        raise UsageError(
            f"how the answers of this model are to be read is not known: outputs "
            f"{', '.join(map(_shape_text, graph.outputs))}; give --output or a card with --card"
        )
    found = []
    for way, family in itertools.product(_ways(channels, known), _families(channels, known, graph)):
        fields: dict[str, Any] = {
            "size": size,
            "channels": way,
            "order": order,
            "dtype": graph.dtype,
            "scale": family.scale,
            "mean": family.mean if known.mean else family.in_order(family.mean, way),
            "std": family.std if known.std else family.in_order(family.std, way),
            "fit": known.fit or "stretch",
            "name": graph.input,
        }
        card = ModelCard(
            task=task,
            input=Preprocessing(**fields),
            output=ModelOutput(kind=known.output or "logits"),
            classes=known.classes or graph.classes,
        )
        found.append((f"{way.upper() if way != 'gray' else 'gray'}, {family.name}", card))
    return found


def _by_channel(known: KnownScaling, channels: int) -> KnownScaling:
    """Return what is known with a number for each channel; one alone is that of all.

    Raises:
        UsageError: there are others than the model has channels, or they are not possible.
    """
    for flag, values in (("--mean", known.mean), ("--std", known.std)):
        if len(values) not in (0, 1, channels):
            expected = "one number" if channels == 1 else f"one number, or {channels}"
            raise UsageError(
                f"{flag}: expected {expected}, for a model of {channels} "
                f"{'channel' if channels == 1 else 'channels'}, got {len(values)}"
            )
        if not all(map(math.isfinite, values)):
            raise UsageError(f"{flag}: expected numbers, got {', '.join(map(str, values))}")
    if any(one <= 0 for one in known.std):
        raise UsageError(f"--std: expected more than 0, got {min(known.std):g}")
    if known.scale is not None and not 0 < known.scale < math.inf:
        raise UsageError(f"--scale: expected more than 0, got {known.scale:g}")
    mean, std = (
        values * channels if len(values) == 1 else values for values in (known.mean, known.std)
    )
    return replace(known, mean=mean, std=std)


def _task(graph: Graph) -> Task:
    """Return the task where the outputs tell it: one row of numbers for each image."""
    shapes = [tuple(one) for one in graph.outputs]
    if len(shapes) == 1 and len(shapes[0]) >= 2 and all(n == 1 for n in shapes[0][2:]):
        return "classification"
    raise UsageError(
        "what the model is for cannot be told from its outputs "
        f"{', '.join(map(_shape_text, graph.outputs))}; give --task and --output, or a card with "
        "--card"
    )


def _input(graph: Graph, known: KnownScaling) -> tuple[str, int, tuple[int, int]]:
    shape = graph.shape
    if len(shape) != 4:
        raise UsageError(f"expected a model that takes images, got input {_shape_text(shape)}")
    if shape[1] in (1, 3):
        order, channels, sides = "nchw", shape[1], shape[2:]
    elif shape[3] in (1, 3):
        order, channels, sides = "nhwc", shape[3], shape[1:3]
    else:
        raise UsageError(
            f"how many channels the model takes cannot be told from input {_shape_text(shape)}; "
            "give a card with --card"
        )
    height, width = sides
    if known.size is not None:
        return order, channels, known.size
    if height is None or width is None:
        raise UsageError("the model takes images of any size; give --input-size HEIGHT,WIDTH")
    return order, channels, (height, width)


def _ways(channels: int, known: KnownScaling) -> Sequence[str]:
    if channels == 1:
        return ("gray",)
    return (known.channels,) if known.channels else ("rgb", "bgr")


def _families(channels: int, known: KnownScaling, graph: Graph) -> Sequence[Family]:
    if graph.dtype == "uint8":
        return (Family("0 to 255", _BYTES),)
    if known.mean or known.std or known.scale is not None:
        # A mean above 1 is one of values up to 255.
        scale = known.scale
        if scale is None:
            scale = _BYTES if max((*known.mean, *known.std), default=0) > 1 else _UNIT
        return (Family("as given", scale, known.mean, known.std),)
    return GRAY_FAMILIES if channels == 1 else COLOR_FAMILIES


def _shape_text(shape: Sequence[int | None]) -> str:
    return "x".join("?" if one is None else str(one) for one in shape)


def choose(
    found: Sequence[tuple[str, ModelCard]],
    ask: Callable[[ModelCard, Sequence[Image]], Floats],
    images: Sequence[Image],
    labels: Sequence[int],
    *,
    classes: int,
) -> Guess:
    """Try cards on labelled images.

    What is compared is at which place among all classes an image's own class comes: first is
    right. Places tell more than right and wrong alone, and unlike confidences they are the same
    whether a scale makes a model louder or not.

    Args:
        found: of `candidates`.
        ask: returns the raw answers (N, C) of the model, in the numbers of the labels, under a
            card.
        images: clean ones.
        labels: their classes.
        classes: that a label may be of.

    Raises:
        UsageError: there are too few images to tell anything.
    """
    if len(images) < _ENOUGH:
        raise UsageError(
            f"expected at least {_ENOUGH} labelled images to guess the preprocessing, got "
            f"{len(images)}; give a card with --card, or --mean, --std, --scale and --channels"
        )
    wanted = np.asarray(labels)
    first = slice(0, _SCREEN)
    tried = [
        _Answers.of(name, card, ask(card, images[first]), wanted[first]) for name, card in found
    ]
    tried.sort(key=_Answers.merit)
    left = [one for one in tried if _p(tried[0], one, len(found)) > _HOPELESS]
    out = [one for one in tried if one not in left]
    if len(images) > _SCREEN:
        rest = slice(_SCREEN, None)
        left = [one.joined(ask(one.card, images[rest]), wanted[rest]) for one in left]
        left.sort(key=_Answers.merit)
    best = left[0]
    trials = tuple(_trial(best, one, len(found)) for one in (*left, *out))
    chance = 1 / max(1, classes)
    low, _ = wilson(trials[0].right, trials[0].total)
    rivals = [one for one in trials[1:] if one.agreement < _SAME_ANSWERS]
    decided = low > chance and all(one.p <= 1 - _CONFIDENCE for one in rivals)
    return Guess(trials, decided, chance)


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """What a model says under a card: the class of each image, and the place of its own."""

    name: str
    card: ModelCard
    said: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, name: str, card: ModelCard, values: Floats, wanted: npt.NDArray[np.int64]
    ) -> "_Answers":
        kind = "probabilities" if _are_probabilities(values) else "logits"
        own = values[np.arange(len(wanted)), wanted]
        places = (values > own[:, None]).sum(axis=1)
        return cls(name, card.changed_output(kind), values.argmax(axis=1), places)

    def joined(self, values: Floats, wanted: npt.NDArray[np.int64]) -> "_Answers":
        """Return these and those about further images."""
        more = _Answers.of(self.name, self.card, values, wanted)
        return _Answers(
            self.name,
            self.card,
            np.concatenate([self.said, more.said]),
            np.concatenate([self.places, more.places]),
        )

    def merit(self) -> float:
        """Return what is the least for the best: the mean of 1 by the place, less than 0."""
        return -float((1 / (1 + self.places)).mean())


def _p(best: _Answers, other: _Answers, count: int) -> float:
    """Return the corrected p of a sign test of the images that both were asked about."""
    common = min(len(best.places), len(other.places))
    one, two = best.places[:common], other.places[:common]
    return min(1.0, mcnemar(int((one < two).sum()), int((two < one).sum())) * max(1, count - 1))


def _trial(best: _Answers, one: _Answers, count: int) -> PreprocessingTrial:
    common = min(len(best.said), len(one.said))
    same = float((best.said[:common] == one.said[:common]).mean())
    p = 1.0 if one is best else _p(best, one, count)
    return PreprocessingTrial(
        one.card, one.name, int((one.places == 0).sum()), len(one.places), p, same
    )


def _are_probabilities(values: Floats) -> bool:
    return bool(values.min() >= -1e-3 and np.abs(values.sum(axis=1) - 1).max() < 0.02)
