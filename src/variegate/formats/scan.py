"""One look through a listing: what the names of the files say, as counts.

Only counts are kept, never keys, so that ten million files need no more memory than ten thousand.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from variegate.codecs.sniff import IMAGE_EXTENSIONS
from variegate.formats.hints import NO_HINTS, Hints
from variegate.storage import Storage

SPLITS = ("train", "val", "test")
_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
# Files without an extension may be images; these are not.
_PAPERS = {
    *("authors", "changelog", "contributing", "copying", "dockerfile", "licence", "license"),
    *("makefile", "notice", "readme", "version"),
}
_TABLE_EXTENSIONS = frozenset({".csv", ".tsv"})

# Two folders around it all, a split and a class: deeper folders decide nothing.
_DEPTH = 4
_ROOT_DEPTH = 2
_MOST_FOLDERS = 100_000
_MOST_LABELS = 20_000
_MOST_TABLES = 20

LabelRule = Callable[[str], str | None]
"""From a key to the label that its name holds, if it holds one."""


def canonical_split(name: str) -> str | None:
    """Return "train", "val" or "test" for a name that means one of them, in any case."""
    return _SPLIT_NAMES.get(name.strip().lower())


def split_above(
    key: str, spellings: Callable[[str], Iterable[str]] = lambda folder: (folder,)
) -> str | None:
    """Return the split of the outermost folder that names one.

    Args:
        key: of a file.
        spellings: from a folder's name to the words in which it may name a split.
    """
    words = chain.from_iterable(map(spellings, key.split("/")[:-1]))
    return next(filter(None, map(canonical_split, words)), None)


def split_of(key: str) -> str | None:
    """Return the split that a file's name tells, or the nearest folder above it."""
    # "image_info_test-dev2017": the first word decides.
    for word in re.findall("[a-z]+", key.lower().rpartition("/")[2].partition(".")[0]):
        if split := canonical_split(word):
            return split
    return split_below(key)


def split_below(key: str) -> str | None:
    """Return the split of the innermost folder that names one: "train", "val2017"."""
    words = (folder.rstrip("0123456789") for folder in reversed(key.split("/")[:-1]))
    return next(filter(None, map(canonical_split, words)), None)


def relative_name(name: str) -> str | None:
    """Return a relative name of a file with forward slashes, or None where it is none."""
    name = name.replace("\\", "/")
    absolute = name.startswith("/") or re.match("[A-Za-z]:", name)
    return None if not name or absolute or "\0" in name else name


def is_hidden(key: str) -> bool:
    """Say whether a file, or a folder above it, is one that systems leave behind unseen."""
    path = f"/{key}"
    return "/." in path or "/__MACOSX/" in path


def seems_image(key: str) -> bool:
    """Say whether a file's name is one that images have."""
    # No PurePath here: it would intern the name of every file.
    name = key[key.rfind("/") + 1 :].lower()
    dot = name.rfind(".")
    return not is_hidden(key) and (dot <= 0 or name[dot:] in IMAGE_EXTENSIONS)


@dataclass(slots=True)
class Tally:
    """Counts over some of the images.

    Attributes:
        folders: images by the first four folders above them.
        labels: rule -> images by label; None where there are too many labels to be labels.
    """

    count: int = 0
    folders: Counter[tuple[str, ...]] = field(default_factory=Counter)
    labels: dict[str, Counter[str] | None] = field(default_factory=dict)
    crowded: bool = False

    def add(self, key: str, rules: Mapping[str, LabelRule]) -> None:
        self.count += 1
        folder = tuple(key.split("/")[:-1][:_DEPTH])
        if len(self.folders) < _MOST_FOLDERS or folder in self.folders:
            self.folders[folder] += 1
        else:
            self.crowded = True
        for name, rule in rules.items():
            counts = self.labels.setdefault(name, Counter())
            if counts is not None and (label := rule(key)) is not None:
                counts[label] += 1
                if len(counts) > _MOST_LABELS:
                    self.labels[name] = None


