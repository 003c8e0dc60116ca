"""One look through a listing: what the names of the files say, as counts.

Only counts are kept, never keys, so that ten million files need no more memory than ten thousand.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from types import MappingProxyType

from variegate.annotations.splits import SPLITS as SPLITS
from variegate.annotations.splits import canonical_split as canonical_split
from variegate.codecs.sniff import IMAGE_EXTENSIONS
from variegate.formats.hints import NO_HINTS, Hints
from variegate.storage import Storage

# Files without an extension may be images; these are not.
_PAPERS = {
    *("authors", "changelog", "contributing", "copying", "dockerfile", "licence", "license"),
    *("makefile", "notice", "readme", "version"),
}
# Hidden files and folders, and what archives (__MACOSX), network drives (@eaDir, #recycle),
# Windows and programs (~$ while a file is open, _vti_cnf, __pycache__) keep beside the user's own
# files.
_HIDDEN = re.compile(
    r"(?:^|/)(?:\.|~\$|(?i:__MACOSX|@eaDir|@Recycle|@Recently-Snapshot|\#recycle|\#snapshot"
    r"|\$RECYCLE\.BIN|System\ Volume\ Information|lost\+found"
    r"|__pycache__|_vti_cnf|_vti_pvt)/)"
)
# Folders of images that are to be labelled by a model: they belong to no split.
_UNLABELLED = re.compile(
    r"(?:.*[\W_])?(?:pred|preds|predict|prediction|predictions|inference|unlabell?ed)",
    re.IGNORECASE,
)
# Files beside images that by their names list labels or classes, or the images with them.
_LISTS = re.compile(
    r"(?:.*[\W_])?(?:class|classes|classnames|label|labels|labelmap|categor(?:y|ies)|species|names"
    r"|annotations?|targets?|truth|groundtruth|gt|answers?|train|val|valid|test|list|index)"
    r"(?:[\W_].*)?\.(?:txt|names|list|lst|data|dat|ya?ml|pbtxt)|data(?:set)?\.ya?ml|.*\.(?:names|labels?|cls|classes)"
)
_MOST_LISTS = 20
_TABLE_EXTENSIONS = frozenset({".csv", ".tsv"})

# Two folders around it all, a split and a class: deeper folders decide nothing.
_DEPTH = 4
_ROOT_DEPTH = 2
_MOST_FOLDERS = 100_000
_MOST_LABELS = 20_000
_MOST_TABLES = 20

LabelRule = Callable[[str], str | None]
"""From a key to the label that its name holds, if it holds one."""


Said = Mapping[str, str]
"""From a folder, by its name or path, to its split: what the user says."""
NOTHING_SAID: Said = MappingProxyType({})


def split_above(
    key: str,
    spellings: Callable[[str], Iterable[str]] = lambda folder: (folder,),
    *,
    said: Said = NOTHING_SAID,
) -> str | None:
    """Return the split of the outermost folder that names one.

    Args:
        key: of a file.
        spellings: from a folder's name to the words in which it may name a split.
        said: what the user says; it goes before all names.
    """
    folders = key.split("/")[:-1]
    if at := said_depth(folders, said):
        return said_split(folders[:at], said)
    words = chain.from_iterable(map(spellings, folders))
    return next(filter(None, map(canonical_split, words)), None)


def split_of(key: str, said: Said = NOTHING_SAID) -> str | None:
    """Return the split that a file's name tells, or the nearest folder above it."""
    if said_depth(key.split("/")[:-1], said):
        return split_below(key, said)
    # "image_info_test-dev2017": the first word decides.
    for word in re.findall("[a-z]+", key.lower().rpartition("/")[2].partition(".")[0]):
        if split := canonical_split(word):
            return split
    return split_below(key, said)


def split_below(key: str, said: Said = NOTHING_SAID) -> str | None:
    """Return the split of the innermost folder that names one: "train", "val2017"."""
    folders = key.split("/")[:-1]
    if at := said_depth(folders, said):
        return said_split(folders[:at], said)
    return next(filter(None, map(canonical_split, reversed(folders))), None)


def said_split(folders: Sequence[str], said: Said) -> str | None:
    """Return the split that the user gives the last of these folders, if any."""
    if not said:
        return None
    path = f"/{'/'.join(folders)}"
    return next((split for one, split in said.items() if path.endswith(f"/{one}")), None)


def said_depth(folders: Sequence[str], said: Said) -> int:
    """Return how many folders there are down to the innermost that the user gives a split."""
    if not said:
        return 0
    depths = range(len(folders), 0, -1)
    return next((depth for depth in depths if said_split(folders[:depth], said)), 0)


def split_and_group(
    folders: Sequence[str], split_folders: Mapping[str, str]
) -> tuple[str | None, str | None]:
    """Return the split and the first folder that is no split's, of folders below the root.

    Args:
        folders: above a file.
        split_folders: paths of folders -> split.
    """
    depths = range(min(len(folders), _DEPTH), 0, -1) if split_folders else ()
    at = next((n for n in depths if "/".join(folders[:n]) in split_folders), 0)
    if not at:
        return None, folders[0] if folders and not split_folders else None
    # ``cat/train``, but not ``train/train``.
    is_class = at > 1 and folders[0] != folders[at - 1] and not canonical_split(folders[0])
    inner = folders[at:] or (folders[:1] if is_class else ())
    return split_folders["/".join(folders[:at])], inner[0] if inner else None


