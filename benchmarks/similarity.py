"""How well images are recognised without a model: does a changed image resemble itself most?

For each strength of a change: the share of photos that are still recognised as themselves among all
of them (`SimilarityPredictor`), and the similarity to themselves. Run it with the folder of the
photos: `python benchmarks/similarity.py ../shared/data/clothing_classes`.
"""

import sys

import cv2
import numpy as np

from variegate.models.examples import Examples
from variegate.models.predictors.similarity import SimilarityPredictor
from variegate.models.similarity import features_of
from variegate.reports.canvas import thumbnail
from variegate.seeding import generator


def rotated(image, degrees):
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)


def noisy(image, deviation):
    noise = generator(1, "noise").normal(0, deviation, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def cropped(image, share):
    top, left = (int(side * share / 2) for side in image.shape[:2])
    return np.ascontiguousarray(image[top : image.shape[0] - top, left : image.shape[1] - left])


def blurred(image, pixels):
    return cv2.GaussianBlur(image, (0, 0), pixels)


def brighter(image, factor):
    return np.clip(image * factor, 0, 255).astype(np.uint8)


def hidden(image, share):
    image = image.copy()
    rows, columns = (int(side * share**0.5) for side in image.shape[:2])
    image[:rows, :columns] = 128
    return image


CHANGES = {
    "rotation, degrees": (rotated, (5, 10, 15, 30, 60, 90)),
    "noise, deviation": (noisy, (10, 25, 50, 100, 200)),
    "crop, share of each side": (cropped, (0.1, 0.2, 0.3, 0.5, 0.7)),
    "blur, pixels at 192": (blurred, (1, 2, 5, 10, 20)),
    "brightness, factor": (brighter, (0.5, 0.25, 0.1, 1.5, 2.5, 5)),
    "occlusion, share": (hidden, (0.1, 0.3, 0.5, 0.7, 0.9)),
}


def main(place):
    with Examples(place, part="all") as examples:
        found = [
            (one.key, thumbnail(one.image, (192, 192))) for one in examples if one.image is not None
        ]
    names, images = zip(*found, strict=True)
    model = SimilarityPredictor(images, names)
    known = features_of(images)
    others = (known @ known.T)[~np.eye(len(known), dtype=bool)]
    print(
        f"{len(images)} photos; similarity of different ones: median {np.median(others):.2f}, "
        f"99% below {np.quantile(others, 0.99):.2f}"
    )
    for name, (change, strengths) in CHANGES.items():
        cells = []
        for strength in strengths:
            changed = [change(one, strength) for one in images]
            own = [p.probabilities.argmax() == n for n, p in enumerate(model.predict(changed))]
            near = (features_of(changed) * known).sum(axis=1)
            cells.append(f"{strength:g}: {np.mean(own):.0%} ({np.median(near):.2f})")
        print(f"{name:26} " + "  ".join(cells), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
