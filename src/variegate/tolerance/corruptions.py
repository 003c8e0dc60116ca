"""Errors under the common corruptions: 15 at five severities, and 4 kept apart for validation.

The mean corruption error is the mean over the 15 of the mean over severities, of all images. The
paper divides each by the error of AlexNet on ImageNet, which says nothing of other images: here
nothing is divided; `relative` is less the error on images as they are.

Source: Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations, ICLR 2019.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from variegate.annotations.sample import Size
from variegate.errors import OutputError, UsageError
from variegate.models.intervals import wilson
from variegate.models.predictors import NamedModel
from variegate.models.predictors.base import Predictor
from variegate.ops import Operation
from variegate.recipes.plan import draw_variants
from variegate.recipes.policies import Each
from variegate.recipes.recipe import Recipe
from variegate.seeding import generator
from variegate.tolerance.answers import TAU, Cell
from variegate.tolerance.cells import LevelPlan
from variegate.tolerance.dataset import ImageChoice, questions
from variegate.tolerance.log import digest
from variegate.tolerance.question import Examiner
from variegate.tolerance.result import Interval
from variegate.tolerance.run import SearchProgress, Subjects
from variegate.validation import Spec

SEVERITIES = 5
#: Images that are asked; each of them 96 times.
MOST_IMAGES = 256
_SOME = ImageChoice(limit=MOST_IMAGES)

# Noise and blur as in imagecorruptions 1.1.2. Spatter has its PSNR; saturation its factors where
# colors get weaker, and its PSNR where they get stronger, which it does in HSV.
_VALIDATION = """
variants:
  each:
    - speckle: {sigma: 0.15}
    - speckle: {sigma: 0.2}
    - speckle: {sigma: 0.35}
    - speckle: {sigma: 0.45}
    - speckle: {sigma: 0.6}
    - gaussian_blur: {sigma: 0.0045}
    - gaussian_blur: {sigma: 0.0089}
    - gaussian_blur: {sigma: 0.0134}
    - gaussian_blur: {sigma: 0.0179}
    - gaussian_blur: {sigma: 0.0268}
    - spatter: {strength: 0.07, kind: water}
    - spatter: {strength: 0.5, kind: water}
    - spatter: {strength: 1.0, kind: water}
    - spatter: {strength: 0.24, kind: mud}
    - spatter: {strength: 0.42, kind: mud}
    - saturation: {factor: 0.3}
    - saturation: {factor: 0.1}
    - saturation: {factor: 2.3}
    - saturation: {factor: 4.3}
    - saturation: {factor: 5.5}
