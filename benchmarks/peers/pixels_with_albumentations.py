"""Albumentations' pixel transforms, in its own environment: NAME photo.npy times."""

import math
import os
import sys

# It asks the network for its newest version at import.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A  # noqa: N812 - its users' name for it
import cv2
import numpy as np
from serve import serve

MAKE = {
    "color_jitter": lambda: A.ColorJitter((0.6, 1.5), (0.6, 1.5), (0.4, 1.8), (-0.1, 0.1), p=1),
    "tone_curve": lambda: A.RandomToneCurve(scale=0.2, p=1),
    "stain_jitter": lambda: A.HEStain(method="random_preset", p=1),
    "illumination linear": lambda: A.Illumination(mode="linear", p=1),
    "illumination gaussian": lambda: A.Illumination(mode="gaussian", p=1),
    "plasma_brightness": lambda: A.PlasmaBrightnessContrast(p=1),
    "plasma_shadow": lambda: A.PlasmaShadow(p=1),
    "chromatic_aberration": lambda: A.ChromaticAberration(p=1),
    "ringing": lambda: A.RingingOvershoot((7, 15), (math.pi / 4, math.pi / 2), p=1),
    "webp": lambda: A.ImageCompression("webp", (5, 60), p=1),
}


def main() -> None:
    """Take turns at making variants of one image."""
    cv2.setNumThreads(1)
    # As in the benchmark itself: glibc then keeps freed memory.
    large = np.ones(2**24, np.uint8)
    del large
    name, file, times = sys.argv[1:]
    image, transform = np.load(file), A.Compose([MAKE[name]()])

    def act() -> None:
        for _ in range(int(times)):
            transform(image=image)

    serve(act)


if __name__ == "__main__":
    main()
