"""Let FiftyOne and Label Studio's own SDK read what `variegate export` wrote, and compare.

    python tests/oracles/tools.py FOLDER

It runs in an environment of its own (`make oracles`). FiftyOne's datasets live in a MongoDB; its
importers, which are what reads the files, need none.
"""

import json
import sys
import tempfile
from pathlib import Path

from PIL import Image
from read import Read, Reader, report


def fiftyone_boxes(folder: Path) -> Read:
    import fiftyone.types as fot

    found: Read = {}
    for path, label in _imported(fot.FiftyOneImageDetectionDataset, folder):
        with Image.open(path) as image:
            width, height = image.size
        boxes = [(one.label, *_corners(one.bounding_box)) for one in label.detections]
        found[Path(path).name] = [
            [name, x1 * width, y1 * height, x2 * width, y2 * height]
            for name, x1, y1, x2, y2 in boxes
        ]
    return found


def fiftyone_classes(folder: Path) -> Read:
    import fiftyone.types as fot

    labels = _imported(fot.FiftyOneImageClassificationDataset, folder)
    return {Path(path).name: [[label.label]] for path, label in labels}


def _imported(kind: type, folder: Path) -> list:
    """Return (path, label) of each image, as `Dataset.from_dir` of this kind takes them."""
    importer = kind().get_dataset_importer_cls()(
        data_path=str(folder), labels_path=str(folder.with_suffix(".fiftyone.json"))
    )
    with importer:
        return [(path, label) for path, _, label in importer]


def _corners(box: list[float]) -> tuple[float, float, float, float]:
    x, y, width, height = box
    return x, y, x + width, y + height


def label_studio_boxes(folder: Path) -> Read:
    """Read tasks as a COCO file that Label Studio's converter makes of them."""
    from label_studio_sdk.converter import Converter

    tasks = _checked_tasks(folder)
    for number, task in enumerate(tasks):
        # What the application adds when it imports a task.
        task["id"] = task["annotations"][0]["id"] = number
    converter = Converter(
        str(folder.with_suffix(".tasks.xml")), project_dir=None, download_resources=False
    )
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / "tasks.json").write_text(json.dumps(tasks))
        converter.convert_to_coco(str(place / "tasks.json"), str(place / "out"), is_dir=False)
        made = json.loads((place / "out/result.json").read_text())
    names = {one["id"]: one["name"] for one in made["categories"]}
    files = {one["id"]: Path(one["file_name"]).name for one in made["images"]}
    found: Read = {name: [] for name in files.values()}
    for one in made["annotations"]:
        x1, y1, x2, y2 = _corners(one["bbox"])
        found[files[one["image_id"]]].append([names[one["category_id"]], x1, y1, x2, y2])
    return found


def label_studio_classes(folder: Path) -> Read:
    return {
        Path(task["data"]["image"]).name: [
            [name] for name in task["annotations"][0]["result"][0]["value"]["choices"]
        ]
        for task in _checked_tasks(folder)
    }


def _checked_tasks(folder: Path) -> list[dict]:
    """Return tasks that fit the labeling configuration beside them."""
    from label_studio_sdk.label_interface import LabelInterface

    interface = LabelInterface(folder.with_suffix(".tasks.xml").read_text())
    interface.validate()
    tasks = json.loads(folder.with_suffix(".tasks.json").read_text())
    for task in tasks:
        for annotation in task["annotations"]:
            assert interface.validate_annotation(annotation), task["data"]
    return tasks


READERS: tuple[Reader, ...] = (
    ("fiftyone", "coco", fiftyone_boxes, 1e-3),
    ("fiftyone", "classes", fiftyone_classes, 0),
    ("label_studio_sdk", "coco", label_studio_boxes, 1e-3),
    ("label_studio_sdk", "classes", label_studio_classes, 0),
)


if __name__ == "__main__":
    sys.exit(report(Path(sys.argv[1]), READERS))
