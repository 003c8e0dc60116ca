"""Runs on frozen features: a logistic head for each, in one process and a minute."""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from variegate.annotations.sample import Sample
from variegate.codecs import Limits, decode
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


class FrozenRuns:
    """Makes runs of a logistic head on features of images and of their variants."""

    def __init__(
        self, images: ProofImages, arms: Mapping[str, Arm], design: ProofDesign, limits: Limits
    ) -> None:
        self._storage, self._images, self._arms = open_storage(images.place), images, arms
        self._design, self._limits = design, limits
        self._extract: Extractor | None = None
        self._features = lru_cache(maxsize=2)(self._made_features)

    def outcomes(self, runs: Sequence[ProofRun]) -> Iterator[tuple[ProofRun, RunOutcome]]:
        """Yield each run with what came out."""
        for one in runs:
            yield one, self._outcome(one)

    def estimate(self, runs: Sequence[ProofRun]) -> float:
        """Return how many seconds runs will take, as a few images tell."""
        if not runs:
            return 0.0
        images = len(self._images.sources)
        total = len(runs) * _HEAD_S
        seeds = {(one.arm, one.seed) for one in runs} | {(BASELINE, 0)}
        for name in {one.arm for one in runs} | {BASELINE}:
            begun = time.monotonic()
            self._made(name, 0, range(0, images, -(-images // _TIMED)))
            pace = (time.monotonic() - begun) / min(_TIMED, images)
            total += pace * images * sum(arm == name for arm, _ in seeds)
        return total

    def _outcome(self, run: ProofRun) -> RunOutcome:
        learned, judged = self._images.parts(run.fold, search=run.search)
        plain, labels = self._features(BASELINE, 0), self._images.labels
        features, targets = plain[learned], labels[learned]
        if self._arms[run.arm].recipe is not None:
            variants = self._features(run.arm, run.seed)
            variants = variants.reshape(len(labels), self._design.draws, -1)
            features = np.concatenate([features, *np.moveaxis(variants[learned], 1, 0)])
            targets = np.tile(targets, self._design.draws + 1)
        head = LogisticHead(
            features, targets, classes=len(self._images.classes), decay=run.setting[1]
        )
        return outcome_of(head.logits(plain[judged]), labels[judged])

    def _made_features(self, name: str, seed: int) -> np.ndarray:
        return self._made(name, seed, range(len(self._images.sources)))

    def _made(self, name: str, seed: int, places: range) -> np.ndarray:
        if self._extract is None:
            design = self._design
            self._extract = extractor(
                design.model, design.weights, size=design.side, gray=design.gray, seed=design.seed
            )
        recipe, made = self._arms[name].recipe, []
        if recipe is not None:
            recipe = recipe.model_copy(update={"seed": 1 + self._design.seed + seed})
        for source in self._images.sources[places.start : places.stop : places.step]:
            data = self._storage.read(source.key, limit=self._limits.max_bytes)
            image = decode(data, limits=self._limits)
            shown = [image] if recipe is None else self._variants(recipe, image, source.key)
            made.append(self._extract(shown))
        return np.concatenate(made)

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
