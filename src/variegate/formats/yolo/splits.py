"""Which image of a YOLO set belongs to which split."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from variegate.formats.base import about, named
from variegate.formats.notes import Information
from variegate.formats.pairing import Listed, listed_lines, parts_of
from variegate.formats.scan import said_depth, split_below
from variegate.formats.yolo.config import Config, resolve
from variegate.storage import Storage


@dataclass(frozen=True, slots=True)
class Splits:
    """What a configuration says, or else the names of folders.

    Attributes:
        said: folder, by its name or path -> split, as the user says.
        folders: folder of images, or one above -> split.
        images: (folder, stem) of an image that a list names -> split.
        places: split -> places, as they are to be written.
        lists: key of a list -> its split, and what stands before each key ("=" first where keys
            are those of the dataset and not as seen from the list).
        notes: what does not fit.
    """

    said: Mapping[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    images: dict[tuple[str, str], str] = field(default_factory=dict)
    places: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lists: dict[str, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def of(self, folder: str, stem: str) -> str | None:
        """Return the split of an image."""
        if self.said and said_depth(folder.split("/")[:-1], self.said):
            return split_below(folder, self.said)
        if (split := self.images.get((folder, stem))) is not None:
            return split
        above = folder
        while above not in self.folders and above:
            above = above[: above.rstrip("/").rfind("/") + 1]
        return self.folders.get(above) or split_below(folder)


class _Reader:
    """Goes through the places that a configuration names."""

    def __init__(
        self, storage: Storage, listed: Listed, config: Config, said: Mapping[str, str]
    ) -> None:
        self._storage = storage
        self._listed = listed
        self._home = posixpath.dirname(config.key or "")
        above = posixpath.dirname(self._home)
        # Where places may start: at the path, as ultralytics says; above, where it is ".".
        bases = (posixpath.join(self._home, config.path.strip("/")), self._home, above, "")
        self._bases = tuple(dict.fromkeys(bases))
        self._above = {
            "/".join(parts[:i])
            for parts in (folder.split("/") for folder in listed.images)
            for i in range(len(parts))
        }
        self.found = Splits(said)

    def read(self, split: str, places: Sequence[str], key: str) -> None:
        """Take the places of one split."""
        written: list[str] = []
        for place in places:
            if found := resolve(place, self._bases, self._is_list):
                self._take_list(found[1], split)
                written.append(place if key.endswith(".data") else self._seen_from_home(found[1]))
            elif found := resolve(place, self._bases, self._above.__contains__):
                folder = f"{found[1]}/" if found[1] != "." else ""
                # Two splits of one folder (train and val: images): the first counts.
                self.found.folders.setdefault(folder, split)
                written.append(self._seen_from_home(found[1]))
            elif by_name := self._by_name(split):
                written += [self._seen_from_home(folder.rstrip("/")) for folder in by_name]
                self.found.notes.append(
                    f"{key}: {split}: {place!r} is not there; {named(by_name)} is taken"
                )
            else:
                said = f"{key}: {split}: {place!r} is not there"
                self.found.notes.append(Information(said))
        if written:
            self.found.places[split] = tuple(dict.fromkeys(written))

    def _by_name(self, split: str) -> list[str]:
        return sorted(folder for folder in self._listed.images if split_below(folder) == split)

    def _seen_from_home(self, key: str) -> str:
        return posixpath.relpath(key or ".", self._home or ".")

    def _is_list(self, key: str) -> bool:
        folder, stem, extension = parts_of(key)
        return extension == ".txt" and stem in self._listed.annotations.get(folder, ())

    def _is_image(self, key: str) -> bool:
        folder, stem, extension = parts_of(key)
        return bool(extension) and stem in self._listed.images.get(folder, ())

    def _take_list(self, key: str, split: str) -> None:
        home = posixpath.dirname(key)
        bases = tuple(dict.fromkeys((home, *self._bases)))
        before, lost = None, list[str]()
        for line in listed_lines(self._storage, key):
            found = resolve(line, bases, self._is_image)
            if found is None:
                lost.append(line)
                continue
            folder, stem, _ = parts_of(found[1])
            self.found.images.setdefault((folder, stem), split)
            if before is None:
                before = self._before(line, found[1], home)
        self.found.lists[key] = (split, "=" if before is None else before)
        self.found.notes.extend(
            about(lost, "image is", "images are", f"listed in {key} but missing")
        )

    @staticmethod
    def _before(line: str, key: str, home: str) -> str:
        """Return what a list writes before the keys of images; see `Splits.lists`."""
        line = line.replace("\\", "/")
        if line.endswith(key):
            return "=" + line[: len(line) - len(key)]
        inside = posixpath.relpath(key, home or ".")
        return line[: len(line) - len(inside)] if line.endswith(inside) else "="


def read_splits(
    storage: Storage, listed: Listed, config: Config, said: Mapping[str, str]
) -> Splits:
    """Read what the configuration says about splits."""
    reader = _Reader(storage, listed, config, said)
    for split, places in config.splits.items():
        reader.read(split, places, config.key or "")
    return reader.found
