"""Mixed channels, broken files, epochs and parts: the same under any number of loader workers."""

import copy
import logging
import pickle
import shutil
from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader  # noqa: E402

import variegate  # noqa: E402
from variegate.codecs import encode  # noqa: E402
from variegate.datasets.torch import collate, dataset, normalize  # noqa: E402
from variegate.errors import ImageError, InputError, RecipeError, ShapeError  # noqa: E402
from variegate.recipes.recipe import Recipe  # noqa: E402

# Four workers are more than some machines have processors.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

RECIPE = Recipe.parse(
    "variants: {each: [source, {sample: {n: 3, steps: [flip, {rotate: {}}, {brightness: {}}]}}]}"
)


@pytest.fixture
def mixed(data_dir, tmp_path):
    """The images of three kinds, twice, and one that is broken, in two classes."""
    folder = tmp_path / "mixed"
    for label in "ab":
        shutil.copytree(data_dir / "field_cases/mixed-channels/a", folder / label)
    whole = (folder / "a/rgb.png").read_bytes()
    (folder / "a/broken.png").write_bytes(whole[: len(whole) // 2])
    return folder


def loaded(made, workers, **options):
    loader = DataLoader(made, batch_size=5, num_workers=workers, **options)
    batches = list(loader)
    return torch.cat([image for image, _ in batches]), torch.cat([label for _, label in batches])


@pytest.mark.parametrize(
    ("workers", "options"),
    [
        (0, {}),
        (1, {}),
        (4, {}),
        (4, {"persistent_workers": True}),
        (2, {"multiprocessing_context": "spawn"}),
    ],
)
def test_two_epochs_are_those_of_one_process(mixed, workers, options):
    alone = dataset(mixed, recipe=RECIPE, seed=3, on_error="skip")
    made = dataset(mixed, recipe=RECIPE, seed=3, on_error="skip")
    loader = DataLoader(made, batch_size=5, num_workers=workers, **options)
    epochs = []
    for epoch in (0, 1):
        alone.set_epoch(epoch)
        made.set_epoch(epoch)
        expected = [alone[index] for index in range(len(alone))]
        batches = list(loader)
        images = torch.cat([image for image, _ in batches])
        torch.testing.assert_close(images, torch.stack([i for i, _ in expected]), rtol=0, atol=0)
        assert torch.cat([label for _, label in batches]).tolist() == [n for _, n in expected]
        epochs.append(images)
    assert len(made) == 7 * 4
    assert images.shape == (28, 3, 40, 50)
    # Sources are the same in all epochs, variants are drawn anew.
    assert torch.equal(epochs[0][::4], epochs[1][::4])
    assert not torch.equal(epochs[0], epochs[1])
    assert made.skipped == alone.skipped == {"a/broken.png": 2 * 4}


def test_a_broken_image_is_logged_once_by_all_workers(mixed, tmp_path):
    made = dataset(mixed, recipe=RECIPE, on_error="skip")
    log = tmp_path / "log"
    handler = logging.FileHandler(log, delay=False)
    logger = logging.getLogger("variegate")
    logger.addHandler(handler)
    try:
        # Forked, so that the workers log to the same place.
        for _ in range(2):
            loaded(made, 4, multiprocessing_context="fork")
    finally:
        logger.removeHandler(handler)
        handler.close()
    lines = log.read_text().splitlines()
    assert len(lines) == 1
    assert "a/broken.png" in lines[0]


def test_the_next_image_takes_the_place_of_a_broken_one(mixed):
    made = dataset(mixed, recipe=RECIPE, on_error="skip")
    keys = [source.key for source in made.sources]
    place = keys.index("a/broken.png")
    for variant in range(4):
        taken, label = made[place * 4 + variant]
        following, same = made[(place + 1) * 4 + variant]
        assert torch.equal(taken, following)
        assert label == same
    with pytest.raises(ImageError, match=r"a/broken\.png"):
        dataset(mixed, recipe=RECIPE)[place * 4]


def test_the_last_images_are_followed_by_the_first(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(b"no image")
    (tmp_path / "a.png").write_bytes(encode(np.full((8, 9, 3), 7, np.uint8), format="png"))
    made = dataset(tmp_path, on_error="skip")
    assert torch.equal(made[2][0], made[0][0])
    assert made.skipped == {"c.png": 1}
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="none of 3 images"):
        dataset(tmp_path, on_error="skip")[0]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_all_images_have_the_channels_that_were_asked_for(mixed, channels):
    made = dataset(mixed, channels=channels, on_error="skip")
    assert {made[index][0].shape[0] for index in range(len(made))} == {channels}


def test_same_leaves_channels_as_they_are(mixed):
    made = dataset(mixed, channels="same", on_error="skip")
    found = {source.key: made[n][0].shape[0] for n, source in enumerate(made.sources)}
    assert (found["b/gray.png"], found["b/rgb.png"], found["b/rgba.png"]) == (1, 3, 4)


def test_what_is_transparent_is_laid_over_white(tmp_path):
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[:2] = (200, 100, 50, 128)
    pixels[2:] = (10, 20, 30, 255)
    (tmp_path / "a.png").write_bytes(encode(pixels, format="png"))
    rgb = (dataset(tmp_path)[0][0] * 255).round().int()
    # 200 * 128/255 + 255 * 127/255
    assert rgb[:, 0, 0].tolist() == pytest.approx([227, 177, 152], abs=1)
    assert rgb[:, 3, 0].tolist() == [10, 20, 30]
    gray = dataset(tmp_path, channels=1)[0][0] * 255
    assert gray[0, 3, 0].item() == pytest.approx(0.299 * 10 + 0.587 * 20 + 0.114 * 30, abs=1)


def test_gray_repeats_in_rgb_and_is_opaque_in_rgba(tmp_path):
    (tmp_path / "a.png").write_bytes(encode(np.full((4, 6), 77, np.uint8), format="png"))
    assert (dataset(tmp_path)[0][0] * 255).round().unique().tolist() == [77]
    assert (dataset(tmp_path, channels=4)[0][0][:, 0, 0] * 255).tolist() == [77, 77, 77, 255]


def test_options_that_are_impossible_are_refused(mixed):
    for options, words in (
        ({"channels": 2}, "channels: expected one of 1, 3, 4, 'same', got 2"),
        ({"on_error": "ignore"}, "on_error: expected one of 'raise', 'skip'"),
        ({"epoch": -1}, "epoch: expected a whole number from 0 on, got -1"),
        ({"channels": 1, "statistics": ((0.5,) * 3, (0.5,) * 3)}, "statistics: expected one or 1"),
    ):
        with pytest.raises(RecipeError, match=words):
            dataset(mixed, **options)
    with pytest.raises(ShapeError, match="one or 1"):
        normalize(torch.zeros(1, 4, 5))


def test_epochs_resume_and_begin_with_what_augment_writes(mixed):
    made = dataset(mixed, recipe=RECIPE, seed=5, on_error="skip")
    first = made[9][0]
    assert torch.equal(dataset(mixed, recipe=RECIPE, seed=5, epoch=0, on_error="skip")[9][0], first)
    seen = []
    for epoch in range(4):
        made.set_epoch(epoch)
        seen.append(made[9][0])
    assert len({one.numpy().tobytes() for one in seen}) == 4
    again = dataset(mixed, recipe=RECIPE, seed=5, epoch=3, on_error="skip")
    assert again.epoch == 3
    assert torch.equal(again[9][0], seen[3])
    for other in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert torch.equal(other[9][0], seen[3])
        other.set_epoch(0)
        assert torch.equal(other[9][0], first)
        assert made.epoch == 3


def test_steps_that_return_floats_are_refused(mixed):
    pytest.importorskip("albumentations")
    recipe = Recipe.parse("variants: {each: [source, albumentations.Normalize]}")
    with pytest.raises(RecipeError, match=r"step albumentations\.Normalize: it returns float32"):
        dataset(mixed, recipe=recipe)


def test_a_step_that_cannot_work_on_one_image_is_skipped_too(tmp_path):
    pytest.importorskip("albumentations")
    for name, side in (("a", 40), ("b", 20)):
        image = np.full((side, side, 3), side, np.uint8)
        (tmp_path / f"{name}.png").write_bytes(encode(image, format="png"))
    crop = Recipe.parse("variants: {albumentations.CenterCrop: {height: 30, width: 30}}")
    with pytest.raises(ImageError, match=r"b\.png: step albumentations\.CenterCrop: "):
        dataset(tmp_path, recipe=crop)[1]
    made = dataset(tmp_path, recipe=crop, on_error="skip")
    assert torch.equal(made[1][0], made[0][0])


def noise(folder, names):
    rng = np.random.default_rng(0)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(rng.integers(0, 256, (8, 9, 3), dtype=np.uint8), format="png"))
    return folder


def test_parts_keep_the_variants_of_an_image_together(tmp_path):
    source = noise(tmp_path / "in", [f"{label}/{n}.png" for label in "ab" for n in range(10)])
    made = dataset(source, recipe=RECIPE, epoch=2)
    train, val = made.split([0.75, 0.25])
    assert (len(train), len(val)) == (15 * 4, 5 * 4)
    assert train.epoch == 2
    keys = [{part.name(index)[0] for index in range(len(part))} for part in (train, val)]
    assert not keys[0] & keys[1]
    assert keys[0] | keys[1] == {one.key for one in made.sources}
    # The same whatever the recipe, so that what is validated on need not be augmented.
    plain = dataset(source).split([0.75, 0.25])[1]
    assert {one.key for one in plain.sources} == keys[1]
    other = made.split([0.75, 0.25], seed=1)[1]
    assert {one.key for one in other.sources} != keys[1]


@pytest.mark.parametrize("manifest", [True, False])
def test_parts_of_a_written_set_keep_them_together_too(tmp_path, manifest):
    source = noise(tmp_path / "in", [f"{label}/{n}.png" for label in "ab" for n in range(10)])
    variegate.augment(source, tmp_path / "out", recipe=RECIPE)
    if not manifest:
        (tmp_path / "out/manifest.parquet").unlink()
    parts = dataset(tmp_path / "out").split([0.6, 0.2, 0.2])
    assert [len(part) for part in parts] == [12 * 4, 4 * 4, 4 * 4]
    found = Counter()
    for part in parts:
        found.update({one.key.rpartition("-v")[0] for one in part.sources})
    assert len(found) == 20
    assert set(found.values()) == {1}


def test_exports_of_one_original_stay_together(tmp_path):
    names = [f"{n}_jpg.rf.{code}.png" for n in range(6) for code in ("0a1b2c", "9f8e7d", "55aa55")]
    parts = dataset(noise(tmp_path, names)).split([0.5, 0.5])
    found = [{one.key.partition("_")[0] for one in part.sources} for part in parts]
    assert [len(one) for one in found] == [3, 3]
    assert not found[0] & found[1]


def test_parts_that_are_impossible_are_refused(tmp_path):
    source = noise(tmp_path / "in", [f"{n}.png" for n in range(4)])
    made = dataset(source)
    for fractions in ([0.8, 0.1], [1.2, -0.2], []):
        with pytest.raises(InputError, match="expected parts of 1"):
            made.split(fractions)
    with pytest.raises(InputError, match="would be empty"):
        made.split([0.99, 0.01])
    variegate.augment(source, tmp_path / "out", recipe=Recipe.parse("variants: mixup"))
    with pytest.raises(InputError, match="results of several images"):
        dataset(tmp_path / "out").split([0.5, 0.5])


def test_batches_of_boxes_and_masks(data_dir):
    made = dataset(data_dir / "nuclei_instances", recipe="segmentation", seed=1, size=64)
    loader = DataLoader(made, batch_size=4, collate_fn=collate, num_workers=1)
    images, targets = next(iter(loader))
    assert images.shape == (4, 3, 64, 64)
    for index, target in enumerate(targets):
        _, alone = made[index]
        assert target.keys() == alone.keys()
        assert all(torch.equal(target[name], alone[name]) for name in alone)


def test_batches_of_other_kinds():
    images = [torch.zeros(3, 4, 5), torch.zeros(3, 6, 5)]
    some = {"labels": torch.tensor([1]), "boxes": torch.zeros(1, 4), "masks": torch.ones(1, 4, 5)}
    none = {"labels": torch.zeros(0, dtype=torch.int64), "boxes": torch.zeros(0, 4)}
    of_sizes, targets = collate([(images[0], some), (images[1], none)])
    assert isinstance(of_sizes, list)
    # The masks of no objects, as large as the image.
    assert targets[1]["masks"].shape == (0, 6, 5)
    assert "masks" not in none
    stacked, labels = collate([(images[0], 1), (images[0], 0)])
    assert stacked.shape == (2, 3, 4, 5)
    assert labels.tolist() == [1, 0]


def test_sets_with_objects_have_the_borders_that_augment_writes(data_dir, tmp_path):
    source = data_dir / "field_cases/boxes-near-border"
    turned = Recipe.parse("variants: {rotate: {angle_degrees: [10, 30]}}")
    variegate.augment(source, tmp_path / "out", recipe=turned)
    made, written = dataset(source, recipe=turned), dataset(tmp_path / "out")
    for index in range(len(made)):
        (image, known), (expected, read) = made[index], written[index]
        assert torch.equal(image, expected)
        torch.testing.assert_close(known["boxes"], read["boxes"])
        assert (image[:, 0, 0] * 255).tolist() == [114, 114, 114]


def test_an_image_that_is_gone_is_skipped_but_not_a_dataset_that_is(tmp_path):
    made = dataset(noise(tmp_path / "in", ["a.png", "b.png"]), on_error="skip")
    (tmp_path / "in/a.png").unlink()
    assert torch.equal(made[0][0], made[1][0])
    shutil.rmtree(tmp_path / "in")
    with pytest.raises(InputError, match="in"):
        made[0]


def test_what_a_recipe_does_to_objects_is_logged(data_dir, caplog):
    with caplog.at_level(logging.WARNING, logger="variegate"):
        source = data_dir / "field_cases/boxes-near-border"
        dataset(source, recipe=Recipe.parse("variants: {rotate: {border: reflect}}"))
        dataset(
            data_dir / "field_cases/keypoints-yolo-no-flip-idx",
            recipe=Recipe.parse("variants: flip"),
        )
    borders, sides = caplog.messages
    assert "rotate (reflect)" in borders
    assert "mirror" in sides
