"""The commands of the pages, as a reader types them, and what comes of them."""

import json
import re
import shlex
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from edge_impulse import edge_impulse
from variegate.cli import app
from variegate.datasets.upload.annotation_tools import export_fiftyone, export_label_studio
from variegate.errors import InputError

DOCS = Path(__file__).parents[3] / "docs"


def commands(page: str, beginning: str = "variegate") -> list[list[str]]:
    """The commands of a page, without comments."""
    text = (DOCS / page).read_text(encoding="utf-8")
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith(beginning)]


def test_edge_impulse_from_the_zip_to_the_project(data_dir, tmp_path, monkeypatch):
    name = "electronic-components-png-original.zip"
    monkeypatch.chdir(tmp_path)
    with (
        zipfile.ZipFile(data_dir / "electronic_components" / name) as whole,
        zipfile.ZipFile(name, "w") as few,
    ):
        by_class = Counter()
        for member in whole.namelist():
            kind = member.partition(".")[0]
            by_class[kind] += 1
            if by_class[kind] <= 5:
                few.writestr(member, whole.read(member))
    with edge_impulse() as service:
        for variable, value in service.environment.items():
            monkeypatch.setenv(variable, value)
        shown = ""
        for arguments in commands("edge_impulse.md"):
            more = ["--workers", "0"] if arguments[0] == "augment" else []
            done = CliRunner().invoke(app, [*arguments, *more])
            assert done.exit_code == 0, done.output
            shown = done.stdout
        samples = service.samples()
    # 5 classes, 4 images for training times 24 and 1 for testing.
    there = Counter((one["category"], one["label"]) for one in samples)
    assert set(there.values()) == {1, 96}
    assert len(samples) == 5 * 97
    rows = re.findall(r"^(training|testing)\s+\w+\s+(\w+)\s+(\d+)\s+(\d+)", shown, re.MULTILINE)
    assert {(category, label): int(count) for category, label, _, count in rows} == there
    assert re.search(r"^total\s+485\s+485", shown, re.MULTILINE)
    tested = {one["metadata"]["source"] for one in samples if one["category"] == "testing"}
    assert not tested & {
        one["metadata"]["source"] for one in samples if one["category"] == "training"
    }
    # The page shows figures of these columns.
    assert "category  split  label       images  uploaded" in (DOCS / "edge_impulse.md").read_text()


@pytest.fixture
def cells(data_dir, tmp_path, monkeypatch) -> Path:
    """A dataset with boxes, called as the pages call it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more").symlink_to(data_dir / "bccd_voc")
    return tmp_path / "more"


def test_the_commands_of_the_other_tools_work(cells):
    tried = [one for one in commands("other_tools.md") if one[0] == "export"]
    assert [one[1] for one in tried] == ["label-studio", "fiftyone"]
    for arguments in tried:
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        assert Path(arguments[-1]).is_file()


def test_tasks_of_label_studio_hold_every_box_in_percent(cells):
    made = export_label_studio(str(cells), Path("tasks.json"))
    tasks = json.loads(Path("tasks.json").read_text())
    assert len(tasks) == made.images
    config = Path("tasks.xml").read_text()
    boxes = 0
    for task in tasks:
        path = task["data"]["image"].removeprefix("/data/local-files/?d=more/")
        assert (cells / path).is_file()
        # An independent look at the annotation.
        xml = (cells / "Annotations" / f"{Path(path).stem}.xml").read_text()
        edges = [
            [int(float(n)) for n in re.findall(rf"<{side}>([\d.]+)<", xml)]
            for side in ("xmin", "ymin", "xmax", "ymax")
        ]
        wanted = {
            tuple(box) for box in zip(*edges, strict=True) if box[0] < box[2] and box[1] < box[3]
        }
        for one in task["annotations"][0]["result"]:
            boxes += 1
            value, width, height = one["value"], one["original_width"], one["original_height"]
            left, top = value["x"] * width / 100, value["y"] * height / 100
            right = left + value["width"] * width / 100
            bottom = top + value["height"] * height / 100
            # VOC counts pixels from 1, its last one included.
            assert any(
                max(abs(left - x1), abs(top - y1), abs(right - x2), abs(bottom - y2)) <= 1.01
                for x1, y1, x2, y2 in wanted
            )
            (label,) = value["rectanglelabels"]
            assert f'<Label value="{label}"/>' in config
    assert boxes == made.objects > 700


def test_labels_of_fiftyone_name_files_as_it_finds_them(cells):
    made = export_fiftyone(str(cells), Path("labels.json"))
    told = json.loads(Path("labels.json").read_text())
    # It lists the folder, and takes the extension of every path away.
    known = {str(p.relative_to(cells).with_suffix("")) for p in cells.rglob("*.jpg")}
    assert set(told["labels"]) <= known
    assert sum(len(boxes) for boxes in told["labels"].values()) == made.objects > 700
    for boxes in told["labels"].values():
        for one in boxes:
            x, y, width, height = one["bounding_box"]
            assert 0 <= x < x + width <= 1.0001
            assert 0 <= y < y + height <= 1.0001
            assert told["classes"][one["label"]] in ("Platelets", "RBC", "WBC")


def test_two_images_that_fiftyone_cannot_tell_apart_are_refused(tmp_path):
    for name in ("cat/a.jpg", "cat/a.k.jpg", "cat/a.png", "dog/b.png"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    with pytest.raises(InputError, match=r"cat/a: two images of this name"):
        export_fiftyone(str(tmp_path / "set"), tmp_path / "labels.json")
    assert not (tmp_path / "labels.json").exists()
