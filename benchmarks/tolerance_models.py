"""The search of tolerances on real images and small models, beside every level of every image."""

import hashlib
import json
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from harness import PEERS, WORK, Claim, Result, interleave, python_of, ratio, timed
from photos import data
from tolerance_search import Figures, crossing
from variegate.annotations.sample import Image, Sample
from variegate.models.predictors.base import Predictor
from variegate.tolerance.answers import LEVELS
from variegate.tolerance.cells import AxisPlan, Sources, changes_something
from variegate.tolerance.expectation import expected_class
from variegate.tolerance.log import AnswerLog, image_digest
from variegate.tolerance.measure import measure
from variegate.tolerance.memory import plain_function
from variegate.tolerance.question import Examiner
from variegate.tolerance.run import SearchOptions, Subjects, preset_axes, search_tolerance
from variegate.tolerance.search import SearchSettings

QUANTILES = (0.05, 0.49)
RUNS, FEW, TURNS = 100, 10, 5
DIGITS = 1000
DIGIT_AXES = ("brightness+", "gaussian_blur", "speckle", "rotate+", "random_crop", "elastic")
SPEED_AXES = ("brightness+", "contrast-", "gaussian_blur", "rotate+", "random_crop", "elastic")
# Fewer pass at a stronger level by so much: the axis is none with one threshold.
_FALL = 0.08
_FRESH = 4
METHOD = f"""
250 gray photos of electronic components with two models, least squares on kernels of a thumbnail
and the nearest image, and {DIGITS:,} handwritten digits with the first of them, fitted to 797
others. Every image is asked at every level of every axis once; from these tables images are drawn
anew {RUNS} times (with replacement, other seeds), and each draw is searched, with `n_max` 256 and
1,024. *Error*: points of intensity off the isotonic curve through all levels of the draw, beside
the midpoints of a grid in steps of 5%. *Coverage*: how often the interval at 95% holds the
threshold of the whole table. Up to one image in seven fails on an axis, recovers over some
forty levels and fails again, though no rate falls by much: cropped, or with little contrast. Such a
failure implies nothing of stronger levels, so at the crossings what was implied is really asked.
Where the rate stays within an image or two of a share over ten levels, the isotonic curve's own
crossing is no sharper than that; these rows are counted like all. Where the table itself falls by
{_FALL:g} or more there is no one threshold: the row says so, and its errors and coverage are no
claim. *Realism*: on variants drawn
anew, {_FRESH} an image, the share that the model really gets wrong, beside what was calibrated;
where a model does not fail so often even at the end of every axis, that is said, and the search's
own figure for the end counts instead.
*Speed*: images of cells made in memory beside a loop that writes each to a file and reads it again
(`benchmarks/tolerance_models.py`).
"""


@dataclass(frozen=True)
class Asked:
    """Images, what they are, and a model that is asked about them."""

    name: str
    model: Predictor
    images: list[Image]
    labels: list[str]
    axes: tuple[str, ...]
    n_max: int

    @property
    def classes(self) -> list[int]:
        """Numbers of the labels."""
        return [self.model.classes.index(one) for one in self.labels]


def components() -> tuple[list[Image], list[str]]:
    """Return the electronic components with their classes."""
    archive = data() / "electronic_components/electronic-components-png-original.zip"
    with zipfile.ZipFile(archive) as files:
        names = sorted(name for name in files.namelist() if name.endswith(".png"))
        encoded = [np.frombuffer(files.read(name), np.uint8) for name in names]
    images = [cv2.imdecode(one, cv2.IMREAD_GRAYSCALE) for one in encoded]
    return images, [Path(name).name.partition(".")[0] for name in names]


def digits() -> tuple[list[Image], list[str]]:
    """Return handwritten digits, 32 x 32, with their classes."""
    kept = WORK / "digits.npz"
    if not kept.exists():
        WORK.mkdir(exist_ok=True)
        script = PEERS / "digits_with_sklearn.py"
        subprocess.run([python_of("sklearn"), str(script), str(kept)], check=True)
    with np.load(kept) as found:
        small, labels = found["images"] * np.uint8(15), found["labels"]
    images = [cv2.resize(one, (32, 32), interpolation=cv2.INTER_CUBIC) for one in small]
    return images, [str(one) for one in labels]


