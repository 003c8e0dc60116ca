"""A model for tests that tells dark from bright, and what its searches find."""

import numpy as np

from variegate.tolerance.result import Tolerance

AXES = ("brightness+", "contrast-")


def shades(n=90, seed=0):
    """Gray images, dark or bright by their label."""
    rng = np.random.default_rng(seed)
    labels = ["dark" if one else "bright" for one in rng.random(n) < 0.5]
    base = np.array([80 if one == "dark" else 170 for one in labels])
    spread = rng.integers(-35, 35, n)
    made = [rng.integers(v - 10, v + 10, (24, 24)).astype(np.uint8) for v in base + spread]
    return made, labels


def teller(limit):
    """Return a model that calls an image bright if its mean is above a limit."""

    def tell(given):
        mean = np.array([one.mean() for one in given])
        return np.stack([mean, 2 * limit - mean], axis=1)

    return tell


def search(limit=125.5, *, given=None, **options):
    """Search a model that calls bright what is above `limit`."""
    made, labels = given or shades(240)
    chosen = {"axes": AXES, "n_max": 240, "composition": None, **options}
    return Tolerance.search(teller(limit), made, labels, identity=f"{limit}", **chosen)
