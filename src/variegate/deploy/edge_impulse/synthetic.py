"""The synthetic-data block: the images of a project, or drawn ones, multiplied into it.

    python -m variegate.deploy.edge_impulse.synthetic --synthetic-data-job-id 7 --source project

Project and key come from the environment, as the platform sets it: EI_PROJECT_ID,
EI_PROJECT_API_KEY, EI_INGESTION_HOST. Each upload carries the number of the job, by which the
studio shows it live. Only images for training are multiplied, and none that variegate made.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from variegate.codecs import encode, probe
from variegate.datasets.augment import augment
from variegate.datasets.samples import draw_images
from variegate.datasets.upload.edge_impulse import ApiKey, EdgeImpulse, Endpoints, Pace
from variegate.datasets.upload.selection import Choice
from variegate.datasets.upload.tally import STATES, UploadSummary
from variegate.datasets.upload.upload import UploadOptions, upload
from variegate.deploy.edge_impulse.arguments import (
    parsed,
    parser,
    progress,
    recipe_of,
    run_block,
    say,
    switch,
)
from variegate.errors import ImageError, InputError, OutputError, UsageError
from variegate.formats.formulas import guarded
from variegate.runs.run import Options
from variegate.seeding import check_seed, generator

_KEY, _PROJECT = "EI_PROJECT_API_KEY", "EI_PROJECT_ID"
_QUALITY = 95
_SAY_EVERY = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the block; return its exit code."""
    made = parser("Multiply the images of a project, or drawn ones.")
    made.add_argument("--synthetic-data-job-id")
    made.add_argument("--source", choices=("project", "sample"), default="project")
    made.add_argument("--images", type=int, default=100, help="at most this number is multiplied")
    made.add_argument("--skip-upload", nargs="?", const=True, type=switch, default=False)
    given = parsed(made, arguments)
    return run_block(lambda: _synthesize(given))


def _synthesize(given: argparse.Namespace) -> None:
    category = given.upload_category or "training"
    if given.source == "project" and category != "training":
        raise UsageError(
            f"--upload-category {category}: variants of images for training belong to training; "
            "in testing they would test a model on what it was trained with"
        )
    if given.images < 1:
        raise UsageError(f"--images {given.images}: expected at least 1")
    recipe = recipe_of(given)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        make = _download if given.source == "project" else _draw
        format_ = make(given, work / "in")
        out = given.out_directory if given.skip_upload and given.out_directory else work / "out"
        made = augment(
            work / "in",
            out,
            recipe=recipe,
            options=Options(format=format_),
            on_progress=progress(),
        )
        say(f"{made.counts.outputs:,} files of {made.counts.augmented:,} images")
        if given.skip_upload:
            say("not uploaded: --skip-upload")
            return
        options = UploadOptions(
            choice=Choice(category=category, format=format_),
            log=work / "upload.jsonl",
            project=os.environ.get(_PROJECT),
            job=given.synthetic_data_job_id,
        )
        done = upload(out, _key(), _endpoints(), options, on_progress=_said_now_and_then)
        _say_summary(done)
        if not done.is_whole:
            raise OutputError("not every image could be uploaded; see above")


def _key() -> ApiKey:
    text = os.environ.get(_KEY)
    if text is None:
        raise UsageError(f"the environment has no {_KEY}: a project's key, which the platform sets")
    return ApiKey(text, _KEY)


def _endpoints() -> Endpoints:
    return Endpoints.of(os.environ)


def _said_now_and_then(done: int, total: int) -> None:
    if done % _SAY_EVERY == 0:
        say(f"{done:,} of {total:,} uploaded")


def _say_summary(done: UploadSummary) -> None:
    for state, meaning in STATES.items():
        if count := done.totals[state]:
            say(f"{count:,} {state}: {meaning}")
            for example in done.examples.get(state, ()):
                say(f"    {example}")
    for one in done.notes:
        say(f"note: {one}")


def _draw(given: argparse.Namespace, folder: Path) -> str:
    """Write the sample set, a folder for each class; return its format."""
    for key, drawn in draw_images(given.images, seed=check_seed(given.seed)):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(drawn.image, format="jpeg", quality=_QUALITY))
    return "classes"


def _download(given: argparse.Namespace, folder: Path) -> str:
    """Write the project's images for training, and their labels or boxes; return the format.

    Raises:
        InputError: there are none.
    """
    project = os.environ.get(_PROJECT)
    if not project:
        raise UsageError(f"the environment has no {_PROJECT}, which the platform sets")
    pace = Pace(generator(int.from_bytes(os.urandom(7), "big"), "download"))
    service = EdgeImpulse(_key(), _endpoints(), pace)
    folder.mkdir(parents=True)
    try:
        found = list(islice(_downloaded(service, project, folder), given.images))
    finally:
        service.close()
    if not found:
        raise InputError(
            f"project {project}: has no labelled images for training, but those that variegate made"
        )
    say(f"{len(found):,} images of project {project}")
    if any(one.boxes for one in found):
        _write_coco(folder, found)
        return "coco"
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("file", "label"))
        rows.writerows((one.name, guarded(one.label, raw=False)) for one in found)
    return "csv"


@dataclass(frozen=True, slots=True)
class _Downloaded:
    """A sample of the project.

    Attributes:
        number: at the service.
        name: of its file here.
        label: "" for none.
        boxes: as the service has them.
        size: (height, width).
    """

    number: int
    name: str
    label: str
    boxes: tuple[dict[str, Any], ...]
    size: tuple[int, int]


def _downloaded(service: EdgeImpulse, project: str, folder: Path) -> Iterator[_Downloaded]:
    """Write files of samples; yield what the service says of each."""
    for sample in service.samples(project, "training"):
        told = sample.get("metadata") or {}
        if told.get("made_by") == "variegate" or sample.get("isDisabled") is True:
            continue
        number, label = int(sample["id"]), str(sample.get("label") or "")
        boxes = tuple(sample.get("boundingBoxes") or ())
        if not label and not boxes:
            say(f"left out: sample {number}: it has neither label nor boxes")
            continue
        data = service.image(project, number)
        try:
            header = probe(data)
        except ImageError as error:
            say(f"left out: sample {number}: {error}")
            continue
        name = f"{number}.{'png' if header.kind == 'png' else 'jpg'}"
        (folder / name).write_bytes(data)
        yield _Downloaded(number, name, label, boxes, (header.height, header.width))


def _write_coco(folder: Path, found: list[_Downloaded]) -> None:
    boxes = [(one.number, box) for one in found for box in one.boxes]
    names = sorted({str(box["label"]) for _, box in boxes})
    told = {
        "images": [
            {"id": one.number, "file_name": one.name, "height": one.size[0], "width": one.size[1]}
            for one in found
        ],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": names.index(str(box["label"])) + 1,
                "bbox": [box["x"], box["y"], box["width"], box["height"]],
                "area": box["width"] * box["height"],
                "iscrowd": 0,
            }
            for number, (image, box) in enumerate(boxes, 1)
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
    }
    (folder / "annotations.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
