"""Where the images of one file are: `file_name` is relative to a folder that nobody names."""

import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from variegate.errors import InputError
from variegate.formats.base import about, counted, named
from variegate.formats.coco.path_ends import FOREIGN, alike_longest, foreign_path, is_foreign
from variegate.formats.pairing import holds_annotations
from variegate.formats.scan import Survey, leave_unsaid, relative_name, split_below
from variegate.storage import Storage, printable

Likeliness = tuple[int, bool, bool, int, bool]


@dataclass(slots=True)
class Places:
    """Keys by their last part, of images that some file could mean; and how many images exist."""

    keys: dict[str, list[str]] = field(default_factory=dict)
    count: int = 0

    @classmethod
    def of(cls, storage: Storage, survey: Survey, names: Iterable[str]) -> Self:
        """Look through the listing for images with these names, whatever their folders."""
        places, wanted = cls(), frozenset(map(posixpath.basename, names))
        for entry in storage.list(on_skip=leave_unsaid):
            if survey.is_image(entry.key):
                places.count += 1
                name = posixpath.basename(entry.key)
                if name in wanted:
                    places.keys.setdefault(name, []).append(entry.key)
        return places

    def holds(self, key: str) -> bool:
        return key in self.keys.get(posixpath.basename(key), ())

    def ending(self, name: str) -> list[str]:
        """Return the keys that a relative name may mean, whatever their folders."""
        keys = self.keys.get(posixpath.basename(name), ())
        return [key for key in keys if key == name or key.endswith(f"/{name}")]

    def below(self, folder: str) -> "Places":
        """Return these without what is in other folders."""
        kept = {
            name: [key for key in keys if key.startswith(folder)]
            for name, keys in self.keys.items()
        }
        return Places(kept, self.count)

    def folders(self, names: Iterable[str]) -> Counter[str]:
        """Count the folders, "" or with a slash at the end, below which files have these names."""
        counts: Counter[str] = Counter()
        for name in names:
            for key in self.ending(name):
                counts[key[: len(key) - len(name)]] += 1
        return counts


def inside(name: str, file: str) -> str | None:
    """Return a `file_name` with forward slashes, or None where it names no file.

    One that climbs ("../images/1.jpg") is relative to its COCO file and becomes a key, with a
    slash before it. One that leaves the dataset is a path on another computer, with two.
    """
    plain = relative_name(name)
    if plain is None or is_foreign(name):
        return foreign_path(name)
    if posixpath.normpath(plain) == ".":
        return None
    if ".." not in plain.split("/"):
        return posixpath.normpath(plain)
    key = posixpath.normpath(posixpath.join(posixpath.dirname(file), plain))
    if key == ".":
        return None
    return foreign_path(plain) if key.startswith("..") else f"/{key}"


@dataclass(frozen=True, slots=True)
class Located:
    """Where the images are that one file names.

    Attributes:
        folder: the one that most names are relative to, "" or with a slash at its end.
        keys: name, as the file has it -> key.
        missing, outside: names of images that are not there, or lie outside of the dataset.
        by_end: names that are paths on another computer, of images that end like them.
        rivals: names -> other images that they may mean, in folders with fewer of the names.
    """

    folder: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    by_end: tuple[str, ...] = ()
    rivals: Mapping[str, str] = field(default_factory=dict)

    def notes(self, file: str) -> Iterator[str]:
        """Yield what the user should know of the names in `file`."""
        outside = f"outside the dataset, says {file}"
        yield from (
            f"{note}; not read" for note in about(self.outside, "file lies", "files lie", outside)
        )
        yield from about(self.missing, "image is", "images are", f"listed in {file} but missing")
        if self.rivals:
            name, other = next(iter(self.rivals.items()))
            count = counted(len(self.rivals), "name in", "names in")
            yield (
                f"{count} {file} may mean several images: {name!r} is taken for "
                f"{self.keys[name]!r}, not for {other!r}; --images DIR says where they are"
            )
        if self.by_end:
            name, one = self.by_end[0], len(self.by_end) == 1
            count = counted(len(self.by_end), "name in", "names in")
            leads, end = ("leads", "its end") if one else ("lead", "their ends")
            yield (
                f"{count} {file} {leads} out of the dataset; matched by {end}: {name!r} is "
                f"{self.keys[name]!r}"
            )


