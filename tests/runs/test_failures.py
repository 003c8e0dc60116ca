"""A step that cannot work on an image costs the image; on none of the first fifty, the run."""

import numpy as np
import pytest

import jobs
from variegate import Options, augment
from variegate.codecs import encode
from variegate.errors import RecipeError
from variegate.recipes.recipe import Recipe
from variegate.runs import manifest
from variegate.runs.failures import FIRST_IMAGES
from variegate.storage import open_storage

pytest.importorskip("albumentations")

CROP = "variants: {albumentations.CenterCrop: {height: 30, width: 30}}"


def write(folder, sides):
    """Write square images of these sides, in this order."""
    folder.mkdir()
    for number, side in enumerate(sides):
        image = np.full((side, side, 3), number % 256, np.uint8)
        (folder / f"{number:03}.png").write_bytes(encode(image, format="png"))
    return folder


def rows(output):
    return list(manifest.rows(open_storage(output)))


def test_a_crop_larger_than_the_image_is_no_unreadable_image(tmp_path):
    source = write(tmp_path / "in", [40, 20, 40])
    summary = augment(
        source, tmp_path / "out", recipe=Recipe.parse(CROP), options=Options(workers=0)
    )
    assert (summary.counts.augmented, summary.counts.quarantined) == (2, 1)
    (bad,) = [row for row in rows(tmp_path / "out") if row.status == "quarantined"]
    assert bad.key == "001.png"
    assert bad.reason.startswith("step albumentations.CenterCrop: ")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_of_which_the_first_images_all_fail_in_one_step_stops(tmp_path, workers):
    source = write(tmp_path / "in", [20] * (FIRST_IMAGES + 60) + [40] * 30)
    (source / "000.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    options = Options(workers=workers, shard_size=7)
    words = r"^step albumentations\.CenterCrop: it failed on each of the first 50 images \(001\.png"
    for _ in range(2):
        # The same command again, too.
        with pytest.raises(RecipeError, match=words):
            augment(source, tmp_path / "out", recipe=Recipe.parse(CROP), options=options)
    assert not (tmp_path / "out" / manifest.MANIFEST).exists()
    assert jobs.left_over() == []


@pytest.mark.parametrize("large", [0, FIRST_IMAGES - 1])
def test_one_of_the_first_images_that_does_not_fail_lets_the_run_go_on(tmp_path, large):
    sides = [20] * (FIRST_IMAGES + 20)
    sides[large] = 40
    source = write(tmp_path / "in", sides)
    options = Options(workers=2, shard_size=3)
    summary = augment(source, tmp_path / "out", recipe=Recipe.parse(CROP), options=options)
    assert (summary.counts.augmented, summary.counts.quarantined) == (1, FIRST_IMAGES + 19)


def test_fewer_images_that_all_fail_do_not_stop_the_run(tmp_path):
    source = write(tmp_path / "in", [20] * (FIRST_IMAGES - 1))
    options = Options(workers=0)
    summary = augment(source, tmp_path / "out", recipe=Recipe.parse(CROP), options=options)
    assert summary.counts.quarantined == FIRST_IMAGES - 1
