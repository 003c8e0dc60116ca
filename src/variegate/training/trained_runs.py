"""Runs of whole trainings, several at a time: all arms take the same steps from the same weights.

A run is learned on all folds but one, for a fixed number of steps, and its last weights are judged
on that one: nothing is chosen by what is judged. Each has one thread, so that its result depends
on no number of processes.
"""

import math
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from variegate.codecs import Limits
from variegate.models.preprocessing import Preprocessing
from variegate.recipes.recipe import Recipe
from variegate.seeding import generator
from variegate.training.backbones import check_backbone, make_model
from variegate.training.batches import Batches
from variegate.training.contents import TEST, TRAIN, TrainingImages
from variegate.training.corrupted_images import CorruptedImages, corrupted_places, results_of_image
from variegate.training.frozen_runs import outcome_of
from variegate.training.items import AugmentedItems, FixedItems, sized
from variegate.training.loop import PlainBatches, Trainer, answers, checked_device, cross_entropy
from variegate.training.options import SMALL, Hyperparameters, TrainingError
from variegate.training.proof import Arm, ProofDesign
from variegate.training.proof_images import ProofImages
from variegate.training.proof_log import ProofRun, RunOutcome
from variegate.training.train import input_of, plain
from variegate.training.weights import load_weights

_LEAST_EPOCHS = 3
_TIMED, _START_S = 8, 6.0
_ASKED = 64


@dataclass(frozen=True, slots=True, eq=False)
class TrainingBench:
    """Where runs are made, in whichever process.

    Attributes:
        images: of all folds.
        arms: what is compared.
        design: how.
        limits: of images.
        device: where it computes.
        kept: images of a fold, corrupted; one fold at a time.
    """

    images: ProofImages
    arms: Mapping[str, Arm]
    design: ProofDesign
    limits: Limits
    device: str = "cpu"
    kept: dict[int, CorruptedImages] = field(default_factory=dict)

    def outcome(self, run: ProofRun) -> RunOutcome:
        """Make a run.

        Raises:
            TrainingError: it cannot be trained.
        """
        prepared = PreparedRun.of(self, run)
        trainer = Trainer(
            prepared.model,
            prepared.chosen,
            items=prepared.items,
            validation=None,
            batches=prepared.batches,
            class_weights=None,
            classes=len(self.images.classes),
            output=None,
            identity={},
            device=self.device,
        )
        learned = trainer.train()
        judged = plain(prepared.images, TEST, prepared.input, limits=self.limits)
        logits, labels = answers(
            trainer.model, PlainBatches(judged, _ASKED, threads=1), trainer.device
        )
        found = outcome_of(logits.numpy(), labels.numpy())
        found = replace(found, losses=[one.loss for one in learned.history])
        if run.search or not self.design.corruptions:
            return found
        shares, by_name = self._corrupted(run.fold).asked(
            trainer.model, prepared.input, trainer.device
        )
        return replace(found, corrupted=shares, corruptions=by_name)

    def seconds(self, run: ProofRun) -> float:
        """Return about how long a run takes, by a step of it."""
        prepared = PreparedRun.of(self, run)
        model = prepared.model.train()
        items = prepared.batches.items(0)[:_TIMED].tolist()
        begun = time.monotonic()
        loaded = [prepared.items[one] for one in items]
        loading = (time.monotonic() - begun) / len(loaded)
        images = torch.stack([image for image, _ in loaded])
        shares = torch.stack([share for _, share in loaded])
        learning = math.inf
        for _ in range(2):
            begun = time.monotonic()
            cross_entropy(model(images), shares, None, 0.0).backward()  # type: ignore[no-untyped-call]
            learning = min(learning, (time.monotonic() - begun) / len(loaded))
        steps = prepared.chosen.epochs * prepared.batches.steps
        taken = steps * self.design.batch * (loading + learning)
        asked = len(prepared.images.sources[TEST])
        if self.design.corruptions and not run.search:
            places = corrupted_places(self.images.folds, run.fold)
            asked += len(places) * results_of_image()
            begun = time.monotonic()
            self._corrupted_images(places[:1])
            # Once for all arms and seeds of a fold.
            share = len(self.arms) * self.design.seeds
            taken += (time.monotonic() - begun) * len(places) / share
        return taken + asked * learning / 3

    def _corrupted(self, fold: int) -> CorruptedImages:
        if fold not in self.kept:
            self.kept.clear()
            places = corrupted_places(self.images.folds, fold)
            self.kept[fold] = self._corrupted_images(places)
        return self.kept[fold]

    def _corrupted_images(self, places: Sequence[int]) -> CorruptedImages:
        return CorruptedImages.of(
            self.images.place,
            [self.images.sources[one] for one in places],
            self.images.labels[list(places)],
            side=self.design.side,
            gray=self.design.gray,
            limits=self.limits,
            seed=self.design.seed,
        )


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRun:
    """All that a training begins with."""

    images: TrainingImages
    chosen: Hyperparameters
    input: Preprocessing
    model: nn.Module
    items: AugmentedItems
    batches: Batches

    @classmethod
    def of(cls, bench: TrainingBench, run: ProofRun) -> "PreparedRun":
        design, arm = bench.design, bench.arms[run.arm]
        learned, judged = bench.images.parts(run.fold, search=run.search)
        images = bench.images.training(learned, judged)
        # The same for all arms, so that they begin alike.
        seed = int(generator(design.seed, "proof", run.fold, run.seed).integers(2**31))
        chosen = hyperparameters(design, run, images=int(learned.sum()), seed=seed)
        input_ = input_of(images, chosen)
        torch.manual_seed(seed)
        classes = len(images.classes)
        model = make_model(design.model, classes, gray=design.gray, side=chosen.side)
        load_weights(
            model,
            chosen.starts_from,
            backbone=design.model,
            classes=classes,
            gray=design.gray,
        )
        recipe = recipe_of(arm).model_copy(update={"seed": seed})
        kind = FixedItems if arm.written else AugmentedItems
        items = kind.of(images, recipe, input_, bench.limits)
        batches = Batches(
            images.labels(TRAIN), variants=recipe.count(), batch=design.batch, seed=seed
        )
        return cls(images, chosen, input_, model, items, batches)


