"""From the name of a source to the names of its variants.

The rules:

1. The folder stays.
2. A source whose extension already says what the output is keeps it, in its own spelling, and the
   suffix goes before it: ``IMG.JPG`` -> ``IMG-v05.JPG``. In every other case the whole file name is
   the stem, so that ``a.png`` -> ``a.png-v05.jpg`` does not meet ``a.jpg`` -> ``a-v05.jpg``.
3. Where the name would be longer than file systems take, the end of the stem gives way to ``~`` and
   a digest of the whole stem. So that no other name can be mistaken for such a one, stems that look
   like it get a digest too.
"""

import hashlib
import posixpath
import re
from collections.abc import Callable, Collection
from functools import lru_cache
from itertools import accumulate

from variegate.codecs import EXTENSIONS, MASK_EXTENSION
from variegate.errors import OutputError

# Bytes in one file name: ext4, XFS, APFS; NTFS counts UTF-16 units, of which there are fewer.
NAME_LIMIT = 255

_DIGEST_BYTES = 8
_DIGESTED = re.compile(f"~[0-9a-f]{{{2 * _DIGEST_BYTES}}}")


def output_key(
    source_key: str, *, suffix: str, extension: str, own_extensions: tuple[str, ...]
) -> str:
    """Return the key of one variant.

    Args:
        source_key: the source's key.
        suffix: what tells the variant from its siblings, such as "-v05".
        extension: the canonical extension of the output's kind, such as ".jpg".
        own_extensions: all extensions that mean this kind, in lower case, such as (".jpg",
            ".jpeg").
    """
    folder, stem, tail = _parts(source_key, extension, own_extensions)
    return folder + _join(stem, suffix, tail)


def joined(*parts: str | None) -> str:
    """Return a key of folders and a name, without the parts that are None or empty."""
    return "/".join(part for part in parts if part)


def png_key(key: str) -> str:
    """Return the key of a file that is written as PNG: its own, if it says so already."""
    stem, extension = posixpath.splitext(key)
    return key if extension.lower() in EXTENSIONS["png"] else stem + MASK_EXTENSION


class CollisionCheck:
    """Finds two sources that would share an output, while their keys stream by.

    One suffix alone lets only ``a.png`` and ``a.png.jpg`` meet, when both become JPEG. Two suffixes
    of which one may be empty also let ``a.jpg`` with "-v05" meet ``a-v05.jpg`` with "".

    Memory does not grow with the number of keys: they come in order, so that a key is close behind
    those which it starts with; and the second case, rare, is asked of the storage.
    """

    def __init__(
        self,
        *,
        suffixes: Collection[str],
        extension: str,
        own_extensions: tuple[str, ...],
        exists: Callable[[str], bool],
    ) -> None:
        """Prepare for one run.

        Args:
            suffixes: all that any source may get; "" where some are copied unchanged.
            extension, own_extensions: as for `output_key`.
            exists: says whether a key is among the sources.
        """
        self._suffixes = suffixes
        self._extension = extension
        self._own_extensions = own_extensions
        self._exists = exists
        self._beginnings: list[str] = []
        self._folder: tuple[str, str | None] = ("", None)
        # By how much one suffix is longer than another that it ends with.
        known, lengths = set(suffixes), {len(suffix) for suffix in suffixes}
        self._surplus = {
            longer[: len(longer) - length]
            for longer in suffixes
            for length in lengths
            if length < len(longer) and longer[len(longer) - length :] in known
        }
        self._surplus_lengths = {len(part) for part in self._surplus}

    def add(self, key: str) -> None:
        """Take the next key, in the order of `Storage.list`.

        Raises:
            OutputError: an earlier source would share an output with this one.
        """
        while self._beginnings and not key.startswith(self._beginnings[-1]):
            self._beginnings.pop()
        other = self._same_suffix(key) or self._other_suffix(key)
        if other is not None:
            first, second = sorted((key, other))
            raise OutputError(
                f"{first!r} and {second!r} would share an output's name; rename one of them"
            )
        self._beginnings.append(key)

    def above(self, key: str) -> str | None:
        """Return the source of which a result is called like a folder above `key`, or None."""
        folder = key.rpartition("/")[0]
        if folder != self._folder[0]:
            # Keys come in order, and so most of one folder's behind each other.
            names = accumulate(folder.split("/"), "{}/{}".format) if folder else ()
            self._folder = folder, next(filter(None, map(self._source_called, names)), None)
        return self._folder[1]

    def _source_called(self, name: str) -> str | None:
        """Return the source of which a result is called `name`, or None."""
        folder, stem, tail = self._parts(name)
        if folder + stem + tail != name:
            return None
        for suffix in self._suffixes:
            if suffix and not stem.endswith(suffix):
                continue
            shorter = stem[: len(stem) - len(suffix)]
            for other in (folder + shorter + tail, folder + shorter):
                if shorter and name in self._outputs(other) and self._exists(other):
                    return other
        return None

    def _same_suffix(self, key: str) -> str | None:
        folder, stem, tail = self._parts(key)
        for other in self._beginnings:
            if other == folder + stem and self._parts(other) == (folder, stem, tail):
                return other
        return None

    def _other_suffix(self, key: str) -> str | None:
        folder, stem, tail = self._parts(key)
        for length in self._surplus_lengths:
            if stem[-length:] not in self._surplus:
                continue
            shorter = stem[:-length]
            for other in (folder + shorter + tail, folder + shorter):
                matches = shorter and self._parts(other) == (folder, shorter, tail)
                if matches and self._outputs(other) & self._outputs(key) and self._exists(other):
                    return other
        return None

    def _outputs(self, key: str) -> set[str]:
        folder, stem, tail = self._parts(key)
        return {folder + _join(stem, suffix, tail) for suffix in self._suffixes}

    def _parts(self, key: str) -> tuple[str, str, str]:
        return _parts(key, self._extension, self._own_extensions)


# The results of one source ask for the same parts one after the other.
@lru_cache(maxsize=16)
def _parts(key: str, extension: str, own_extensions: tuple[str, ...]) -> tuple[str, str, str]:
    """Return the folder with its slash, the stem, and the extension of the output."""
    cut = key.rfind("/") + 1
    folder, name = key[:cut], key[cut:]
    dot = name.rfind(".")
    if dot > 0 and name[dot:].lower() in own_extensions:
        return folder, name[:dot], name[dot:]
    return folder, name, extension


def _join(stem: str, suffix: str, tail: str) -> str:
    """Return the file name; see rule 3."""
    room = NAME_LIMIT - _size(suffix + tail)
    if _size(stem) > room or _DIGESTED.search(stem):
        digest = hashlib.blake2b(_encode(stem), digest_size=_DIGEST_BYTES).hexdigest()
        room -= 1 + len(digest)
        while _size(stem) > room:
            stem = stem[:-1]
        stem = f"{stem}~{digest}"
    return f"{stem}{suffix}{tail}"


def _size(name: str) -> int:
    return len(_encode(name))


def _encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
