"""What images are called in a new set, so that no two share a name.

Some formats keep all images in one folder. Where names repeat, every name is changed, in the
first of these ways that makes all of them different: so names follow a rule, and do not depend on
which other image there is.
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
    "with the folders' names before and the extension behind them",
    "with a digest of their paths behind them",
)

# kind of image -> its extensions, the usual one first.
KNOWN_EXTENSIONS: dict[str, tuple[str, ...]] = {
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


def own_extension(key: str) -> str:
    """Return the extension of a file's name with its dot, or ""."""
    stem, dot, extension = key.rpartition("/")[2].rpartition(".")
    return dot + extension if stem else ""


def new_extension(key: str, kind: str) -> str:
    """Return the extension of an image of some kind: its own, if that tells the kind."""
    own, extensions = own_extension(key), KNOWN_EXTENSIONS.get(kind, ())
    return own if own.lower() in extensions or not extensions else extensions[0]


def kind_by_extension(extension: str) -> str | None:
    """Return the kind of image that an extension promises."""
    return next((kind for kind, own in KNOWN_EXTENSIONS.items() if extension.lower() in own), None)


def new_key(writer: Writer, source: Source, label: str | None, extension: str, naming: int) -> str:
    """Return where an image goes.

    Args:
        writer: of the new set.
        source: the image.
        label: of the image, as the new set has it.
        extension: of its file.
        naming: number of one of `NAMINGS`.
    """
    key = named(source.key, naming)
    return writer.fresh_key(key, split=source.split, label=label, extension=extension)


def named(key: str, naming: int) -> str:
    """Return the key of which the new format makes a name."""
    if naming == 0:
        return key
    folder, _, name = key.rpartition("/")
    tail = own_extension(key)
    stem = name[: len(name) - len(tail)]
    if naming == len(NAMINGS) - 1:
        raw = key.encode("utf-8", "surrogateescape")
        digest = hashlib.blake2b(raw, digest_size=8).hexdigest()
        return f"{folder}/{stem}-{digest}{tail}".lstrip("/")
    above = [part for part in folder.split("/") if part and canonical_split(part) is None]
    marks = [tail[1:]] if naming == 2 and tail else []
    return "_".join((*above, stem, *marks)) + tail


class Names:
    """Finds out whether two images would share a name. Memory: 8 bytes an image."""

    def __init__(self) -> None:
        self._seen = array("Q")

    def add(self, key: str) -> None:
        """Take the next key; its extension does not count, for files beside it have another."""
        stem = key[: len(key) - len(own_extension(key))]
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
