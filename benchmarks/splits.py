"""How near splits by group come to equal shares of every class, and how long a large one takes."""

import json
import subprocess
import time
from typing import Any

import numpy as np

from harness import PEERS, Claim, Result, python_of
from variegate.datasets.prepare.solver import Groups, solve

PROBLEMS, SEEDS = 20, 10
LARGE = 1_000_000
METHOD = f"""
Random problems: 2 to 12 classes, 30 to 400 groups of one to some dozens of images, most of them of
one or two classes, into 3 to 10 folds (`benchmarks/splits.py`). The deviation of a class is the
largest difference, over the folds, between its share there and an equal share. Where one group
holds more of a class than a fold should, or the images of a class cannot be divided by the folds,
that bounds what any split can reach, and both may reach it. {PROBLEMS} problems are drawn like
that, and {PROBLEMS} with five or more images in a group, of several classes, in which no group has
more than a fold's share of any class and the images of every class can be divided by the folds.
Beside it scikit-learn's `StratifiedGroupKFold`: as it is, and the best of that and {SEEDS} shuffled
attempts. Then {LARGE:,} images of ten classes, each a group of its own, into 70/15/15.
"""


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    rows, claims = [], []
    for words, mixed in (("any groups", False), ("groups of five and more", True)):
        drawn = problems(mixed=mixed)
        ours = [worst(one, own_folds(one)) for one in drawn]
        attempts = theirs(drawn)
        plain, best = [each[0] for each in attempts], [min(each) for each in attempts]
        bounds = [bound(one) for one in drawn]
        rows += [
            (f"{words}: variegate", *figures(ours), *[""] * 2),
            (f"{words}: StratifiedGroupKFold", *figures(plain), *compared(ours, plain)),
            (f"{words}: best of {SEEDS + 1} attempts", *figures(best), *compared(ours, best)),
        ]
        reached = sum(
            mine < other or mine <= least + 1e-9
            for mine, other, least in zip(ours, best, bounds, strict=True)
        )
        text = f"problems {words}: lower than the best attempt, or at the bound"
        claims.append(Claim.at_least(text, PROBLEMS, reached))
        if mixed:
            text = f"problems {words}: lower than StratifiedGroupKFold"
            lower = sum(mine < other for mine, other in zip(ours, plain, strict=True))
            claims.append(Claim.at_least(text, PROBLEMS, lower))
    count = LARGE // 10 if quick else LARGE
    rows.append((f"seconds for {count:,} groups of one image", f"{large(count):.1f}", *[""] * 3))
    return Result(
        title="Splits by class and group",
        method=METHOD,
        head=("", "worst class deviation, median", "greatest", "variegate lower", "equal"),
        rows=rows,
        claims=claims,
    )


def figures(deviations: list[float]) -> tuple[str, str]:
    """Return the median and the greatest as text."""
    return f"{np.median(deviations):.4f}", f"{max(deviations):.4f}"


def compared(ours: list[float], others: list[float]) -> tuple[str, str]:
    """Return in how many problems ours are lower, and equal."""
    pairs = list(zip(ours, others, strict=True))
    equal = sum(abs(mine - other) < 1e-9 for mine, other in pairs)
    return str(sum(mine < other - 1e-9 for mine, other in pairs)), str(equal)


