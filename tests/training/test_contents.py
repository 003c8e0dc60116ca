"""What is refused before a training begins, and what is left out and said."""

import shutil

import cv2
import numpy as np
import pytest
from sets import usual, write_set

from variegate.datasets.prepare.statistics import stats
from variegate.errors import InputError
from variegate.training.contents import training_images
from variegate.training.options import TrainingRun

RUN = TrainingRun(workers=0)


def test_images_are_taken_by_split_with_the_mean_of_train(tmp_path):
    found = training_images(usual(tmp_path), RUN, gray=False)
    assert found.classes == ("a", "b", "c")
    assert {part: len(some) for part, some in found.sources.items()} == {
        "train": 27,
        "val": 9,
        "test": 10,
    }
    figures = stats(tmp_path, workers=0).by_split["train"]
    assert found.mean == tuple(figures.mean)
    assert found.std == tuple(figures.std)
    assert (found.held_out, found.notes, found.left_out) == ("test", [], {})


def test_mean_in_gray_is_that_of_gray_images(tmp_path):
    found = training_images(usual(tmp_path), RUN, gray=True)
    values = np.concatenate(
        [cv2.imread(str(one), cv2.IMREAD_GRAYSCALE).ravel() for one in tmp_path.glob("train/*/*")]
    )
    assert found.mean[0] == pytest.approx(values.mean() / 255, abs=0.002)


def test_the_digest_changes_with_a_pixel_and_with_a_split(tmp_path):
    first = training_images(usual(tmp_path), RUN, gray=False).digest
    assert training_images(tmp_path, RUN, gray=True).digest == first
    (tmp_path / "train/a/train0.png").rename(tmp_path / "val/a/train0.png")
    assert training_images(tmp_path, RUN, gray=False).digest != first


def test_a_leaky_split_is_refused(tmp_path):
    usual(tmp_path)
    shutil.copy(tmp_path / "train/a/train0.png", tmp_path / "test/a/other.png")
    with pytest.raises(InputError, match=r"leaks: 1 set of images is on two sides.*same bytes"):
        training_images(tmp_path, RUN, gray=False)


def test_groups_of_the_users_own_are_not_on_two_sides(tmp_path):
    usual(tmp_path)
    with pytest.raises(InputError, match="leaks"):
        training_images(tmp_path, TrainingRun(workers=0, group=(r"(\d)\.png",)), gray=False)


@pytest.mark.parametrize("part", ["train", "val"])
def test_an_empty_split_is_refused(tmp_path, part):
    usual(tmp_path)
    shutil.rmtree(tmp_path / part)
    with pytest.raises(InputError, match=rf"no images in {part} .*variegate split"):
        training_images(tmp_path, RUN, gray=False)


def test_a_split_of_broken_images_alone_is_refused(tmp_path):
    usual(tmp_path)
    for one in (tmp_path / "val").rglob("*.png"):
        one.write_bytes(b"nothing")
    with pytest.raises(InputError, match="val has no image that can be used"):
        training_images(tmp_path, RUN, gray=False)


def test_a_class_missing_from_train_is_refused(tmp_path):
    usual(tmp_path)
    shutil.rmtree(tmp_path / "train/b")
    with pytest.raises(InputError, match="class 'b' is in val and not in train"):
        training_images(tmp_path, RUN, gray=False)


def test_a_single_class_is_refused(tmp_path):
    write_set(tmp_path, {"train": {"a": 3, "b": 1}, "val": {"a": 2}})
    (tmp_path / "train/b/train0.png").write_bytes(b"broken")
    with pytest.raises(InputError, match="at least two classes, all are 'a'"):
        training_images(tmp_path, RUN, gray=False)


def test_broken_images_among_good_ones_are_left_out_and_counted(tmp_path):
    usual(tmp_path)
    for number in range(2):
        (tmp_path / f"train/a/broken{number}.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    found = training_images(tmp_path, RUN, gray=False)
    assert len(found.sources["train"]) == 27
    (fault,) = found.left_out.values()
    assert fault.count == 2
    assert "broken0.png" in fault.examples[0]


def test_a_class_of_one_image_and_tiny_images_are_told(tmp_path):
    write_set(tmp_path, {"train": {"a": 4, "b": 1}, "val": {"a": 2}})
    cv2.imwrite(str(tmp_path / "train/a/dot.png"), np.full((1, 1, 3), 9, np.uint8))
    notes = "\n".join(training_images(tmp_path, RUN, gray=False).notes)
    assert "class 'b': a single image in train" in notes
    assert "no image in val of 'b'" in notes
    assert "1 image has a side of less than 8 pixels ('train/a/dot.png')" in notes


def test_images_without_a_class_are_not_learned(tmp_path):
    for number, part in enumerate(("train", "val")):
        (tmp_path / part).mkdir()
        cv2.imwrite(str(tmp_path / part / f"{part}.png"), np.full((9, 9, 3), number, np.uint8))
    with pytest.raises(InputError, match="no image has one class"):
        training_images(tmp_path, RUN, gray=False)
