"""Some of a bucket's names, spread over its folders, where only a few images are wanted.

A bucket lists a thousand names a request: all of ten million take ten thousand. Here, where a
folder holds more than is wanted, the listing leaps over the rest of it. Only datasets of nothing
but images are listed so: whatever an annotation file names has to be there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

from variegate.codecs.sniff import IMAGE_EXTENSIONS
from variegate.storage.base import Entry, OnSkip, Storage, log_skip
from variegate.storage.object_store import ObjectStorage
from variegate.storage.wrapper import PassingStorage

_PAGE = 1_000
# A listing of so many requests takes seconds; where the folders are more, all names are listed.
_MOST_REQUESTS = 100
# More is not a trial.
_MOST_IMAGES = 10_000
# Where files of annotations stand in a folder, and in how many folders they are looked for.
_ANNOTATIONS = ("_", "annotations", "labels", "metadata")
_FOLDERS_LOOKED_INTO = 3

PageAfter = Callable[[str | None], Sequence[Entry]]
"""From a name to the entries that come next, at most `_PAGE`."""


class SampledStorage(PassingStorage):
    """Lists only some of the names of a storage; everything else is as there."""

    def __init__(self, inner: Storage, entries: Sequence[Entry]) -> None:
        super().__init__(inner)
        self._entries = entries

    @classmethod
    def of(cls, storage: ObjectStorage, limit: int) -> Self | None:
        """Return one of as many images at least; None where all names have to be listed."""
        if not storage.lists_from_anywhere or limit > _MOST_IMAGES:
            return None
        walk = _Walk(lambda key: storage.page_after(key, most=_PAGE), wanted=max(limit, _PAGE))
        return cls(storage, walk.entries) if walk.go() and walk.leaps else None

    @property
    def note(self) -> str:
        """What should be known of it."""
        return (
            f"because of --limit, only {len(self._entries):,} names were listed, spread over the "
            "folders: there may be more images than are counted here, and --format says what the "
            "dataset is if an annotation file is among the others"
        )

    def list(self, prefix: str = "", *, on_skip: OnSkip = log_skip) -> Iterator[Entry]:
        del on_skip
        below = f"{prefix.rstrip('/')}/" if prefix else ""
        return (one for one in self._entries if one.key.startswith(below))


@dataclass
class _Walk:
    """A way through the names.

    Attributes:
        wanted: images of a folder, before the rest of it is leapt over.
        leaps: how often that was done.
    """

    page_after: PageAfter
    wanted: int
    leaps: int = 0
    requests: int = 0
    found: dict[str, Entry] = field(default_factory=dict)

    @property
    def entries(self) -> list[Entry]:
        return [self.found[key] for key in sorted(self.found)]

    def go(self) -> bool:
        """Walk to the end; say whether it went well: nothing but images, and few requests."""
        cursor: str | None = None
        in_folder, folder = 0, ""
        while (page := self._page(cursor)) is not None:
            if not page:
                return True
            cursor = page[-1].key
            if (now := _folder(cursor)) != folder:
                in_folder, folder = 0, now
            in_folder += sum(_folder(one.key) == folder for one in page)
            if in_folder >= self.wanted:
                self.leaps += 1
                if self.leaps <= _FOLDERS_LOOKED_INTO and not self._look_into(folder, cursor):
                    return False
                if not folder:
                    return True
                # "0" comes behind "/".
                cursor = f"{folder[:-1]}0"
        return False

    def _look_into(self, folder: str, seen: str) -> bool:
        """Look where annotation files would stand; say whether there is nothing but images."""
        places = (folder + name for name in _ANNOTATIONS)
        return all(self._page(place) is not None for place in places if place > seen)

    def _page(self, cursor: str | None) -> Sequence[Entry] | None:
        """Note the next entries; None where all names have to be listed."""
        if self.requests == _MOST_REQUESTS:
            return None
        self.requests += 1
        page = self.page_after(cursor)
        files = [one for one in page if not (one.key.endswith("/") and one.size == 0)]
        if not all(_is_image(one.key) for one in files):
            return None
        self.found |= {one.key: one for one in files}
        return page


def _folder(key: str) -> str:
    return key[: key.rfind("/") + 1]


def _is_image(key: str) -> bool:
    name = key[key.rfind("/") + 1 :].lower()
    return name[max(0, name.rfind(".")) :] in IMAGE_EXTENSIONS
