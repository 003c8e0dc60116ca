"""Tolerance of a model on a dataset."""

import json
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from variegate.errors import InputError, UsageError
from variegate.models.predictors import NamedModel
from variegate.models.predictors.base import Classification, Predictor
from variegate.models.predictors.function import FunctionPredictor
from variegate.tolerance.dataset import ImageChoice, search_dataset
from variegate.tolerance.run import SearchOptions

OPTIONS = SearchOptions(axes=("brightness+",), n_max=64, composition=None)


class Mean(Predictor):
    """Tells dark from bright."""

    classes = ("bright", "dark")
    identity = "mean"

    def predict(self, images):
        means = [one.mean() / 255 for one in images]
        return [Classification(np.array([one, 1 - one], np.float32)) for one in means]


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 40), ("val", 60)):
        for number in range(count):
            name = ("dark", "bright")[number % 2]
            place = tmp_path / "set" / split / name
            place.mkdir(parents=True, exist_ok=True)
            value = int(rng.integers(60, 110)) + 90 * (name == "bright")
            cv2.imwrite(str(place / f"{number}.png"), np.full((8, 8, 3), value, np.uint8))
    return tmp_path / "set"


def test_a_split_alone_or_a_random_part_is_asked_and_said(folder):
    found = search_dataset(folder, Mean(), choice=ImageChoice(split="val"), options=OPTIONS)
    assert found.clean.images == 60
    every = search_dataset(folder, Mean(), options=OPTIONS)
    assert any("40 images are of the split train" in note for note in every.notes)
    some = search_dataset(folder, Mean(), choice=ImageChoice(limit=50), options=OPTIONS)
    assert some.clean.images == 50
    assert any("50 of 100 images" in note for note in some.notes)


def test_images_that_cannot_be_read_are_said(folder):
    (folder / "val/dark/0.png").write_bytes(b"no image")
    found = search_dataset(folder, Mean(), choice=ImageChoice(split="val"), options=OPTIONS)
    assert found.clean.images == 59
    assert any("1 images cannot be used" in note for note in found.notes)


def test_classes_that_do_not_fit_and_missing_images_are_refused(folder):
    other = Mean()
    other.classes = ("bright", "drak")
    with pytest.raises(UsageError, match=r"'dark' is none of .* did you mean 'drak'"):
        search_dataset(folder, other, options=OPTIONS)
    with pytest.raises(InputError, match="in the split 'test'"):
        search_dataset(folder, Mean(), choice=ImageChoice(split="test"), options=OPTIONS)


def test_the_result_does_not_depend_on_when_images_were_decoded(folder, tmp_path):
    first = search_dataset(folder, Mean(), options=OPTIONS, log=tmp_path / "log")
    assert search_dataset(folder, Mean(), options=OPTIONS, log=tmp_path / "log") == first
    assert json.loads(first.model_dump_json())["axes"][0]["axis"] == "brightness+"


def test_a_function_by_name_and_classes_that_nobody_wants(folder, tmp_path):
    program = tmp_path / "model.py"
    program.write_text(
        "import numpy as np\n"
        "def predict(images):\n"
        "    return [[m, 1 - m] for m in (one.mean() / 255 for one in images)]\n"
        "predict.classes = ('light', 'dark')\n"
    )
    mapped = {"bright": ["light"]}
    named = NamedModel(predict=f"{program}:predict", map_class=mapped)
    found = search_dataset(folder, named, options=OPTIONS)
    assert found.clean.wrong == 0
    assert any("'bright' is the model's 'light'" in note for note in found.notes)
    alone = NamedModel(predict=f"{program}:predict", map_class={"bright": ["light"], "dark": []})
    part = search_dataset(folder, alone, options=OPTIONS)
    assert part.clean.images == 50
    assert any("50 images with nothing that the model knows" in note for note in part.notes)


def test_without_a_model_images_are_told_from_each_other(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "set").mkdir()
    for number in range(30):
        image = cv2.resize(rng.integers(0, 255, (6, 6, 3)).astype(np.uint8), (48, 48))
        cv2.imwrite(str(tmp_path / f"set/{number}.png"), image)
    options = replace(OPTIONS, axes=("rotate+",))
    found = search_dataset(tmp_path / "set", None, options=options)
    assert found.mode == "prediction preserved"
    assert found.clean.units == 30
    assert 0 < found.axis("rotate+").critical < 1
    assert any("resembles another one" in note for note in found.notes)


@pytest.mark.parametrize("metamorphic", [False, True])
def test_boxes_of_a_dataset_move_along(tmp_path, metamorphic):
    rng = np.random.default_rng(0)
    place = tmp_path / "set"
    for name in ("images", "labels"):
        (place / name).mkdir(parents=True)
    (place / "data.yaml").write_text("path: .\ntrain: images\nnames: [spot]\n")
    for number in range(32):
        image = np.zeros((48, 48, 3), np.uint8)
        x, y = rng.integers(10, 38, 2).tolist()
        cv2.circle(image, (x, y), 6, (255, 255, 255), -1)
        cv2.imwrite(str(place / f"images/{number}.png"), image)
        text = f"0 {(x + 0.5) / 48} {(y + 0.5) / 48} {13 / 48} {13 / 48}\n" if number else ""
        (place / f"labels/{number}.txt").write_text(text)

    def spots(given):
        found = []
        for one in given:
            ys, xs = np.nonzero(one.max(axis=2) > 127)
            box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] if len(xs) else None
            found.append({"boxes": [{"box": list(map(float, box))}] if box else []})
        return found

    model = FunctionPredictor(spots, task="boxes", classes=("spot",))
    options = SearchOptions(axes=("translate_x+", "rotate-"), n_max=32, composition=None)
    choice = ImageChoice(metamorphic=metamorphic)
    found = search_dataset(place, model, choice=choice, options=options)
    assert found.error == "iou"
    assert found.clean.wrong == 0
    # The image that has no label is not asked, but without labels every one is.
    assert found.clean.images == (32 if metamorphic else 31)
    assert found.axis("rotate-").critical is None
    assert [*found.axis("rotate-").classes] == ([""] if metamorphic else ["spot"])


def test_a_killed_program_counts_and_is_said_and_the_log_says_the_same(folder, tmp_path):
    program = tmp_path / "model.py"
    program.write_text(
        "import base64, json, sys\n"
        "import cv2, numpy as np\n"
        "for line in sys.stdin:\n"
        "    asked, said = json.loads(line), []\n"
        "    for one in asked['images']:\n"
        "        data = np.frombuffer(base64.b64decode(one['png']), np.uint8)\n"
        "        mean = float(cv2.imdecode(data, 1).mean()) / 255\n"
        "        if mean > 0.93:\n"
        "            sys.exit(3)\n"
        "        said.append({'probabilities': {'bright': mean, 'dark': 1 - mean}})\n"
        "    print(json.dumps({'id': asked['id'], 'predictions': said}), flush=True)\n"
    )
    named = NamedModel(command=f"{sys.executable} {program}")
    few = SearchOptions(axes=("brightness+",), n_max=24, composition=None)
    choice = ImageChoice(limit=30)
    found = search_dataset(folder, named, choice=choice, options=few, log=tmp_path / "log")
    assert found.axis("brightness+").unusable > 0
    (note,) = [one for one in found.notes if "failed on" in one]
    assert "ended" in note
    again = search_dataset(folder, named, choice=choice, options=few, log=tmp_path / "log")
    assert again == found
