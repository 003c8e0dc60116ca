"""The PyTorch dataset: the same variants as `augment` writes, whoever asks for them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import variegate  # noqa: E402
from variegate.codecs import decode, encode  # noqa: E402
from variegate.datasets import samples  # noqa: E402
from variegate.datasets.torch import IMAGENET, dataset, normalize, to_tensor  # noqa: E402
from variegate.datasets.torch.tensors import ByteTensors  # noqa: E402
from variegate.errors import RecipeError  # noqa: E402
from variegate.recipes.recipe import Recipe  # noqa: E402
from variegate.runs.manifest import rows  # noqa: E402
from variegate.storage import open_storage  # noqa: E402

RECIPE = """
variants:
  each:
    - source
    - sample: {n: 3, steps: [flip, {rotate: {}}, {brightness: {}}, {gaussian_noise: {}}]}
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    for key, drawn in samples.draw_images(6, size=(48, 64)):
        path = folder / key.replace(".jpg", ".png")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(drawn.image, format="png"))
    return folder


def test_items_are_the_images_that_augment_writes(parts, tmp_path):
    recipe = Recipe.parse(RECIPE)
    variegate.augment(parts, tmp_path / "out", recipe=recipe, seed=3)
    written = {
        (row.key, row.variant): decode((tmp_path / "out" / row.output).read_bytes())
        for row in rows(open_storage(tmp_path / "out"))
        if row.output is not None
    }
    made = dataset(parts, recipe=recipe, seed=3)
    assert len(made) == len(written) == 24
    for index in range(len(made)):
        tensor, label = made[index]
        key, variant = made.name(index)
        expected = written[key, variant].transpose(2, 0, 1).astype(np.float32) / 255
        np.testing.assert_array_equal(tensor.numpy(), expected)
        assert made.classes[label] == key.partition("/")[0]


def test_loader_workers_and_order_change_nothing(parts):
    made = dataset(parts, recipe=Recipe.parse(RECIPE), seed=3, size=(32, 32))
    alone = torch.stack([made[index][0] for index in range(len(made))])
    for workers in (0, 2):
        loader = torch.utils.data.DataLoader(made, batch_size=5, num_workers=workers)
        torch.testing.assert_close(torch.cat([batch for batch, _ in loader]), alone, rtol=0, atol=0)
    # Going on at an index is asking for the rest.
    rest = torch.utils.data.Subset(made, range(17, len(made)))
    resumed = torch.cat([batch for batch, _ in torch.utils.data.DataLoader(rest, batch_size=4)])
    torch.testing.assert_close(resumed, alone[17:], rtol=0, atol=0)


def test_a_written_set_is_read_as_it_is(parts, tmp_path):
    variegate.augment(parts, tmp_path / "out", recipe=Recipe.parse(RECIPE))
    read = dataset(tmp_path / "out")
    assert len(read) == 24
    key, _ = read.name(5)
    expected = decode((tmp_path / "out" / key).read_bytes()).transpose(2, 0, 1) / np.float32(255)
    np.testing.assert_array_equal(read[5][0].numpy(), expected)


def test_statistics_make_mean_zero_and_deviation_one():
    rng = np.random.default_rng(0)
    tensor = to_tensor(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8))
    means = tensor.mean(dim=(1, 2)).tolist()
    deviations = tensor.std(dim=(1, 2), correction=0).tolist()
    changed = normalize(tensor, (means, deviations))
    assert changed.mean().abs() < 1e-5
    assert (changed.std(correction=0) - 1).abs() < 1e-5
    mean, deviation = IMAGENET
    expected = (tensor[1] - mean[1]) / deviation[1]
    torch.testing.assert_close(normalize(tensor)[1], expected)
    assert to_tensor(np.zeros((4, 5), np.uint8)).shape == (1, 4, 5)


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 3), (9, 7, 4)])
@pytest.mark.parametrize("statistics", [None, ((0.4,), (0.3,))])
def test_bytes_become_tensors_as_step_by_step(shape, statistics):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    stepwise = to_tensor(image)
    if statistics is not None:
        stepwise = normalize(stepwise, statistics)
    assert torch.equal(ByteTensors(statistics).of(image), stepwise)
    # Seen from its end, as a flip may leave it.
    assert torch.equal(ByteTensors(None).of(image[:, ::-1]), to_tensor(image[:, ::-1]))


def test_objects_come_as_detectors_take_them(data_dir):
    made = dataset(data_dir / "nuclei_instances", recipe="segmentation", seed=1)
    tensor, known = made[3]
    height, width = tensor.shape[1:]
    count = len(known["labels"])
    assert count > 5
    assert known["boxes"].shape == (count, 4)
    assert known["masks"].shape == (count, height, width)
    for box, mask in zip(known["boxes"], known["masks"], strict=True):
        ys, xs = torch.nonzero(mask, as_tuple=True)
        around = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).float()
        if box.any():
            torch.testing.assert_close(box, around)


def test_no_images_of_a_split_is_said(parts, tmp_path):
    with pytest.raises(variegate.VariegateError, match="on the fly"):
        dataset(parts, recipe=Recipe.parse("variants: mixup"))


def test_steps_are_forbidden_by_class_as_in_files(parts, tmp_path):
    (first, *_) = sorted(path.name for path in parts.iterdir())
    forbid = {"rotate": [first], "mirror": [first]}
    recipe = Recipe.from_data({"variants": {"each": ["flip", "rotate"]}, "forbid": forbid})
    variegate.augment(parts, tmp_path / "out", recipe=recipe)
    made, whole = dataset(parts, recipe=recipe), dataset(parts)
    for row in rows(open_storage(tmp_path / "out")):
        index = next(i for i in range(len(made)) if made.name(i) == (row.key, row.variant))
        written = decode((tmp_path / "out" / row.output).read_bytes()).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(made[index][0].numpy(), written, atol=1e-6)
        source = next(i for i in range(len(whole)) if whole.name(i)[0] == row.key)
        kept = bool((made[index][0] == whole[source][0]).all())
        assert kept == row.key.startswith(f"{first}/")


def test_classes_that_the_dataset_does_not_have_are_an_error(parts):
    (first, *_) = sorted(path.name for path in parts.iterdir())
    recipe = Recipe.from_data({"variants": "flip", "forbid": {"flip": [first + "s"]}})
    with pytest.raises(RecipeError, match=f"has no class '{first}s'; did you mean '{first}'"):
        dataset(parts, recipe=recipe)


@pytest.mark.parametrize("more", [{"classes": ["a"]}, {"variants_by_class": {"a": 1}}])
def test_fewer_variants_for_some_classes_are_refused(more, parts):
    with pytest.raises(RecipeError, match="WeightedRandomSampler"):
        dataset(parts, recipe=Recipe.from_data({"variants": "flip", **more}))
