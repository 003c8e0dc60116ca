"""A COCO file of a million boxes: how long reading and writing takes, and how much memory.

    python benchmarks/coco_read.py [--boxes 1000000] [--outlines]

Every picture has ten boxes; the annotations are shuffled, as in COCO's own files. The pictures are
empty files. The peak is of this process, which is begun anew for each measurement.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from variegate.formats.coco import Coco
from variegate.formats.detection import detect
from variegate.formats.writing import Item
from variegate.storage import open_storage

BOXES_A_PICTURE = 10


def generate(folder: Path, boxes: int, *, outlines: bool) -> Path:
    """Write the set; return its annotation file."""
    rng = np.random.default_rng(7)
    pictures = boxes // BOXES_A_PICTURE
    file = folder / "annotations/instances_train.json"
    file.parent.mkdir(parents=True)
    (folder / "train").mkdir()
    owners = rng.permutation(np.arange(boxes) % pictures)
    with file.open("w") as out:
        out.write('{"info": {}, "licenses": [], "images": [')
        for number in range(pictures):
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


def measure(what: str, folder: Path) -> None:
    """Read, or read and write, and print the seconds and the peak."""
    begun = time.perf_counter()
    storage = open_storage(folder)
    if what == "json.load":
        found = len(json.load((folder / "annotations/instances_train.json").open())["annotations"])
    else:
        layout = detect(storage, [Coco])
        recognised = time.perf_counter() - begun
        sources = (s for s in layout.sources(storage) if s.annotation)
        if what == "read":
            found = sum(len(s.annotation.objects) for s in sources if s.annotation)
        else:
            items = (
                Item(key=s.key, split=s.split, label=None, size=(480, 640), annotation=s.annotation)
                for s in sources
            )
            with tempfile.TemporaryDirectory() as out:
                layout.writer().write_index(open_storage(out, create=True), items)
            found = -1
        what = f"{what} (recognised after {recognised:.1f} s)"
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:45} {seconds:6.1f} s  {peak:7.0f} MB  {found:,} objects", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=1_000_000)
    parser.add_argument("--outlines", action="store_true", help="twenty points for every box")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure[0], Path(arguments.measure[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = generate(Path(folder), arguments.boxes, outlines=arguments.outlines)
        print(f"{arguments.boxes:,} boxes, {file.stat().st_size / 1e6:.0f} MB")
        for what in ("json.load", "read", "read and write"):
            subprocess.run([sys.executable, __file__, "--measure", what, folder], check=True)


if __name__ == "__main__":
    main()
