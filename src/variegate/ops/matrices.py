"""3 x 3 matrices of plain floats.

Joining a chain of steps takes tens of small products. numpy takes several times as long for one,
and leaves their rounding to whatever linear algebra it was built with; these round alike anywhere.
"""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from variegate.errors import ShapeError

Array = npt.NDArray[np.float64]


class Matrix(tuple[float, ...]):
    """Nine numbers, row by row. ``@`` is the product; numpy sees an array (3, 3) float64."""

    __slots__ = ()

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Self:
        """Make one from an array.

        Raises:
            ShapeError: it is not (3, 3).
        """
        if isinstance(values, cls):
            return values
        array = np.asarray(values, dtype=np.float64)
        if array.shape != (3, 3):
            raise ShapeError(f"matrix: expected (3, 3), got {array.shape}")
        return cls(array.ravel().tolist())

    @property
    def array(self) -> Array:
        """(3, 3) float64."""
        return np.array(tuple(self)).reshape(3, 3)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        del copy
        return self.array if dtype is None else self.array.astype(dtype)

    def __matmul__(self, other: "Matrix") -> "Matrix":
        if not isinstance(other, Matrix):
            return NotImplemented
        a, b, c, d, e, f, g, h, i = self
        k, l, m, n, o, p, q, r, s = other  # noqa: E741 - the alphabet
        if g == h == q == r == 0 and i == s == 1:
            # The same numbers, with half of the products.
            return Matrix(
                (
                    *(a * k + b * n, a * l + b * o, a * m + b * p + c),
                    *(d * k + e * n, d * l + e * o, d * m + e * p + f),
                    *(0.0, 0.0, 1.0),
                )
            )
        return Matrix(
            (
                *(a * k + b * n + c * q, a * l + b * o + c * r, a * m + b * p + c * s),
                *(d * k + e * n + f * q, d * l + e * o + f * r, d * m + e * p + f * s),
                *(g * k + h * n + i * q, g * l + h * o + i * r, g * m + h * p + i * s),
            )
        )

    @property
    def is_affine(self) -> bool:
        """Whether parallels stay parallel."""
        return self[6] == 0 == self[7]

    @property
    def determinant(self) -> float:
        """How many times areas grow about the origin; negative where left becomes right."""
        a, b, c, d, e, f, g, h, i = self
        return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)

    def inverse(self) -> "Matrix":
        """Return the matrix that undoes this one.

        Raises:
            ZeroDivisionError: there is none.
        """
        a, b, c, d, e, f, g, h, i = self
        by = 1 / self.determinant
        return Matrix(
            (
                *((e * i - f * h) * by, (c * h - b * i) * by, (b * f - c * e) * by),
                *((f * g - d * i) * by, (a * i - c * g) * by, (c * d - a * f) * by),
                *((d * h - e * g) * by, (b * g - a * h) * by, (a * e - b * d) * by),
            )
        )

    def moved(self, x: float, y: float) -> tuple[float, float, float]:
        """Return where the point (x, y) goes: (u, v, w), at (u / w, v / w)."""
        a, b, c, d, e, f, g, h, i = self
        return a * x + b * y + c, d * x + e * y + f, g * x + h * y + i


IDENTITY = Matrix((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


def translation(x: float, y: float) -> Matrix:
    """Return the matrix that moves points by (x, y) pixels."""
    return Matrix((1.0, 0.0, x, 0.0, 1.0, y, 0.0, 0.0, 1.0))


def scaling(x: float, y: float) -> Matrix:
    """Return the matrix that scales about the origin."""
    return Matrix((x, 0.0, 0.0, 0.0, y, 0.0, 0.0, 0.0, 1.0))


def about(matrix: npt.ArrayLike, x: float, y: float) -> Matrix:
    """Return `matrix` acting about the point (x, y) instead of the origin."""
    matrix = Matrix.of(matrix)
    if not matrix.is_affine:
        return translation(x, y) @ matrix @ translation(-x, -y)
    # The same, without two products.
    a, b, c, d, e, f, g, h, i = matrix
    return Matrix((a, b, c + x - a * x - b * y, d, e, f + y - d * x - e * y, g, h, i))
