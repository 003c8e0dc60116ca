"""What labels cost: a run with twenty boxes an image, and COCO files of a million."""

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

import coco_read
from harness import Claim, Program, Result, interleave, number, ratio
from photos import photos

BOXES = 20
COUNT, FEW = 100, 8
METHOD = f"""
{COUNT} photos of 500 x 375 to ten variants each, geometry and color, two workers: without
annotations, with {BOXES} boxes per image in a COCO file, and with {BOXES} polygons of twelve points
and their boxes. Measured in CPU seconds of all processes without start: the time for {COUNT} photos
minus the time for {FEW} of them (`benchmarks/labels.py`).

Then COCO files whose annotations are shuffled, ten boxes per image: seconds, and peak memory of the
process (`benchmarks/coco_read.py`).
"""
RUN = """
import sys
sys.path.insert(0, sys.argv[3])
import with_variegate
import variegate
variegate.augment(
    sys.argv[1],
    f"{sys.argv[2]}/{len(__import__('os').listdir(sys.argv[2]))}",
    recipe=with_variegate.recipe(10, gamma=False),
    options=variegate.Options(workers=2),
)
"""


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        programs = {
            f"{name}, {count}": Program(_command(_labelled(folder, name, count), folder, name))
            for name in ("images", "boxes", "outlines")
            for count in (COUNT, FEW)
        }
        interleave(programs, 2 if quick else 7)
    seconds = {
        name: _less(programs[f"{name}, {COUNT}"].cpu_s, programs[f"{name}, {FEW}"].cpu_s)
        for name in ("images", "boxes", "outlines")
    }
    files = coco_read.table(100_000 if quick else 1_000_000)
    made = (COUNT - FEW) * 10
    rows = [
        (label, f"{median(seconds[name]) / made * 1e6:.0f} us a result", number(more))
        for label, name, more in (
            ("no annotations", "images", 1.0),
            (f"{BOXES} boxes", "boxes", ratio(seconds, "boxes", "images")),
            (f"{BOXES} polygons and boxes", "outlines", ratio(seconds, "outlines", "images")),
        )
    ]
    rows += [
        (what, f"{one.seconds:.1f} s", f"{one.megabytes:.0f} MB") for what, one in files.items()
    ]
    claims = [
        Claim.at_most(
            f"time with {BOXES} boxes per image, relative to without",
            1.15,
            ratio(seconds, "boxes", "images"),
        ),
        Claim.at_most("reading a million boxes", 60, files["read"].seconds, " s"),
        Claim.at_most("memory for it", 2048, files["read"].megabytes, " MB"),
    ]
    return Result("Labels", METHOD, ("", "time", "times, or memory"), rows, claims)


def _command(source: Path, folder: Path, name: str) -> list[str]:
    target = folder / "out" / f"{name} {source.name}"
    target.mkdir(parents=True)
    peers = Path(__file__).resolve().parent / "peers"
    return [sys.executable, "-c", RUN, str(source), str(target), str(peers)]


def _labelled(folder: Path, name: str, count: int) -> Path:
    """Return a folder of photos with or without annotations."""
    target = folder / f"{name}-{count}"
    shutil.copytree(photos(count), target / "images")
    if name == "images":
        return target
    rng = np.random.default_rng(7)
    images, annotations = [], []
    for index, file in enumerate(sorted((target / "images").iterdir()), 1):
        images.append({"id": index, "file_name": file.name, "height": 375, "width": 500})
        for _ in range(BOXES):
            x, y = float(rng.uniform(0, 400)), float(rng.uniform(0, 300))
            w, h = float(rng.uniform(20, 100)), float(rng.uniform(20, 75))
            one = {
                "id": len(annotations) + 1,
                "image_id": index,
                "category_id": 1 + len(annotations) % 10,
                "bbox": [x, y, w, h],
                "area": w * h,
                "iscrowd": 0,
            }
            if name == "outlines":
                turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
                ring = np.stack(
                    [x + w / 2 * (1 + np.cos(turns)), y + h / 2 * (1 + np.sin(turns))], axis=1
                )
                one["segmentation"] = [ring.ravel().tolist()]
            annotations.append(one)
    categories = [{"id": n, "name": f"class {n}"} for n in range(1, 11)]
    data = {"images": images, "annotations": annotations, "categories": categories}
    (target / "annotations.json").write_text(json.dumps(data), encoding="utf-8")
    return target


def _less(every: Sequence[float], few: Sequence[float]) -> list[float]:
    return [one - other for one, other in zip(every, few, strict=True)]
