"""Means and deviations are those of another library; they do not depend on the workers."""

import json
import zipfile
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

import variegate
from variegate.datasets.prepare.channel_sums import ChannelSums
from variegate.datasets.prepare.split import SplitChoice
from variegate.errors import InputError


def by_torch(paths) -> tuple[list[float], list[float]]:
    """Return mean and deviation over all pixels of images that Pillow decodes, in float64."""
    pixels = []
    for path in paths:
        with Image.open(path) as image:
            pixels.append(np.array(image.convert("RGB")).reshape(-1, 3))
    whole = torch.from_numpy(np.concatenate(pixels)).to(torch.float64) / 255
    return whole.mean(dim=0).tolist(), whole.std(dim=0, unbiased=False).tolist()


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_means_are_those_of_another_library_to_six_digits(data_dir, workers):
    place = data_dir / "nuclei_instances"
    found = variegate.stats(place, workers=workers).channels
    mean, std = by_torch(place.glob("*/images/*.png"))
    assert found.images == 15
    assert found.mean == pytest.approx(mean, rel=1e-9)
    assert found.std == pytest.approx(std, rel=1e-9)


def test_a_job_that_counts_says_the_same_and_resumes(data_dir, tmp_path):
    place = data_dir / "messy_images"
    wanted = variegate.stats(place)
    found = variegate.stats(place, record=tmp_path / "record", workers=2)
    assert found.channels == wanted.channels
    assert found.sizes == wanted.sizes
    assert sum(one.count for one in found.quarantined.values()) == sum(
        one.count for one in wanted.quarantined.values()
    )
    again = variegate.stats(place, record=tmp_path / "record", workers=0)
    assert asdict(again) == asdict(found)


def test_the_number_of_workers_changes_nothing_at_all(data_dir):
    found = [asdict(variegate.stats(data_dir / "bccd_voc", workers=n)) for n in (0, 1, 2, 4)]
    assert all(one == found[0] for one in found)


def test_by_split_and_by_class(tmp_path):
    rng = np.random.default_rng(0)
    for split, label, count in (("train", "a", 3), ("train", "b", 2), ("val", "a", 1)):
        for number in range(count):
            path = tmp_path / split / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            size = (5 + number, 9, 3)
            Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(path)
    found = variegate.stats(tmp_path)
    for figures, pattern in (
        (found.by_split["train"], "train/*/*.png"),
        (found.by_split["val"], "val/*/*.png"),
        (found.classes["a"].channels, "*/a/*.png"),
        (found.classes["b"].channels, "*/b/*.png"),
    ):
        mean, std = by_torch(tmp_path.glob(pattern))
        assert figures.mean == pytest.approx(mean, rel=1e-9)
        assert figures.std == pytest.approx(std, rel=1e-9)
    assert found.classes["a"].by_split == {"train": 3, "val": 1}
    assert found.classes["a"].share == pytest.approx(4 / 6)
    shown = ", ".join(f"{one:.6f}" for one in found.by_split["train"].mean)
    assert f"mean=[{shown}]" in found.normalize


def test_sums_are_exact_where_floats_of_32_bits_are_not():
    image = np.random.default_rng(1).integers(200, 256, (4000, 3000, 3), np.uint8)
    found = ChannelSums.of(image)
    wide = image.astype(np.int64)
    assert found.sums == wide.sum(axis=(0, 1)).tolist()
    assert found.squares == (wide * wide).sum(axis=(0, 1)).tolist()
    white = ChannelSums.of(np.full((5000, 5000), 255, np.uint8))
    assert white.figures.mean == [1.0] * 3
    assert white.figures.std == [0.0] * 3


def test_gray_images_count_as_three_equal_channels(tmp_path):
    Image.fromarray(np.full((4, 4), 51, np.uint8)).save(tmp_path / "a.png")
    assert variegate.stats(tmp_path).normalize == "v2.Normalize(mean=[0.200000], std=[0.000000])"
    Image.fromarray(np.full((4, 4, 3), (0, 51, 255), np.uint8)).save(tmp_path / "b.png")
    found = variegate.stats(tmp_path).channels
    assert (found.channels, found.gray) == ("RGB", 1)
    assert found.mean == pytest.approx([0.1, 0.2, 0.6])


def test_sizes_are_those_of_the_upright_image(data_dir, tmp_path):
    found = variegate.stats(data_dir / "exif_orientation")
    upright = Counter[str]()
    for path in (data_dir / "exif_orientation").rglob("*.jpg"):
        with Image.open(path) as image:
            width, height = image.size[:: -1 if image.getexif().get(274, 1) > 4 else 1]
        upright[f"{width} x {height}"] += 1
    assert found.sizes == upright
    assert sum(found.longest_side.values()) == sum(found.aspect.values()) == upright.total()


def test_broken_images_are_counted_and_left_out(data_dir, run):
    found = variegate.stats(data_dir / "messy_images")
    bad = sum(one.count for one in found.quarantined.values())
    other = variegate.inspect(data_dir / "messy_images", decode=True)
    assert bad == sum(one.count for one in other.quarantined.values()) > 10
    assert found.channels.images == other.decoded == sum(other.images.values())
    assert run("stats", data_dir / "messy_images", "--strict").exit_code == 3
    assert run("stats", data_dir / "messy_images").exit_code == 0


def test_nothing_but_broken_images_is_an_error(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="no image can be used"):
        variegate.stats(tmp_path)


def test_the_parts_of_a_list_may_be_counted(data_dir, tmp_path):
    place = data_dir / "sign_digits"
    variegate.split(place, csv=tmp_path / "split.csv", choice=SplitChoice(parts="50/50"))
    found = variegate.stats(place, splits=tmp_path / "split.csv")
    assert found.images == {"train": 60, "val": 60}
    variegate.split(place, csv=tmp_path / "folds.csv", choice=SplitChoice(folds=4))
    found = variegate.stats(place, splits=tmp_path / "folds.csv", fold=3)
    assert found.images == {"train": 90, "val": 30}
    with pytest.raises(InputError, match="--fold 1"):
        variegate.stats(place, splits=tmp_path / "folds.csv")


def test_an_archive_is_counted_by_several_workers(data_dir, tmp_path):
    place = data_dir / "sign_digits"
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as packed:
        for path in sorted(place.rglob("*.JPG")):
            packed.write(path, path.relative_to(place))
    one, two = variegate.stats(place), variegate.stats(tmp_path / "in.zip", workers=4)
    assert one.channels == two.channels


def test_the_command_prints_what_json_says(data_dir, run):
    text = run("stats", data_dir / "bccd_voc")
    data = json.loads(run("stats", data_dir / "bccd_voc", "--json").stdout)
    assert f"torchvision: {data['normalize']}, of train\n" in text.stdout
    assert data["classes"]["RBC"]["objects"] == 705
    assert f"{data['channels']['mean'][0]:.6f}" in text.stdout
