"""What pictures are called in a new set, so that no two share a name.

Some formats keep all pictures in one folder. Where names repeat, every name is changed, in the
first of these ways that makes all of them different: so names follow a rule, and do not depend on
which other picture there is.
"""

import hashlib
from array import array
from collections.abc import Callable, Iterable

import numpy as np

from variegate.codecs import EXTENSIONS
from variegate.formats import Source, Writer
from variegate.formats.scan import canonical_split

NAMINGS = (
    "as they are",
    "with the folders' names before them",
    "with the folders' names before and the ending behind them",
    "with a digest of their paths behind them",
)

# kind of picture -> its endings, the usual one first.
ENDINGS: dict[str, tuple[str, ...]] = {
    **EXTENSIONS,
    "tiff": (".tif", ".tiff", ".btf"),
    "bmp": (".bmp", ".dib"),
    "ppm": (".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm"),
    "gif": (".gif",),
    "jp2": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "heif": (".heic", ".heif", ".heics", ".hif"),
    "avif": (".avif", ".avifs"),
    "ico": (".ico", ".cur"),
    "tga": (".tga", ".icb", ".vda", ".vst"),
    "svg": (".svg",),
}


def own_ending(key: str) -> str:
    """Return the ending of a file's name with its dot, or ""."""
    stem, dot, ending = key.rpartition("/")[2].rpartition(".")
    return dot + ending if stem else ""


def new_ending(key: str, kind: str) -> str:
    """Return the ending of a picture of some kind: its own, if that tells the kind."""
    own, endings = own_ending(key), ENDINGS.get(kind, ())
    return own if own.lower() in endings or not endings else endings[0]


def kind_by_ending(ending: str) -> str | None:
    """Return the kind of picture that an ending promises."""
    return next((kind for kind, own in ENDINGS.items() if ending.lower() in own), None)


def new_key(writer: Writer, source: Source, label: str | None, ending: str, naming: int) -> str:
    """Return where a picture goes.

    Args:
        writer: of the new set.
        source: the picture.
        label: of the picture, as the new set has it.
        ending: of its file.
        naming: number of one of `NAMINGS`.
    """
    key = named(source.key, naming)
    return writer.fresh_key(key, split=source.split, label=label, ending=ending)


def named(key: str, naming: int) -> str:
    """Return the key of which the new format makes a name."""
    if naming == 0:
        return key
    folder, _, name = key.rpartition("/")
    tail = own_ending(key)
    stem = name[: len(name) - len(tail)]
    if naming == len(NAMINGS) - 1:
        raw = key.encode("utf-8", "surrogateescape")
        digest = hashlib.blake2b(raw, digest_size=8).hexdigest()
        return f"{folder}/{stem}-{digest}{tail}".lstrip("/")
    above = [part for part in folder.split("/") if part and canonical_split(part) is None]
    marks = [tail[1:]] if naming == 2 and tail else []
    return "_".join((*above, stem, *marks)) + tail


class Names:
    """Finds out whether two pictures would share a name. Memory: 8 bytes a picture."""

    def __init__(self) -> None:
        self._seen = array("Q")

    def add(self, key: str) -> None:
        """Take the next key; its ending does not count, for files beside it have another."""
        stem = key[: len(key) - len(own_ending(key))]
        # Some file systems do not tell capital letters.
        raw = stem.lower().encode("utf-8", "surrogateescape")
        self._seen.append(int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little"))

    def repeat(self) -> bool:
        """Say whether one came twice."""
        ordered = np.sort(np.frombuffer(self._seen, dtype=np.uint64))
        return bool((ordered[1:] == ordered[:-1]).any())


def first_naming(keys: Callable[[int], Iterable[str]]) -> int:
    """Return the first way of naming in which no name repeats.

    Args:
        keys: gives all keys as one way makes them.
    """
    for naming in range(len(NAMINGS) - 1):
        names = Names()
        for key in keys(naming):
            names.add(key)
        if not names.repeat():
            return naming
    return len(NAMINGS) - 1