def features(images: list[Image], side: int) -> np.ndarray:
    """Return thumbnails, their values about their own mean."""
    small = [cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in images]
    flat = np.stack(small).reshape(len(images), -1).astype(np.float32) / 255
    return flat - flat.mean(axis=1, keepdims=True) * 0.5


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return squared distances of every row of one to every row of the other."""
    return (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T


def models(images: list[Image], labels: list[str]) -> dict[str, Predictor]:
    """Fit both models to images."""
    classes = sorted(set(labels))
    wanted = np.eye(len(classes))[[classes.index(one) for one in labels]]
    inner = features(images, 16)
    kernel = np.exp(-80 * distances(inner, inner) / inner.shape[1])
    weights = np.linalg.solve(kernel + 0.02 * np.eye(len(images)), wanted)

    def kernel_machine(given: list[Image]) -> np.ndarray:
        far = distances(features(given, 16), inner)
        scores = np.exp(8 * (np.exp(-80 * far / inner.shape[1]) @ weights))
        return scores / scores.sum(axis=1, keepdims=True)

    thumbs = features(images, 8)

    def nearest(given: list[Image]) -> np.ndarray:
        far = distances(features(given, 8), thumbs)
        return np.stack([-far[:, wanted[:, n] > 0].min(axis=1) for n in range(len(classes))], 1)

    return {
        "kernel": plain_function(kernel_machine, classes, identity="kernel"),
        "nearest": plain_function(nearest, classes, identity="nearest"),
    }


def tables(asked: Asked, axis: str) -> np.ndarray:
    """Return (N, 101): whether each image fails at each level; kept from run to run."""
    plan = AxisPlan(axis)
    keys = [image_digest(one) for one in asked.images]
    known = json.dumps([asked.name, plan.identity, keys, asked.classes])
    kept = WORK / f"tolerance-{hashlib.sha256(known.encode()).hexdigest()[:16]}.npy"
    if kept.exists():
        return np.load(kept)
    samples = [Sample(one) for one in asked.images]
    made = np.zeros((len(samples), LEVELS + 1))
    for level in range(LEVELS + 1):
        at = [plan.apply(key, one, level).image for key, one in zip(keys, samples, strict=True)]
        for number, answer in enumerate(asked.model.predict(at)):
            made[number, level] = int(np.argmax(answer.probabilities)) != asked.classes[number]
    WORK.mkdir(exist_ok=True)
    np.save(kept, made)
    return made


def run(*, quick: bool) -> Result:
    """Search on real images."""
    cv2.setNumThreads(1)
    rows, claims, worst = [], [], []
    together: list[Figures] = []
    every = _all_asked()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        # While these are searched the next tables are made.
        found = [_begun(pool, asked, quick=quick) for asked in every]
        for asked, begun in zip(every, found, strict=True):
            plain = []
            for axis, images, future in begun:
                figures, fall = future.result()
                rows.append(_row(asked, axis, figures, images, fall))
                if fall < _FALL:
                    plain.append((figures, images))
            claims += _claims(asked.name, plain)
            worst += [one.coverage().min() for one, _ in plain]
            together += [one for one, _ in plain]
    claims += _errors("all of them", together)
    claims.append(Claim.at_least("coverage, least of a row, %", 95, 100 * min(worst)))
    for asked in every[:2]:
        told, more = _realism(asked)
        rows += told
        claims += more
    claims.append(_speed(TURNS))
    head = ("images and model", "axis", "calls", "of a 5% grid", "error: onset / critical")
    head += ("of the 5% grid", "coverage", "table", "drops found")
    return Result("The search of tolerances, real images", METHOD, head, rows, claims)


def _begun(
    pool: Executor, asked: Asked, *, quick: bool
) -> list[tuple[str, int, "Future[tuple[Figures, float]]"]]:
    """Begin to search on each axis, on draws from its table."""
    begun = []
    for axis in asked.axes[:3] if quick else asked.axes:
        failed = tables(asked, axis)
        failed = failed[failed[:, 0] == 0]
        future = pool.submit(_resampled, failed, asked.n_max, FEW if quick else RUNS)
        begun.append((axis, len(failed), future))
    return begun


def _row(asked: Asked, axis: str, figures: Figures, images: int, fall: float) -> tuple[str, ...]:
    """Return the row of an axis."""
    cells = figures.cells(images)[:-1]
    drops = f"{figures.drops / len(figures.calls):.0%}"
    told = f"falls by {fall:.2f}" if fall >= _FALL else ""
    return (asked.name, axis, *cells, told, drops)


def _all_asked() -> list[Asked]:
    images, labels = components()
    sample = [("a", Sample(images[0]))]
    axes = tuple(one for one in preset_axes() if changes_something(AxisPlan(one), sample))
    made = [
        Asked(f"components, {name}", model, images, labels, axes, 256)
        for name, model in models(images, labels).items()
    ]
    images, labels = digits()
    model = models(images[DIGITS:], labels[DIGITS:])["kernel"]
    return [
        *made,
        Asked("digits, kernel", model, images[:DIGITS], labels[:DIGITS], DIGIT_AXES, 1024),
    ]


def _resampled(failed: np.ndarray, n_max: int, runs: int) -> tuple[Figures, float]:
    """Return figures of draws from a table, and by how much its curve falls."""
    rates = failed.mean(axis=0)
    truth = [crossing(rates, share) for share in QUANTILES]
    figures = Figures()
    for number in range(runs):
        rng = np.random.default_rng([5, number])
        drawn = failed[rng.integers(0, len(failed), len(failed))]
        figures.add(drawn, truth, SearchSettings(n_max=n_max, seed=number))
    return figures, float((np.maximum.accumulate(rates) - rates).max())


def _claims(name: str, found: Sequence[tuple[Figures, int]]) -> list[Claim]:
    """Return the claims about all axes of some images and a model."""
    share = 100 * float(np.mean([np.mean(one.calls) / (20 * n) for one, n in found]))
    most = 30 if found[0][1] <= 256 else 25
    return [
        Claim.at_most(f"{name}: mean calls, of those of a 5% grid", most, share, "%"),
        *_errors(name, [one for one, _ in found]),
    ]


def _errors(name: str, found: Sequence[Figures]) -> list[Claim]:
    """Return the claims about how far off thresholds are."""
    off = np.nanmean([one.error() for one in found], axis=0)
    grid = np.nanmean([one.grid_error() for one in found], axis=0)
    return [
        Claim.at_most(f"{name}: mean error of the onset, points", 0.6, off[0]),
        Claim.at_most(f"{name}: mean error of the critical level, points", 0.3, off[1]),
        Claim(
            f"{name}: those, times the 5% grid's", "below 1", (off / grid).max(), (off < grid).all()
        ),
    ]


def _realism(asked: Asked) -> tuple[list[tuple[str, ...]], list[Claim]]:
    """Search, and count what the model gets wrong of fresh variants at each realism."""
    samples = [Sample(one) for one in asked.images]
    examiner = Examiner(asked.model, measure(asked.model), Sources.of(samples), AnswerLog())
    subjects = Subjects(
        [str(n) for n in range(len(samples))],
        [expected_class(one) for one in asked.classes],
        asked.labels,
    )
    found = search_tolerance(examiner, subjects, SearchOptions(axes=asked.axes))
    recipe = found.recipe(n=_FRESH, seed=1)
    rows, claims = [], []
    for level in found.composite.levels if found.composite else ():
        policy = recipe.policy.model_copy(update={"realism": (level.realism,) * 2})
        fresh = recipe.model_copy(update={"policy": policy})
        wrong = total = 0
        for number, image in enumerate(asked.images):
            made = [one for _, one in fresh.variants(image, key=f"fresh {number}")]
            answers = [int(np.argmax(one.probabilities)) for one in asked.model.predict(made)]
            wrong, total = (
                wrong + sum(a != asked.classes[number] for a in answers),
                total + len(made),
            )
        share, wanted = 100 * wrong / total, 100 * level.lost
        told = f"{share:.1f}% wrong, calibrated {wanted:.0f}%"
        if not level.reached:
            wanted = 100 * found.composite.curve[-1][1]
            told += f": not reached, at the end of every axis {wanted:.0f}%"
        rows.append((asked.name, f"realism {level.realism:g}", *[""] * 5, told, ""))
        if (near := _NEAR.get(level.realism)) is not None:
            text = f"{asked.name}: realism {level.realism:g}, points off {wanted:.0f}%"
            claims.append(Claim.at_most(text, near, abs(share - wanted)))
    return rows, claims


# Realism, and how many points off the share that fails may be.
_NEAR = {0.5: 3, 0.0: 10}


def _speed(turns: int) -> Claim:
    """Time cells in memory, and through temporary files, one by one."""
    images, _ = components()
    samples = [Sample(one) for one in images]
    keys = [image_digest(one) for one in images]

    def in_memory() -> None:
        for axis in SPEED_AXES:
            plan = AxisPlan(axis)
            for key, sample in zip(keys, samples, strict=True):
                plan.apply(key, sample, 40)

    def through_files() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for number, image in enumerate(images):
                cv2.imwrite(f"{folder}/{number}.png", image)
            for axis in SPEED_AXES:
                plan = AxisPlan(axis)
                for number, key in enumerate(keys):
                    source = cv2.imread(f"{folder}/{number}.png", cv2.IMREAD_GRAYSCALE)
                    made = plan.apply(key, Sample(source), 40).image
                    cv2.imwrite(f"{folder}/made.png", made)
                    cv2.imread(f"{folder}/made.png", cv2.IMREAD_GRAYSCALE)

    times = interleave({"memory": timed(in_memory), "files": timed(through_files)}, turns)
    text = "cells in memory, times a loop through temporary files"
    return Claim.at_least(text, 5, ratio(times, "files", "memory"))