"""


class SeverityError(Spec):
    """The error at one severity."""

    severity: int
    wrong: int
    error: Interval


class CorruptionError(Spec):
    """Errors under one corruption."""

    corruption: str
    validation: bool
    """Whether it is one of the four that are kept apart."""
    unchanged: bool
    """Whether it changes nothing on these images, as color does nothing to gray ones."""
    severities: tuple[SeverityError, ...]
    mean: float
    relative: float
    """Mean, less the error on images as they are."""


class CorruptionErrors(Spec):
    """How often a model is wrong under common corruptions."""

    version: Literal[1] = 1
    model: dict[str, Any]
    dataset: str
    error: str
    tau: float
    seed: int
    images: int
    clean: Interval
    """Error on images as they are."""
    corruptions: tuple[CorruptionError, ...]
    mean_corruption_error: Interval
    """Of the 15."""
    validation_error: Interval
    """Of the 4."""
    calls: int
    notes: tuple[str, ...] = ()

    def save(self, path: str | Path) -> None:
        """Write it as JSON.

        Raises:
            OutputError: it cannot be written.
        """
        text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)
        try:
            Path(path).write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


@dataclass(frozen=True)
class CorruptionPlan(LevelPlan):
    """One corruption; levels are its severities, 1 to 5.

    Attributes:
        name: of its transform.
        steps: a policy for each severity.
        validation: whether it is one of the four.
        seed: of what it leaves to chance, which is the same at every severity.
    """

    name: str
    steps: tuple[Each, ...]
    validation: bool = False
    seed: int = 0

    @cached_property
    def identity(self) -> str:  # type: ignore[override]
        texts = [step.model_dump_json() for policy in self.steps for step in policy.steps]
        return digest("corruption", self.name, *texts, self.seed)

    def operations(self, key: str, size: Size, level: int) -> tuple[Operation, ...]:
        named = f"tolerance/corruption/{self.name}/{key}"
        (variant,) = draw_variants(
            self.steps[level - 1], seed=self.seed, key=named, size=size, fused=False
        )
        return variant.operations


def corruption_plans(seed: int = 0) -> list[CorruptionPlan]:
    """Return the 15 corruptions in the order of the paper, then the 4 for validation."""
    recipes = (Recipe.load("corruptions"), Recipe.parse(_VALIDATION, where="validation"))
    made = []
    for recipe, validation in zip(recipes, (False, True), strict=True):
        policy = recipe.policy
        assert isinstance(policy, Each)
        for start in range(0, len(policy.steps), SEVERITIES):
            steps = policy.steps[start : start + SEVERITIES]
            each = tuple(Each(steps=(step,)) for step in steps)
            name = str(getattr(steps[0], "name"))  # noqa: B009 - of a transform
            made.append(CorruptionPlan(name, each, validation, seed))
    return made


def corruption_errors(
    source: str | Path,
    model: Predictor | NamedModel | None,
    *,
    choice: ImageChoice = _SOME,
    seed: int = 0,
    tau: float = TAU,
    error: str | Callable[[Any, Any], float] | None = None,
    log: Path | None = None,
    on_progress: Callable[[SearchProgress], None] = lambda _: None,
) -> CorruptionErrors:
    """ErrorMeasure how often a model is wrong under common corruptions.

    Args:
        source: a folder, zip or tar file, or bucket.
        model: which.
        choice: which images; they need labels.
        seed: of the choice and of the corruptions.
        tau: an error from here on is wrong.
        error: how answers are measured; whether the class is right where none is given.
        log: file of answers, so that what was killed continues.
        on_progress: told after every batch.

    Raises:
        InputError: there are no images that can be used.
        UsageError: labels and the model's classes do not fit together.
    """
    if choice.metamorphic or model is None:
        raise UsageError("the errors under corruptions need labels; leave --metamorphic out")
    opened = questions(source, model, choice=choice, seed=seed, error=error, log=log)
    with opened as (examiner, subjects, notes):
        found = _measured(examiner, subjects, seed, tau, on_progress)
    return found.model_copy(update={"dataset": str(source), "notes": (*notes, *found.notes)})


def _measured(
    examiner: Examiner,
    subjects: Subjects,
    seed: int,
    tau: float,
    on_progress: Callable[[SearchProgress], None],
) -> CorruptionErrors:
    plans, total = corruption_plans(seed), len(subjects.keys)
    examiner.expected = dict(enumerate(subjects.expected or ()))
    failures = list[str]()
    expected = total * (1 + SEVERITIES * len(plans))
    stage = "images as they are"
    examiner.on_call = lambda calls: on_progress(SearchProgress(stage, calls, expected))
    clean = _wrong(examiner, plans[0], range(total), 0, tau, failures)
    means, found, notes = [], [], list[str]()
    for plan in plans:
        stage = plan.name
        unchanged = _changes_nothing(examiner, plan, total)
        levels = range(1, SEVERITIES + 1)
        rows = [
            clean if unchanged else _wrong(examiner, plan, range(total), level, tau, failures)
            for level in levels
        ]
        if unchanged:
            notes.append(f"{plan.name}: changes nothing on these images; not asked")
        means.append(np.mean(rows, axis=0))
        found.append(_corruption(plan, rows, clean, unchanged=unchanged))
    if failures:
        notes.append(
            f"the model failed on {len(failures):,} images, which count as errors; the last time: "
            f"{failures[-1].removeprefix('no answer: ')}"
        )
    own = [one for one, plan in zip(means, plans, strict=True) if not plan.validation]
    apart = [one for one, plan in zip(means, plans, strict=True) if plan.validation]
    return CorruptionErrors(
        model=examiner.predictor.to_json(),
        dataset="",
        error=examiner.measure.name,
        tau=tau,
        seed=seed,
        images=total,
        clean=_share(clean),
        corruptions=tuple(found),
        mean_corruption_error=_mean(own),
        validation_error=_mean(apart),
        calls=total * (1 + SEVERITIES * sum(not one.unchanged for one in found)),
        notes=tuple(notes),
    )


def _wrong(
    examiner: Examiner,
    plan: LevelPlan,
    images: Sequence[int],
    level: int,
    tau: float,
    failures: list[str],
) -> np.ndarray:
    """Return which images are lost; what is said of answers that cannot be used is added."""
    cells: list[Cell] = [(image, level) for image in images]
    answers = examiner.ask(plan, cells)
    failures += [one.says for one in answers if math.isnan(one.error)]
    # Written so that NaN is an error.
    return np.array([not one.error < tau for one in answers])


def _changes_nothing(examiner: Examiner, plan: CorruptionPlan, total: int) -> bool:
    """Whether the strongest severity changes none of some images."""
    rng = generator(plan.seed, "tolerance", "corruptions")
    for number in rng.permutation(total)[:8]:
        sample = examiner.sources[int(number)]
        made = plan.apply(examiner.digest(int(number)), sample, SEVERITIES)
        if made.image.shape != sample.image.shape or (made.image != sample.image).any():
            return False
    return True


def _corruption(
    plan: CorruptionPlan, rows: Sequence[np.ndarray], clean: np.ndarray, *, unchanged: bool
) -> CorruptionError:
    mean = float(np.mean(rows))
    return CorruptionError(
        corruption=plan.name,
        validation=plan.validation,
        unchanged=unchanged,
        severities=tuple(
            SeverityError(severity=number, wrong=int(row.sum()), error=_share(row))
            for number, row in enumerate(rows, 1)
        ),
        mean=mean,
        relative=mean - float(clean.mean()),
    )


def _share(wrong: np.ndarray) -> Interval:
    low, high = wilson(int(wrong.sum()), len(wrong))
    share = float(wrong.mean())
    return Interval(value=share, low=min(low, share), high=max(high, share))


def _mean(errors: Sequence[np.ndarray]) -> Interval:
    """Return the mean with the interval that images drawn anew would give it."""
    of_images = np.mean(errors, axis=0)
    middle = float(of_images.mean())
    spread = float(of_images.std(ddof=1)) if len(of_images) > 1 else 1.0
    half = NormalDist().inv_cdf(0.975) * spread / math.sqrt(len(of_images))
    return Interval(value=middle, low=max(0.0, middle - half), high=min(1.0, middle + half))
