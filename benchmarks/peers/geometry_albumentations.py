"""One transform of Albumentations 2.0.8, drawn anew each time: NAME IMAGE PARTNER TIMES."""

import os
import sys
import tempfile

# It asks the network for its newest version at import.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A  # noqa: N812 - its users' name for it
import cv2
import numpy as np
from PIL import ImageFont
from serve import serve

BORDER = cv2.BORDER_REFLECT_101
BOXES = [[100, 120, 180, 260], [200, 150, 330, 300], [350, 200, 400, 280], [420, 260, 520, 400]]
TEXTS = ("First line of text", "2024-05-17 12:33:07", "The third one")


def font() -> str:
    """Return a file of the font that Pillow has in its own code."""
    with tempfile.NamedTemporaryFile(suffix=".ttf", delete=False) as file:
        file.write(ImageFont.load_default(10).font_bytes)
    return file.name


def transform(name: str) -> A.BasicTransform:
    """Return the transform of that name with the ranges that variegate is given."""
    made = {
        "RandomSizedBBoxSafeCrop": lambda: A.RandomSizedBBoxSafeCrop(480, 640),
        "BBoxSafeRandomCrop": A.BBoxSafeRandomCrop,
        "Erasing": lambda: A.Erasing((0.02, 0.33), (0.3, 3.3), fill=0, p=1),
        "CoarseDropout": lambda: A.CoarseDropout((1, 1), (0.15, 0.57), (0.15, 0.57), p=1),
        "ThinPlateSpline": lambda: A.ThinPlateSpline((0.1, 0.1), 4, border_mode=BORDER, p=1),
        "PiecewiseAffine": lambda: A.PiecewiseAffine((0.01, 0.03), 5, 5, border_mode=BORDER, p=1),
        "RandomGridShuffle": lambda: A.RandomGridShuffle((3, 3), p=1),
        "TextImage": lambda: A.TextImage(font(), font_size_fraction_range=(0.8, 0.8), p=1),
        "FDA": lambda: A.FDA(beta_limit=(0, 0.1), p=1),
        "HistogramMatching": lambda: A.HistogramMatching(blend_ratio=(0.5, 1), p=1),
    }
    return made[name]()


def main() -> None:
    """Take turns at making variants."""
    cv2.setNumThreads(1)
    name, own, other, times = sys.argv[1:]
    image = np.load(own)
    more = {}
    boxes = None
    if "BBox" in name:
        boxes = A.BboxParams("pascal_voc", label_fields=["labels"])
        more = {"bboxes": BOXES, "labels": [0] * len(BOXES)}
    if name == "TextImage":
        places = ((0.2, 0.3 + 0.1 * line, 0.8, 0.4 + 0.1 * line) for line in range(3))
        lines = zip(TEXTS, places, strict=True)
        more = {"textimage_metadata": [{"text": text, "bbox": place} for text, place in lines]}
    if name in ("FDA", "HistogramMatching"):
        key = {"FDA": "fda_metadata", "HistogramMatching": "hm_metadata"}[name]
        more = {key: [np.load(other)]}
    pipeline = A.Compose([transform(name)], bbox_params=boxes)

    def act() -> None:
        for _ in range(int(times)):
            pipeline(image=image, **more)

    serve(act)


if __name__ == "__main__":
    main()