def locate(
    file: str,
    names: Mapping[str, str | None],
    places: Places,
    *,
    split: str | None,
    masks: str | None = None,
    within: str | None = None,
) -> Located:
    """Return where the images of a file are.

    Args:
        file: key of the file.
        names: as the file has them -> what `inside` makes of them.
        places: all images.
        split: of the file.
        masks: the folder of its masks, in which its images are not.
        within: the folder in which the user says that its images are, with a slash at its end.

    Raises:
        InputError: a name may mean one of several images.
    """
    own = places if within is None else places.below(within)
    ranked = _image_folders(file, filter(None, names.values()), own, split=split)
    folders = [folder for folder in ranked if folder != masks]
    if within is not None:
        folders = [within, *(folder for folder in folders if folder != within)]
    else:
        _check_clear(file, names.values(), folders, own)
    keys, missing, outside, by_end = {}, [], [], []
    for name, relative in names.items():
        if relative is None:
            outside.append(name)
        elif relative.startswith(FOREIGN):
            found = _by_end(file, relative, own, split=split, masks=masks)
            if found is None:
                outside.append(name)
            else:
                keys[name] = found
                by_end.append(name)
        elif (key := _find(relative, folders, own)) is None:
            missing.append(name)
        else:
            keys[name] = key
    rivals = {
        name: other
        for name, key in keys.items()
        if within is None and (other := _rival(names[name], key, folders, own, split=split))
    }
    head = "".join(folders[:1])
    return Located(head, keys, tuple(missing), tuple(outside), tuple(by_end), rivals)


def _rival(
    name: str | None, key: str, folders: list[str], places: Places, *, split: str | None
) -> str | None:
    """Return another image that a bare name may mean as well, in a folder of the same rank.

    Folders beside each other hold other images of these names; one inside the other, or far
    away, copies.
    """
    if not name or "/" in name:
        return None
    home = posixpath.dirname(posixpath.dirname(key))
    beside = (
        one
        for one in folders
        if posixpath.dirname(one.rstrip("/")) == home and not holds_annotations(one)
    )
    others = (one + name for one in beside if split is None or split_below(one) == split)
    return next((one for one in others if one != key and places.holds(one)), None)


def _find(name: str, folders: list[str], places: Places) -> str | None:
    """Return a key; where the first folder does not have the file, only one of the others may."""
    if name.startswith("/"):
        return name[1:] if places.holds(name[1:]) else None
    found = [key for folder in folders if places.holds(key := folder + name)]
    sure = len(found) == 1 or (found and found[0] == folders[0] + name)
    return found[0] if sure else None


def _by_end(
    file: str, path: str, places: Places, *, split: str | None, masks: str | None
) -> str | None:
    """Return the image that ends like a path on another computer.

    Raises:
        InputError: several end like it.
    """
    # One that names a split never means an image of another.
    own = split_below(path) if split is None else split
    keys = [
        key
        for key in places.keys.get(posixpath.basename(path), ())
        if (own is None or split_below(key) in (own, None))
        and not (masks and key.startswith(masks))
    ]
    found = alike_longest(path, keys)
    if len(found) > 1:
        raise InputError(_unclear(file, path.removeprefix(FOREIGN), found))
    return found[0] if found else None


def _unclear(file: str, name: str, keys: Iterable[str]) -> str:
    return (
        f"{printable(file)}: file_name {name!r} may be any of {named(keys)}; "
        "write names with their folders, or say where the images are with --images DIR"
    )


def _check_clear(
    file: str, names: Iterable[str | None], folders: list[str], places: Places
) -> None:
    """Make sure that one folder is more likely than the others to hold the images of a file.

    Raises:
        InputError: two are as likely, and have images of the same names.
    """
    if not folders:
        return
    wanted = [name for name in names if name and not name.startswith("/")]
    counts = places.folders(wanted)
    best = _likely(folders[0], file, counts)
    for other in (one for one in folders[1:] if _likely(one, file, counts) == best):
        for name in wanted:
            keys = [folders[0] + name, other + name]
            if all(map(places.holds, keys)):
                raise InputError(_unclear(file, name, keys))


def _image_folders(
    file: str, names: Iterable[str], places: Places, *, split: str | None
) -> list[str]:
    """Return the folders in which the images of a file may be, the most likely first.

    A folder that names another split than the file is never taken: it may hold other images of
    the same names.
    """
    counts = places.folders(names)

    def rank(folder: str) -> tuple[bool, Likeliness, int, str]:
        likely = _likely(folder, file, counts)
        return split_below(folder) != split, likely, folder.count("/"), folder

    fitting = (one for one in counts if split is None or split_below(one) in (split, None))
    return sorted(fitting, key=rank)


def _likely(folder: str, file: str, counts: Mapping[str, int]) -> Likeliness:
    """Return how likely a folder holds the images of a file, the least value for the most likely.

    Those with the most of the names come first, then the one that is called like the file, then
    those near the file.
    """
    home, parts = posixpath.dirname(file), folder.split("/")[:-1]
    stem = posixpath.splitext(posixpath.basename(file))[0]
    return (
        -counts[folder],
        stem not in parts,
        folder.rstrip("/") != home,
        -len(posixpath.commonprefix([home.split("/"), parts])),
        "images" not in parts,
    )
