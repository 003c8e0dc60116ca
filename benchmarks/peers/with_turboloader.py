"""TurboLoader, in its own environment: IMAGE TIMES."""

import sys

import numpy as np
import turboloader
from serve import serve


def main() -> None:
    """Take turns at making variants of one image; gamma is left out, and no border reflects."""
    file, times = sys.argv[1:]
    image = np.load(file)
    transform = turboloader.Compose(
        [
            turboloader.RandomHorizontalFlip(0.5),
            turboloader.RandomAffine(
                degrees=15,
                translate_x=0.05,
                translate_y=0.05,
                scale_min=0.9,
                scale_max=1.1,
                shear=5,
            ),
            turboloader.ColorJitter(brightness=0.2, contrast=0.35, saturation=0.35),
        ]
    )

    def act() -> None:
        for _ in range(int(times)):
            made = transform.apply(image)
        assert made.shape == image.shape
        assert made.dtype == np.uint8

    serve(act)


if __name__ == "__main__":
    main()
