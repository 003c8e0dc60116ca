"""A whole search: images as they are, every axis, and variants of several; a `Tolerance` comes out.

Everything is a function of the model's answers, the images and the seed, and answers are kept in a
log: run again after a kill, it makes the same decisions and asks only what was not yet answered.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from variegate.annotations.targets import Targets
from variegate.errors import UsageError
from variegate.models.intervals import wilson
from variegate.models.predictors.base import Classification, Prediction
from variegate.models.predictors.checks import Failure, distance
from variegate.models.truths import targets_of
from variegate.recipes.policies import Each, find_axis
from variegate.recipes.recipe import Recipe
from variegate.seeding import generator
from variegate.tolerance.answers import TAU, Ask, Cell
from variegate.tolerance.axes import axis_result, unchanged_axis
from variegate.tolerance.cells import AxisPlan, LevelPlan, changes_something
from variegate.tolerance.expectation import (
    MOVED,
    Expectation,
    expected_again,
    expected_targets,
    highest_class,
    packed,
    surest,
    tells_something,
)
from variegate.tolerance.outcome import SearchOutcome
from variegate.tolerance.question import Examiner
from variegate.tolerance.realism import DEFAULT_COMPOSITION, Composition, calibrate
from variegate.tolerance.result import (
    AxisTolerance,
    CleanResult,
    CompositeTolerance,
    Interval,
    Mode,
    Tolerance,
)
from variegate.tolerance.search import (
    CRITICAL,
    ONSET,
    SCREEN_LEVELS,
    SCREENED,
    SearchSettings,
    search,
)

# Images that are asked twice, to see whether the model answers the same.
_TWICE = 32
# Answers of an axis that are asked again where it does not.
_REPEATED = 32
# What another batch may change in a probability.
_ROUNDING = 1e-3
_STILL = 8
# Of masks that the model said, bytes.
_SAID_MEMORY = 1 << 27
# Calls of an axis: below it nothing can be said, and what it takes at `n_max` images.
_LEAST_CALLS, _CALLS_AN_IMAGE = 400, 5


@dataclass(frozen=True)
class SearchOptions:
    """What is searched, and what it may cost.

    Attributes:
        axes: names; None for those of the preset `tolerance`.
        quantiles, n_max, width, alpha: as in `SearchSettings`.
        tau: an error from here on is a failure; None: what the measure says.
        seed: of all that is random.
        budget: model calls in all; None for no limit.
        composition: of the variants whose realism is calibrated; None leaves that out.
    """

    axes: tuple[str, ...] | None = None
    quantiles: tuple[float, ...] = (ONSET, CRITICAL)
    n_max: int = 256
    width: float | None = None
    alpha: float = 0.05
    tau: float | None = None
    seed: int = 0
    budget: int | None = None
    composition: Composition | None = DEFAULT_COMPOSITION

    def chosen(self) -> tuple[str, ...]:
        """Return the names of the axes.

        Raises:
            UsageError: there is none of that name, or one needs other images.
        """
        for name in self.axes or ():
            try:
                transform, _ = find_axis(name)
            except ValueError as error:
                raise UsageError(f"axes: {error}") from error
            if transform.partners:
                raise UsageError(f"axes: {name} needs other images, and has no tolerance")
        return preset_axes() if self.axes is None else tuple(dict.fromkeys(self.axes))

    def settings(self) -> SearchSettings:
        """Return those of one axis."""
        return SearchSettings(
            quantiles=tuple(sorted(self.quantiles)),
            n_max=self.n_max,
            width=self.width,
            alpha=self.alpha,
            tau=TAU if self.tau is None else self.tau,
            seed=self.seed,
        )


@dataclass(frozen=True)
class SearchProgress:
    """How far a search is.

    Attributes:
        stage: an axis, "images as they are", or "realism".
        calls: images the model was asked about.
        expected: how many it will be, at most, as far as can be told.
    """

    stage: str
    calls: int
    expected: int


@dataclass(frozen=True)
class Subjects:
    """The images of a search.

    Attributes:
        keys: by which a report calls them.
        expected: of each; None where errors are against what the model says to it as it is.
        names: class of each, by which they are told apart; empty where there is not one.
        objects: whether they have objects, of which no border may show copies.
    """

    keys: Sequence[str]
    expected: Sequence[Expectation] | None
    names: Sequence[str]
    objects: bool = False


def preset_axes() -> tuple[str, ...]:
    """Return the axes of the preset `tolerance`."""
    policy = Recipe.load("tolerance").policy
    assert isinstance(policy, Each)
    return tuple(str(getattr(step, "axis")) for step in policy.steps)  # noqa: B009 - of Along


def search_tolerance(
    examiner: Examiner,
    subjects: Subjects,
    options: SearchOptions,
    *,
    dataset: str = "",
    on_progress: Callable[[SearchProgress], None] = lambda _: None,
) -> Tolerance:
    """Search the tolerance of a model.

    Args:
        examiner: asks it.
        subjects: about which images.
        options: what is searched.
        dataset: what the result calls the images.
        on_progress: told after every batch.

    Raises:
        UsageError: too few images are right as they are, or the budget is too small.
    """
    if options.tau is None:
        options = replace(options, tau=examiner.measure.tau)
    return _Run(examiner, subjects, options, dataset, on_progress).result()


@dataclass
class _Run:
    examiner: Examiner
    subjects: Subjects
    options: SearchOptions
    dataset: str
    on_progress: Callable[[SearchProgress], None]
    stage: str = ""
    expected_calls: int = 0
    spent: int = 0
    failed: int = 0
    last_failure: str = ""

    def result(self) -> Tolerance:
        axes, self.notes = self.options.chosen(), list[str]()
        self._announce(axes)
        clean, units = self._clean()
        self.units, self.unstable = units, clean.changed > 0
        self._forecast(len(axes), len(units))
        done = []
        for number, axis in enumerate(axes):
            self.stage = axis
            done.append(self._axis(axis, len(axes) - number))
        found = Tolerance(
            model=self.examiner.predictor.to_json(),
            dataset=self.dataset,
            mode=self._mode(),
            error=self.examiner.measure.name,
            tau=self.tau,
            seed=self.options.seed,
            quantiles=self.options.settings().quantiles,
            n_max=self.options.n_max,
            width=self.options.width,
            alpha=self.options.alpha,
            clean=clean,
            axes=tuple(done),
            calls=self.spent,
        )
        composite = self._composite(found)
        self._last_notes()
        last = {"composite": composite, "calls": self.spent, "notes": tuple(self.notes)}
        return found.model_copy(update=last)

    @property
    def tau(self) -> float:
        """An error from here on is a failure."""
        return self.options.settings().tau

    def _mode(self) -> Mode:
        labelled = self.subjects.expected is not None
        return "correctness preserved" if labelled else "prediction preserved"

    def _announce(self, axes: Sequence[str]) -> None:
        self.stage = "images as they are"
        self._forecast(len(axes), len(self.subjects.keys))
        self.examiner.on_call = lambda calls: self.on_progress(
            SearchProgress(self.stage, calls, max(calls, self.expected_calls))
        )
        budget = self.options.budget
        least = len(self.subjects.keys) + _TWICE + _LEAST_CALLS * len(axes)
        if budget is not None and budget < least:
            raise UsageError(
                f"budget: {len(axes)} axes of {len(self.subjects.keys):,} images need at least "
                f"{least:,} calls, got {budget:,}; choose fewer axes or images"
            )

    def _forecast(self, axes: int, units: int) -> None:
        searches = axes + (2 if self.options.composition else 0)
        each = SCREENED * len(SCREEN_LEVELS) + _CALLS_AN_IMAGE * min(units, self.options.n_max)
        whole = len(self.subjects.keys) + _TWICE + searches * each
        budget = self.options.budget
        self.expected_calls = whole if budget is None else min(whole, budget)

    # Images as they are

    def _clean(self) -> tuple[CleanResult, list[int]]:
        examiner = self.examiner
        every = range(len(self.subjects.keys))
        if self.subjects.expected is None:
            right, total = self._own_predictions()
        else:
            examiner.expected = dict(enumerate(self.subjects.expected))
            answers = self._ask(_AsItIs(), [(n, 0) for n in every])
            right = [n for n, one in zip(every, answers, strict=True) if one < self.tau]
            total = len(every)
        twice, changed = self._asked_twice(right)
        wrong = total - len(right)
        low, high = wilson(wrong, total)
        self._check_enough(len(right), total)
        clean = CleanResult(
            images=total,
            wrong=wrong,
            error=Interval(value=wrong / max(1, total), low=low, high=high),
            units=len(right),
            asked_twice=twice,
            changed=changed,
        )
        # In an order that depends on the images alone, not on how they are listed.
        right.sort(key=self.examiner.digest)
        order = generator(self.options.seed, "tolerance", "order").permutation(len(right))
        return clean, [right[place] for place in order]

    def _own_predictions(self) -> tuple[list[int], int]:
        """Expect what the model says of images as they are.

        Returns:
            Images of which it says something, and how many of them there are with those on which it
            failed.
        """
        examiner, predictor = self.examiner, self.examiner.predictor
        said, failed, highest = dict[int, Callable[[], Prediction]](), 0, -1
        names = list(self.subjects.names)
        every = range(len(names))
        self.spent += len(every)
        for number, found in examiner.predictions(every):
            if isinstance(found, Failure):
                self._count_failure(found.reason)
                failed += 1
            elif isinstance(found, Classification):
                names[number] = self._class_said(found)
                examiner.expected[number] = expected_again(found)
            elif tells_something(found, predictor.classes):
                said[number] = packed(surest(found))
                highest = max(highest, highest_class(found))
        self.subjects = replace(self.subjects, names=names)
        if said:
            classes = predictor.classes or tuple(map(str, range(highest + 1)))
            self._expect_moved(said, classes)
        right = sorted(examiner.expected)
        if left := len(every) - failed - len(right):
            self.notes.append(
                f"{left:,} images of which the model says nothing as they are were left out"
            )
        return right, failed + len(right)

    def _class_said(self, found: Classification) -> str:
        best, classes = int(np.argmax(found.probabilities)), self.examiner.predictor.classes
        return classes[best] if best < len(classes) else str(best)

    def _expect_moved(
        self, said: Mapping[int, Callable[[], Prediction]], classes: Sequence[str]
    ) -> None:
        """Let what the model said of each image move along with it."""
        plain, task = self.examiner.sources, self.examiner.predictor.task

        def told(number: int) -> Targets | None:
            return targets_of(said[number](), classes, plain[number].size, rule=MOVED)

        for number in said:
            if (targets := told(number)) is not None:
                self.examiner.expected[number] = expected_targets(task, classes, targets)
        self.examiner.sources = plain.with_targets(
            lambda number: told(number) if number in said else None, memory=_SAID_MEMORY
        )

    def _asked_twice(self, right: Sequence[int]) -> tuple[int, int]:
        """Ask again, in another order: an answer may depend on its neighbours in a batch, too."""
        chosen = list(right[:_TWICE])
        first = dict(self.examiner.predictions(chosen))
        second = dict(self.examiner.predictions(chosen[::-1]))
        self.spent += 2 * len(chosen)
        changed = sum(distance(first[number], second[number]) > _ROUNDING for number in chosen)
        if changed:
            self.notes.append(
                f"{changed} of {len(chosen)} images got another answer when asked again: the model "
                "is not deterministic, and intervals are wider by what changes at each threshold"
            )
        return len(chosen), changed

    def _check_enough(self, right: int, total: int) -> None:
        """Refuse too few images, and say what few will do.

        Raises:
            UsageError: there are not enough to search anything.
        """
        onset = min(self.options.quantiles)
        enough = math.ceil(math.log(self.options.alpha / 2) / math.log1p(-onset))
        share = max(right, 1) / max(total, 1)
        if right < SCREENED:
            raise UsageError(
                f"the model is right on {right} of {total} images as they are; at least {SCREENED} "
                f"are needed, and {enough} for an interval at {onset:.0%}: with this share about "
                f"{math.ceil(enough / share):,} images; "
                + (
                    self._failures()
                    if self.failed
                    else "check that model, labels and preprocessing belong together"
                )
            )
        if right < enough:
            self.notes.append(
                f"{right} images can be lost, and an interval at {onset:.0%} that is closed on "
                f"both sides takes {enough}: about {math.ceil(enough / share) - total:,} images "
                "more"
            )

    # Axes

    def _axis(self, axis: str, left: int) -> AxisTolerance:
        plan = AxisPlan(axis, self.options.seed, self.subjects.objects)
        some = [(self.examiner.digest(n), self.examiner.sources[n]) for n in self.units[:_STILL]]
        if not changes_something(plan, some):
            self.notes.append(f"{axis}: changes nothing on these images; not asked")
            return unchanged_axis(axis)
        settings = replace(self.options.settings(), calls=self._share(left))
        ask = self._oracle(plan)
        found = search(ask, len(self.units), settings)
        instability = self._instability(plan, found) if self.unstable else 0.0
        if instability:
            # What was asked is known: only what wider intervals need is asked in addition.
            found = search(ask, len(self.units), replace(settings, instability=instability))
        names = [self.subjects.names[number] for number in self.units]
        return axis_result(
            axis,
            found,
            settings,
            names=names,
            witness=lambda cell: self._witness(plan, cell),
            available=len(self.units),
            instability=instability,
        )

    def _share(self, left: int) -> int | None:
        """Return how many calls the next axis may make."""
        if self.options.budget is None:
            return None
        searches = left + (2 if self.options.composition else 0)
        floor = SCREENED * len(SCREEN_LEVELS)
        return max(floor, (self.options.budget - self.spent) // searches)

    def _oracle(self, plan: LevelPlan) -> Ask:
        known: dict[Cell, float] = {}

        def ask(cells: Sequence[Cell]) -> list[float]:
            new = [cell for cell in cells if cell not in known]
            errors = self._ask(plan, [(self.units[image], level) for image, level in new])
            known.update(zip(new, errors, strict=True))
            return [known[cell] for cell in cells]

        return ask

    def _ask(self, plan: LevelPlan, cells: Sequence[Cell], attempt: int = 0) -> list[float]:
        # Counted by questions, not by what the log did not know: a search that was killed must
        # make the same decisions when it is continued.
        self.spent += len(cells)
        answers = self.examiner.ask(plan, cells, attempt=attempt)
        for one in answers:
            if math.isnan(one.error):
                self._count_failure(one.says)
        return [one.error for one in answers]

    def _count_failure(self, reason: str) -> None:
        # Also of answers in the log: a search that is continued says the same.
        self.failed, self.last_failure = self.failed + 1, reason.removeprefix("no answer: ")

    def _instability(self, plan: LevelPlan, found: SearchOutcome) -> float:
        """Return an upper bound of the share of answers about a threshold that change."""
        near = [int(one.level) for one in found.thresholds if one.level is not None]
        asked = [(level, count) for level, count, _ in found.points if count]
        if not near or not asked:
            return 0.0
        levels = {min(asked, key=lambda one: (abs(one[0] - level), -one[1]))[0] for level in near}
        images = range(min(found.n, _REPEATED // len(levels)))
        cells = [(self.units[image], level) for level in sorted(levels) for image in images]
        first, second = (self._ask(plan, cells, attempt) for attempt in (0, 1))
        tau = self.tau
        flips = sum((a < tau) != (b < tau) for a, b in zip(first, second, strict=True))
        return wilson(flips, len(cells))[1] if flips else 0.0

    def _witness(self, plan: LevelPlan, cell: Cell) -> tuple[str, str, str]:
        """Return key, expected and what the model said of a cell."""
        examiner, number = self.examiner, self.units[cell[0]]
        (answer,) = examiner.ask(plan, [(number, cell[1])])
        expected = self.subjects.names[number]
        if not expected or examiner.predictor.task != "classification":
            expected = examiner.says(examiner.expected[number].value(examiner.sources[number]))
        return self.subjects.keys[number], expected, answer.says

    # Variants of several transforms

    def _composite(self, found: Tolerance) -> CompositeTolerance | None:
        self.stage = "realism"
        strains = found.strains()
        if self.options.composition is None or not strains:
            return None
        settings = self.options.settings()
        if self.options.budget is not None:
            settings = replace(settings, calls=max(0, self.options.budget - self.spent))
        return calibrate(
            self._oracle,
            len(self.units),
            strains,
            composition=self.options.composition,
            settings=settings,
            objects=self.subjects.objects,
        )

    def _last_notes(self) -> None:
        if self.failed:
            self.notes.append(self._failures())

    def _failures(self) -> str:
        return (
            f"the model failed on {self.failed:,} images, which count as errors; the last time: "
            f"{self.last_failure}"
        )


@dataclass(frozen=True)
class _AsItIs(LevelPlan):
    """Nothing is done."""

    identity: str = "as it is"

    def operations(self, key: str, size: tuple[int, int], level: int) -> tuple[()]:
        del key, size, level
        return ()
