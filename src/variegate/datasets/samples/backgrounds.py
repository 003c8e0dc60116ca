"""What the parts lie on: cheap procedural surfaces, each a function (rng, size) -> image."""

from collections.abc import Callable
from typing import TypeVar

import cv2
import numpy as np

from variegate.seeding import uniform

Size = tuple[int, int]
Color = tuple[int, int, int]
T = TypeVar("T")

_WRAP = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


def draw_background(rng: np.random.Generator, size: Size) -> np.ndarray:
    """Draw one of the surfaces, at random.

    Args:
        rng: where all choices come from.
        size: (height, width), pixels.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    return SURFACES[int(rng.integers(len(SURFACES)))](rng, size)


def _mat(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A cutting mat: one colour, a fine grid, every fifth line stronger."""
    color = _pick(rng, [(38, 98, 84), (44, 74, 112), (84, 88, 92), (60, 104, 70), (30, 60, 66)])
    tone = _mottle(rng, size, cells=5, amount=10) + _grain(rng, size, amount=5)
    cell = int(rng.integers(14, 26))
    tile = np.zeros((cell * 5, cell * 5), np.float32)
    tile[::cell, :] = tile[:, ::cell] = uniform(rng, 12, 26)
    tile[:2, :] = tile[:, :2] = uniform(rng, 30, 50)
    return _tint(tone + _tiled(rng, tile, size), [(0, 0, 0), color, (235, 240, 230)])