def theirs(drawn: list[dict[str, Any]]) -> list[list[float]]:
    """Return the deviations of scikit-learn's attempts at each problem."""
    done = subprocess.run(
        [python_of("sklearn"), str(PEERS / "split_with_sklearn.py")],
        input=json.dumps(drawn),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = zip(drawn, json.loads(done.stdout), strict=True)
    return [[worst(one, folds) for folds in attempts] for one, attempts in answers]


def problems(*, mixed: bool) -> list[dict[str, Any]]:
    """Return problems; `mixed` ones have larger groups, none with a class nearly for itself."""
    found: list[dict[str, Any]] = []
    number = 0
    while len(found) < PROBLEMS:
        one = problem(number, mixed=mixed)
        number += 1
        if not mixed or not exceeds(one):
            found.append(one)
    return found


def exceeds(one: dict[str, Any]) -> bool:
    """Say whether a group holds more of a class than a fold should."""
    counts = table_of(one)
    return bool((counts * one["folds"] > counts.sum(axis=0)).any())


def bound(one: dict[str, Any]) -> float:
    """Return a deviation that no split can go below."""
    counts, folds = table_of(one), one["folds"]
    totals = counts.sum(axis=0)
    by_group = counts.max(axis=0) / totals - 1 / folds
    # A fold with a whole number of images is at least so far off.
    ideal = totals / folds
    by_rounding = np.where(totals % folds, np.maximum(np.ceil(ideal) - ideal, ideal % 1), 0)
    return float(max(by_group.max(), (by_rounding / totals).max()))


def table_of(one: dict[str, Any]) -> np.ndarray:
    """Return (groups, classes) images."""
    labels, owners = np.array(one["labels"]), np.array(one["groups"])
    labels, owners = (np.unique(one, return_inverse=True)[1] for one in (labels, owners))
    counts = np.zeros((owners.max() + 1, labels.max() + 1), np.int64)
    np.add.at(counts, (owners, labels), 1)
    return counts


def problem(number: int, *, mixed: bool) -> dict[str, Any]:
    """Return labels and groups of some images."""
    rng = np.random.default_rng([7, number])
    classes, groups = int(rng.integers(2, 13)), int(rng.integers(30, 401))
    frequent = rng.dirichlet(np.full(classes, 1.5))
    labels, owners = [], []
    for group in range(groups):
        mix = rng.dirichlet(frequent * (6 if mixed else 2) + 0.02)
        size = 4 * mixed + int(rng.geometric(1 / rng.integers(2, 30)))
        labels += rng.choice(classes, size, p=mix).tolist()
        owners += [group] * size
    folds = int(rng.integers(3, 11))
    kept = divisible(labels, folds) if mixed else range(len(labels))
    return {
        "labels": [labels[index] for index in kept],
        "groups": [owners[index] for index in kept],
        "folds": folds,
    }


def divisible(labels: list[int], folds: int) -> list[int]:
    """Return which images to keep, so that each class can be divided evenly."""
    most = {label: labels.count(label) // folds * folds for label in set(labels)}
    seen = dict.fromkeys(most, 0)
    kept = []
    for index, label in enumerate(labels):
        seen[label] += 1
        if seen[label] <= most[label]:
            kept.append(index)
    return kept


def own_folds(one: dict[str, Any]) -> list[int]:
    """Return the fold of each image, as variegate splits them."""
    folds = one["folds"]
    parts = solve(sparse(table_of(one)), np.full(folds, 1 / folds), seed=0)
    return parts[np.unique(one["groups"], return_inverse=True)[1]].tolist()


def sparse(counts: np.ndarray) -> Groups:
    """Return groups that bring (G, classes) images."""
    table = np.column_stack([counts.sum(axis=1), counts])
    rows, columns = np.nonzero(table)
    return Groups(
        starts=np.searchsorted(rows, np.arange(len(table) + 1)),
        columns=columns,
        amounts=table[rows, columns],
        width=table.shape[1],
        fixed=np.full(len(table), -1),
    )


def worst(one: dict[str, Any], folds: list[int]) -> float:
    """Return the largest deviation of a class."""
    labels, count = np.array(one["labels"]), one["folds"]
    shares = [
        np.bincount(np.array(folds)[labels == label], minlength=count) / (labels == label).sum()
        for label in np.unique(labels)
    ]
    return float(np.abs(np.array(shares) - 1 / count).max())


def large(count: int) -> float:
    """Return the seconds for images that are groups of their own."""
    rng = np.random.default_rng(0)
    labels = rng.choice(10, count, p=rng.dirichlet(np.ones(10)))
    groups = sparse(np.eye(10, dtype=np.int64)[labels])
    begun = time.perf_counter()
    solve(groups, np.array([0.7, 0.15, 0.15]), seed=0)
    return time.perf_counter() - begun
