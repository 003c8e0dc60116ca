"""The search of tolerances on simulated models, of which every figure is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness import Claim, Result
from variegate.tolerance.answers import LEVELS
from variegate.tolerance.outcome import SearchOutcome, Threshold
from variegate.tolerance.search import SearchSettings, search
from variegate.tolerance.statistics import isotonic

Draw = Callable[[np.random.Generator, int], np.ndarray]

RUNS, FEW = 100, 20
# None of those on which the constants of the search were chosen.
_SEED = 611_953
METHOD = f"""
Every image of a simulated model has a breakpoint, drawn from a distribution of one of six shapes;
*wiggle* is the share of answers within four points of it that are turned round. In each of {RUNS}
runs the images are drawn anew, from another seed, none of them one that the search was tuned on,
and the search draws from another one, too. *Error*: how many points of intensity the onset
(5% lost) and the critical level (49% lost) are off those of the isotonic curve through all images
at every level (a grid in steps of 1%); beside it that of a grid in steps of 5% with its midpoints,
of the same images. *Coverage*: how often the interval at 95% holds the threshold of the
distribution. *Calls* are of one axis, intervals and audit included. With `n_max` 256 of 1,000
images the error is mostly that of the images not asked, and is no claim. *Planted*: over 15 to 30
levels 0.3 fewer fail than just before; *found* is in which share of runs that is noticed
(`benchmarks/tolerance_search.py`).
"""


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


def searched(failed: np.ndarray, settings: SearchSettings) -> SearchOutcome:
    """Search on known errors."""
    return search(lambda cells: [failed[cell] for cell in cells], len(failed), settings)


@dataclass
class Figures:
    """What searches of one shape found, run by run.

    Attributes:
        calls: of each.
        off, grid: errors of both thresholds, of the search and of a grid in steps of 5%; NaN where
            one is not reached.
        covered: whether the intervals held the truth.
        drops: how many found one.
    """

    calls: list[int] = field(default_factory=list)
    off: list[list[float]] = field(default_factory=list)
    grid: list[list[float]] = field(default_factory=list)
    covered: list[list[bool]] = field(default_factory=list)
    drops: int = 0

    def add(self, failed: np.ndarray, truth: Sequence[float], settings: SearchSettings) -> None:
        """Search on known errors; `truth` has the thresholds that intervals should hold."""
        found, rates = searched(failed, settings), failed.mean(axis=0)
        exact = [crossing(rates, share) for share in settings.quantiles]
        pairs = list(zip(found.thresholds, exact, strict=True))
        self.calls.append(found.calls)
        self.off.append([np.nan if t.level is None else abs(t.level - e) for t, e in pairs])
        self.grid.append(
            [abs(midpoint(rates, s) - e) for s, e in zip(settings.quantiles, exact, strict=True)]
        )
        self.covered.append(
            [_holds(t, one) for t, one in zip(found.thresholds, truth, strict=True)]
        )
        self.drops += found.drop is not None

    def error(self) -> np.ndarray:
        """Return the mean errors of both thresholds."""
        return _mean(self.off)

    def grid_error(self) -> np.ndarray:
        """Return those of the grid."""
        return _mean(self.grid)

    def coverage(self) -> np.ndarray:
        """Return the share of intervals that hold the truth, of both thresholds."""
        return np.mean(self.covered, axis=0)

    def cells(self, images: int) -> list[str]:
        """Return cells of a table."""
        return [
            f"{np.mean(self.calls):,.0f} (at most {max(self.calls):,})",
            f"{np.mean(self.calls) / (20 * images):.0%}",
            " / ".join(f"{one:.2f}" for one in self.error()),
            " / ".join(f"{one:.2f}" for one in self.grid_error()),
            " / ".join(f"{one:.1%}" for one in self.coverage()),
            f"{self.drops / len(self.calls):.1%}",
        ]


def _mean(values: list[list[float]]) -> np.ndarray:
    columns = [[one for one in column if not np.isnan(one)] for column in zip(*values, strict=True)]
    return np.array([np.mean(one) if one else np.nan for one in columns])


def _holds(found: Threshold, truth: float) -> bool:
    """Whether an interval holds a threshold; NaN where the end of the axis is before it."""
    if np.isnan(truth):
        return found.high is None
    return found.low <= truth <= (np.inf if found.high is None else found.high)


def monotone(draw: Draw, n: int, settings: SearchSettings, runs: int, wiggle: float) -> Figures:
    """Return the figures of one shape."""
    rng = np.random.default_rng([_SEED, 1])
    pool = errors(draw(rng, 50_000), wiggle, rng)
    truth = [crossing(pool.mean(axis=0), share) for share in settings.quantiles]
    figures = Figures()
    for number in range(runs):
        rng = np.random.default_rng([_SEED, 2, number])
        drawn = pool[rng.integers(0, len(pool), n)]
        figures.add(drawn, truth, replace(settings, seed=_SEED + number))
    return figures


def planted(draw: Draw, n: int, runs: int) -> tuple[float, list[int]]:
    """Return in which share of runs a planted drop of 0.3 is found, and the calls."""
    found, calls = 0, []
    for number in range(runs):
        rng = np.random.default_rng([_SEED, 3, number])
        failed = with_drop(errors(draw(rng, n), 0.0, rng), 0.3, rng)
        one = searched(failed, SearchSettings(seed=_SEED + number))
        found += one.drop is not None
        calls.append(one.calls)
    return found / runs, calls


def run(*, quick: bool) -> Result:
    """Search on all shapes."""
    runs, rows = FEW if quick else RUNS, []
    sets = ((250, 256), (1000, 1024), (1000, 256))
    found: dict[tuple[int, int], list[Figures]] = {}
    for n, n_max in sets:
        for wiggle in (0.0, 0.1):
            for name, draw in SHAPES.items():
                one = monotone(draw, n, SearchSettings(n_max=n_max), runs, wiggle)
                found.setdefault((n, n_max), []).append(one)
                rows.append((f"{n:,}", f"{n_max:,}", name, f"{wiggle:g}", *one.cells(n), ""))
    drops = []
    for n in (250, 1000):
        for name, draw in SHAPES.items():
            share, calls = planted(draw, n, runs)
            drops.append((share, max(calls)))
            told = f"{np.mean(calls):,.0f} (at most {max(calls):,})"
            rows.append(
                (f"{n:,}", "256", f"{name}, drop planted", "0", told, *[""] * 5, f"{share:.1%}")
            )
    head = (
        "images",
        "n_max",
        "shape",
        "wiggle",
        "calls",
        "of a 5% grid",
        "error: onset / critical",
    )
    head += ("of the 5% grid", "coverage", "drops invented", "drops found")
    return Result("The search of tolerances, simulated", METHOD, head, rows, _claims(found, drops))


def _claims(
    found: dict[tuple[int, int], list[Figures]], drops: list[tuple[float, int]]
) -> list[Claim]:
    """Return the claims; each figure is that of the worst shape."""
    all_images = found[250, 256] + found[1000, 1024]
    everything = [one for some in found.values() for one in some]
    asked = [one for key, some in found.items() if key[1] == 256 for one in some]
    onset, critical = np.array([one.error() for one in all_images]).max(axis=0)
    times = max((one.error() / one.grid_error()).max() for one in all_images)
    most = max(*(max(one.calls) for one in asked), *(calls for _, calls in drops))

    def percent(key: tuple[int, int], n: int) -> float:
        return max(float(np.mean(one.calls)) / (20 * n) for one in found[key]) * 100

    return [
        Claim.at_most(
            "250 images: mean calls, of those of a 5% grid", 30, percent((250, 256), 250), "%"
        ),
        Claim.at_most("1,000 images: the same", 25, percent((1000, 1024), 1000), "%"),
        Claim.at_most("n_max 256: most calls of any run", 1500, most),
        Claim.at_most("mean error of the onset, points", 0.6, onset),
        Claim.at_most("mean error of the critical level, points", 0.3, critical),
        Claim("mean errors, times those of the 5% grid", "below 1", times, times < 1),
        Claim.at_least(
            "coverage of the intervals at 95%, %",
            95,
            100 * min(one.coverage().min() for one in everything),
        ),
        Claim.at_least("planted drops that are found, %", 85, 100 * min(one for one, _ in drops)),
        Claim.at_most("drops that are invented", 0, sum(one.drops for one in everything)),
    ]