@dataclass(frozen=True)
class Survey:
    """What the names say.

    Attributes:
        url: the dataset, for messages.
        files: how many there are of any kind.
        tally: the images: files with an image's extension or, where there is none at all, files
            without any extension.
        tables: the keys of the first tables (CSV) that stand at most two folders deep.
        others: files that are no images, by extension.
        rules: how labels were looked for in names.
        bare: the images are the files without an extension.
        labels: the folder to take labels from, where the user names one.
        hints: what else the user says of the dataset.
    """

    url: str
    files: int
    tally: Tally
    tables: tuple[str, ...]
    others: Counter[str]
    rules: Mapping[str, LabelRule]
    bare: bool
    labels: str | None = None
    hints: Hints = NO_HINTS

    def is_image(self, key: str) -> bool:
        """Say whether `key` was counted as an image."""
        extension = _extension(key)
        return extension is not None and (
            extension == "" if self.bare else extension in IMAGE_EXTENSIONS
        )

    @property
    def chosen_tables(self) -> tuple[str, ...]:
        """The tables: the one that the user names, or all."""
        return self.tables if self.labels is None else (self.labels,)

    @cached_property
    def root(self) -> tuple[str, ...]:
        """The lone folders around everything, as in a zip file of one folder."""
        root: tuple[str, ...] = ()
        while len(root) < _ROOT_DEPTH and root not in self.tally.folders:
            tops = {folder[len(root)] for folder in self.tally.folders}
            if len(tops) != 1 or canonical_split(next(iter(tops))):
                break
            root += (tops.pop(),)
        return root

    @property
    def prefix(self) -> str:
        """What the keys below the root begin with: "" or "a/b/"."""
        return "".join(f"{part}/" for part in self.root)

    @cached_property
    def split_folders(self) -> dict[str, str]:
        """The folders below the root that name splits -> canonical split."""
        inner = [folder[len(self.root) :] for folder in self.tally.folders]
        found = {f[0]: split for f in inner if f and (split := canonical_split(f[0]))}
        others = {f[0] for f in inner if f} - found.keys()
        deep = any(len(f) > 1 and f[0] in found for f in inner)
        if others and len(set(found.values())) == 1 and not deep:
            return {}  # "train" beside "bus" and "car" is a vehicle
        return found

    @cached_property
    def direct(self) -> Counter[str]:
        """Images that stand in no folder but a split's, by split ("" for none)."""
        return self._grouped.get("", Counter())

    @cached_property
    def groups(self) -> dict[str, Counter[str]]:
        """Images by the first folder below the root or the split, and by split."""
        return {name: counts for name, counts in self._grouped.items() if name}

    @cached_property
    def images(self) -> Counter[str]:
        """Images by split ("" for none)."""
        return sum(self._grouped.values(), Counter())

    @cached_property
    def _grouped(self) -> dict[str, Counter[str]]:
        grouped: dict[str, Counter[str]] = {}
        for folder, count in self.tally.folders.items():
            inner = folder[len(self.root) :]
            split = self.split_folders.get(inner[0], "") if inner else ""
            group = inner[1:2] if split else inner[0:1]
            grouped.setdefault("".join(group), Counter())[split] += count
        return grouped

    @property
    def stray_folders(self) -> list[str]:
        """Folders with images that stand beside the folders of the splits."""
        tops = {f[len(self.root)] for f in self.tally.folders if len(f) > len(self.root)}
        return sorted(tops - self.split_folders.keys()) if self.split_folders else []


def survey(storage: Storage, rules: Mapping[str, LabelRule]) -> Survey:
    """List the storage once and count."""
    named, bare, others = Tally(), Tally(), Counter[str]()
    tables: list[str] = []
    files = 0
    for entry in storage.list(on_skip=leave_unsaid):
        files += 1
        extension = _extension(entry.key)
        if extension is None:
            continue
        if extension in IMAGE_EXTENSIONS:
            named.add(entry.key, rules)
        elif extension == "":
            bare.add(entry.key, rules)
        elif len(others) < _MOST_LABELS:
            others[extension] += 1
        near = entry.key.count("/") <= _ROOT_DEPTH and len(tables) < _MOST_TABLES
        if extension in _TABLE_EXTENSIONS and near:
            tables.append(entry.key)
    return Survey(
        url=storage.url,
        files=files,
        tally=named if named.count else bare,
        tables=tuple(tables),
        others=others,
        rules=rules,
        bare=not named.count,
    )


def _extension(key: str) -> str | None:
    """Return the extension in lower case; None for files that are surely no part of the data."""
    # No PurePath here: it would intern the name of every file.
    name = key[key.rfind("/") + 1 :].lower()
    if is_hidden(key) or name in _PAPERS:
        return None
    dot = name.rfind(".")
    return name[dot:] if dot > 0 else ""


def leave_unsaid(key: str, reason: str) -> None:
    """Pass over a file that `DatasetFormat.sources` will name."""
