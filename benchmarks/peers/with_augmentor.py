"""Augmentor 0.2.12, in its own environment.

`own` is its own loop, which saves with Pillow from several threads; `pool` takes its operations
into the same script as every other peer, which is faster.
"""

import contextlib
import io
import random  # noqa: TID251 - Augmentor's own source of chance
import sys
from pathlib import Path

import Augmentor
import numpy as np
import pool
from PIL import Image


def steps(pipeline: Augmentor.Pipeline) -> Augmentor.Pipeline:
    """Add the steps to a pipeline. It cannot translate."""
    pipeline.flip_left_right(0.5)
    pipeline.rotate(1, max_left_rotation=15, max_right_rotation=15)
    pipeline.zoom(1, min_factor=1.0, max_factor=1.1)
    pipeline.shear(1, max_shear_left=5, max_shear_right=5)
    pipeline.random_brightness(1, min_factor=0.8, max_factor=1.2)
    pipeline.random_contrast(1, min_factor=0.7, max_factor=1.4)
    pipeline.random_color(1, min_factor=0.7, max_factor=1.4)
    return pipeline


def setup() -> pool.Make:
    """Return what yields ten variants of a photo."""
    random.seed(pool.seed())
    transform = steps(Augmentor.Pipeline()).torch_transform()

    def make(image: np.ndarray) -> list[np.ndarray]:
        photo = Image.fromarray(image)
        return [np.asarray(transform(photo)) for _ in range(pool.VARIANTS)]

    return make


def own() -> None:
    """Let it run the whole job itself."""
    source, target = Path(sys.argv[-2]), Path(sys.argv[-1])
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pipeline = Augmentor.Pipeline(str(source), str(target.resolve()), save_format="JPEG")
        steps(pipeline).sample(pool.VARIANTS * len(list(source.glob("*.jpg"))))


if __name__ == "__main__":
    own() if sys.argv[1] == "own" else pool.run(setup)