def _wood(rng: np.random.Generator, size: Size) -> np.ndarray:
    """Planed wood: rings cut lengthwise, fibres along them, now and then a seam."""
    height, width = size
    bend = _smooth(rng, size, (4, 3)) * uniform(rng, 20, 60)
    y = np.arange(height, dtype=np.float32)[:, None]
    x = np.arange(width, dtype=np.float32) * np.float32(uniform(rng, -0.3, 0.3))
    rings = ((y + x + bend) / np.float32(uniform(rng, 9, 22))) % 1
    rings = rings * rings * (2 - rings) * 26
    fibres = _smooth(rng, size, (height // 2, 1 + width // 40)) * 22
    tone = rings + fibres + _mottle(rng, size, cells=3, amount=14) + _grain(rng, size, amount=5)
    if rng.random() < 0.5:
        seam = int(rng.integers(height))
        tone[seam : seam + 2] -= 55
    if rng.random() < 0.4:
        tone = cv2.resize(tone.T, (width, height))
    dark, light = _pick(
        rng,
        [
            ((92, 52, 26), (206, 156, 104)),
            ((70, 44, 30), (150, 104, 72)),
            ((150, 110, 70), (238, 208, 164)),
            ((104, 92, 80), (196, 184, 168)),
        ],
    )
    return _tint(tone - 18, [(20, 12, 8), dark, light, (250, 236, 214)])


def _paper(rng: np.random.Generator, size: Size) -> np.ndarray:
    """Paper: white, cream or kraft; plain, ruled or graph."""
    color = _pick(rng, [(232, 230, 226), (238, 230, 210), (196, 160, 116), (214, 222, 230)])
    tone = _mottle(rng, size, cells=6, amount=5) + _mottle(rng, size, cells=60, amount=9)
    tone += _grain(rng, size, amount=5)
    image = _tint(tone, [(10, 10, 10), color, (255, 255, 255)])
    style = rng.random()
    if style < 0.6:
        cell = int(rng.integers(12, 24))
        tile = np.zeros((cell, cell), np.float32)
        tile[0, :] = 1
        if style < 0.4:
            tile[:, 0] = 1
        lines = (_tiled(rng, tile, size) * uniform(rng, 0.3, 0.7))[..., None]
        ink = np.array(_pick(rng, [(110, 150, 200), (150, 160, 170), (120, 170, 140)]), np.float32)
        image = (image + lines * (ink - image)).astype(np.uint8)
    return image


def _board(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A bare circuit board: solder mask, traces at right angles and 45 degrees, pads."""
    color = _pick(rng, [(22, 92, 52), (16, 78, 44), (30, 108, 60), (20, 56, 104)])
    tone = _mottle(rng, size, cells=4, amount=8) + _mottle(rng, size, cells=90, amount=4)
    image = _tint(tone + _grain(rng, size, amount=4), [(0, 0, 0), color, (220, 240, 220)])
    height, width = size
    copper = tuple(min(255, int(c * 1.2 + 16)) for c in color)
    pitch = int(rng.integers(13, 20))
    for _ in range(int(rng.integers(2, 5))):
        start = rng.integers([0, 0], [width, height])
        across, along = int(rng.integers(2, 8)), rng.integers(30, 140, size=3)
        flip, turn = (1 if rng.random() < 0.5 else -1 for _ in range(2))
        path = np.cumsum([(0, 0), (along[0], 0), (along[1] // 2, along[1] // 2), (along[2], 0)], 0)
        path = path[:, :: int(turn)] * flip + start - 40
        thickness = int(rng.integers(2, 5))
        for lane in range(across):
            shift = np.array([lane * (thickness + 5), -lane * (thickness + 5)])[:: int(turn)]
            points = [(path + shift * flip).astype(np.int32)]
            cv2.polylines(image, points, False, copper, thickness, cv2.LINE_AA)
    for _ in range(int(rng.integers(1, 5))):
        x, y = (int(v) for v in rng.integers([0, 0], [width, height]))
        step = (pitch, 0) if rng.random() < 0.5 else (0, pitch)
        for i in range(int(rng.integers(1, 9))):
            at = (x + step[0] * i, y + step[1] * i)
            cv2.circle(image, at, 5, (206, 178, 104), cv2.FILLED, cv2.LINE_AA)
            cv2.circle(image, at, 2, (38, 32, 24), cv2.FILLED, cv2.LINE_AA)
    return image


def _cloth(rng: np.random.Generator, size: Size) -> np.ndarray:
    """Woven cloth: threads over and under, plain or twill."""
    period = int(rng.choice((2, 4)))  # plain, twill
    thread = 6
    bump = np.hanning(thread + 2)[1:-1].astype(np.float32)
    over, under = np.outer(bump, np.ones(thread, np.float32)), np.outer(np.ones(thread), bump) * 0.7
    rows = [[over if (i + j) % period < period // 2 else under for j in range(4)] for i in range(4)]
    tile = (np.block(rows).astype(np.float32) - 0.45) * 60
    weave = _tiled(rng, tile, size, zoom=(0.5, 1.0), degrees=45)
    tone = weave + _mottle(rng, size, cells=70, amount=9) + _mottle(rng, size, cells=4, amount=12)
    color = _pick(
        rng,
        [
            (54, 70, 104),
            (120, 116, 112),
            (196, 182, 154),
            (110, 44, 50),
            (66, 84, 72),
            (52, 50, 56),
        ],
    )
    return _tint(tone + _grain(rng, size, amount=5), [(0, 0, 0), color, (255, 250, 240)])


def _steel(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A brushed metal bench."""
    height, width = size
    tone = _smooth(rng, size, (height, 1 + width // 80)) * 18 + _mottle(
        rng, size, cells=3, amount=22
    )
    gray = _pick(rng, [(150, 154, 160), (172, 170, 166), (112, 116, 124)])
    return _tint(tone + _grain(rng, size, amount=4), [(0, 0, 0), gray, (255, 255, 255)])


Surface = Callable[[np.random.Generator, Size], np.ndarray]
SURFACES: tuple[Surface, ...] = (_mat, _wood, _paper, _board, _cloth, _steel)


def _pick(rng: np.random.Generator, choices: list[T]) -> T:
    return choices[int(rng.integers(len(choices)))]


def _tint(tone: np.ndarray, stops: list[Color]) -> np.ndarray:
    """Colour a tone, about -128 to 127, by a ramp through evenly spaced stops."""
    at = np.linspace(0, 255, len(stops))
    channels = zip(*stops, strict=True)
    ramp = np.stack([np.interp(np.arange(256), at, channel) for channel in channels], -1)
    index = cv2.convertScaleAbs(np.maximum(tone, -128), beta=128)
    return cv2.applyColorMap(index, np.rint(ramp).astype(np.uint8)[:, None])


def _smooth(rng: np.random.Generator, size: Size, cells: Size) -> np.ndarray:
    """Smooth noise, -1 to 1, from a (rows, columns) grid of random values."""
    grid = rng.random((cells[0] + 1, cells[1] + 1), dtype=np.float32) * 2 - 1
    return cv2.resize(grid, size[::-1], interpolation=cv2.INTER_CUBIC)


def _mottle(rng: np.random.Generator, size: Size, *, cells: int, amount: float) -> np.ndarray:
    """Smooth patches, `cells` of them across the image's height."""
    columns = max(1, cells * size[1] // size[0])
    return _smooth(rng, size, (cells, columns)) * np.float32(amount)


def _grain(rng: np.random.Generator, size: Size, *, amount: float) -> np.ndarray:
    """A surface's finest structure: independent, two pixels wide."""
    height, width = size
    grid = rng.random((height // 2, width // 2), dtype=np.float32) * np.float32(2 * amount)
    return cv2.resize(grid - np.float32(amount), (width, height))


def _tiled(
    rng: np.random.Generator,
    tile: np.ndarray,
    size: Size,
    *,
    zoom: tuple[float, float] = (0.8, 1.3),
    degrees: float = 25,
) -> np.ndarray:
    """Repeat a tile over the image, turned by up to `degrees` and scaled, at a random offset."""
    angle = np.deg2rad(uniform(rng, -degrees, degrees))
    scale = 1 / uniform(rng, *zoom)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    x, y = rng.random(2) * tile.shape[0]
    matrix = np.array([[c, -s, x], [s, c, y]])
    wide, wrap = size[::-1], cv2.BORDER_WRAP
    return cv2.warpAffine(tile, matrix, wide, flags=_WRAP, borderMode=wrap)
