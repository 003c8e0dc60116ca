"""Images that an audit found to show the same, or the same thing photographed again, as a group.

The dataset may be the audited heap, or what was made of it: a clean dataset, its split, its
variants. Then its manifests are followed back to the heap.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from variegate.datasets.prepare.group_rule import GroupRule
from variegate.errors import InputError
from variegate.formats import Source
from variegate.formats.base import counted
from variegate.runs import manifest
from variegate.runs.identity import JOB, read_record
from variegate.runs.output import is_output, open_output
from variegate.storage import Storage, key_from_text, open_storage, printable

#: The table of an audit with its groups.
GROUPS = "groups.jsonl"
#: Kinds of groups in it.
SAME, AGAIN = "same", "again"
_MOST_STEPS = 8


class AuditRule(GroupRule):
    """Groups of an audit, all grades together.

    In memory is what stands in a group, and nothing else.

    Args:
        text: folder or bucket of the audit, as the user wrote it.
        storage: the dataset.
        kinds: of groups.

    Raises:
        InputError: the tables cannot be read.
    """

    def __init__(self, text: str, storage: Storage, kinds: tuple[str, ...] = (SAME, AGAIN)) -> None:
        self.text = text
        self.description = f"what {printable(text)} found to show the same, or photographed again"
        audited = open_storage(text)
        self._names = _names_in(audited, kinds)
        for place in _way(audited, storage):
            self._names = _carried(place, self._names)
        self._found = 0

    def name(self, key: str) -> str | None:
        """Return the name of the group of the image with this key."""
        return self._names.get(key)

    def group(self, source: Source) -> str | None:
        name = self.name(source.key)
        self._found += name is not None
        return name

    def notes(self) -> Iterator[str]:
        if not self._found:
            images = counted(len(self._names), "image", "images")
            yield (
                f"{printable(self.text)}: none of the {images} in its groups is in this dataset; "
                "was it audited, or made of what was audited?"
            )


def is_audit(text: str) -> bool:
    """Say whether a text names a place with the tables of an audit."""
    if "://" not in text and not Path(text).is_dir():
        return False
    try:
        return open_storage(text).exists(GROUPS)
    except InputError:
        return False


def _names_in(audited: Storage, kinds: tuple[str, ...]) -> dict[str, str]:
    """Return the images in groups, each with a name that all have that belong together."""
    parents: dict[str, str] = {}

    def root(key: str) -> str:
        while (parent := parents.setdefault(key, key)) != key:
            parents[key] = parents[parent]
            key = parent
        return key

    with audited.open_read(GROUPS) as lines:
        for line in lines:
            try:
                group = json.loads(line)
                if group["group"] in kinds:
                    best = key_from_text(group["representative"])
                    for one in group["members"]:
                        low, high = sorted((root(best), root(key_from_text(one["key"]))))
                        parents[high] = low
            except (ValueError, LookupError, TypeError) as error:
                raise InputError(
                    f"{printable(audited.place(GROUPS))}: damaged; make it anew with variegate "
                    "audit"
                ) from error
    return {key: root(key) for key in parents}


def _way(audited: Storage, dataset: Storage) -> list[str]:
    """Return the outputs from the audited heap to a dataset, in the order in which they were made.

    None where the dataset is the heap, or nothing tells that it is not.
    """
    if not audited.exists(JOB):
        return []
    heap = read_record(audited.read(JOB), audited.url)["input"]
    way: list[str] = []
    place = dataset.url
    for _ in range(_MOST_STEPS):
        if _is_same(place, heap):
            return way[::-1]
        try:
            storage = open_storage(place)
            if not is_output(storage) or not storage.exists(JOB):
                return []
            way.append(place)
            place = read_record(storage.read(JOB), place)["input"]
        except InputError:
            return []
    return []


def _is_same(one: str, other: str) -> bool:
    if "://" in one or "://" in other:
        return one.rstrip("/") == other.rstrip("/")
    return Path(one).resolve() == Path(other).resolve()


def _carried(place: str, names: dict[str, str]) -> dict[str, str]:
    """Return names by the files that an output has of the images."""
    return {
        row.output: names[row.key]
        for row in manifest.rows(open_output(place))
        if row.output is not None and row.key in names
    }
