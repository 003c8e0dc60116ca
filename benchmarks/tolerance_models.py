"""The search of tolerances on real images: python benchmarks/tolerance_models.py [axis ...]

Two small models of the electronic components, both fitted here: least squares on a thumbnail, and
the nearest mean of every class. For each axis every level of the grid in steps of 1% is asked of
every image; the search is held against it: calls, errors of onset and critical level, intervals.
Then realism: variants drawn anew, and which share of them each model really gets wrong. Last,
cells made in memory against a loop through temporary files.
"""

import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from harness import table
from photos import data
from tolerance_search import crossing, midpoint
from variegate.annotations.sample import Image, Sample
from variegate.models.predictors.base import Predictor
from variegate.tolerance.answers import LEVELS
from variegate.tolerance.cells import AxisPlan, Sources
from variegate.tolerance.expectation import expected_class
from variegate.tolerance.log import AnswerLog, image_digest
from variegate.tolerance.measure import measure
from variegate.tolerance.memory import plain_function
from variegate.tolerance.question import Examiner
from variegate.tolerance.run import SearchOptions, Subjects, search_tolerance

AXES = ("brightness+", "contrast-", "green+", "gaussian_blur", "rotate-", "random_crop", "elastic")
QUANTILES = (0.05, 0.49)
_FRESH = 4


def components() -> tuple[list[Image], list[str]]:
    """Return the electronic components with their classes."""
    archive = data() / "electronic_components/electronic-components-png-original.zip"
    with zipfile.ZipFile(archive) as files:
        names = sorted(name for name in files.namelist() if name.endswith(".png"))
        encoded = [np.frombuffer(files.read(name), np.uint8) for name in names]
    images = [cv2.imdecode(one, cv2.IMREAD_GRAYSCALE) for one in encoded]
    return images, [Path(name).name.partition(".")[0] for name in names]


def features(images: list[Image], side: int) -> np.ndarray:
    """Return thumbnails, their values about their own mean."""
    small = [cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in images]
    flat = np.stack(small).reshape(len(images), -1).astype(np.float32) / 255
    return flat - flat.mean(axis=1, keepdims=True) * 0.5


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return squared distances of every row of one to every row of the other."""
    return (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T


def models(images: list[Image], labels: list[str]) -> dict[str, Predictor]:
    """Fit both models."""
    classes = sorted(set(labels))
    wanted = np.eye(len(classes))[[classes.index(one) for one in labels]]
    inner = features(images, 16)
    kernel = np.exp(-80 * distances(inner, inner) / inner.shape[1])
    weights = np.linalg.solve(kernel + 0.02 * np.eye(len(images)), wanted)

    def kernel_machine(given: list[Image]) -> np.ndarray:
        far = distances(features(given, 16), inner)
        return np.exp(-80 * far / inner.shape[1]) @ weights

    thumbs = features(images, 8)

    def nearest(given: list[Image]) -> np.ndarray:
        far = distances(features(given, 8), thumbs)
        return np.stack([-far[:, wanted[:, n] > 0].min(axis=1) for n in range(len(classes))], 1)

    return {
        "kernel": plain_function(kernel_machine, classes, identity="kernel"),
        "nearest": plain_function(nearest, classes, identity="nearest"),
    }


def failures(model: Predictor, axis: str, images: list[Image], classes: list[int]) -> np.ndarray:
    """Return (N, 101): whether each image fails at each level."""
    plan, samples = AxisPlan(axis), [Sample(one) for one in images]
    keys = [image_digest(one) for one in images]
    made = np.zeros((len(images), LEVELS + 1))
    for level in range(LEVELS + 1):
        at = [plan.apply(key, one, level).image for key, one in zip(keys, samples, strict=True)]
        for number, answer in enumerate(model.predict(at)):
            made[number, level] = int(np.argmax(answer.probabilities)) != classes[number]
    return made


def main() -> None:
    cv2.setNumThreads(1)
    axes = tuple(sys.argv[1:]) or AXES
    images, labels = components()
    rows, realism = [], []
    for name, model in models(images, labels).items():
        classes = [model.classes.index(one) for one in labels]
        examiner = Examiner(
            model, measure(model), Sources.of([Sample(one) for one in images]), AnswerLog()
        )
        expected = [expected_class(one) for one in classes]
        subjects = Subjects([str(n) for n in range(len(images))], expected, labels)
        found = search_tolerance(examiner, subjects, SearchOptions(axes=axes))
        for axis in axes:
            failed = failures(model, axis, images, classes)
            failed = failed[failed[:, 0] == 0]
            rows.append(_row(name, axis, found.axis(axis), failed))
        recipe = found.recipe(n=_FRESH, seed=1)
        for level in found.composite.levels if found.composite else ():
            policy = recipe.policy.model_copy(update={"realism": (level.realism,) * 2})
            fresh = recipe.model_copy(update={"policy": policy})
            wrong, asked = 0, 0
            for number, image in enumerate(images):
                made = [one for _, one in fresh.variants(image, key=f"fresh {number}")]
                answers = [int(np.argmax(one.probabilities)) for one in model.predict(made)]
                wrong, asked = wrong + sum(a != classes[number] for a in answers), asked + len(made)
            reached = "" if level.reached else " (not reached)"
            realism.append(
                [name, f"{level.realism:g}", f"{level.lost:.0%}{reached}", f"{wrong / asked:.1%}"]
            )
    head = [
        "model",
        "axis",
        "calls",
        "of a 5% grid",
        "onset: error (5% grid)",
        "critical",
        "monotone",
    ]
    print(table(head, rows))
    print()
    print(table(["model", "realism", "calibrated", "on fresh variants"], realism))
    print()
    _speed(images)


def _row(name: str, axis: str, found, failed: np.ndarray) -> list[str]:
    rates = failed.mean(axis=0)
    cells = []
    for share, one in zip(QUANTILES, found.thresholds, strict=True):
        exact = crossing(rates, share)
        if one.at is None or np.isnan(exact):
            cells.append("never" if one.at is None and np.isnan(exact) else "DIFFERS")
            continue
        error, grid = abs(100 * one.at.intensity - exact), abs(midpoint(rates, share) - exact)
        cells.append(f"{error:.2f} ({grid:.2f}) at {exact:.1f}")
    share = f"{found.calls / (20 * len(failed)):.0%}"
    return [name, axis, f"{found.calls:,}", share, *cells, "yes" if found.monotone else "no"]


def _speed(images: list[Image]) -> None:
    """Print how long cells take in memory, and through temporary files, one by one."""
    samples = [Sample(one) for one in images]
    keys = [image_digest(one) for one in images]

    def in_memory() -> None:
        for axis in AXES:
            plan = AxisPlan(axis)
            for key, sample in zip(keys, samples, strict=True):
                plan.apply(key, sample, 40)

    def through_files() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for number, image in enumerate(images):
                cv2.imwrite(f"{folder}/{number}.png", image)
            for axis in AXES:
                plan = AxisPlan(axis)
                for number, key in enumerate(keys):
                    source = cv2.imread(f"{folder}/{number}.png", cv2.IMREAD_GRAYSCALE)
                    made = plan.apply(key, Sample(source), 40).image
                    cv2.imwrite(f"{folder}/made.png", made)
                    cv2.imread(f"{folder}/made.png", cv2.IMREAD_GRAYSCALE)

    ratios = []
    for _ in range(5):
        times = [_timed(one) for one in (in_memory, through_files)]
        ratios.append(times[1] / times[0])
    print(f"cells in memory: {np.median(ratios):.1f} times a loop through temporary files")


def _timed(action: Callable[[], None]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
