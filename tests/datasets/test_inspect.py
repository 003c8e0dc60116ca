"""What a dataset is: counted as others count it, and every fault named with its place."""

import json
import subprocess
import sys

import pytest
from pycocotools.coco import COCO

from variegate import inspect
from variegate.datasets.inspect import Spread


def test_a_coco_file_is_counted_as_pycocotools_counts_it(data_dir):
    found = inspect(data_dir / "coco_mini" / "keypoints")
    theirs = COCO(str(data_dir / "coco_mini" / "keypoints" / "person_keypoints.json"))
    assert found.format == "coco"
    assert sum(found.images.values()) == len(theirs.imgs)
    assert found.objects == len(theirs.anns)
    (one,) = theirs.anns.values()
    assert found.sides.median == pytest.approx((one["bbox"][2] * one["bbox"][3]) ** 0.5, rel=1e-6)
    assert found.kinds == {"boxes": 1, "polygons": 1, "keypoints": 1}
    assert found.widths.median == 640


def test_a_voc_set_with_faults(data_dir):
    found = inspect(data_dir / "bccd_voc")
    assert found.images == {"train": 35, "val": 13, "test": 12}
    assert sum(one.objects for one in found.classes.values()) == found.objects == 834
    assert list(found.classes) == ["Platelets", "RBC", "WBC"]
    (fault,) = found.problems.items()
    assert fault[0] == "box with no area; object left out"
    assert fault[1].count == 2
    assert fault[1].examples[0].startswith("Annotations/BloodImage_00338.xml:163: ")
    assert found.small + found.medium + found.large == pytest.approx(1)
    assert not found.quarantined


def test_masks_are_files_beside_images(data_dir):
    found = inspect(data_dir / "nuclei_instances")
    files = len(list((data_dir / "nuclei_instances").glob("*/masks/*.png")))
    assert found.kinds["masks"] == found.objects == files
    assert found.others["a mask"] == files


def test_broken_images_are_named(data_dir):
    found = inspect(data_dir / "messy_images")
    assert found.format == "unlabelled"
    reasons = [example for one in found.quarantined.values() for example in one.examples]
    assert any("empty file" in reason for reason in reasons)
    assert all(reason.startswith("files/") for reason in reasons)


def test_spread_of_numbers():
    assert Spread.of([]) is None
    assert Spread.of([4, 1, 3, 2, 5]) == Spread(least=1, lower=2, median=3, upper=4, greatest=5)


def test_the_command_prints_a_table_or_json(data_dir):
    place = str(data_dir / "bccd_voc")
    text = called("inspect", place)
    assert "834" in text
    assert "2 x box with no area" in text
    assert json.loads(called("inspect", place, "--json"))["classes"]["RBC"]["objects"] == 705


def called(*arguments):
    command = [sys.executable, "-m", "variegate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
