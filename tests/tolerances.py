"""A tolerance whose figures are known, without a search."""

from collections.abc import Sequence

from variegate.recipes.policies import all_axes
from variegate.tolerance.result import Tolerance


def _quantity(value):
    return {"intensity": value, "value": value, "unit": "", "text": f"{value}"}


def _threshold(quantile, at):
    return {
        "quantile": quantile,
        "at": _quantity(at),
        "low": _quantity(at),
        "high": _quantity(at),
    }


def _axis(name):
    found = [_threshold(0.05, 0.2), _threshold(0.49, 0.5)]
    return {"axis": name, "version": all_axes()[name][1].version, "thresholds": found}


def known_tolerance(axes: Sequence[str]) -> Tolerance:
    """Return one of these axes: each has its onset at 0.2, its critical level at 0.5."""
    levels = [
        {"realism": r, "lost": q, "strain": s, "low": s, "high": s, "reached": True}
        for r, q, s in ((0.75, 0.02, 0.3), (0.5, 0.05, 0.6), (0.25, 0.2, 1.1), (0, 0.5, 1.7))
    ]
    return Tolerance.model_validate(
        {
            "model": {"name": "mean", "identity": "mean"},
            "mode": "correctness preserved",
            "error": "class",
            "tau": 0.5,
            "seed": 0,
            "quantiles": [0.05, 0.49],
            "n_max": 64,
            "clean": {
                "images": 12,
                "wrong": 0,
                "error": {"value": 0, "low": 0, "high": 0.2},
                "units": 12,
            },
            "axes": [_axis(name) for name in axes],
            "composite": {
                "k_min": 1,
                "k_max": 3,
                "groups": [["gaussian_blur"]],
                "levels": levels,
                "curve": [],
                "images": 12,
                "calls": 0,
                "monotone": True,
            },
            "calls": 0,
        }
    )
