"""What an audit says of annotations: found against planted, and against independent counts."""

import json
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from variegate import Options
from variegate.annotations.annotation import Annotation, Object
from variegate.datasets.prepare.audit import audit
from variegate.datasets.prepare.flags import Thresholds
from variegate.datasets.prepare.labels import CELLS, LabelCounter
from variegate.formats import Source

_HERE = Options(workers=0)


def counted(*annotations: Annotation | None, size: tuple[int, int] = (100, 200)):
    counter = LabelCounter(Thresholds())
    for number, one in enumerate(annotations):
        counter.add(Source(f"{number}.jpg", 1, annotation=one), size)
    return counter.result()


def boxes(*values: tuple[str, tuple[int, int, int, int]]) -> Annotation:
    return Annotation(objects=tuple(Object(category=name, box=box) for name, box in values))


def yolo(folder: Path, labels: dict[str, str | None]) -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    for number, (name, text) in enumerate(labels.items()):
        rng = np.random.default_rng(number)
        pixels = rng.integers(0, 256, (64, 96, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
        if text is not None:
            (folder / "labels" / f"{name}.txt").write_text(text)
    (folder / "data.yaml").write_text("train: images\nnames: [cat, Cat, dogs, dog, bus]\n")
    return folder


def test_missing_empty_and_every_planted_fault_are_told(tmp_path):
    place = yolo(
        tmp_path / "set",
        {
            "good": "0 .5 .5 .5 .5\n4 .25 .25 .25 .25\n",
            "names": "1 .5 .5 .5 .5\n2 .2 .2 .2 .2\n3 .7 .7 .2 .2\n",
            "empty": "",
            "missing": None,
            "outside": "0 1.5 1.5 .2 .2\n0 .5 .5 .5 .5\n",
            "flat": "0 .5 .5 0 .5\n0 .5 .5 .5 .5\n",
            "twice": "0 .5 .5 .5 .5\n0 .5 .5 .5 .5\n",
            "nearly twice": "0 .5 .5 .5 .5\n0 .505 .5 .5 .5\n",
            "tiny": "0 .5 .5 .02 .03\n",
        },
    )
    found = audit(place, tmp_path / "out", options=_HERE).labels
    assert (found.images, found.with_objects, found.empty, found.missing) == (9, 7, 1, 1)
    assert (found.tiny, found.doubled, found.objects_left_out) == (1, 1, 3)
    kinds = {kind: one.count for kind, one in found.findings.items()}
    for words in ("outside", "no area", "the same as", "tiny", "on each other", "empty"):
        assert any(words in kind and count == 1 for kind, count in kinds.items()), (words, kinds)
    names = {kind: one.examples for kind, one in found.names.items()}
    assert "'Cat'" in names["class names that differ by case"][0]
    assert "'dogs'" in names["class names that differ by a plural"][0]
    assert not any("bus" in text for texts in names.values() for text in texts)
    written = json.loads((tmp_path / "out/audit.json").read_text())["labels"]
    assert written["findings"].keys() == found.findings.keys()


def test_figures_of_a_real_set_equal_those_of_its_files(data_dir, tmp_path):
    found = audit(data_dir / "bccd_voc", tmp_path / "out", options=_HERE).labels
    objects, an_image = Counter(), Counter()
    for path in (data_dir / "bccd_voc/Annotations").glob("*.xml"):
        here = 0
        for one in ET.parse(path).iter("object"):
            x1, y1, x2, y2 = (
                float(one.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            if x1 != x2 and y1 != y2:
                objects[one.findtext("name")] += 1
                here += 1
        an_image[here] += 1
    assert {name: one.objects for name, one in found.classes.items()} == objects
    assert found.objects_an_image == an_image
    assert found.objects_left_out == 2
    assert sum(map(sum, found.places)) == found.objects == objects.total()


def test_places_are_by_the_middle_and_relative():
    found = counted(boxes(("a", (0, 0, 10, 10)), ("a", (190, 90, 200, 100))))
    assert found.places[0][0] == 1
    assert found.places[CELLS - 1][CELLS - 1] == 1
    found = counted(boxes(("a", (90, 0, 110, 4))))
    assert found.places[0][CELLS // 2] == 1


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("traffic light", "traffic_light"), "blanks"),
        (("Bus", "bus"), "case"),
        (("box", "boxes"), "a plural"),
        (("city", "cities"), "a plural"),
        (("glass", "gas"), None),
        (("bus", "bug"), None),
        (("a1", "a2"), None),
    ],
)
def test_names_that_may_be_one_are_told_and_no_others(names, kind):
    found = counted(boxes(*((name, (0, 0, 50, 50)) for name in names)))
    expected = [] if kind is None else [f"class names that differ by {kind}"]
    assert list(found.names) == expected


def test_blank_names_are_told():
    assert list(counted(boxes((" ", (0, 0, 50, 50)))).names) == ["blank class names"]


def test_a_heap_without_annotations_has_none():
    assert counted(None, None) is None


def test_text_json_and_page_say_the_same(data_dir, tmp_path, run):
    out = tmp_path / "out"
    told = run("audit", data_dir / "bccd_voc", out, "--workers", 0)
    assert told.exit_code == 0
    assert "2 x box with no area" in told.output
    assert "834" in told.output
    page = (out / "audit.html").read_text()
    assert "box with no area" in page
    assert "Map of the places of 834 objects" in page
