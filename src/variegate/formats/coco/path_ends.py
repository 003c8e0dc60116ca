"""Names of images that are paths on another computer: they are told by how they end."""

import posixpath
import re
from collections.abc import Iterable
from urllib.parse import unquote

# What such a name begins with once it is made plain. Nothing in the dataset does.
FOREIGN = "//"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DRIVE = re.compile(r"[A-Za-z]:")


def foreign_path(name: str) -> str | None:
    r"""Return "//me/images/1.jpg" for "C:\me\images\1.jpg", "/me/..." or "https://me/...".

    None for what names no file.
    """
    plain = name
    if scheme := _SCHEME.match(name):
        plain = unquote(re.split("[?#]", name[scheme.end() :])[0])
    plain = _DRIVE.sub("", plain.replace("\\", "/"), count=1)
    parts = [part for part in plain.split("/") if part not in ("", ".", "..", "~")]
    return FOREIGN + "/".join(parts) if parts and "\0" not in plain else None


def is_foreign(name: str) -> bool:
    """Say whether a name of a file is an address or a path on some computer, not below a folder."""
    return bool(_SCHEME.match(name) or _DRIVE.match(name) or name.startswith(("/", "\\", "~/")))


def alike_longest(path: str, keys: Iterable[str]) -> list[str]:
    """Return the keys that end like a path does for most of its parts, its file name at least."""
    parts = path.removeprefix(FOREIGN).split("/")[::-1]
    best, found = 1, list[str]()
    for key in keys:
        alike = _common(parts, key.split("/")[::-1])
        if alike > best:
            best, found = alike, [key]
        elif alike == best:
            found.append(key)
    return found


def inside_folder(folder: str | None) -> str:
    """Return the folder that a user names as keys begin with it: "" or "a/b/"."""
    plain = posixpath.normpath((folder or ".").replace("\\", "/").strip("/") or ".")
    return "" if plain == "." else f"{plain}/"


def _common(one: list[str], two: list[str]) -> int:
    count = 0
    for mine, other in zip(one, two, strict=False):
        if mine != other:
            break
        count += 1
    return count
