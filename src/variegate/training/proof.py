"""What a proof is made of: its design, its arms, and what came out."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from variegate.datasets.inspection.figures import Faults
from variegate.models.metrics import CalibrationBin
from variegate.recipes.recipe import Recipe
from variegate.training.comparison import Verdict
from variegate.training.options import DEFAULT_BACKBONE, DEFAULT_SIZE, SMALL, SMALL_SIZE

BASELINE = "none"
#: The honest competitor, unless it is among the arms.
TRIVIAL = "trivial"
#: Steps of a training, of whatever arm.
SMALL_STEPS, PRETRAINED_STEPS = 200, 200
#: Of frozen features, where none is given.
QUICK_SIZE = 96

# What is searched: learning rates as factors of the usual one, with weight decays.
_RATE, _DECAY = 0.001, 0.01
_SEARCHED = ((1.0, _DECAY), (0.3, _DECAY), (3.0, _DECAY), (1.0, 0.0001), (1.0, 0.1))
_HEAD_DECAYS = (0.01, 0.0001, 0.001, 0.1)

#: Of a setting: the learning rate, which a logistic head has none of, and the decay.
Setting = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A way to augment.

    Attributes:
        recipe: None for none.
        written: its variants are drawn once, as `variegate.augment` writes them, instead of anew
            in each epoch.
    """

    recipe: Recipe | None
    written: bool = False

    @property
    def digest(self) -> str:
        """What tells it from others."""
        told = "" if self.recipe is None else self.recipe.digest
        return f"{told} written" if self.written else told


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofDesign:
    """How it is found out.

    Attributes:
        quick: frozen features and a logistic head instead of whole trainings.
        folds, seeds: each pair of them is a run of every arm.
        steps: of each training; None for as many as the model needs, and at least three epochs.
        batch: images in a step.
        draws: of `quick`: variants of each image beside itself.
        model: "small", a classifier of torchvision, or, of `quick`, an ONNX file with its card.
        weights: where training begins; what makes features.
        size: side of the input, pixels; None for the model's.
        gray: one channel.
        tune: search learning rate and decay, the same few settings for every arm, on the first
            fold's validation part.
        corruptions: ask every model about corrupted images, too; `quick` does not.
        audit: folder of `variegate audit`, whose groups stay together.
        seed: of folds and runs.
    """

    quick: bool = False
    folds: int = 5
    seeds: int = 2
    steps: int | None = None
    batch: int = 16
    draws: int = 4
    model: str = DEFAULT_BACKBONE
    weights: str = "hub"
    size: int | None = None
    gray: bool = False
    tune: bool = True
    corruptions: bool = True
    audit: str | Path | None = None
    seed: int = 0

    @property
    def side(self) -> int:
        """Of the model's input, pixels."""
        if self.size is not None:
            return self.size
        if self.model == SMALL:
            return SMALL_SIZE
        return QUICK_SIZE if self.quick else DEFAULT_SIZE

    @property
    def wanted_steps(self) -> int:
        """Of a training."""
        return self.steps or (SMALL_STEPS if self.model == SMALL else PRETRAINED_STEPS)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """What is searched; the first is taken where nothing is."""
        if self.quick:
            return tuple((0.0, decay) for decay in _HEAD_DECAYS)
        return tuple((_RATE * factor, decay) for factor, decay in _SEARCHED)


@dataclass(slots=True, kw_only=True)
class ArmFigures:
    """How an arm did, over all folds and seeds.

    Attributes:
        name: of it.
        accuracy: share of the answers that is right.
        setting: learning rate and decay that its search chose.
        searched: accuracy of each setting there.
        log_loss: mean cross entropy, which also asks how sure answers are.
        calibration_error: expected; mean distance of confidence and accuracy.
        bins: of confidence.
        confusion: [label][answer], answers of all runs.
        corrupted: accuracy on corrupted images; None where they were not asked.
        corruptions: it by corruption.
        losses: mean training loss by epoch.
    """

    name: str
    accuracy: float
    setting: Setting
    searched: list[tuple[Setting, float]] = field(default_factory=list)
    log_loss: float
    calibration_error: float
    bins: tuple[CalibrationBin, ...]
    confusion: tuple[tuple[int, ...], ...]
    corrupted: float | None = None
    corruptions: dict[str, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Proof:
    """What came out.

    Attributes:
        place: of the dataset.
        images, groups: in the folds.
        classes: names.
        design: how.
        expected: the difference that it was expected to find four times in five.
        expected_s: seconds that it was expected to take.
        runs: how many there are in all, those of the search included.
        arms: figures of each, the one without augmentation first.
        verdicts: on accuracy, one for each arm but the first.
        robustness: the same, on corrupted images.
        pairs: differences of each pair of runs, by arm.
        left_out: images that cannot be used.
        notes: what should be known.
        elapsed_s: of this command.
        resumed: runs that were there.
    """

    place: str
    images: int = 0
    groups: int = 0
    classes: tuple[str, ...] = ()
    design: ProofDesign
    expected: float = 0.0
    expected_s: float = 0.0
    runs: int = 0
    arms: list[ArmFigures] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    robustness: list[Verdict] = field(default_factory=list)
    pairs: dict[str, list[float]] = field(default_factory=dict)
    left_out: Faults = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0
    resumed: int = 0

    @property
    def evidence(self) -> str:
        """How much it is worth, in words."""
        tuned = "" if self.design.tune else "; untuned: any augmentation looks good beside that"
        if self.design.quick:
            kind = "frozen features and a logistic head: weaker evidence than whole trainings"
        else:
            kind = f"whole trainings of {self.design.model}"
        return f"{kind}{tuned}"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        data = asdict(self)
        return data | {"design": {**data["design"], "audit": str(self.design.audit or "")}}
