"""From the name of a source to the names of its variants.

The rules: the folder stays. A source whose ending already says what the output is keeps it, in its
own spelling, and the suffix goes before it: ``IMG.JPG`` -> ``IMG-v05.JPG``. In every other case the
whole file name is the stem: ``a.png`` -> ``a.png-v05.jpg``, so that ``a.png`` and ``a.jpg`` do not
meet. Where a name would be longer than a file system takes, the stem's end gives way to a digest
of the whole name.
"""

import hashlib
import re
from collections.abc import Collection, Iterable

# Bytes in one file name: ext4, XFS, APFS, NTFS (in UTF-16 units, which are fewer).
NAME_LIMIT = 255

_DIGEST_BYTES = 8
_SHORTENED = re.compile(rf"~[0-9a-f]{{{2 * _DIGEST_BYTES}}}\Z")


def output_key(source_key: str, *, suffix: str, ending: str, own_endings: tuple[str, ...]) -> str:
    """Return the key of one variant.

    Args:
        source_key: the source's key.
        suffix: what tells the variant from its siblings, such as "-v05".
        ending: the canonical ending of the output's kind, such as ".jpg".
        own_endings: all endings that mean this kind, in lower case, such as (".jpg", ".jpeg").
    """
    folder, slash, name = source_key.rpartition("/")
    stem, tail = _split(name, ending, own_endings)
    return f"{folder}{slash}{_join(stem, suffix, tail)}"


def find_collisions(
    names: Iterable[str],
    *,
    suffixes: Collection[str],
    ending: str,
    own_endings: tuple[str, ...],
) -> tuple[str, str] | None:
    """Return two sources that would share an output, or None where no two do.

    Outputs meet for ``a.png`` and ``a.png.jpg`` (both are ``a.png-v05.jpg``), and for ``a.jpg`` with
    the suffix "-v05" and ``a-v05.jpg`` with the suffix "".

    Args:
        names: the sources of one folder (keys or file names); each only once.
        suffixes: all suffixes that any of them may get.
        ending, own_endings: as for `output_key`.
    """
    longest = max((len(_encode(suffix)) for suffix in suffixes), default=0)
    sources: dict[tuple[str, str], str] = {}
    unusual: list[tuple[str, str, str]] = []
    for name in names:
        stem, tail = _split(name[name.rfind("/") + 1 :], ending, own_endings)
        if (other := sources.setdefault((stem, tail), name)) != name:
            return other, name
        if _SHORTENED.search(stem) or len(_encode(stem + tail)) + longest > NAME_LIMIT:
            unusual.append((stem, tail, name))
    return _across_suffixes(sources, suffixes) or _among_shortened(unusual, suffixes)


def _across_suffixes(
    sources: dict[tuple[str, str], str], suffixes: Collection[str]
) -> tuple[str, str] | None:
    """Find a stem that is another stem and the part by which one suffix is longer than another."""
    surplus = {
        long.removesuffix(short)
        for long in suffixes
        for short in suffixes
        if long != short and long.endswith(short)
    }
    for (stem, tail), name in sources.items():
        for length in {len(part) for part in surplus}:
            if stem[-length:] in surplus and (other := sources.get((stem[:-length], tail))):
                return other, name
    return None


def _among_shortened(
    sources: list[tuple[str, str, str]], suffixes: Collection[str]
) -> tuple[str, str] | None:
    """Compare the outputs of names that are shortened, or look as if they had been."""
    outputs: dict[str, str] = {}
    for stem, tail, name in sources:
        for suffix in suffixes:
            other = outputs.setdefault(_join(stem, suffix, tail), name)
            if other != name:
                return other, name
    return None


def _split(name: str, ending: str, own_endings: tuple[str, ...]) -> tuple[str, str]:
    """Return the stem, and the ending of the output."""
    start = name.rfind(".")
    if start > 0 and name[start:].lower() in own_endings:
        return name[:start], name[start:]
    return name, ending


def _join(stem: str, suffix: str, tail: str) -> str:
    name = f"{stem}{suffix}{tail}"
    if len(_encode(name)) <= NAME_LIMIT:
        return name
    digest = hashlib.blake2b(_encode(stem), digest_size=_DIGEST_BYTES).hexdigest()
    rest = f"~{digest}{suffix}{tail}"
    return _cut(stem, NAME_LIMIT - len(_encode(rest))) + rest


def _cut(stem: str, size: int) -> str:
    """Return the longest beginning of `stem` that takes at most `size` bytes."""
    while len(_encode(stem)) > size:
        stem = stem[:-1]
    return stem


def _encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
