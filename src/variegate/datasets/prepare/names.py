"""What the images of a clean dataset are called: one scheme for all, in the folders they had.

An image whose class was decided anew goes where its format looks for that class: in another folder,
or under another word of its name.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from variegate.codecs import EXTENSIONS
from variegate.errors import InputError, RecipeError, did_you_mean
from variegate.formats import DatasetFormat, Source
from variegate.formats.conversion.filenames import own_extension
from variegate.storage import key_to_text, printable

if TYPE_CHECKING:
    from array import array

Scheme = Literal["keep", "numbered", "digest"]
_DIGITS = 6
_DIGEST_LETTERS = 16
# Any one that images have: labels are looked for in whole names.
_EXTENSION = EXTENSIONS["jpeg"][0]


def check_scheme(name: str) -> Scheme:
    """Return the scheme of a name.

    Raises:
        RecipeError: there is none.
    """
    known = get_args(Scheme)
    if name not in known:
        raise RecipeError(
            f"--names {name}: expected {', '.join(known[:-1])} or {known[-1]}"
            f"{did_you_mean(name, list(known))}"
        )
    return name  # type: ignore[return-value]


class TargetNames:
    """Names images, in the order of the listing.

    Args:
        dataset_format: of the heap.
        scheme: "keep" their names; "numbered", by folder; "digest" of their files.
        repeated: fingerprints of names, without extension, that several have.
    """

    def __init__(
        self, dataset_format: DatasetFormat, scheme: Scheme, repeated: frozenset[int] = frozenset()
    ) -> None:
        self._format = dataset_format
        self._scheme = scheme
        self._repeated = repeated
        self._numbers = Counter[str]()

    def target(self, source: Source, label: str | None, digest: str) -> str:
        """Return the key of an image's result, without extension.

        Args:
            source: the image.
            label: as it was decided.
            digest: of its file.

        Raises:
            InputError: its format has no place for that class.
        """
        key = self.moved(source, label)
        folder, slash, _ = key.rpartition("/")
        stem = without_extension(key)
        if self._scheme == "keep":
            if fingerprint(stem) not in self._repeated:
                return stem
            raw = source.key.encode("utf-8", "surrogateescape")
            return f"{stem}-{hashlib.blake2b(raw, digest_size=4).hexdigest()}"
        self._numbers[folder] += 1
        number = f"{self._numbers[folder]:0{_DIGITS}d}"
        name = digest[:_DIGEST_LETTERS] if self._scheme == "digest" else number
        if not self._format.bare:
            return f"{folder}{slash}{name}"
        wanted = self._format.label(key)
        for begin in ("", f"{wanted}.", f"{wanted}_"):
            target = f"{folder}{slash}{begin}{name}"
            if self._format.label(target + _EXTENSION) == wanted:
                return target
        raise InputError(
            f"--names {self._scheme}: the names of this heap tell the classes, as {printable(key)} "
            "does; use --names keep"
        )

    def moved(self, source: Source, label: str | None) -> str:
        """Return where an image stands whose class was decided.

        Raises:
            InputError: its format has no place for that class.
        """
        key, old = source.key, source.label
        if label == old or (old is not None and not self._format.bare):
            # What stands in files is written there anew.
            return key
        for other in _replaced(key, old, label or "") if self._format.bare else ():
            if self._format.label(other) == label and self._format.split(other) == source.split:
                return other
        raise InputError(
            f"{printable(key)}: class {printable(label or '')!r} was decided, but this heap is "
            f"read as {self._format.name}, which cannot give it to this image; leave class_decided "
            "as it was"
        )


def _replaced(key: str, old: str | None, new: str) -> Iterator[str]:
    """Yield keys that say another label."""
    *folders, name = key.split("/")
    if old is None:
        yield "/".join((*folders, new, name))
        return
    for at in reversed(range(len(folders))):
        if folders[at] == old:
            yield "/".join((*folders[:at], new, *folders[at + 1 :], name))
    if name.startswith(old):
        yield "/".join((*folders, new + name[len(old) :]))


def without_extension(key: str) -> str:
    """Return a key without its extension."""
    return key[: len(key) - len(own_extension(key))]


def fingerprint(stem: str) -> int:
    """Return 64 bits of a name; some file systems do not tell capital letters."""
    raw = key_to_text(stem).casefold().encode()
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")


def repeated_ones(fingerprints: "array[int]") -> frozenset[int]:
    """Return those that came more than once."""
    found, counts = np.unique(np.frombuffer(fingerprints, np.uint64), return_counts=True)
    return frozenset(found[counts > 1].tolist())
