"""variegate sample: draw a labelled dataset to try things on."""

import json
import re
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import show, size_text
from variegate.cli.options import option, whole
from variegate.cli.progress import counting
from variegate.errors import OutputError, UsageError

_SIZE = re.compile(r"(\d+)x(\d+)")
_QUALITY = 95


class Labels(StrEnum):
    """How labels are written."""

    FOLDERS = "folders"
    COCO = "coco"


@command(
    "sample",
    "variegate sample parts/",
    "variegate sample parts/ --count 1000 --size 480x640",
    "variegate sample parts/ --labels coco --objects 3",
)
def sample(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="New or empty folder for the images.")
    ],
    count: Annotated[
        int, option("--count -n", "Number of images.", metavar="N", parser=whole(1))
    ] = 250,
    *,
    seed: Annotated[int, option("--seed -s", "Random seed.", metavar="N", parser=whole())] = 7,
    objects: Annotated[
        int, option("--objects", "Objects in each image.", metavar="N", parser=whole(1))
    ] = 1,
    size: Annotated[str, option("--size", "Height and width, pixels.", metavar="HxW")] = "240x320",
    labels: Annotated[
        Labels,
        option("--labels", "A folder for each class, or COCO boxes, outlines and keypoints."),
    ] = Labels.FOLDERS,
) -> None:
    """Generate a sample dataset: drawings of electronic parts, five classes.

    The same seed gives the same images, on every machine.
    """
    from variegate.codecs import encode
    from variegate.datasets.samples import KINDS, DrawnCoco, draw_images
    from variegate.errors import ShapeError
    from variegate.seeding import check_seed
    from variegate.storage import open_storage

    match = _SIZE.fullmatch(size)
    if match is None:
        raise UsageError(f"--size {size}: expected HxW in pixels, such as 240x320")
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"{folder}: is not empty; name a new folder")
    shape = (int(match[1]), int(match[2]))
    images = draw_images(count, seed=check_seed(seed), size=shape, objects=objects)
    try:
        # The first one tells whether the size is possible: before that no folder is made.
        first = next(images)
    except ShapeError as error:
        raise UsageError(f"--{error}") from error
    storage, known, written = open_storage(folder, create=True), DrawnCoco(), 0
    with counting("images") as on_progress:
        for done, (key, drawn) in enumerate(chain([first], images), 1):
            name = key.rpartition("/")[2]
            known.add(name, drawn)
            data = encode(drawn.image, format="jpeg", quality=_QUALITY)
            storage.write(f"images/{name}" if labels is Labels.COCO else key, data)
            written += len(data)
            on_progress(done, count)
    if labels is Labels.COCO:
        storage.write("annotations.json", json.dumps(known.to_json()).encode())
    kinds = ", ".join(KINDS[:count])
    show(f"{count:,} images, {size_text(written)}, in {folder}: {kinds}")
    show(f"now:  variegate augment {folder} {folder}-augmented")
