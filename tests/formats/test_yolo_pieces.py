"""Objects of several pieces, which YOLO has as one ring."""

import math

import numpy as np

from variegate.formats.yolo.text import joined


def by_comparing_all(rings):
    """Join rings by the shortest of all ways between their corners, the first of equal ones."""
    result = list(rings[0])
    for ring in rings[1:]:
        ways = ((i, j) for i in range(len(result)) for j in range(len(ring)))
        i, j = min(ways, key=lambda way: math.dist(result[way[0]], ring[way[1]]) ** 2)
        result = [*result[: i + 1], *ring[j:], *ring[: j + 1], *result[i:]]
    return result


def test_pieces_are_joined_over_the_shortest_way():
    rng = np.random.default_rng(1)
    for _ in range(40):
        # Whole numbers, so that distances are equal now and then, and pieces overlap.
        rings = [
            [(int(x), int(y)) for x, y in rng.integers(0, 64, (rng.integers(3, 9), 2))]
            for _ in range(rng.integers(1, 8))
        ]
        found, expected = joined(rings), by_comparing_all(rings)
        assert len(found) == len(expected)
        assert found == expected


def test_one_piece_stays_as_it_is():
    ring = [(1, 2), (3.5, 4), (5, 0.25)]
    assert joined([ring]) == ring
