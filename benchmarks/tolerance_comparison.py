"""Comparisons of simulated models: how often is an axis called better or worse, and wrongly?"""

import numpy as np

from harness import Claim, Result
from tolerance_search import SHAPES, Draw, errors, searched
from variegate.tolerance.axes import axis_result
from variegate.tolerance.comparison import compare
from variegate.tolerance.result import AxisTolerance, CleanResult, Interval, Tolerance
from variegate.tolerance.search import SearchSettings

AXES = ("brightness+", "contrast-", "gaussian_blur", "rotate+", "speckle", "sharpen")
SETTINGS = SearchSettings()
SHIFTS = (0, 5, 10, 20)
RUNS, FEW = 100, 10
METHOD = f"""
Two simulated models are searched on six axes (the shapes of breakpoints above), each on images of
its own, {RUNS} times, from other seeds; on the second all breakpoints are so many points of
intensity later. Where both are equal, a comparison that calls any axis better or worse is wrong;
where the second is stronger, one that calls any worse (`benchmarks/tolerance_comparison.py`).
"""


def on_axis(axis: str, draw: Draw, n: int, shift: float, seed: list[int]) -> AxisTolerance:
    """Return what a search finds on an axis; breakpoints are `shift` points later."""
    rng = np.random.default_rng(seed)
    failed = errors(draw(rng, n) + shift, 0.0, rng)
    return axis_result(
        axis,
        searched(failed, SETTINGS),
        SETTINGS,
        names=["one"] * n,
        witness=lambda cell: (str(cell), "", ""),
        available=n,
        instability=0.0,
    )


def model(n: int, shift: float, seed: list[int]) -> Tolerance:
    """Return a whole search, with all shapes of breakpoints."""
    shapes = zip(AXES, SHAPES.values(), strict=True)
    axes = [on_axis(axis, draw, n, shift, [*seed, i]) for i, (axis, draw) in enumerate(shapes)]
    clean = CleanResult(images=n, wrong=0, error=Interval(value=0, low=0, high=0.01), units=n)
    return Tolerance(
        model={"identity": str(seed)},
        mode="prediction preserved",
        error="class",
        tau=0.5,
        seed=0,
        quantiles=SETTINGS.quantiles,
        n_max=SETTINGS.n_max,
        clean=clean,
        axes=tuple(axes),
        calls=0,
    )


def run(*, quick: bool) -> Result:
    """Compare models that are equal, and some of which one is stronger."""
    runs, rows, wrongs = FEW if quick else RUNS, [], []
    for n in (100, 250):
        first = [model(n, 0, [1, number]) for number in range(runs)]
        for shift in SHIFTS:
            found = [compare(one, model(n, shift, [2, number])) for number, one in enumerate(first)]
            axes = runs * len(AXES)
            better, worse = (
                sum(len(one.of(name)) for one in found) / axes for name in ("better", "worse")
            )
            wrong = [one.of("worse") + (one.of("better") if shift == 0 else []) for one in found]
            wrongs.append(sum(map(bool, wrong)) / runs)
            told = (f"{wrongs[-1]:.1%}", f"{better:.0%}", f"{worse:.0%}")
            rows.append((f"{n}", f"{shift}", *told))
    head = ("images", "points stronger", "wrong comparisons", "axes better", "axes worse")
    claims = [
        Claim.at_most(
            "comparisons that call any axis wrongly, most of a row", 5, 100 * max(wrongs), "%"
        ),
    ]
    return Result("Comparisons of tolerances, simulated", METHOD, head, rows, claims)
