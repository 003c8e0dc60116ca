"""Tolerance of a model on a dataset."""

import json

import cv2
import numpy as np
import pytest

from variegate.errors import InputError, UsageError
from variegate.models.predictors.base import Classification, Predictor
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
