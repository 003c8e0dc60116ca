"""One epoch of a training's images as a turn: what every loader is given, and has to give.

It runs in every peer's environment and so needs nothing but numpy.
"""

import sys
import time
from collections.abc import Callable, Iterable

import numpy as np
from serve import serve

SIDE = 224
BATCH = 32
WORKERS = 2
#: How often an epoch has each photo.
DRAWS = 8
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def run(epoch: Callable[[int], Iterable[object]]) -> None:
    """Take turns of one epoch each.

    Args:
        epoch: its number -> batches, arrays or tensors (N, 3, SIDE, SIDE) float32.
    """
    expected = int(sys.argv[2])
    numbers = iter(range(10**9))

    def act() -> None:
        seen = 0
        for batch in epoch(next(numbers)):
            values = np.asarray(batch)
            assert values.shape[1:] == (3, SIDE, SIDE), values.shape
            assert values.dtype == np.float32
            seen += len(values)
        assert seen == expected, seen
        # Normalised: around 0, and neither bytes nor all alike.
        assert -3 < values.mean() < 3
        assert 0.1 < values.std() < 3

    serve(act, clock=time.perf_counter)
