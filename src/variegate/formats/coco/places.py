"""Where the images of COCO files are: `file_name` is relative to a folder that nobody names."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from variegate.formats.coco.file import CocoFile, folder_split
from variegate.formats.scan import canonical_split

# Folders that only say that images are in them.
_PLAIN_FOLDERS = frozenset(("images", "imgs", "jpegimages", "data"))
_DRIVE = re.compile("[A-Za-z]:")


@dataclass(slots=True)
class Places:
    """Keys by their last part, of images that some COCO file could mean."""

    wanted: frozenset[str]
    keys: dict[str, list[str]] = field(default_factory=dict)
    count: int = 0

    def add(self, key: str) -> None:
        self.count += 1
        name = posixpath.basename(key)
        if name in self.wanted:
            self.keys.setdefault(name, []).append(key)

    def holds(self, key: str) -> bool:
        return key in self.keys.get(posixpath.basename(key), ())

    def folders(self, names: Iterable[str]) -> Counter[str]:
        """Count the folders, "" or with a slash at the end, below which files have these names."""
        counts: Counter[str] = Counter()
        for name in names:
            for key in self.keys.get(posixpath.basename(name), ()):
                if key == name or key.endswith(f"/{name}"):
                    counts[key[: len(key) - len(name)]] += 1
        return counts


def inside(name: str, file: str) -> str | None:
    """Return a `file_name` with forward slashes, or None where it leaves the dataset.

    One that climbs ("../images/1.jpg") is relative to its COCO file and becomes a key, with a
    slash before it.
    """
    name = name.replace("\\", "/")
    if name.startswith("/") or _DRIVE.match(name) or "\0" in name:
        return None
    if ".." not in name.split("/"):
        plain = posixpath.normpath(name)
        return None if plain == "." else plain
    key = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
    return None if key.startswith("..") or key == "." else f"/{key}"


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders in which the names of one file are looked for, the best first.

    Where the first does not have a file, only one of the others may.
    """

    folders: tuple[str, ...]

    @property
    def first(self) -> str:
        return self.folders[0] if self.folders else ""

    def find(self, name: str, places: Places) -> str | None:
        """Return the key that `inside` gave as `name`, or None where it is missing."""
        if name.startswith("/"):
            return name[1:] if places.holds(name[1:]) else None
        found = [key for folder in self.folders if places.holds(key := folder + name)]
        return found[0] if len(found) == 1 or found[:1] == [self.first + name] else None


def image_folders(
    file: str, split: str | None, names: Iterable[str], places: Places, *, masks: str | None = None
) -> Folders:
    """Return where the images of a file are, which is of `split`.

    A folder that names another split than the file is never taken: it may hold other images of
    the same names. Of the rest those with the most of the names come first, then those near the
    file.
    """
    counts = places.folders(names)
    if masks is not None:
        counts.pop(masks, None)
    home = posixpath.dirname(file)

    def rank(folder: str) -> tuple[bool, int, bool, int, bool, int, str]:
        parts = folder.split("/")[:-1]
        shared = len(posixpath.commonprefix([home.split("/"), parts]))
        return (
            folder_split([part.lower() for part in parts]) != split,
            -counts[folder],
            folder.rstrip("/") != home,
            -shared,
            "images" not in parts,
            len(parts),
            folder,
        )

    fitting = [
        folder
        for folder in counts
        if split is None or folder_split(folder.lower().split("/")[:-1]) in (split, None)
    ]
    return Folders(tuple(sorted(fitting, key=rank)))


def mask_folder(file: CocoFile, names: Iterable[str], places: Places) -> str | None:
    """Return the folder of a panoptic file's masks: mostly it is called like the file."""
    counts = places.folders(names)
    stem = posixpath.splitext(posixpath.basename(file.key))[0]
    home = posixpath.dirname(file.key)
    ranked = sorted(
        counts,
        key=lambda folder: (
            posixpath.basename(folder.rstrip("/")) != stem,
            not folder.startswith(home),
            -counts[folder],
            folder,
        ),
    )
    return ranked[0] if ranked else None


def segment_files(file: CocoFile) -> Iterator[str]:
    """Yield the names of the masks of a panoptic file."""
    if not file.found["segments_info"]:
        return
    for slot in range(len(file.slots)):
        for _, value in file.annotations.group(slot):
            name = value.get("file_name")
            if "segments_info" in value and isinstance(name, str):
                yield name


def by_key(matches: Iterable[tuple[str, int, int]]) -> Mapping[str, tuple[tuple[int, int], ...]]:
    """Collect (key, file, image entry) by key."""
    found: dict[str, tuple[tuple[int, int], ...]] = {}
    for key, file, entry in matches:
        found[key] = (*found.get(key, ()), (file, entry))
    return found


def image_key(key: str, *, split: str | None, extension: str) -> str:
    """Return where an image of another set goes: `images/train/`, its own folders, its name."""
    *folders, name = key.split("/")
    plain = [
        folder
        for folder in folders
        if folder.lower() not in _PLAIN_FOLDERS
        and canonical_split(folder.rstrip("0123456789")) is None
    ]
    stem, dot, own = name.rpartition(".")
    file = name if dot and f".{own.lower()}" == extension else f"{stem or name}{extension}"
    return "/".join(["images", *([split] if split else []), *plain, file])
