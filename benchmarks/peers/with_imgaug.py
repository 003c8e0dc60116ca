"""imgaug 0.4.0, in its own environment."""

import imgaug
import pool
from imgaug import augmenters as iaa


def setup() -> pool.Make:
    """Return what yields ten variants of a photo."""
    imgaug.seed(pool.seed())
    augment = iaa.Sequential(
        [
            iaa.Fliplr(0.5),
            iaa.Affine(
                rotate=(-15, 15),
                scale=(0.9, 1.1),
                translate_percent={"x": (-0.05, 0.05), "y": (-0.05, 0.05)},
                shear=(-5, 5),
                mode="reflect",
                backend="cv2",
            ),
            iaa.Add((-51, 51)),
            iaa.LinearContrast((0.7, 1.4)),
            iaa.MultiplySaturation((0.7, 1.4)),
        ]
    )
    return lambda image: augment(images=[image] * pool.VARIANTS)


if __name__ == "__main__":
    pool.run(setup)
