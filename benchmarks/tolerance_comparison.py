"""Comparisons of simulated models: python benchmarks/tolerance_comparison.py [runs]

Models are searched on images of their own, with known breakpoints. Where both are equal, a
comparison that calls any axis better or worse is wrong: that must happen in 5% of comparisons at
most. Where the second is stronger by so many points, it is to be found.
"""

import sys

import numpy as np

from harness import table
from tolerance_search import SHAPES, Draw, errors, run
from variegate.tolerance.axes import axis_result
from variegate.tolerance.comparison import compare
from variegate.tolerance.result import AxisTolerance, CleanResult, Interval, Tolerance
from variegate.tolerance.search import SearchSettings

AXES = ("brightness+", "contrast-", "gaussian_blur", "rotate+", "speckle", "sharpen")
SETTINGS = SearchSettings()
SHIFTS = (0, 5, 10, 20)


def searched(axis: str, draw: Draw, n: int, shift: float, seed: list[int]) -> AxisTolerance:
    """Return what a search finds on an axis; breakpoints are `shift` points later."""
    rng = np.random.default_rng(seed)
    failed = errors(draw(rng, n) + shift, 0.0, rng)
    return axis_result(
        axis,
        run(failed, SETTINGS),
        SETTINGS,
        names=["one"] * n,
        witness=lambda cell: (str(cell), "", ""),
        available=n,
        instability=0.0,
    )


def model(n: int, shift: float, seed: list[int]) -> Tolerance:
    """Return a whole search, with all shapes of breakpoints."""
    shapes = zip(AXES, SHAPES.values(), strict=True)
    axes = [searched(axis, draw, n, shift, [*seed, i]) for i, (axis, draw) in enumerate(shapes)]
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


def main() -> None:
    """Print how often comparisons of equal and of unequal models call an axis better or worse."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    rows = []
    for n in (100, 250):
        for shift in SHIFTS:
            found = [
                compare(model(n, 0, [1, number]), model(n, shift, [2, number]))
                for number in range(runs)
            ]
            axes = runs * len(AXES)
            better, worse = (
                sum(len(one.of(name)) for one in found) for name in ("better", "worse")
            )
            wrong = [one.of("worse") + (one.of("better") if shift == 0 else []) for one in found]
            rows.append(
                [
                    f"{n} images, {shift} points",
                    f"{sum(map(bool, wrong)) / runs:.1%}",
                    f"{better / axes:.0%}",
                    f"{worse / axes:.0%}",
                ]
            )
    print(table(["models", "wrong comparisons", "axes better", "axes worse"], rows))


if __name__ == "__main__":
    main()
