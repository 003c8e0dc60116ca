"""variegate, through its public functions, as a user would call it."""

import sys

import cv2
import numpy as np
from serve import serve

import variegate

RECIPE = """
variants:
  each:
    draws: {draws}
    steps:
      - sequence:
          - flip: {{p: 0.5}}
          - rotate: {{angle_degrees: [-15, 15]}}
          - scale: {{factor: [0.9, 1.1]}}
          - translate: {{x: [-0.05, 0.05], y: [-0.05, 0.05]}}
          - shear: {{x_degrees: [-5, 5]}}
          - brightness: {{amount: [-0.2, 0.2]}}
          - contrast: {{factor: [0.7, 1.4]}}
          {gamma}
          - saturation: {{factor: [0.7, 1.4]}}
output: {{format: jpeg, quality: 95, subsampling: "4:2:0"}}
"""


def recipe(draws: int, *, gamma: bool) -> variegate.Recipe:
    """Return the steps as a recipe of so many variants an image."""
    step = "- gamma: {exponent: [0.7, 1.4]}" if gamma else ""
    return variegate.Recipe.parse(RECIPE.format(draws=draws, gamma=step))


def transform_only() -> None:
    """Take turns at making variants of one image, drawing included."""
    cv2.setNumThreads(1)
    image = np.load(sys.argv[3])
    nine = recipe(int(sys.argv[4]), gamma=True)
    # Every turn is another image, so that nothing could be kept from the turn before.
    turns = iter(range(10**9))

    def act() -> None:
        for _ in nine.variants(image, key=f"turn {next(turns)}.jpg"):
            pass

    serve(act)


if __name__ == "__main__":
    if sys.argv[1] == "transform_only":
        transform_only()
    else:
        options = variegate.Options(workers=2)
        variegate.augment(
            sys.argv[-2], sys.argv[-1], recipe=recipe(10, gamma=False), options=options
        )
