"""Time of every `Pixels` transform: python benchmarks/pixels.py [side] [name ...]

Prints microseconds for an RGB photo of side x side (512 unless told) at intensities 0.1, 0.5 and
1 of each axis, and for the default ranges: the least of several runs, one thread.
"""

import sys
import time

import cv2
import numpy as np

from variegate.annotations.sample import Image
from variegate.ops import Operation, Pixels
from variegate.seeding import generator
from variegate.transforms import all_transforms


def photo(side: int) -> Image:
    """Smooth shapes with some grain, as in a photo."""
    rng = generator(0, "benchmark")
    coarse = rng.integers(0, 256, (side // 16, side // 16, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    grain = rng.integers(-6, 7, smooth.shape, dtype=np.int16)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def microseconds(operation: Operation, image: Image) -> float:
    operation.apply_image(image)
    least = float("inf")
    for _ in range(9):
        start = time.perf_counter()
        operation.apply_image(image)
        least = min(least, time.perf_counter() - start)
    return 1e6 * least


def main() -> None:
    cv2.setNumThreads(1)
    # glibc gives freed memory back, and page faults double most times, until it has once seen a
    # large array freed; a worker that has decoded a photo has.
    large = np.ones(2**24, np.uint8)
    del large
    arguments = sys.argv[1:]
    side = int(arguments.pop(0)) if arguments and arguments[0].isdigit() else 512
    image = photo(side)
    size = image.shape[0], image.shape[1]
    print(f"{f'us at {side} x {side} x 3':20}{'0.1':>9}{'0.5':>9}{'1':>9}{'default':>9}")
    for name, kind in all_transforms().items():
        if arguments and name not in arguments:
            continue
        for axis in kind.axes:
            operations = [
                kind.operation_at(axis.name, intensity, generator(1, name), size)
                for intensity in (0.1, 0.5, 1.0)
            ]
            if isinstance(operations[1], Pixels):
                operations.append(kind().draw(generator(1, name), size))
                times = "".join(f"{microseconds(one, image):9.0f}" for one in operations)
                print(f"{axis.name:20}{times}")


if __name__ == "__main__":
    main()
