"""The search of tolerances on simulated models: benchmarks/tolerance_search.py [--quick] [runs]

--quick searches 250 images only, with answers about the breakpoint that change.

Every image has a breakpoint (drawn from a curve of one of several shapes), so that every figure is
known: calls against a grid in steps of 5%, errors of the onset (5%) and the critical level (49%)
against the isotonic grid in steps of 1%, the coverage of intervals when images are drawn anew, and
how often drops of the failure rate are found where they were planted, or where there are none.
"""

import sys
from collections.abc import Callable

import numpy as np

from harness import table
from variegate.tolerance.answers import LEVELS
from variegate.tolerance.outcome import SearchOutcome
from variegate.tolerance.search import SearchSettings, search
from variegate.tolerance.statistics import isotonic

Draw = Callable[[np.random.Generator, int], np.ndarray]


def _beta(a: float, b: float, length: float) -> Draw:
    return lambda rng, n: rng.beta(a, b, n) * length


def _hardy(rng: np.random.Generator, n: int) -> np.ndarray:
    """A third never fails."""
    return np.where(rng.random(n) < 1 / 3, 150, rng.beta(2, 3, n) * 90)


def _two_kinds(rng: np.random.Generator, n: int) -> np.ndarray:
    """Some fail early, most late."""
    return np.where(rng.random(n) < 0.2, rng.normal(12, 4, n), rng.normal(60, 12, n))


SHAPES: dict[str, Draw] = {
    "early": _beta(1.5, 4, 100),
    "even": _beta(2, 2, 110),
    "late": _beta(4, 2, 115),
    "steep": lambda rng, n: rng.normal(45, 8, n),
    "two kinds": _two_kinds,
    "hardy": _hardy,
}


def errors(breakpoints: np.ndarray, wiggle: float, rng: np.random.Generator) -> np.ndarray:
    """Return the errors (N, 101) of images; some answers about the breakpoint are turned round."""
    levels = np.arange(LEVELS + 1)
    failed = levels >= breakpoints[:, None]
    near = np.abs(levels - breakpoints[:, None]) < 4
    return (failed ^ (near & (rng.random(failed.shape) < wiggle))).astype(float)


def with_drop(failed: np.ndarray, drop: float, rng: np.random.Generator) -> np.ndarray:
    """Let the failure rate fall by `drop` in a range of levels, below what it was before."""
    rates = failed.mean(axis=0)
    width = int(rng.integers(15, 31))
    start = min(int(np.argmax(rates > drop + 0.1)) + int(rng.integers(10, 25)), LEVELS - width)
    made, keys = failed.copy(), rng.random(len(failed))
    for level in range(start, start + width):
        # The same images recover at every level, as far as they had failed.
        failing = np.flatnonzero(made[:, level] > 0)
        recovered = len(failing) - round((rates[start - 1] - drop) * len(made))
        made[failing[np.argsort(keys[failing])[: max(recovered, 0)]], level] = 0
    return made


def crossing(rates: np.ndarray, share: float, step: int = 1) -> float:
    """Return where the isotonic curve through every `step`-th level crosses a share."""
    at = np.arange(0, LEVELS + 1, step)
    curve = isotonic(rates[at])
    place = int(np.searchsorted(curve, share, side="left"))
    if place >= len(at) or place == 0:
        return np.nan if place else 0.0
    low, high = curve[place - 1], curve[place]
    return float(at[place - 1] + step * (share - low) / (high - low))


def midpoint(rates: np.ndarray, share: float) -> float:
    """Return the midpoint of the step of 5% in which a share is crossed."""
    at = np.arange(0, LEVELS + 1, 5)
    place = int(np.argmax(rates[at] > share))
    return float(at[place] - 2.5) if place else np.nan


def run(failed: np.ndarray, settings: SearchSettings) -> SearchOutcome:
    """Search on known errors."""
    return search(lambda cells: [failed[cell] for cell in cells], len(failed), settings)


def _off(level: float | None, exact: float) -> float:
    return np.nan if level is None else abs(level - exact)


def monotone(draw: Draw, n: int, settings: SearchSettings, runs: int, wiggle: float) -> list[str]:
    """Return a row of figures of one shape."""
    pool = errors(draw(np.random.default_rng(1), 50_000), wiggle, np.random.default_rng(2))
    truth = [crossing(pool.mean(axis=0), share) for share in settings.quantiles]
    calls, off, grid, covered, flagged = [], [], [], [], 0
    for number in range(runs):
        rng = np.random.default_rng([3, number])
        failed = pool[rng.integers(0, len(pool), n)]
        found = run(failed, settings)
        rates = failed.mean(axis=0)
        calls.append(found.calls)
        flagged += found.drop is not None
        exact = [crossing(rates, share) for share in settings.quantiles]
        off.append(
            [
                np.nan if t.level is None else abs(t.level - e)
                for t, e in zip(found.thresholds, exact, strict=False)
            ]
        )
        grid.append(
            [abs(midpoint(rates, s) - e) for s, e in zip(settings.quantiles, exact, strict=False)]
        )
        covered.append(
            [
                t.low <= one <= (t.high or np.inf)
                for t, one in zip(found.thresholds, truth, strict=False)
            ]
        )
    share = np.mean(calls) / (20 * n)
    return [
        f"{np.mean(calls):,.0f} (at most {max(calls):,})",
        f"{share:.0%}",
        " / ".join(f"{one:.2f}" for one in np.nanmean(off, axis=0)),
        " / ".join(f"{one:.2f}" for one in np.nanmean(grid, axis=0)),
        " / ".join(f"{one:.1%}" for one in np.mean(covered, axis=0)),
        f"{flagged / runs:.1%}",
    ]


def planted(draw: Draw, n: int, runs: int) -> tuple[float, float]:
    """Return in which share of runs a planted drop of 0.3 is found, and the mean calls."""
    found, calls = 0, 0
    for number in range(runs):
        rng = np.random.default_rng([4, number])
        failed = with_drop(errors(draw(rng, n), 0.0, rng), 0.3, rng)
        one = run(failed, SearchSettings())
        found, calls = found + (one.drop is not None), calls + one.calls
    return found / runs, calls / runs


def main() -> None:
    quick = "--quick" in sys.argv
    runs = next((int(one) for one in sys.argv[1:] if one.isdigit()), 60 if quick else 200)
    head = ["images", "n_max", "shape", "wiggle", "calls", "of a 5% grid", "error onset / critical"]
    head += ["of the 5% grid", "coverage", "drops invented"]
    rows = []
    sets = ((250, 256), (1000, 1024), (1000, 256))
    for n, n_max in sets[:1] if quick else sets:
        for wiggle in (0.1,) if quick else (0.0, 0.1):
            for name, draw in SHAPES.items():
                row = monotone(draw, n, SearchSettings(n_max=n_max), runs, wiggle)
                rows.append([str(n), str(n_max), name, f"{wiggle:g}", *row])
    print(table(head, rows))
    print()
    rows = []
    for n in (250,) if quick else (250, 1000):
        for name, draw in SHAPES.items():
            share, calls = planted(draw, n, runs)
            rows.append([str(n), name, f"{share:.1%}", f"{calls:,.0f}"])
    print(table(["images", "shape", "planted drops of 0.3 found", "calls"], rows))


if __name__ == "__main__":
    main()
