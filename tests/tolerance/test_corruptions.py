"""Errors under the common corruptions: which they are, what is counted, and what continues."""

import json

import cv2
import numpy as np
import pytest

from variegate.annotations.sample import Sample
from variegate.errors import UsageError
from variegate.models.predictors.base import Classification, Predictor
from variegate.tolerance.corruptions import CorruptionErrors, corruption_errors, corruption_plans
from variegate.tolerance.dataset import ImageChoice

PHOTOS = ("train2017/000000000086", "val2017/000000000885", "val2017/000000006012")
#: Mean PSNR (dB) of these photos' middles under imagecorruptions 1.1.2.
PUBLISHED = {
    "speckle": (23.4, 21.0, 16.5, 14.6, 12.8),
    "gaussian_blur": (26.0, 22.1, 20.5, 19.5, 18.2),
    "spatter": (33.5, 24.6, 22.2, 19.5, 16.9),
}


class Mean(Predictor):
    """Tells dark from bright, and counts what it is asked."""

    classes = ("bright", "dark")
    identity = "mean"
    asked = 0

    def predict(self, images):
        self.asked += len(images)
        means = [one.mean() / 255 for one in images]
        return [Classification(np.array([one, 1 - one], np.float32)) for one in means]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Gray images, dark ones of 60 to 110 and bright ones of 150 to 200."""
    rng = np.random.default_rng(0)
    place = tmp_path_factory.mktemp("shades")
    for number in range(24):
        name = ("dark", "bright")[number % 2]
        (place / name).mkdir(exist_ok=True)
        value = int(rng.integers(60, 110)) + 90 * (name == "bright")
        cv2.imwrite(str(place / name / f"{number}.png"), np.full((16, 16), value, np.uint8))
    return place


@pytest.fixture(scope="module")
def found(folder, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "answers.jsonl"
    model, again = Mean(), Mean()
    first = corruption_errors(folder, model, log=log)
    assert corruption_errors(folder, again, log=log) == first
    assert again.asked == 0, "what is in the log is not asked again"
    assert model.asked == first.calls
    return first


def test_there_are_fifteen_and_four_at_five_severities():
    plans = corruption_plans()
    assert [len(plan.steps) for plan in plans] == [5] * 19
    assert sum(plan.validation for plan in plans) == 4
    assert len({plan.identity for plan in plans}) == 19
    assert corruption_plans(1)[0].identity != plans[0].identity


def test_means_are_of_what_was_counted(found):
    own = [one for one in found.corruptions if not one.validation]
    errors = [[each.wrong / found.images for each in one.severities] for one in own]
    assert found.mean_corruption_error.value == pytest.approx(np.mean(errors))
    assert found.mean_corruption_error.low <= found.mean_corruption_error.value
    for one in found.corruptions:
        wrong = np.mean([each.wrong for each in one.severities]) / found.images
        assert one.mean == pytest.approx(wrong)
        assert one.relative == pytest.approx(one.mean - found.clean.value)


def test_the_model_fails_where_it_must(found, folder):
    by_name = {one.corruption: one for one in found.corruptions}
    bright = [each.wrong for each in by_name["brightness"].severities]
    # By hand: dark images that the added light takes beyond the middle.
    values = [int(cv2.imread(str(path)).mean()) for path in (folder / "dark").iterdir()]
    added = (0.083, 0.165, 0.243, 0.335, 0.415)
    assert bright == [sum(value + round(255 * one) > 127 for value in values) for one in added]
    assert [each.wrong for each in by_name["defocus"].severities] == [0] * 5
    assert found.clean.value == 0


def test_color_does_nothing_to_gray_images_and_that_is_said(found):
    (one,) = [each for each in found.corruptions if each.corruption == "saturation"]
    assert one.unchanged
    assert one.relative == 0
    assert any(note.startswith("saturation: changes nothing") for note in found.notes)
    assert found.calls <= found.images * (1 + 5 * 18)


def test_its_file_is_read_back(found, tmp_path):
    found.save(tmp_path / "corruptions.json")
    data = json.loads((tmp_path / "corruptions.json").read_text())
    assert CorruptionErrors.model_validate(data) == found


def test_labels_are_needed(folder):
    with pytest.raises(UsageError, match="need labels"):
        corruption_errors(folder, Mean(), choice=ImageChoice(metamorphic=True))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_four_are_as_far_from_clean_photos_as_those_they_follow(data_dir, name):
    photos = [middle(cv2.imread(f"{data_dir}/coco_mini/images/{one}.jpg")) for one in PHOTOS]
    (plan,) = [one for one in corruption_plans() if one.validation and one.name == name]
    measured = [np.mean([psnr(plan, photo, level) for photo in photos]) for level in range(1, 6)]
    # Three photos and one draw each: where blots fall is chance.
    assert measured == pytest.approx(PUBLISHED[name], abs=2.5)


def psnr(plan, photo, level):
    made = plan.apply("a", Sample(photo), level).image
    return cv2.PSNR(photo, np.ascontiguousarray(made))


def middle(photo):
    """The largest square in the middle, RGB, brought to 224 x 224."""
    side = min(photo.shape[:2])
    top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
    cut = photo[top : top + side, left : left + side]
    small = cv2.resize(cut, (224, 224), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
