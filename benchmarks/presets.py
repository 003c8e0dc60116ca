"""What presets do to a classifier: python benchmarks/presets.py [--write NAME] [preset ...]

Prints for each preset the share of its variants that hardly change the image (over 40 dB to the
source) and the share of a public classifier's right answers that they take away. The classifier is
SqueezeNet, trained on ImageNet; onnxruntime runs it. The photos of the test data have no labels of
ImageNet: its own answer to the source counts as the right one, on the photos where it is at least
half sure. The source itself, where a preset has it among its variants, is left out.

`--write NAME` keeps the figures as NAME (`before` or `after`, a change) in docs/presets.json, which
docs/generate.py puts into docs/presets.md.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from photos import data
from variegate.annotations.sample import Image, Sample
from variegate.recipes.plan import execute
from variegate.recipes.recipe import Recipe, presets

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "presets.json"
_HARDLY_DB = 40.0
_SURE = 0.5
_MOST = 48
_SIDE = 224
_MEANS = np.array([123, 117, 104], np.float32)
_PHOTOS = ("coco_mini/images/*/*.jpg", "clothing_classes/*/**/*.jpg")


@dataclass(frozen=True)
class Photo:
    """A photo of which the classifier is sure.

    Attributes:
        key: its path in the test data.
        image: of up to 500 pixels.
        answer: the number of the class.
    """

    key: str
    image: Image
    answer: int


def classifier() -> Callable[[Image], tuple[int, float]]:
    """Return what names the class of an image, by its number, and says how sure it is."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = data() / "models/squeezenet_fp16.onnx"
    session = onnxruntime.InferenceSession(str(model), options)

    def classify(image: Image) -> tuple[int, float]:
        square = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        channels = (square.astype(np.float32) - _MEANS)[..., ::-1].transpose(2, 0, 1)
        (scores,) = session.run(None, {"data_0": channels[np.newaxis].astype(np.float16)})
        flat = np.asarray(scores, np.float32).ravel()
        return int(flat.argmax()), float(flat.max())

    return classify


def photos(classify: Callable[[Image], tuple[int, float]]) -> list[Photo]:
    """Return the photos of which the classifier is sure, evenly spread over all."""
    found = []
    for pattern in _PHOTOS:
        for path in sorted(data().glob(pattern)):
            photo = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
            factor = min(1.0, 500 / max(photo.shape[:2]))
            image = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            answer, sure = classify(image)
            if sure >= _SURE:
                found.append(Photo(path.relative_to(data()).as_posix(), image, answer))
    return [found[n * len(found) // _MOST] for n in range(_MOST)] if len(found) > _MOST else found


def measured(
    recipe: Recipe, chosen: list[Photo], classify: Callable[[Image], tuple[int, float]]
) -> dict[str, Any]:
    """Return what a recipe's variants of some photos do, as shares of all of them."""
    hardly = lost = made = 0
    samples = {one.key: Sample(one.image) for one in chosen}
    for photo in chosen:
        sample = samples[photo.key]
        planned = recipe.plan(key=photo.key, size=sample.size, pool=list(samples))
        changed = [variant for variant in planned if variant.name != "source"]
        results = execute(
            changed,
            lambda _, source=sample: source,
            size=sample.size,
            reducible=False,
            partner=samples.__getitem__,
        )
        for _, result in results:
            made += 1
            hardly += _psnr(photo.image, result.image) > _HARDLY_DB
            lost += classify(result.image)[0] != photo.answer
    return {"variants": made, "hardly_changed": hardly / made, "answers_lost": lost / made}


def _psnr(source: Image, result: Image) -> float:
    size = result.shape[1], result.shape[0]
    if size != source.shape[1::-1]:
        source = cv2.resize(source, size, interpolation=cv2.INTER_AREA)
    return float(cv2.PSNR(source, result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", metavar="NAME", choices=("before", "after"))
    parser.add_argument("presets", nargs="*")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    classify = classifier()
    chosen = photos(classify)
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    print(f"{len(chosen)} photos\n| preset | hardly changed | answers lost |\n| --- | --- | --- |")
    for name in given.presets or presets():
        found = measured(Recipe.load(name), chosen, classify)
        print(f"| {name} | {found['hardly_changed']:.1%} | {found['answers_lost']:.1%} |")
        if given.write:
            figures.setdefault(given.write, {})[name] = found
            FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