def hyperparameters(
    design: ProofDesign, run: ProofRun, *, images: int, seed: int
) -> Hyperparameters:
    """Return how a run learns from a number of images.

    Raises:
        UsageError: a value is out of range.
    """
    epochs = max(_LEAST_EPOCHS, round(design.wanted_steps / math.ceil(images / design.batch)))
    rate, decay = run.setting
    return Hyperparameters.of(
        backbone=design.model,
        weights=None if design.model == SMALL else design.weights,
        epochs=epochs,
        batch=design.batch,
        optimizer="adamw",
        rate=rate,
        weight_decay=decay,
        size=design.side,
        gray=design.gray,
        seed=seed,
    )


def recipe_of(arm: Arm) -> Recipe:
    """Return what an arm makes of an image: itself, where there is no recipe."""
    return Recipe.from_data({"variants": "source"}) if arm.recipe is None else arm.recipe


class TrainedRuns:
    """Makes runs of whole trainings, in as many processes as wanted."""

    def __init__(self, bench: TrainingBench, *, workers: int | None) -> None:
        """Prepare.

        Args:
            bench: where runs are made.
            workers: processes; 0 for none but this one, None for one a processor.

        Raises:
            UsageError: there is no such model or device, or a recipe does not return images.
        """
        self._bench = bench
        check_backbone(bench.design.model)
        checked_device(bench.device)
        side = bench.design.side
        for arm in bench.arms.values():
            sized(recipe_of(arm), (side, side))
        several = min(os.cpu_count() or 1, 8) if workers is None else workers
        # Processes would share a GPU, and its memory.
        self._workers = several if bench.device == "cpu" else 0

    def outcomes(self, runs: Sequence[ProofRun]) -> Iterator[tuple[ProofRun, RunOutcome]]:
        """Yield each run with what came out, as soon as it is done."""
        # Images of a fold are corrupted once for all arms.
        ordered = sorted(runs, key=lambda one: (one.fold, one.seed))
        if min(self._workers, len(ordered)) < 2:
            with _one_thread():
                for one in ordered:
                    yield one, _tried(self._bench, one)
            return
        pool = ProcessPoolExecutor(
            min(self._workers, len(ordered)),
            # Threads and connections of this process would not live in a fork.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_enter,
            initargs=(self._bench,),
        )
        try:
            begun = {pool.submit(_made, one): one for one in ordered}
            for done in as_completed(begun):
                yield begun[done], done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def estimate(self, runs: Sequence[ProofRun]) -> float:
        """Return how many seconds runs will take, as a step of each arm tells."""
        if not runs:
            return 0.0
        total = 0.0
        with _one_thread():
            for name in dict.fromkeys(one.arm for one in runs):
                for search in (False, True):
                    mine = [one for one in runs if one.arm == name and one.search == search]
                    if mine:
                        total += len(mine) * self._bench.seconds(mine[0])
        several = min(max(1, self._workers), len(runs))
        return total / several + (_START_S if several > 1 else 0.0)


def _tried(bench: TrainingBench, run: ProofRun) -> RunOutcome:
    """Make a run; a setting of the search with which nothing can be learned loses it."""
    try:
        return bench.outcome(run)
    except TrainingError:
        if not run.search or run.setting == bench.design.settings[0]:
            raise
    asked = int(bench.images.parts(run.fold, search=True)[1].sum())
    return RunOutcome(answers=[-1] * asked, sure=[1.0] * asked, own=[0.0] * asked)


# Of a process: where its runs are made.
_HERE: dict[str, Any] = {}


def _enter(bench: TrainingBench) -> None:
    torch.set_num_threads(1)
    _HERE["bench"] = bench
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _made(run: ProofRun) -> RunOutcome:
    return _tried(_HERE["bench"], run)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
