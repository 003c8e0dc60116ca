"""A bunch of images without labels."""

import posixpath
from dataclasses import dataclass
from typing import ClassVar

from variegate.formats.base import DatasetFormat, NotThisFormat, Recognised, counted, named
from variegate.formats.plain import UnlabelledWriter
from variegate.formats.scan import Survey
from variegate.storage import Storage, printable

_MAY_LABEL = (
    *(".json", ".xml", ".jsonl", ".ndjson", ".geojson", ".parquet", ".xls", ".xlsx", ".ods"),
    *(".gz", ".zip", ".tar", ".tgz", ".7z", ".rar", ".db", ".sqlite3"),
    *(".mat", ".npy", ".npz", ".h5", ".hdf5", ".pkl", ".pickle", ".tfrecord", ".lst", ".sqlite"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlabelled(DatasetFormat):
    """No file has a label."""

    name: ClassVar[str] = "unlabelled"
    bare: ClassVar[bool] = True
    heading: ClassVar[str] = "no labels"

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        tops = sorted({*survey.groups, *survey.stray_folders})
        if not chosen and (len(tops) > 1 or (tops and survey.direct.total())):
            return NotThisFormat("the folders may mean something")
        return cls(
            root=survey.prefix,
            split_folders=survey.split_folders,
            images=survey.images,
            notes=_notes(survey),
        )

    def writer(self) -> UnlabelledWriter:
        return UnlabelledWriter()


def _notes(survey: Survey) -> tuple[str, ...]:
    """Say so where labels may be lost: in annotation files of unsupported formats."""
    least = {".txt": survey.images.total() // 2 + 1, **dict.fromkeys(_MAY_LABEL, 1)}
    counts = {
        extension: survey.others[extension]
        for extension, n in least.items()
        if survey.others[extension] >= n
    }
    said = [
        f"{counted(count, f'{extension} file', f'{extension} files')} may hold labels: "
        "this version does not read them"
        for extension, count in counts.items()
    ]
    lists = [key for key in survey.lists if posixpath.splitext(key)[1].lower() not in counts]
    if lists:
        said.append(
            f"{named(map(printable, lists))} may hold labels or classes, and this version does not "
            "read them there; write a table of files and labels (CSV), or a folder for each class"
        )
    return tuple(said)
