"""How a classifier is trained: all that decides its weights, and what does not."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from variegate.codecs import Limits
from variegate.errors import UsageError, VariegateError
from variegate.formats import NO_HINTS, Hints
from variegate.models.preprocessing import Fit
from variegate.validation import Spec, sentence

SMALL = "small"
DEFAULT_BACKBONE = "mobilenet_v2"
DEFAULT_RECIPE = "classifier"
DEFAULT_SIZE = 224
#: Of `small`: the workshop's images.
SMALL_SIZE = 96
#: By optimizer, where none is given.
RATES = {"sgd": 0.01, "adamw": 0.001}

Schedule = Literal["head-first", "all", "head"]


class TrainingError(VariegateError):
    """A training that cannot go on; what was reached is kept."""


class Hyperparameters(Spec):
    """All that decides the weights, besides images and recipe. Defaults of None are chosen."""

    backbone: str = DEFAULT_BACKBONE
    """`small`, or a classifier of torchvision by its name there."""
    weights: str = "hub"
    """Where training begins: "hub" (torchvision's), "none", or a file."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 20
    """How often every image is seen."""
    head_epochs: Annotated[int, Field(ge=0)] | None = None
    """Of these, how many train the head alone. Default: a quarter."""
    batch: Annotated[int, Field(ge=1, le=65_536)] = 32
    """Images in a step."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """How weights follow the gradient."""
    rate: Annotated[float, Field(gt=0, le=100)] | None = None
    """Learning rate of the head. Default: 0.01 of sgd, 0.001 of adamw."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Of sgd."""
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.0001
    """How fast weights shrink."""
    schedule: Schedule | None = None
    """"head-first" trains the head, then all layers at a tenth of the rate; "all", "head"."""
    decay: Literal["cosine", "none"] = "cosine"
    """How the rate falls within a phase."""
    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Side of the model's input, pixels. Default: 224, of `small` 96."""
    fit: Fit = "stretch"
    """How an image of another ratio becomes square, where it is not augmented."""
    gray: bool = False
    """One channel instead of three."""
    normalize: Literal["set", "imagenet"] = "set"
    """Whose mean and deviation."""
    class_weights: bool = False
    """Weigh errors by how rare the class is."""
    weighted_sampling: bool = False
    """Draw images of rare classes more often."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of a label that goes to all classes."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Stop when validation has not improved for this many epochs."""
    precision: Literal["full", "mixed"] = "full"
    """"mixed" computes in 16 bits where that is safe, on a GPU."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Random seed."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.class_weights and self.weighted_sampling:
            raise ValueError(
                "class_weights and weighted_sampling: expected one of them, got both; together "
                "they would favor rare classes twice"
            )
        if self.gray and self.normalize == "imagenet":
            raise ValueError("normalize: ImageNet's figures are of colors; with gray expected set")
        if self.head_epochs is not None and self.head_epochs > self.epochs:
            raise ValueError(f"head_epochs: expected at most {self.epochs}, the epochs")
        if self.backbone == SMALL and self.weights not in ("hub", "none"):
            raise ValueError("weights: there are none for small; leave it out")
        return self

    @classmethod
    def of(cls, **given: Any) -> Self:
        """Return them, those of None left to their defaults.

        Raises:
            UsageError: one is out of range.
        """
        try:
            return cls.model_validate({n: v for n, v in given.items() if v is not None})
        except ValidationError as error:
            # Options are written with hyphens.
            name, colon, rest = sentence(error, cls).partition(":")
            flags = " and ".join(f"--{one.replace('_', '-')}" for one in name.split(" and "))
            raise UsageError(f"{flags}{colon}{rest}") from error

    @property
    def side(self) -> int:
        """Of the model's input, pixels."""
        return self.size or (SMALL_SIZE if self.backbone == SMALL else DEFAULT_SIZE)

    @property
    def starts_from(self) -> str:
        """Where training begins: `weights`, but "none" of what has none."""
        return "none" if self.backbone == SMALL else self.weights

    @property
    def plan(self) -> Schedule:
        """The schedule: without weights there is nothing that a head could be put on."""
        return self.schedule or ("all" if self.starts_from == "none" else "head-first")

    @property
    def first_rate(self) -> float:
        """The learning rate of the head."""
        return self.rate or RATES[self.optimizer]

    def phases(self) -> list["Phase"]:
        """Return what is trained, in which epochs, at which rate."""
        if self.plan != "head-first":
            return [Phase(self.plan == "head", 0, self.epochs, self.first_rate)]
        head = max(1, self.epochs // 4) if self.head_epochs is None else self.head_epochs
        head = min(head, self.epochs)
        both = [
            Phase(True, 0, head, self.first_rate),
            Phase(False, head, self.epochs, self.first_rate / 10),
        ]
        return [one for one in both if one.end > one.begin]

    @property
    def digest(self) -> str:
        """Hexadecimal digest of all of them."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Phase:
    """Some epochs of one kind.

    Attributes:
        head_only: whether all other layers stay as they are.
        begin, end: epochs, the last not included.
        rate: at which it begins.
    """

    head_only: bool
    begin: int
    end: int
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """How it is carried out; nothing here changes the weights.

    Attributes:
        format, label_pattern, hints, limits: of the dataset.
        group: what belongs together besides, for the check against leaks.
        splits: a split.csv, instead of the dataset's own splits.
        fold: of folds there, the one for validation.
        device: "cpu", "cuda", "mps", or such as "cuda:1".
        workers: processes that load images; 0 for none but this one, None for one a processor.
        checkpoint_s: seconds between checkpoints within an epoch; one is written after each.
        export: write a model in an ONNX file.
        int8: write a quantized one, too.
        tensorboard: write event files.
        restart: forget what is in the output.
    """

    format: str | None = None
    label_pattern: str | None = None
    hints: Hints = NO_HINTS
    limits: Limits = field(default_factory=Limits)
    group: Sequence[str] = ()
    splits: str | Path | None = None
    fold: int | None = None
    device: str = "cpu"
    workers: int | None = None
    checkpoint_s: float = 600.0
    export: bool = True
    int8: bool = False
    tensorboard: bool = True
    restart: bool = False
