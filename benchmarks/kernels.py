"""The kernels whose speed comments in the code refer to."""

import statistics
import subprocess
import sys
from collections.abc import Callable

import cv2
import numpy as np
import stringzilla

from harness import PEERS, Result, interleave, number, timed
from photos import photo

SIDE = 512
REPEATS = 20
METHOD = """
One thread, a 512 x 512 photo. The last two rows are the nine steps of *Transformation only*, each
in a separate process: with memory handled as glibc does by default, and as `plan.execute` asks it
to. The difference is page faults (`benchmarks/kernels.py`).
"""


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    cv2.setNumThreads(1)
    # As in plan.execute: without it page faults drown the kernels.
    np.empty(31 * 2**20, np.uint8)
    image = np.load(photo(SIDE))
    actions = {**_warps(image), **_colors(image)}
    contenders = {name: timed(_often(action)) for name, action in actions.items()}
    times = interleave(contenders, 5 if quick else 51)
    rows = [(name, number(statistics.median(times[name]) / REPEATS * 1e6)) for name in contenders]
    by_default = "variegate.recipes.plan._keep_freed_memory = lambda: None"
    memory = {
        "a variant of nine steps, memory by default": timed_elsewhere(by_default),
        "a variant of nine steps, memory kept": timed_elsewhere(""),
    }
    times = interleave(memory, 2 if quick else 7)
    rows += [(name, number(statistics.median(times[name]) * 1e6)) for name in memory]
    return Result("Kernels", METHOD, ("", "us"), rows)


def _warps(image: np.ndarray) -> dict[str, Callable[[], object]]:
    size = (SIDE, SIDE)
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), 10, 1)
    four, one = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA), image[..., 0].copy()
    border = 64
    shifted = turn.copy()
    shifted[:, 2] -= turn[:, :2] @ (border, border)

    def warp(source: np.ndarray, mode: int) -> Callable[[], object]:
        return lambda: cv2.warpAffine(source, turn, size, borderMode=mode)

    def bordered() -> None:
        laid = cv2.copyMakeBorder(four, *[border] * 4, cv2.BORDER_REFLECT_101)
        cv2.warpAffine(laid, shifted, size)

    return {
        "warp, 1 channel": warp(one, cv2.BORDER_CONSTANT),
        "warp, 3 channels": warp(image, cv2.BORDER_CONSTANT),
        "warp, 4 channels": warp(four, cv2.BORDER_CONSTANT),
        "warp, 4 channels, reflecting": warp(four, cv2.BORDER_REFLECT_101),
        "warp, 4 channels, the reflection laid beforehand": bordered,
        "3 channels to 4": lambda: cv2.cvtColor(image, cv2.COLOR_RGB2RGBA),
        "4 channels to 3": lambda: cv2.cvtColor(four, cv2.COLOR_RGBA2RGB),
    }


def _colors(image: np.ndarray) -> dict[str, Callable[[], object]]:
    table = bytes(reversed(range(256)))
    entries = np.frombuffer(table, np.uint8)
    matrix = np.eye(3, 4, dtype=np.float32) * 0.9

    def looked_up() -> None:
        changed = image.copy()
        stringzilla.translate(changed.reshape(-1).data, table, inplace=True)

    return {
        "copy": image.copy,
        "table: copy and stringzilla": looked_up,
        "table: cv2.LUT": lambda: cv2.LUT(image, entries),
        "table: numpy": lambda: entries[image],
        "matrix 3 x 4: cv2.transform": lambda: cv2.transform(image, matrix),
    }


def _often(action: Callable[[], object]) -> Callable[[], None]:
    def act() -> None:
        for _ in range(REPEATS):
            action()

    return act


_ELSEWHERE = """
import sys, time
sys.path.insert(0, {peers!r})
import cv2, numpy as np
import variegate.recipes.plan
from with_variegate import recipe
cv2.setNumThreads(1)
{first}
image = np.load({photo!r})
nine = recipe(100, gamma=True)
for turn in range(3):
    begun = time.perf_counter()
    for _ in nine.variants(image, key=str(turn)):
        pass
print((time.perf_counter() - begun) / 100)
"""


def timed_elsewhere(first: str) -> Callable[[], float]:
    """Return a turn that makes variants in a new process, in which `first` is run before."""
    code = _ELSEWHERE.format(first=first, photo=str(photo(SIDE)), peers=str(PEERS))

    def turn() -> float:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        return float(done.stdout)

    return turn
