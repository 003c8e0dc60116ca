"""The guess of a preprocessing on photos: a real model's order of channels.

No photo here has a label of ImageNet's. So the labels of those below are what two other models of
ImageNet (torchvision's MobileNetV2, EfficientNet-lite0, each as its publisher prepares images)
both say; photos on which they differ are left out. The model that is asked had no part in them.
"""

import cv2
import pytest

from variegate.models.guess import KnownScaling, candidates, choose
from variegate.models.predictors import graph_of, load_file

CAFFE = "0 to 255 less Caffe's mean"

# Photo: (line of its file of boxes, or -1 for the whole photo, number of ImageNet's class).
CLASSES = {
    "train2017/000000000030": [(-1, 883)],
    "train2017/000000000086": [(-1, 870)],
    "train2017/000000000089": [(-1, 651), (0, 499), (1, 499), (4, 499), (5, 827), (6, 651)],
    "train2017/000000000127": [(-1, 967), (0, 660), (2, 967), (5, 930), (11, 967)],
    "train2017/000000000370": [(-1, 937)],
    "train2017/000000000436": [(1, 934)],
    "train2017/000000000450": [(-1, 963), (2, 963), (3, 963)],
    "train2017/000000000459": [(-1, 834), (0, 834)],
    "train2017/000000000471": [(-1, 779), (0, 779)],
    "train2017/000000000508": [(-1, 970)],
    "train2017/000000000529": [(-1, 671)],
    "val2017/000000000785": [(-1, 795), (1, 795)],
    "val2017/000000000885": [(-1, 752), (5, 752)],
    "val2017/000000001268": [(0, 131), (9, 447), (10, 821)],
    "val2017/000000001993": [(-1, 799), (0, 750), (1, 532), (2, 598), (3, 532)],
    "val2017/000000002473": [(-1, 795)],
    "val2017/000000006012": [(-1, 954), (0, 954), (1, 954)],
    "val2017/000000006818": [(-1, 861), (0, 861)],
    "val2017/000000007574": [(-1, 651), (9, 651)],
    "val2017/000000008021": [(0, 834)],
    "val2017/000000008762": [(-1, 920)],
    "val2017/000000009483": [(-1, 526), (0, 527), (3, 526)],
}


@pytest.fixture(scope="module")
def photos(data_dir):
    """Photos, and what is in and about some of their boxes."""
    return [
        part(data_dir / "coco_mini", name, line)
        for name, found in CLASSES.items()
        for line, _ in found
    ]


def part(root, name, line):
    photo = cv2.imread(str(root / f"images/{name}.jpg"))[..., ::-1]
    if line < 0:
        return photo
    rows = (root / f"object_detection/labels/{name}.txt").read_text().splitlines()
    x, y, w, h = (float(one) for one in rows[line].split()[1:])
    height, width = photo.shape[:2]
    half = 0.6 * max(w * width, h * height)
    left, top = (max(0, int(at - half)) for at in (x * width, y * height))
    return photo[top : int(y * height + half), left : int(x * width + half)]


@pytest.fixture(scope="module")
def guessed(data_dir, photos):
    """Guess among the preprocessings in which values go up to 255: others give nothing at all."""
    model = data_dir / "models/squeezenet_fp16.onnx"
    found = dict(candidates(graph_of(model), KnownScaling()))
    labels = [number for found in CLASSES.values() for _, number in found]
    predictor = load_file(model, next(iter(found.values())), 1)
    answers = {}

    def ask(card, images):
        way = card.input.model_dump_json()
        if way not in answers:
            answers[way] = predictor.raw(card.input, photos)
        return answers[way][: len(images)]

    def guess(*families):
        names = [f"{way}, {family}" for family in families for way in ("RGB", "BGR")]
        tried = [(name, found[name]) for name in names]
        return choose(tried, ask, photos, labels, classes=1000)

    yield guess
    predictor.close()


def test_the_order_of_channels_is_decided_where_the_mean_is_known(guessed):
    guess = guessed(CAFFE)
    assert guess.decided
    assert guess.card.input.channels == "bgr"
    assert f"guessed: BGR, {CAFFE}, right on 24 of 49 (next: RGB" in guess.note


def test_what_cannot_be_told_is_undecided_and_what_would_decide_is_said(guessed):
    guess = guessed(CAFFE, "0 to 255")
    ruled_out = {one.name for one in guess.trials if one.p < 0.05}
    assert ruled_out == {f"RGB, {CAFFE}", "RGB, 0 to 255"}
    assert not guess.decided
    told = guess.refusal()
    assert f"24 with BGR, {CAFFE}, 23 with BGR, 0 to 255; give --mean, --std" in told
    assert "411 labelled images of classes that the model knows well" in told
