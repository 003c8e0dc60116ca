"""Files that are no images of the set: hidden ones, and those that may hold annotations."""

from variegate.datasets.inspection.figures import Inspection, count_fault
from variegate.formats import Source
from variegate.formats.scan import is_hidden
from variegate.runs.manifest import MANIFEST
from variegate.storage import printable

_MAY_ANNOTATE = frozenset(
    {
        *(".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".txt", ".yaml", ".yml"),
        *(".parquet", ".xls", ".xlsx", ".mat", ".npy", ".npz", ".h5", ".hdf5", ".pkl", ".pickle"),
        *(".gz", ".zip", ".tar", ".tgz", ".7z", ".rar", ".sqlite3", ".ods"),
        *(".geojson", ".tfrecord", ".db", ".sqlite", ".lst", ".cls", ".label", ".names"),
    }
)
# Shadows of files on a Mac, and of those that are open in Office.
_MARKS = ("._", "~$")
_PAPERS = ("readme", "license", "licence", "changelog", "requirements", "notice", "copying")


def count_stray(source: Source, found: Inspection) -> None:
    """Count a file that is no image of the set."""
    key = source.key
    if is_hidden(key):
        count_fault(found.hidden, _hidden_by(key), printable(key))
        return
    name = key[key.rfind("/") + 1 :].lower()
    dot = name.rfind(".")
    extension = name[dot:] if dot > 0 else ""
    known = source.skip or "no images"
    found.others[known] = found.others.get(known, 0) + 1
    unexplained = source.skip is None and name != MANIFEST and not name.startswith(_PAPERS)
    if unexplained and extension in _MAY_ANNOTATE:
        count_fault(found.side_files, extension, printable(key))


def _hidden_by(key: str) -> str:
    """Return the outermost folder, or the name, that hides a file."""
    folders, name = key.split("/")[:-1], key[key.rfind("/") + 1 :]
    for folder in folders:
        if is_hidden(f"{folder}/"):
            return f"{printable(folder)}/"
    return next((f"{mark}*" for mark in _MARKS if name.startswith(mark)), printable(name))
