"""Pascal VOC's lists of images: ``ImageSets/Main/train.txt``, ``cow_train.txt`` and the like.

A line names an image; in a class's list 1, 0 or -1 follows (present, present but difficult, not
present); in the lists of person layout and action the number of an object. The lists of a class or
an action say nothing that the annotations do not say: they are made anew.
"""

import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Any

from variegate.formats.pairing import listed_lines
from variegate.formats.scan import SPLITS, canonical_split
from variegate.storage import Storage

_NUMBERS = re.compile(r"(?:\s+-?\d+)+$")
_OPEN_AT_ONCE = 64
_FOLDER = "ImageSets/"

Members = tuple[str, ...]


@dataclass(slots=True)
class ImageSets:
    """What the lists say.

    Attributes:
        names: of all lists: their keys without ".txt".
        members: folder that holds "ImageSets" -> image, as the lists name it -> lists.
        objects: the same -> list -> numbers of objects in that image.
    """

    names: tuple[str, ...] = ()
    members: dict[str, dict[str, Members]] = field(default_factory=dict)
    objects: dict[tuple[str, str], dict[str, list[int]]] = field(default_factory=dict)

    def find(self, image: str) -> tuple[str, str] | None:
        """Return (folder, name) under which lists know an image, given by key without extension."""
        for root, known in self.members.items():
            if not image.startswith(root):
                continue
            inside = image[len(root) :]
            below = inside.partition("/")[2]
            for name in (below, inside, inside.rpartition("/")[2]):
                if name in known:
                    return root, name
        return None

    def of(self, image: str) -> Members:
        """Return the lists that an image, given by its key without extension, stands in."""
        found = self.find(image)
        return self.members[found[0]][found[1]] if found else ()


def is_list(key: str) -> bool:
    """Say whether a file is one of the lists, by its name."""
    return f"/{_FOLDER}" in f"/{key}" and key.lower().endswith(".txt")


def derived_from(name: str, names: Iterable[str]) -> tuple[str, str] | None:
    """Return (class or action, list) where a list is one of a class: ".../cow_train"."""
    folder, _, last = name.rpartition("/")
    word, _, tail = last.rpartition("_")
    if word and (f"{folder}/{tail}" in names or tail in (*SPLITS, "trainval")):
        return word, f"{folder}/{tail}"
    return None


def read_sets(storage: Storage, keys: Sequence[str], known: Callable[[str], bool]) -> ImageSets:
    """Read the lists with these keys.

    Args:
        storage: the dataset.
        keys: of all lists.
        known: whether a name is an image's, for names that end in a number.
    """
    names = tuple(key[: -len(".txt")] for key in keys)
    sets = ImageSets(names)
    shared: dict[Members, Members] = {}
    for key, name in zip(keys, names, strict=True):
        derived = derived_from(name, names)
        if derived and derived[1] in names:
            continue
        root = name[: f"/{name}".rindex(f"/{_FOLDER}")]
        listed = sets.members.setdefault(root, {})
        for image, number in _lines(storage, key, known):
            before = listed.get(image, ())
            named = derived[1] if derived else name
            now = before if named in before else (*before, named)
            listed[image] = shared.setdefault(now, now)
            if number is not None and not derived:
                numbers = sets.objects.setdefault((root, image), {}).setdefault(name, [])
                numbers.append(number)
    return sets


def _lines(
    storage: Storage, key: str, known: Callable[[str], bool]
) -> Iterator[tuple[str, int | None]]:
    for written in listed_lines(storage, key):
        line = written.replace("\\", "/")
        if not line.startswith("#"):
            numbers = None if known(line) else _NUMBERS.search(line)
            name = line[: numbers.start()] if numbers else line
            name = re.sub(r"\.(?:jpe?g|png)$", "", name, flags=re.IGNORECASE)
            yield name, int(numbers[0].split()[0]) if numbers else None


def main_split(name: str) -> str | None:
    """Return the split that a list stands for; only those in Main stand for one."""
    return canonical_split(name.rpartition("/")[2]) if "/Main/" in f"/{name}" else None


def split_of(lists: Members) -> str | None:
    """Return the split by the lists of an image.

    One in several stays out of training: a set that would leak is worse than a smaller one.
    """
    named = {main_split(name) for name in lists}
    if not named - {None}:
        named = {canonical_split(name.rpartition("/")[2]) for name in lists}
    return next((split for split in reversed(SPLITS) if split in named), None)


def lists_for(lists: Sequence[str], split: str | None, names: Sequence[str]) -> list[str]:
    """Return the lists for a result, whose split may not be its source's any more."""
    if split is None:
        return list(lists)
    kept = [name for name in lists if main_split(name) in (None, split)]
    if split not in map(main_split, kept):
        kept += [name for name in names if main_split(name) == split][:1]
    return kept


@dataclass(frozen=True, slots=True)
class Member:
    """An image as it will stand in lists.

    Attributes:
        name: as lists name it.
        lists: names of lists.
        classes: class -> 1, or 0 where all its objects are difficult.
        objects: (list, number, actions) of objects that stand in lists of their own.
    """

    name: str
    lists: Sequence[str]
    classes: Mapping[str, int]
    objects: Sequence[tuple[str, int, Mapping[str, int]]] = ()


def write_sets(storage: Storage, members: Iterable[Member], names: Sequence[str]) -> list[str]:
    """Write the lists, those without members too; return their keys.

    The members pass by once; as many files as there are classes could not be open at one time, so
    that they are kept on disk meanwhile.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape") as spool:
        used = set(names)
        for member in members:
            used.update(member.lists, (name for name, *_ in member.objects))
            row = [member.name, list(member.lists), dict(member.classes), list(member.objects)]
            spool.write(json.dumps(row, ensure_ascii=False) + "\n")
        ordered = sorted(used)
        for start in range(0, len(ordered), _OPEN_AT_ONCE):
            _write_some(storage, spool, ordered[start : start + _OPEN_AT_ONCE], ordered)
    return [f"{name}.txt" for name in ordered]


def _write_some(
    storage: Storage, spool: IO[str], some: Sequence[str], names: Sequence[str]
) -> None:
    spool.seek(0)
    derived = {name: found for name in some if (found := derived_from(name, names))}
    with ExitStack() as stack:
        files = {name: stack.enter_context(storage.open_write(f"{name}.txt")) for name in some}
        for row in spool:
            for name, line in _rows(json.loads(row), some, derived):
                files[name].write(f"{line}\n".encode("utf-8", "surrogateescape"))


def _rows(
    row: list[Any], some: Sequence[str], derived: Mapping[str, tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    image, lists, classes, objects = row
    numbered = {name for name, *_ in objects}
    for name in some:
        if name in derived:
            word, base = derived[name]
            if base in lists and "/Action/" not in f"/{name}":
                yield name, f"{image} {classes.get(word, -1):2d}"
            for where, number, actions in objects:
                if where == base and "/Action/" in f"/{name}":
                    yield name, f"{image} {number} {1 if actions.get(word) == 1 else -1:2d}"
        elif name in lists and name not in numbered:
            yield name, image
        for where, number, _ in objects:
            if where == name:
                yield name, f"{image} {number}"
