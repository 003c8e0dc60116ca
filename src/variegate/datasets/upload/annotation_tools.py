"""Files by which annotation tools import a dataset where it is: Label Studio and FiftyOne.

The images stay, or are put where the tool reads them from; written is one JSON file that names
them. It is written image by image, so that its size is no matter.
"""

import json
import posixpath
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.boxes import around
from variegate.errors import InputError, OutputError
from variegate.formats import NO_HINTS, DatasetFormat, Hints, Source, detect
from variegate.formats.image_size import image_size
from variegate.formats.scan import seems_image
from variegate.storage import Snapshot, key_to_text, open_storage, printable

Size = tuple[int, int]

# Kind of a result -> the tag that declares it, that of its labels, and its name.
_TAGS = {
    "choices": ("Choices", "Choice", "class"),
    "rectanglelabels": ("RectangleLabels", "Label", "box"),
    "polygonlabels": ("PolygonLabels", "Label", "polygon"),
}


@dataclass(slots=True)
class ToolFile:
    """What was written.

    Attributes:
        file: with the annotations.
        images, objects: in it.
        notes: what is left out, and why, with counts.
        more: other files that the import needs.
    """

    file: str
    images: int = 0
    objects: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    more: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "file": self.file,
            "images": self.images,
            "objects": self.objects,
            "notes": dict(self.notes),
            "more": self.more,
        }


def export_label_studio(
    place: str,
    file: Path,
    *,
    url: str | None = None,
    format: str | None = None,  # noqa: A002 - as the option is called
    hints: Hints = NO_HINTS,
    on_progress: Callable[[int, int], None] | None = None,
) -> ToolFile:
    """Write tasks for Label Studio, and beside them the labeling configuration they fit.

    Args:
        place: a folder, zip or tar file, or bucket.
        file: JSON file to be written.
        url: what the path of an image is put behind; None for Label Studio's local files.
        format: its name; None to detect it.
        hints: what cannot be told from the files of the dataset.
        on_progress: told how many images of how many are done.
    """
    url = url or f"/data/local-files/?d={place.rstrip('/').rpartition('/')[2]}/"
    made = ToolFile(str(file))
    kinds: dict[str, set[str]] = {
        "choices": set(),
        "rectanglelabels": set(),
        "polygonlabels": set(),
    }
    with _images(place, format, hints, on_progress) as (_, images), _written(file) as out:
        out.write("[")
        for source, size in images(made):
            results = list(_results(source, size, made))
            for one in results:
                kinds[one["type"]].update(one["value"][one["type"]])
            task = {
                "data": {"image": url + quote(key_to_text(source.key))},
                "meta": {"key": key_to_text(source.key), "split": source.split},
                "annotations": [{"result": results}] if results else [],
            }
            out.write(("," if made.images else "") + "\n" + json.dumps(task))
            made.images += 1
            made.objects += sum(one["type"] != "choices" for one in results)
        out.write("\n]\n")
    config = file.with_suffix(".xml")
    config.write_text(_config(kinds), encoding="utf-8")
    made.more.append(str(config))
    return made


def export_fiftyone(
    place: str,
    file: Path,
    *,
    format: str | None = None,  # noqa: A002 - as the option is called
    hints: Hints = NO_HINTS,
    on_progress: Callable[[int, int], None] | None = None,
) -> ToolFile:
    """Write labels as FiftyOne imports them beside a folder of images.

    It is of the type `FiftyOneImageDetectionDataset` where the dataset has objects, else
    `FiftyOneImageClassificationDataset`; arguments as for `export_label_studio`.

    Raises:
        InputError: two images differ in their extensions only: FiftyOne knows them without.
    """
    made = ToolFile(str(file))
    with (
        closing(_Names()) as names,
        _images(place, format, hints, on_progress) as (found, images),
        _written(file) as out,
    ):
        classes = [key_to_text(name) for name in found.classes]
        numbers = {name: number for number, name in enumerate(classes)}
        boxed = "boxes" in found.writer().holds
        out.write('{"classes": ' + json.dumps(classes) + ', "labels": {')
        for source, size in images(made):
            name = posixpath.splitext(key_to_text(source.key))[0]
            names.add(name, place)
            label: Any = _detections(source, size, numbers, made)
            if not boxed:
                shares = [key_to_text(one) for one in source.shares]
                label = numbers.get(shares[0]) if len(shares) == 1 else None
                made.notes["images with several labels: none is written"] += len(shares) > 1
            out.write(("," if made.images else "") + f"\n{json.dumps(name)}: {json.dumps(label)}")
            made.images += 1
        out.write("\n}}\n")
    made.notes += Counter()  # what was counted as none goes
    return made


