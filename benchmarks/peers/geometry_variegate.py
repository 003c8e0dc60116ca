"""One transform of variegate, drawn anew each time: NAME IMAGE PARTNER TIMES."""

import sys

import cv2
import numpy as np
from serve import serve

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.conversion import read
from variegate.annotations.rules import LabelRule
from variegate.annotations.sample import Sample
from variegate.ops import Combination
from variegate.seeding import generator
from variegate.transforms import find_transform

BOXES = ((100, 120, 180, 260), (200, 150, 330, 300), (350, 200, 400, 280), (420, 260, 520, 400))
TEXTS = ("First line of text", "2024-05-17 12:33:07", "The third one")
FIELDS = {
    "safe_crop": {"area": (0.1, 1.0)},
    "random_erasing": {"area": (0.02, 0.33), "fill": "constant"},
    "thin_plate": {"amount": 0.3},
    "grid_shuffle": {"cells": 3, "fraction": 1},
    "text_overlay": {"lines": 3, "texts": TEXTS, "height": 0.08, "color": (0, 0, 0), "opacity": 1},
    "fourier_adaptation": {"beta": (0, 0.1), "share": 1},
    "histogram_match": {"share": (0.5, 1)},
}


def main() -> None:
    """Take turns at making variants."""
    cv2.setNumThreads(1)
    name, own, other, times = sys.argv[1:]
    transform = find_transform(name).model_validate(FIELDS.get(name, {}))
    sample, partner = (Sample(np.load(file)) for file in (own, other))
    if name == "safe_crop":
        boxes = (Object(category="a", box=tuple(map(float, box))) for box in BOXES)
        known = Annotation(objects=tuple(boxes))
        rule = LabelRule()
        targets = read(known, sample.size, rule=rule, skeletons={}, load_mask={}.__getitem__)
        sample = Sample(sample.image, targets=targets)
    turns = iter(range(10**9))

    def act() -> None:
        for _ in range(int(times)):
            operation = transform.draw(generator(next(turns), name), sample.size)
            if isinstance(operation, Combination):
                operation.combine(sample, (partner,))
            else:
                operation.apply(sample)

    serve(act)


if __name__ == "__main__":
    main()
