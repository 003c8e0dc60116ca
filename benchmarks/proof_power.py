"""What `prove` finds, and how often it is mistaken: python benchmarks/proof_power.py [runs.jsonl]

Answers of two arms are drawn many times, and the verdict taken as `prove` takes it: an arm against
itself (should find nothing in at least 95 of 100), and one that is 5 points better. Several models
make the answers, as nobody knows which one is right: runs that differ by nothing or by much,
arms that find other images hard, large groups. "At best" is what a test would find that knows how
far the estimate is spread: no valid test finds more, as images are right or wrong by chance.

With the runs of a proof, images are as often right as they were in its runs, all arms together.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from harness import table
from variegate.seeding import generator
from variegate.training.comparison import LEVEL, RightAnswers, bca, sign_flip

FOLDS, TIMES, GAIN = 5, 200, 0.05
SIZES = (250, 350, 500)
_NORMAL = NormalDist()


@dataclass(frozen=True)
class AnswerModel:
    """How answers come about.

    Attributes:
        images: in a group, on average.
        accuracy: of the baseline.
        run: how far accuracies of runs are spread.
        own: how far an arm finds other images hard.
        noise: of an answer to one image.
        seeds: of the design.
    """

    images: float = 1.6
    accuracy: float = 0.85
    run: float = 0.015
    own: float = 0.0
    noise: float = 0.6
    seeds: int = 2

    def drawn(self, number: int, gain: float, images: int) -> RightAnswers:
        """Return the answers of two arms."""
        rng = generator(23, "power", repr(self), number, images, f"{gain}")
        sorted_ = np.sort(rng.integers(0, int(images / self.images), images))
        groups = np.unique(sorted_, return_inverse=True)[1]
        folds = rng.permutation(np.arange(groups.max() + 1) % FOLDS)[groups]
        hard = rng.normal(0, 1.2, groups.max() + 1)[groups] + rng.normal(0, 1.2, images)
        spread = rng.normal(0, np.hypot(1.2 * 2**0.5, self.own), 20_000)
        spread = np.sort(spread + rng.logistic(0, self.noise, 20_000))

        def arm(accuracy: float) -> np.ndarray:
            mine = hard + rng.normal(0, self.own, images)
            right = np.zeros((images, self.seeds))
            for seed in range(self.seeds):
                shares = np.clip(accuracy + rng.normal(0, self.run, FOLDS), 0.001, 0.999)
                limits = spread[(shares * 19_999).astype(int)][folds]
                right[:, seed] = mine + rng.logistic(0, self.noise, images) < limits
            return right

        first, second = arm(self.accuracy), arm(self.accuracy + gain)
        return RightAnswers(first, second, folds, groups, np.zeros(images, int))


MODELS = {
    "runs differ by 1.5 points": AnswerModel(),
    "by nothing": AnswerModel(run=0.0),
    "by 3 points": AnswerModel(run=0.03),
    "arms find other images hard": AnswerModel(own=0.6),
    "groups of 5": AnswerModel(images=5),
    "70% right": AnswerModel(accuracy=0.7),
    "93% right": AnswerModel(accuracy=0.93),
    "4 seeds": AnswerModel(seeds=4),
    "4 seeds, arms find other images hard": AnswerModel(seeds=4, own=0.6),
}


def main() -> None:
    """Print the tables."""
    rows = []
    for name, model in MODELS.items():
        for images in SIZES:
            rows.append(_row(name, images, lambda n, g, m=model, i=images: m.drawn(n, g, i)))
            print(*rows[-1], sep=" | ", flush=True)
    for path in sys.argv[1:]:
        rows += _saved(Path(path))
    titles = ("answers", "images", "mistaken", "found", "at best", "interval alone", "test alone")
    print(table(titles, rows))


def _row(name: str, images: int, draw: Callable[[int, float], RightAnswers]) -> tuple[str, ...]:
    same, better = (
        [_decided(draw(number, gain)) for number in range(TIMES)] for gain in (0.0, GAIN)
    )

    def share(found: list[tuple[bool, bool, float]], *places: int) -> str:
        return f"{np.mean([all(one[place] for place in places) for one in found]):.1%}"

    estimates = np.array([one[2] for one in better])
    limit = _NORMAL.inv_cdf(1 - LEVEL / 2)
    best = _NORMAL.cdf(float(estimates.mean() / estimates.std()) - limit)
    alone = (f"{share(same, one)}, {share(better, one)}" for one in (0, 1))
    return (name, f"{images}", share(same, 0, 1), share(better, 0, 1), f"{best:.1%}", *alone)


def _decided(right: RightAnswers) -> tuple[bool, bool, float]:
    """Return whether the interval is beyond 0, whether the test is, and the difference."""
    low, high = bca(right)
    return low > 0 or high < 0, sign_flip(right.pairs()) <= LEVEL, float(right.differences.mean())


def _saved(path: Path) -> list[tuple[str, ...]]:
    """Return a row of the runs of a proof, for each number of seeds."""
    shares = [np.zeros(0)]
    folds = [np.zeros(0, int)]
    lines = [json.loads(one) for one in path.read_text().splitlines()]
    runs = [one for one in lines if not one["search"]]
    for fold in sorted({one["fold"] for one in runs}):
        # A right answer is told by its probability: it is that of the right class.
        right = [
            np.isclose(one["outcome"]["sure"], one["outcome"]["own"])
            for one in runs
            if one["fold"] == fold
        ]
        shares.append((np.sum(right, axis=0) + 0.5) / (len(right) + 1))
        folds.append(np.full(len(right[0]), fold))
    share, fold = np.concatenate(shares), np.concatenate(folds)
    # As far from certain as leaves room for the gain.
    share = share * min(1.0, (1 - GAIN - 0.01) / share.mean())

    def draw(number: int, gain: float, seeds: int) -> RightAnswers:
        rng = generator(29, "saved", number, seeds, f"{gain}")

        def arm(more: float) -> np.ndarray:
            moved = np.clip(share + rng.normal(0, 0.015, (seeds, 6))[:, fold], 0, 1)
            lifted = moved + (1 - moved) * more / (1 - share.mean())
            return (rng.random(lifted.shape) < lifted).astype(float).T

        every = np.arange(len(share))
        return RightAnswers(arm(0.0), arm(gain), fold, every, np.zeros(len(share), int))

    return [
        _row(f"{path.name}, {seeds} seeds", len(share), lambda n, g, s=seeds: draw(n, g, s))
        for seeds in (2, 4)
    ]


if __name__ == "__main__":
    main()
