"""The guess of a preprocessing on photos: a real model, its order of channels and its mean.

No photo here has a label of ImageNet's. So the labels of those below are what two other models of
ImageNet (torchvision's MobileNetV2, EfficientNet-lite0, each as its publisher prepares images)
both say, the first with a probability above 0.7; all others are left out. The model that is asked
had no part in them.
"""

import cv2
import pytest

from variegate.models.guess import KnownScaling, candidates, choose
from variegate.models.predictors import graph_of, load_file

CAFFE = "0 to 255 less Caffe's mean"

# Parts of photos, and their numbers among ImageNet's classes.
CLASSES = {
    "train2017/000000000089": {"box 4": 499, "box 5": 827, "tile 00": 651, "tile 11": 651},
    "train2017/000000000165": {"tile 12": 652},
    "train2017/000000000370": {"box 0": 937, "whole": 937, "tile 11": 937},
    "train2017/000000000450": {
        "box 2": 963,
        "box 3": 963,
        "whole": 963,
        "tile 01": 963,
        "tile 10": 963,
        "tile 11": 963,
        "tile 12": 963,
    },
    "train2017/000000000459": {
        "box 0": 834,
        "box 1": 834,
        "whole": 834,
        "tile 10": 834,
        "tile 20": 834,
    },
    "train2017/000000000471": {
        "box 0": 779,
        "whole": 779,
        "tile 00": 779,
        "tile 01": 779,
        "tile 02": 779,
        "tile 11": 779,
        "tile 12": 779,
    },
    "train2017/000000000508": {"tile 11": 970},
    "val2017/000000000785": {
        "box 0": 795,
        "box 1": 795,
        "whole": 795,
        "tile 01": 795,
        "tile 02": 795,
        "tile 11": 795,
        "tile 12": 795,
    },
    "val2017/000000000885": {
        "box 0": 752,
        "box 5": 752,
        "whole": 752,
        "tile 11": 752,
        "tile 12": 752,
    },
    "val2017/000000001268": {"box 10": 821, "tile 01": 821},
    "val2017/000000001993": {"tile 10": 532},
    "val2017/000000002473": {
        "box 0": 795,
        "box 1": 795,
        "whole": 795,
        "tile 01": 795,
        "tile 11": 795,
        "tile 12": 795,
    },
    "val2017/000000006012": {
        "box 0": 954,
        "box 1": 954,
        "whole": 954,
        "tile 00": 954,
        "tile 01": 954,
        "tile 02": 954,
        "tile 10": 954,
        "tile 11": 957,
        "tile 12": 954,
    },
    "val2017/000000006818": {"tile 10": 999, "tile 20": 999},
    "val2017/000000007574": {"tile 12": 648},
    "val2017/000000008021": {"tile 10": 903},
    "val2017/000000008762": {"whole": 920, "tile 00": 920, "tile 02": 920},
}


def part(root, name, told):
    """Return a photo, what is in and about one of its boxes, or a sixth of it."""
    photo = cv2.imread(str(root / f"images/{name}.jpg"))[..., ::-1]
    height, width = photo.shape[:2]
    kind, _, number = told.partition(" ")
    if kind == "tile":
        down, across = (2, 3) if width >= height else (3, 2)
        row, column = int(number[0]), int(number[1])
        rows = slice(row * height // down, (row + 1) * height // down)
        return photo[rows, column * width // across : (column + 1) * width // across]
    if kind == "whole":
        return photo
    lines = (root / f"object_detection/labels/{name}.txt").read_text().splitlines()
    x, y, w, h = (float(one) for one in lines[int(number)].split()[1:])
    half = 0.6 * max(w * width, h * height)
    left, top = (max(0, int(at - half)) for at in (x * width, y * height))
    return photo[top : int(y * height + half), left : int(x * width + half)]


@pytest.fixture(scope="module")
def guessed(data_dir):
    """Guess among the preprocessings in which values go up to 255: others give nothing at all."""
    path = data_dir / "models/squeezenet_fp16.onnx"
    every = candidates(graph_of(path), KnownScaling())
    found = [one for one in every if "0 to 255" in one[0]]
    asked = [
        (part(data_dir / "coco_mini", name, told), number, told.startswith("tile"))
        for name, parts in CLASSES.items()
        for told, number in parts.items()
    ]
    predictor = load_file(path, found[0][1], 1)

    def guess(*, tiles):
        images, labels = zip(
            *((one[0], one[1]) for one in asked if tiles or not one[2]), strict=True
        )

        def ask(card, some):
            return predictor.raw(card.input, some)

        return choose(found, ask, images, labels, classes=1000)

    yield guess
    predictor.close()


def test_enough_photos_of_known_classes_decide_order_and_mean(guessed):
    guess = guessed(tiles=True)
    assert guess.decided
    assert guess.card.input.channels == "bgr"
    assert guess.card.input.mean == (104.0, 117.0, 123.0)
    assert f"guessed: BGR, {CAFFE}, right on 41 of 65 (next: BGR, 0 to 255, 29" in guess.note


def test_fewer_rule_out_the_wrong_order_and_what_would_decide_the_rest_is_said(guessed):
    guess = guessed(tiles=False)
    ruled_out = {one.name for one in guess.trials if one.p < 0.05}
    assert ruled_out == {f"RGB, {CAFFE}", "RGB, 0 to 255"}
    assert not guess.decided
    told = guess.refusal()
    assert f"right 19 with BGR, {CAFFE}, 16 with BGR, 0 to 255; give --mean, --std" in told
    assert "labelled images of classes that the model knows well" in told
