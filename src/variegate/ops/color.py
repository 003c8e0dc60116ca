"""Operations on colors: `Lut` and `ColorMatrix`.

On a gray image they do what they would do to the same image in RGB, brought back to gray by
its luminance (Rec. 601 weights), so that one recipe serves both kinds.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.sample import Image
from variegate.errors import ShapeError
from variegate.ops.base import Operation, Pointwise
from variegate.ops.grain import looked_up

#: Rec. 601 luma weights, the ones JPEG uses.
LUMINANCE = np.array([0.299, 0.587, 0.114])

_IDENTITY_TABLE = bytes(range(256))
_IDENTITY_ROWS = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))

Table = npt.NDArray[np.uint8]


def round_to_bytes(values: npt.ArrayLike) -> Table:
    """Round to the nearest integer and saturate at 0 and 255."""
    # np.clip takes twice as long as these two on a table.
    rounded = np.array(values, dtype=np.float64)
    np.rint(rounded, out=rounded)
    np.maximum(rounded, 0.0, out=rounded)
    np.minimum(rounded, 255.0, out=rounded)
    return rounded.astype(np.uint8)


@dataclass(frozen=True)
class Lut(Pointwise):
    """A look-up table for each channel, or one for all. Two of them join exactly.

    Attributes:
        tables: 256 bytes (shared by all channels) or 768 (red, then green, then blue).
    """

    tables: bytes

    @classmethod
    def of(cls, values: npt.ArrayLike) -> "Lut":
        """Make one from 256 values, or 3 rows of 256; rounded and saturated.

        Raises:
            ShapeError: `values` is not (256,) or (3, 256).
        """
        table = round_to_bytes(values)
        if table.shape not in ((256,), (3, 256)):
            raise ShapeError(f"values: expected (256,) or (3, 256), got {table.shape}")
        return cls(table.tobytes())

    @property
    def is_identity(self) -> bool:
        return self.tables in (_IDENTITY_TABLE, 3 * _IDENTITY_TABLE)

    def _channels(self) -> tuple[bytes, ...]:
        return tuple(self.tables[i : i + 256] for i in range(0, len(self.tables), 256))

    def then(self, other: Operation) -> Operation | None:
        if not isinstance(other, Lut):
            return super().then(other)
        if len(self.tables) == len(other.tables) == 256:
            return Lut(self.tables.translate(other.tables))
        first, second = self._channels(), other._channels()
        channels = zip(first * (3 // len(first)), second * (3 // len(second)), strict=True)
        return Lut(b"".join(one.translate(two) for one, two in channels))

    def on_colors(self, colors: Image) -> Image:
        tables = np.frombuffer(self.tables, np.uint8).reshape(-1, 256)
        return np.broadcast_to(tables, (3, 256))[[0, 1, 2], colors]

    def on_gray(self, level: int) -> int:
        return self._gray_table()[level]

    def _gray_table(self) -> bytes:
        return self.tables if len(self.tables) == 256 else _gray(self)

    def _act(self, image: Image) -> Image:
        channels = self._channels()
        if image.ndim == 2:
            return looked_up(image, self._gray_table())
        if len(channels) == 1 and image.shape[2] == 3:
            return looked_up(image, channels[0])
        changed = np.array(image, order="C")
        for index, table in enumerate(channels * (3 // len(channels))):
            if table != _IDENTITY_TABLE:
                plane = cv2.extractChannel(image, index)
                cv2.insertChannel(looked_up(plane, table), changed, index)
        return changed


@dataclass(frozen=True)
class ColorMatrix(Pointwise):
    """A linear change of RGB, with an offset. Two of them join into one, clipped once.

    Attributes:
        rows: three rows of four: the weights of red, green and blue, and the offset (0 ... 255).
    """

    rows: tuple[tuple[float, float, float, float], ...]

    @classmethod
    def of(cls, matrix: npt.ArrayLike, offset: npt.ArrayLike = (0.0, 0.0, 0.0)) -> "ColorMatrix":
        """Make one from a (3, 3) matrix and three offsets (of 255).

        Raises:
            ShapeError: `matrix` is not (3, 3) or `offset` is not (3,).
        """
        weights, offsets = np.asarray(matrix, np.float64), np.asarray(offset, np.float64)
        if weights.shape != (3, 3) or offsets.shape != (3,):
            raise ShapeError(
                f"expected a (3, 3) matrix and (3,) offsets, got {weights.shape}, {offsets.shape}"
            )
        return cls(
            tuple(
                [
                    (r, g, b, o)
                    for (r, g, b), o in zip(weights.tolist(), offsets.tolist(), strict=True)
                ]
            )
        )

    @property
    def array(self) -> npt.NDArray[np.float64]:
        """(3, 4) float64: weights and offset."""
        return np.array(self.rows)

    @property
    def is_identity(self) -> bool:
        return self.rows == _IDENTITY_ROWS

    def then(self, other: Operation) -> Operation | None:
        if not isinstance(other, ColorMatrix):
            return super().then(other)
        first, second = self.array, other.array
        return ColorMatrix.of(
            second[:, :3] @ first[:, :3], second[:, :3] @ first[:, 3] + second[:, 3]
        )

    def on_colors(self, colors: Image) -> Image:
        matrix = self.array
        return round_to_bytes(colors @ matrix[:, :3].T + matrix[:, 3])

    def on_gray(self, level: int) -> int:
        return _gray(self)[level]

    def _act(self, image: Image) -> Image:
        if image.ndim == 2:
            return looked_up(image, _gray(self))
        matrix = self.array.astype(np.float32)
        if image.shape[2] == 3:
            return cv2.transform(image, matrix)
        colors = cv2.transform(cv2.cvtColor(image, cv2.COLOR_RGBA2RGB), matrix)
        return np.dstack([colors, image[..., 3]])


@lru_cache(maxsize=256)
def _gray(change: Pointwise) -> bytes:
    """Return the table that does to a gray image what `change` does to it in RGB."""
    grays = np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis], 3, axis=1)
    return round_to_bytes(change.on_colors(grays) @ LUMINANCE).tobytes()