def relative_name(name: str) -> str | None:
    """Return a relative name of a file with forward slashes, or None where it is none."""
    name = name.replace("\\", "/")
    absolute = name.startswith("/") or re.match("[A-Za-z]:", name)
    return None if not name or absolute or "\0" in name else name


def is_hidden(key: str) -> bool:
    """Say whether a file, or a folder above it, is one that systems leave behind unseen."""
    return _HIDDEN.search(key) is not None


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
        lists: the keys of the first files that by their names list labels.
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
    lists: tuple[str, ...]
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

    @cached_property
    def root(self) -> tuple[str, ...]:
        """The lone folders around everything, as in a zip file of one folder."""
        root: tuple[str, ...] = ()
        while len(root) < _ROOT_DEPTH and root not in self.tally.folders:
            tops = {folder[len(root)] for folder in self.tally.folders}
            top = tops.pop()
            if tops or canonical_split(top) or said_split((*root, top), self.hints.splits):
                break
            root += (top,)
        return root

    @property
    def prefix(self) -> str:
        """What the keys below the root begin with: "" or "a/b/"."""
        return "".join(f"{part}/" for part in self.root)

    @cached_property
    def inner(self) -> list[tuple[str, ...]]:
        """The folders of images as seen from the root."""
        return [folder[len(self.root) :] for folder in self.tally.folders]

    @cached_property
    def split_folders(self) -> dict[str, str]:
        """The folders that are splits, as paths below the root -> canonical split."""
        said = self._said_folders
        tops = {f[0] for f in self.inner if f} - {path.partition("/")[0] for path in said}
        found = {top: split for top in tops if (split := canonical_split(top))}
        deep = any(len(f) > 1 and f[0] in found for f in self.inner)
        if tops - found.keys() and len(set(found.values())) == 1 and not deep and not said:
            found = {}  # "train" beside "bus" and "car" is a vehicle
        found = {self._repeated(top, split): split for top, split in found.items()}
        return {**found, **said} or self._below_classes

    def _repeated(self, top: str, split: str) -> str:
        """Return a split's folder, or the one inside that repeats it: ``seg_train/seg_train``."""
        inside = {f[1] if len(f) > 1 else "" for f in self.inner if f and f[0] == top}
        name = next(iter(inside))
        repeats = len(inside) == 1 and canonical_split(name) == split
        return f"{top}/{name}" if repeats else top

    @cached_property
    def _said_folders(self) -> dict[str, str]:
        found = {}
        for folder in self.tally.folders:
            depth = said_depth(folder, self.hints.splits)
            if depth > len(self.root) and (split := said_split(folder[:depth], self.hints.splits)):
                found["/".join(folder[len(self.root) : depth])] = split
        return found

    @cached_property
    def _below_classes(self) -> dict[str, str]:
        """The same where each class has its splits: ``cat/train``, ``cat/val``."""
        found = {"/".join(f[:2]): canonical_split(f[1]) for f in self.inner if len(f) > 1}
        splits = {path: split for path, split in found.items() if split}
        whole = len(splits) == len(found) and all(len(f) > 1 for f in self.inner)
        return splits if whole and len(set(splits.values())) > 1 else {}

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
        return sum(self._grouped.values(), Counter({"": self.aside.total()}))

    @cached_property
    def _grouped(self) -> dict[str, Counter[str]]:
        grouped: dict[str, Counter[str]] = {}
        for folder, count in zip(self.inner, self.tally.folders.values(), strict=True):
            split, group = split_and_group(folder, self.split_folders)
            if not folder or folder[0] not in self.aside:
                grouped.setdefault(group or "", Counter())[split or ""] += count
        return grouped

    @cached_property
    def aside(self) -> Counter[str]:
        """Images by folder, of folders beside the splits that are called as unlabelled images."""
        found: Counter[str] = Counter()
        for folder, count in zip(self.inner, self.tally.folders.values(), strict=True):
            if folder and folder[0] in self._beside_splits and _UNLABELLED.fullmatch(folder[0]):
                found[folder[0]] += count
        return found

    @cached_property
    def _beside_splits(self) -> set[str]:
        tops = {folder[0] for folder in self.inner if folder}
        return (
            tops - {p.partition("/")[0] for p in self.split_folders}
            if self.split_folders
            else set()
        )

    @property
    def stray_folders(self) -> list[str]:
        """Folders with images that stand beside the folders of the splits, for no known reason."""
        return sorted(self._beside_splits - self.aside.keys())


def survey(storage: Storage, rules: Mapping[str, LabelRule]) -> Survey:
    """List the storage once and count."""
    named, bare, others = Tally(), Tally(), Counter[str]()
    tables: list[str] = []
    lists: list[str] = []
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
        if len(lists) < _MOST_LISTS and _LISTS.fullmatch(entry.key.rpartition("/")[2].lower()):
            lists.append(entry.key)
    return Survey(
        url=storage.url,
        files=files,
        tally=named if named.count else bare,
        tables=tuple(tables),
        others=others,
        lists=tuple(lists),
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