class _Names:
    """The names that were written, on disk."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("create table name (name text primary key) without rowid")

    def close(self) -> None:
        self._database.close()

    def add(self, name: str, place: str) -> None:
        """Take a name; raise InputError where it was there."""
        try:
            self._database.execute("insert into name values (?)", (name,))
        except sqlite3.IntegrityError:
            raise InputError(
                f"{place}: {printable(name)}: two images of this name, which differ in their "
                "extensions alone; rename one"
            ) from None


@contextmanager
def _images(
    place: str,
    format_: str | None,
    hints: Hints,
    on_progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[DatasetFormat, Callable[[ToolFile], Iterator[tuple[Source, Size]]]]]:
    """Open a dataset; give its format and what yields its usable images, each with its size."""
    with Snapshot(open_storage(place)) as storage:
        found = detect(storage, name=format_, hints=hints)
        total = sum(found.images.values())

        def images(made: ToolFile) -> Iterator[tuple[Source, Size]]:
            done = 0
            for source in found.sources(storage):
                if source.skip is not None or not seems_image(source.key):
                    continue
                done += 1
                if on_progress:
                    on_progress(min(done, total), total)
                if source.problems:
                    made.notes["faults in annotations: repaired or left out"] += len(
                        source.problems
                    )
                size = None if source.unusable else image_size(storage, source.key)
                if size is None:
                    made.notes["images that cannot be used: left out"] += 1
                    continue
                yield source, size

        yield found, images


@contextmanager
def _written(file: Path) -> Iterator[TextIO]:
    """Open a file that appears when it is whole."""
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("w", encoding="utf-8") as out:
            yield out
        part.replace(file)
    except OSError as error:
        raise OutputError(f"{file}: cannot be written ({error.strerror})") from error
    finally:
        part.unlink(missing_ok=True)


def _results(source: Source, size: Size, made: ToolFile) -> Iterator[dict[str, Any]]:
    """Yield what Label Studio calls results: a class, boxes and polygons, in percent."""
    height, width = size
    shared = {"to_name": "image", "original_width": width, "original_height": height}
    shares = [key_to_text(one) for one in source.shares]
    if shares:
        yield {**shared, "from_name": "class", "type": "choices", "value": {"choices": shares}}
    annotation = source.annotation or Annotation()
    for one in annotation.objects:
        label = key_to_text(one.category)
        rings = one.polygons or ((one.corners,) if one.corners else ())
        for ring in rings:
            points = [[100 * x / width, 100 * y / height] for x, y in ring]
            value: dict[str, Any] = {"points": points, "closed": True, "polygonlabels": [label]}
            yield {**shared, "from_name": "polygon", "type": "polygonlabels", "value": value}
        box = _box(one, made) if not rings else None
        if box is not None:
            value = {
                "x": 100 * box[0] / width,
                "y": 100 * box[1] / height,
                "width": 100 * (box[2] - box[0]) / width,
                "height": 100 * (box[3] - box[1]) / height,
                "rotation": 0,
                "rectanglelabels": [label],
            }
            yield {**shared, "from_name": "box", "type": "rectanglelabels", "value": value}


def _detections(
    source: Source, size: Size, numbers: dict[str, int], made: ToolFile
) -> list[dict[str, Any]]:
    """Return what FiftyOne calls detections: boxes as fractions of the image."""
    height, width = size
    found = []
    for one in (source.annotation or Annotation()).objects:
        box = one.box or _box(one, made)
        if box is None:
            continue
        sides = [box[0] / width, box[1] / height]
        sides += [(box[2] - box[0]) / width, (box[3] - box[1]) / height]
        label = key_to_text(one.category)
        found.append({"label": numbers.get(label, label), "bounding_box": sides})
        made.objects += 1
    return found


def _box(one: Object, made: ToolFile) -> tuple[float, float, float, float] | None:
    box = one.box or around(one)
    if box is None:
        made.notes["objects without box or outline: left out"] += 1
    elif one.box is None:
        made.notes["objects with a mask or keypoints alone: the box around them is written"] += 1
    return box


def _config(kinds: dict[str, set[str]]) -> str:
    """Return the labeling configuration that results of these kinds and labels fit."""
    lines = ["<View>", '  <Image name="image" value="$image"/>']
    for kind, labels in kinds.items():
        if labels:
            outer, inner, name = _TAGS[kind]
            lines.append(f'  <{outer} name="{name}" toName="image">')
            lines += [f"    <{inner} value={quoteattr(label)}/>" for label in sorted(labels)]
            lines.append(f"  </{outer}>")
    return "\n".join([*lines, "</View>", ""])
