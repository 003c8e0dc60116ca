"""A COCO file of a million boxes: how long reading and writing takes, and how much memory.

    python benchmarks/coco_read.py [--boxes 1000000] [--outlines]

Every image has ten boxes; the annotations are shuffled, as in COCO's own files. The images are
empty files. The peak is of this process, which is begun anew for each measurement.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from variegate.formats.coco import Coco
from variegate.formats.detection import detect
from variegate.formats.writer import Item
from variegate.storage import open_storage

BOXES_A_IMAGE = 10


def generate(folder: Path, boxes: int, *, outlines: bool) -> Path:
    """Write the set; return its annotation file."""
    rng = np.random.default_rng(7)
    images = boxes // BOXES_A_IMAGE
    file = folder / "annotations/instances_train.json"
    file.parent.mkdir(parents=True)
    (folder / "train").mkdir()
    owners = rng.permutation(np.arange(boxes) % images)
    with file.open("w") as out:
        out.write('{"info": {}, "licenses": [], "images": [')
        for number in range(images):
            name = f"{number:012}.jpg"
            (folder / "train" / name).touch()
            entry = {"id": number + 1, "file_name": name, "height": 480, "width": 640, "license": 1}
            out.write(", " * (number > 0) + json.dumps(entry))
        out.write('], "annotations": [')
        for number in range(boxes):
            x, y, w, h = (round(float(v), 2) for v in rng.uniform(1, 200, 4))
            ring = [round(float(v), 2) for v in rng.uniform(1, 400, 40)]
            entry = {
                "segmentation": [ring] if outlines else [],
                "area": round(w * h, 3),
                "iscrowd": 0,
                "image_id": int(owners[number]) + 1,
                "bbox": [x, y, w, h],
                "category_id": int(number % 80) + 1,
                "id": number + 1,
            }
            out.write(", " * (number > 0) + json.dumps(entry))
        names = [{"id": n + 1, "name": f"class {n}"} for n in range(80)]
        out.write(f'], "categories": {json.dumps(names)}}}')
    return file


@dataclass(frozen=True)
class Measured:
    """What a process took."""

    seconds: float
    megabytes: float


def table(boxes: int, *, outlines: bool = False) -> dict[str, Measured]:
    """Return what reading, and reading and writing, a file of so many boxes take."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), boxes, outlines=outlines)
        return {what: _measured(what, folder) for what in ("json.load", "read", "read and write")}


def _measured(what: str, folder: str) -> Measured:
    command = [sys.executable, __file__, "--measure", what, folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Measured(*map(float, done.stdout.split()))


def _measure(what: str, folder: Path) -> None:
    """Read, or read and write, and print the seconds and the peak."""
    begun = time.perf_counter()
    storage = open_storage(folder)
    if what == "json.load":
        json.load((folder / "annotations/instances_train.json").open())
    else:
        dataset_format = detect(storage, [Coco])
        sources = (s for s in dataset_format.sources(storage) if s.annotation)
        if what == "read":
            found = sum(len(s.annotation.objects) for s in sources if s.annotation)
            assert found
        else:
            items = (
                Item(key=s.key, split=s.split, label=None, size=(480, 640), annotation=s.annotation)
                for s in sources
            )
            with tempfile.TemporaryDirectory() as out:
                dataset_format.writer().write_index(open_storage(out, create=True), items)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.perf_counter() - begun, peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=1_000_000)
    parser.add_argument("--outlines", action="store_true", help="twenty points for every box")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        _measure(arguments.measure[0], Path(arguments.measure[1]))
        return
    for what, one in table(arguments.boxes, outlines=arguments.outlines).items():
        print(f"{what:20} {one.seconds:6.1f} s  {one.megabytes:7.0f} MB")


if __name__ == "__main__":
    main()
