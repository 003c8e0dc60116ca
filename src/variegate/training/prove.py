"""Does a recipe help? Every arm in every fold with every seed, and what that says.

No image is ever on two sides: folds divide originals by their groups, variants are made of the
originals of a run's own training folds, and every arm is asked about the same originals.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from variegate.errors import UsageError
from variegate.formats.hints import Hints
from variegate.models.metrics import Calibration, Confusion
from variegate.recipes.recipe import Recipe
from variegate.training.checkpoint import write_whole
from variegate.training.comparison import (
    RightAnswers,
    Verdict,
    check_pairs,
    compare,
    expected_detectable,
)
from variegate.training.corrupted_images import corrupted_places
from variegate.training.frozen_runs import FrozenRuns
from variegate.training.options import TrainingRun
from variegate.training.output_folder import output_folder
from variegate.training.proof import (
    BASELINE,
    TRIVIAL,
    Arm,
    ArmFigures,
    Proof,
    ProofDesign,
    Setting,
)
from variegate.training.proof_images import ProofImages, proof_images
from variegate.training.proof_log import ProofRun, RunLog, RunOutcome, digest
from variegate.training.trained_runs import TrainedRuns, TrainingBench

#: In the output's folder.
RUNS, PROOF = "runs.jsonl", "proof.json"
_BINS = 10
_LEAST_FOLDS = 3


class ProofRuns(Protocol):
    """Makes runs."""

    def outcomes(self, runs: Sequence[ProofRun]) -> Iterator[tuple[ProofRun, RunOutcome]]:
        """Yield each run with what came out, in whatever order."""

    def estimate(self, runs: Sequence[ProofRun]) -> float:
        """Return about how many seconds they take."""


def prove(
    source: str | Path,
    output: str | Path,
    recipes: Mapping[str, Recipe | Arm],
    *,
    design: ProofDesign | None = None,
    run: TrainingRun | None = None,
    on_design: Callable[[Proof], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Proof:
    """Compare training with recipes to training without.

    Args:
        source: a dataset of images with one class each.
        output: folder for folds, runs and proof; runs that are there are not made again.
        recipes: arms by name; TrivialAugment is added.
        design: how.
        run: how the dataset is read, and on how many processes runs are made.
        on_design: told what the design can find and how long it takes, before it is run.
        on_progress: told how many runs of how many are done.

    Raises:
        UsageError: the design can show nothing, or the dataset cannot be used.
    """
    began = time.monotonic()
    design, run = design or ProofDesign(), run or TrainingRun()
    if design.folds < _LEAST_FOLDS:
        raise UsageError(
            f"--folds {design.folds}: expected at least {_LEAST_FOLDS}, as the search holds two out"
        )
    arms = _arms(recipes, design)
    check_pairs(design.folds * design.seeds, len(arms) - 1)
    run = replace(run, hints=_hints(run.hints, recipes))
    folder = output_folder(output)
    proof = Proof(place=str(source), design=design)
    images = proof_images(source, folder, design, run, proof)
    proof.images, proof.classes = len(images.sources), images.classes
    sizes = images.group_sizes()
    proof.groups = len(sizes)
    proof.expected = expected_detectable(
        sizes, folds=design.folds, seeds=design.seeds, arms=len(arms) - 1
    )
    limits = run.hints.decoding(run.limits)
    runs: ProofRuns
    if design.quick:
        runs = FrozenRuns(images, arms, design, limits, workers=run.workers)
    else:
        bench = TrainingBench(images, arms, design, limits, run.device)
        runs = TrainedRuns(bench, workers=run.workers)
    contest = _Contest(images, arms, design, runs, RunLog(folder / RUNS), proof)
    contest.begin()
    if on_design:
        on_design(proof)
    contest.finish(on_progress)
    proof.elapsed_s = time.monotonic() - began
    text = json.dumps(proof.to_json(), indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / PROOF, text.encode("utf-8", "surrogateescape"))
    return proof


def _arms(recipes: Mapping[str, Recipe | Arm], design: ProofDesign) -> dict[str, Arm]:
    """Return all arms by name, the baseline first.

    Raises:
        UsageError: one cannot be an arm.
    """
    arms = {BASELINE: Arm(recipe=None)}
    for name, one in recipes.items():
        arms[name] = one if isinstance(one, Arm) else Arm(recipe=one)
        if name == BASELINE or arms[name].recipe is None:
            raise UsageError(f"--recipe {BASELINE}: it is always an arm; name a recipe")
    trivial = Arm(recipe=Recipe.load(TRIVIAL))
    if not any(one.digest == trivial.digest for one in arms.values()):
        arms[TRIVIAL] = trivial
    for name, one in arms.items():
        recipe = one.recipe
        if recipe is not None and recipe.mixes and design.quick:
            raise UsageError(
                f"--recipe {name}: it makes images of several, which have no single label; "
                "name a recipe without mixup, cutmix and mosaic, or leave out --quick"
            )
        if recipe is not None and (recipe.classes is not None or recipe.variants_by_class):
            raise UsageError(
                f"--recipe {name}: it has other variants for some classes (classes, "
                "variants_by_class), and every arm must see every image equally often; name a "
                "recipe without them"
            )
    return arms


def _hints(said: Hints, recipes: Mapping[str, Recipe | Arm]) -> Hints:
    """Return what is said of the dataset, and what the recipes say: all arms read it alike.

    Raises:
        UsageError: two recipes read it in two ways.
    """
    made = {name: one.recipe if isinstance(one, Arm) else one for name, one in recipes.items()}
    read = {name: said.over(one.hints) for name, one in made.items() if one is not None}
    (first, hints), *others = read.items() or [("", said)]
    for name, other in others:
        if other != hints:
            raise UsageError(
                f"--recipe {name}: its hints are not those of {first!r}, and all arms read the "
                "dataset alike; give both the same, or say them on the command line"
            )
    return hints


class _Contest:
    """All runs, those that are known and those that are to be made."""

    def __init__(
        self,
        images: ProofImages,
        arms: Mapping[str, Arm],
        design: ProofDesign,
        runs: ProofRuns,
        log: RunLog,
        proof: Proof,
    ) -> None:
        self._images, self._arms, self._design = images, arms, design
        self._runs, self._log, self._proof = runs, log, proof
        self._done = 0

    def begin(self) -> None:
        """Read what is known, and tell how long the rest takes."""
        self._log.read()
        searched = self._searched()
        # Which setting is chosen costs no time, so any stands for it.
        main = self._main(dict.fromkeys(self._arms, self._design.settings[0]))
        if all(self._log.get(self._identity(one)) for one in searched):
            main = self._main({name: self._chosen(name) for name in self._arms})
        every = [*searched, *main]
        self._proof.runs = len(every)
        missing = [one for one in every if self._log.get(self._identity(one)) is None]
        self._proof.resumed = len(every) - len(missing)
        self._proof.expected_s = self._runs.estimate(missing)

    def finish(self, on_progress: Callable[[int, int], None] | None) -> None:
        """Make what is missing, and say what it means."""
        self._make(self._searched(), on_progress)
        settings = {name: self._chosen(name) for name in self._arms}
        main = self._main(settings)
        self._make(main, on_progress)
        found = {one: self._known(one) for one in main}
        for name in self._arms:
            mine = {one: outcome for one, outcome in found.items() if one.arm == name}
            self._proof.arms.append(self._figures(name, settings[name], mine))
        right = {name: self._right(name, found) for name in self._arms}
        every = np.arange(len(self._images.sources))
        self._compare(right, every, self._proof.verdicts, classes=True)
        if all(one.corrupted for one in found.values()):
            right = {name: self._right_corrupted(name, found) for name in self._arms}
            folds = range(1, self._design.folds + 1)
            places = [corrupted_places(self._images.folds, fold) for fold in folds]
            some = np.sort(np.concatenate(places))
            self._compare(right, some, self._proof.robustness, classes=False)

    def _searched(self) -> list[ProofRun]:
        if not self._design.tune:
            return []
        return [
            ProofRun(arm=name, fold=1, seed=0, setting=setting, search=True)
            for name in self._arms
            for setting in self._design.settings
        ]

    def _main(self, settings: Mapping[str, Setting]) -> list[ProofRun]:
        return [
            ProofRun(arm=name, fold=fold, seed=seed, setting=settings[name])
            for name in self._arms
            for seed in range(self._design.seeds)
            for fold in range(1, self._design.folds + 1)
        ]

    def _make(
        self, runs: Sequence[ProofRun], on_progress: Callable[[int, int], None] | None
    ) -> None:
        missing = [one for one in runs if self._log.get(self._identity(one)) is None]
        self._done += len(runs) - len(missing)
        for one, outcome in self._runs.outcomes(missing):
            self._log.add(self._identity(one), one, outcome)
            self._done += 1
            if on_progress:
                on_progress(self._done, self._proof.runs)

    def _chosen(self, name: str) -> Setting:
        """Return the setting that did best in the search, the lower loss between equals."""
        if not self._design.tune:
            return self._design.settings[0]

        def merit(one: ProofRun) -> tuple[float, float]:
            return self._accuracy(one), -self._known(one).log_loss

        return max((one for one in self._searched() if one.arm == name), key=merit).setting

    def _accuracy(self, run: ProofRun) -> float:
        return float(self._answered_right(run).mean())

    def _answered_right(self, run: ProofRun) -> np.ndarray:
        judged = self._images.parts(run.fold, search=run.search)[1]
        return np.array(self._known(run).answers) == self._images.labels[judged]

    def _known(self, run: ProofRun) -> RunOutcome:
        found = self._log.get(self._identity(run))
        assert found is not None
        return found

    def _right(self, name: str, found: Mapping[ProofRun, RunOutcome]) -> np.ndarray:
        """Return (N, S) what an arm had right."""
        right = np.zeros((len(self._images.sources), self._design.seeds))
        for one in found:
            if one.arm == name:
                right[self._images.folds == one.fold, one.seed] = self._answered_right(one)
        return right

    def _right_corrupted(self, name: str, found: Mapping[ProofRun, RunOutcome]) -> np.ndarray:
        right = np.full((len(self._images.sources), self._design.seeds), np.nan)
        for one, outcome in found.items():
            if one.arm == name:
                places = corrupted_places(self._images.folds, one.fold)
                right[places, one.seed] = outcome.corrupted
        return right

    def _compare(
        self,
        right: Mapping[str, np.ndarray],
        places: np.ndarray,
        into: list[Verdict],
        *,
        classes: bool,
    ) -> None:
        images, names = self._images, [one for one in self._arms if one != BASELINE]
        for name in names:
            answers = RightAnswers(
                right[BASELINE][places],
                right[name][places],
                images.folds[places],
                images.groups[places],
                images.labels[places],
            )
            into.append(
                compare(
                    answers,
                    name=name,
                    classes=images.classes if classes else (),
                    arms=len(names),
                    seed=self._design.seed,
                )
            )
            if classes:
                self._proof.pairs[name] = answers.pairs().tolist()

    def _figures(
        self, name: str, setting: Setting, found: Mapping[ProofRun, RunOutcome]
    ) -> ArmFigures:
        images = self._images
        calibration, confusion = Calibration(_BINS), Confusion(len(images.classes))
        for run, outcome in found.items():
            labels = images.labels[images.folds == run.fold].tolist()
            for label, answer, sure in zip(labels, outcome.answers, outcome.sure, strict=True):
                confusion.add(label, answer)
                calibration.add(sure, right=label == answer)
        outcomes = list(found.values())
        corrupted = [one for outcome in outcomes for one in outcome.corrupted]
        epochs = min(len(one.losses) for one in outcomes)
        names = outcomes[0].corruptions
        return ArmFigures(
            name=name,
            accuracy=confusion.accuracy or 0.0,
            setting=setting,
            searched=[
                (one.setting, self._accuracy(one)) for one in self._searched() if one.arm == name
            ],
            log_loss=float(np.average([o.log_loss for o in outcomes], weights=_sizes(outcomes))),
            calibration_error=calibration.expected_error or 0.0,
            bins=tuple(calibration.bins()),
            confusion=tuple(tuple(map(int, row)) for row in confusion.counts),
            corrupted=float(np.mean(corrupted)) if corrupted else None,
            corruptions={
                each: float(np.mean([o.corruptions[each] for o in outcomes])) for each in names
            },
            losses=[float(np.mean([o.losses[n] for o in outcomes])) for n in range(epochs)],
        )

    def _identity(self, run: ProofRun) -> str:
        design, arm = self._design, self._arms[run.arm]
        kind: tuple[object, ...] = ("quick", design.draws)
        if not design.quick:
            corrupted = design.corruptions and not run.search
            kind = ("whole", design.wanted_steps, design.batch, corrupted)
        model = (design.model, design.weights, design.side, design.gray, design.seed)
        where = (run.fold, run.seed, run.setting, run.search)
        return digest(self._images.digest, arm.digest, *kind, *model, *where)


def _sizes(outcomes: Sequence[RunOutcome]) -> list[int]:
    return [len(one.answers) for one in outcomes]
