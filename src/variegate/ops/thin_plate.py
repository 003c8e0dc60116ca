"""Thin-plate splines: control points are moved, and the image follows as a thin plate would bend.

The spline through moved control points is a sum of one function for each of them, and which
functions depends on where the points lie alone. So those are found once, on a lattice of the unit
square; a draw is a weighted sum of them.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Size
from variegate.ops.field import Lattice

Floats = npt.NDArray[np.float64]

#: Nodes along each side. What is lost between them is below a hundredth of a displacement.
_NODES = 64


def thin_plate(size: Size, side: int, offsets: Floats) -> Lattice:
    """Return the displacement that has given offsets at control points.

    The plate is the unit square, stretched over the image with its bends.

    Source: Bookstein, Principal Warps, IEEE PAMI 11 (6), 1989.

    Args:
        size: (height, width) of the canvas.
        side: control points along each side, evenly, from edge to edge.
        offsets: (side, side, 2) x, y, pixels; rows first.
    """
    values = np.zeros((_NODES * _NODES, 2))
    # One after the other, since a matrix product adds in an order of its own on every machine.
    for bend, offset in zip(_bends(side).T, offsets.reshape(-1, 2), strict=True):
        values += bend[:, np.newaxis] * offset
    return Lattice(size, (_NODES, _NODES), values.astype(np.float32).tobytes())


@lru_cache(maxsize=8)
def _bends(side: int) -> Floats:
    """Return (nodes, points) the offset of each node for an offset of 1 at one control point."""
    ends = [number / (side - 1) for number in range(side)]
    points = [(x, y) for y in ends for x in ends]
    weights = _solved(_terms(points, points))
    middles = [(number + 0.5) / _NODES for number in range(_NODES)]
    nodes = [(x, y) for y in middles for x in middles]
    terms = _terms(nodes, points)
    bends = np.zeros((len(nodes), len(points)))
    for term, weight in zip(terms.T, weights, strict=True):
        bends += term[:, np.newaxis] * weight
    return bends


def _terms(places: list[tuple[float, float]], points: list[tuple[float, float]]) -> Floats:
    """Return (places, points + 3) the terms of a spline: a bend about each point, and a plane."""
    rows = []
    for x, y in places:
        squares = ((x - u) ** 2 + (y - v) ** 2 for u, v in points)
        # math, not numpy: numpy takes other roundings of double precision with AVX-512.
        rows.append([*(r * math.log(r) if r > 0 else 0.0 for r in squares), 1.0, x, y])
    return np.array(rows)


def _solved(terms: Floats) -> Floats:
    """Return (points + 3, points) the weights of all terms for an offset of 1 at each point.

    By Gauss and Jordan in plain steps: LAPACK's differ from machine to machine.
    """
    count = len(terms)
    whole = np.zeros((count + 3, 2 * count + 3))
    whole[:count, : count + 3] = terms
    whole[count:, :count] = terms[:, count:].T
    whole[:count, count + 3 :] = np.eye(count)
    for column in range(count + 3):
        pivot = column + int(np.abs(whole[column:, column]).argmax())
        whole[[column, pivot]] = whole[[pivot, column]]
        whole[column] /= whole[column, column]
        for row in range(count + 3):
            if row != column and whole[row, column] != 0:
                whole[row] -= whole[row, column] * whole[column]
    return whole[:, count + 3 :]
