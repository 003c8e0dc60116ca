"""Runs on frozen features: a logistic head for each, in one process and less than a minute.

Whatever the number of threads, all of it comes out the same: each piece of work has one of them.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from typing import TypeVar

import numpy as np
import torch

from variegate.annotations.sample import Sample
from variegate.codecs import Limits, decode
from variegate.formats import Source
from variegate.models.probabilities import softmax
from variegate.recipes.plan import Variant, execute
from variegate.recipes.recipe import Recipe
from variegate.storage import open_storage
from variegate.training.features import Extractor, LogisticHead, extractor
from variegate.training.proof import BASELINE, Arm, ProofDesign
from variegate.training.proof_images import ProofImages
from variegate.training.proof_log import ProofRun, RunOutcome

# A few images tell the pace.
_TIMED = 4
_HEAD_S = 0.15
# Features are made of so many images and variants at a time, which costs half of one by one.
_AT_A_TIME = 32
# Of features that are kept for further runs.
_MOST_BYTES = 256 << 20

Given = TypeVar("Given")
Made = TypeVar("Made")


class FrozenRuns:
    """Makes runs of a logistic head on features of images and of their variants."""

    def __init__(
        self,
        images: ProofImages,
        arms: Mapping[str, Arm],
        design: ProofDesign,
        limits: Limits,
        *,
        workers: int | None = None,
    ) -> None:
        """Make them.

        Args:
            images, arms, design: what is proved.
            limits: for decoding.
            workers: threads; None for one a processor.
        """
        self._storage, self._images, self._arms = open_storage(images.place), images, arms
        self._design, self._limits = design, limits
        self._extract: Extractor | None = None
        self._threads = max(1, min(os.cpu_count() or 1, 8) if workers is None else workers)
        self._kept = OrderedDict[tuple[str, int], np.ndarray]()

    def outcomes(self, runs: Sequence[ProofRun]) -> Iterator[tuple[ProofRun, RunOutcome]]:
        """Yield each run with what came out."""
        for (arm, seed), each in groupby(runs, lambda one: (one.arm, one.seed)):
            together = list(each)
            plain = self._features(BASELINE, 0)
            varied = None if self._arms[arm].recipe is None else self._features(arm, seed)
            work = partial(self._outcome, plain, varied)
            yield from zip(together, self._each(work, together), strict=True)

    def _each(self, work: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
        """Yield what comes of each, in their order; one thread for each at a time."""
        usual = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(
                self._threads, initializer=partial(torch.set_num_threads, 1)
            ) as pool:
                yield from pool.map(work, given)
        finally:
            torch.set_num_threads(usual)

    def estimate(self, runs: Sequence[ProofRun]) -> float:
        """Return how many seconds runs will take, as a few images tell."""
        if not runs:
            return 0.0
        images = len(self._images.sources)
        total = len(runs) * _HEAD_S / self._threads
        seeds = {(one.arm, one.seed) for one in runs} | {(BASELINE, 0)}
        # The first image waits for the weights.
        self._made(BASELINE, 0, range(1))
        for name in {one.arm for one in runs} | {BASELINE}:
            begun = time.monotonic()
            self._made(name, 0, range(0, images, -(-images // _TIMED)))
            # So few are one thread's work.
            pace = (time.monotonic() - begun) / min(_TIMED, images) / self._threads
            total += pace * images * sum(arm == name for arm, _ in seeds)
        return total

    def _outcome(self, plain: np.ndarray, varied: np.ndarray | None, run: ProofRun) -> RunOutcome:
        learned, judged = self._images.parts(run.fold, search=run.search)
        labels = self._images.labels
        features, targets = plain[learned], labels[learned]
        if varied is not None:
            variants = varied.reshape(len(labels), self._design.draws, -1)
            features = np.concatenate([features, *np.moveaxis(variants[learned], 1, 0)])
            targets = np.tile(targets, self._design.draws + 1)
        head = LogisticHead(
            features, targets, classes=len(self._images.classes), decay=run.setting[1]
        )
        return outcome_of(head.logits(plain[judged]), labels[judged])

    def _features(self, name: str, seed: int) -> np.ndarray:
        """Return the features of all images of an arm: made once, if there is room for them."""
        found = self._kept.pop((name, seed), None)
        if found is None:
            found = self._made(name, seed, range(len(self._images.sources)))
        self._kept[name, seed] = found
        # Those of an arm and of the baseline are in use.
        while len(self._kept) > 2 and sum(one.nbytes for one in self._kept.values()) > _MOST_BYTES:
            self._kept.popitem(last=False)
        return found

    def _made(self, name: str, seed: int, places: range) -> np.ndarray:
        if self._extract is None:
            design = self._design
            self._extract = extractor(
                design.model, design.weights, size=design.side, gray=design.gray, seed=design.seed
            )
        recipe, together = self._arms[name].recipe, _AT_A_TIME
        if recipe is not None:
            recipe = recipe.model_copy(update={"seed": 1 + self._design.seed + seed})
            together = max(1, _AT_A_TIME // self._design.draws)
        sources = self._images.sources[places.start : places.stop : places.step]
        parts = [sources[at : at + together] for at in range(0, len(sources), together)]
        return np.concatenate(list(self._each(partial(self._part, self._extract, recipe), parts)))

    def _part(
        self, extract: Extractor, recipe: Recipe | None, sources: Sequence[Source]
    ) -> np.ndarray:
        """Return the features of some images, or of their variants."""
        shown: list[np.ndarray] = []
        for source in sources:
            data = self._storage.read(source.key, limit=self._limits.max_bytes)
            image = decode(data, limits=self._limits)
            shown += [image] if recipe is None else self._variants(recipe, image, source.key)
        return extract(shown)

    def _variants(self, recipe: Recipe, image: np.ndarray, key: str) -> list[np.ndarray]:
        """Return as many variants as every arm gets, of several draws if need be."""
        sample, draws = Sample(image), self._design.draws
        planned: list[Variant] = []
        for again in range(draws):
            drawn = recipe.model_copy(update={"seed": recipe.seed + 1_000_003 * again})
            every = drawn.plan(key=key, size=sample.size)
            planned += [one for one in every if one.operations]
            if len(planned) >= draws:
                break
        if not planned:
            return [image] * draws
        # A recipe of many variants is drawn whole, and only these are made.
        places = np.linspace(0, len(planned) - 1, draws).round().astype(int).tolist()
        made = {}
        for place in set(places):
            found = execute([planned[place]], lambda _: sample, size=sample.size, reducible=False)
            made[place] = next(iter(found))[1].image.copy()
        return [made[place] for place in places]


def outcome_of(logits: np.ndarray, labels: np.ndarray) -> RunOutcome:
    """Return what (N, C) logits answer to images of some classes."""
    shares = softmax(logits.astype(np.float64))
    answers = shares.argmax(axis=1)
    every = np.arange(len(labels))
    return RunOutcome(
        answers=answers.tolist(),
        sure=shares[every, answers].tolist(),
        own=shares[every, labels].tolist(),
    )
