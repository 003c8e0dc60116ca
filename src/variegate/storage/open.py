"""From what a user types to a storage."""

import os
import re
from pathlib import Path

from variegate.errors import InputError, OutputError, did_you_mean
from variegate.storage.base import Storage
from variegate.storage.keys import ARCHIVE_EXTENSIONS, is_archive_name, printable
from variegate.storage.local import LocalStorage
from variegate.storage.object_store import SCHEMES, ObjectStorage
from variegate.storage.os_errors import reading, writing
from variegate.storage.sharded import ShardedTarStorage, holds_shards
from variegate.storage.tar import TarStorage
from variegate.storage.zip import ZipStorage

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")

_REMEDY = "choose an output beside the input, so that the input stays as it is"
_ARCHIVE = f"a {', '.join(ARCHIVE_EXTENSIONS[:-1])} or {ARCHIVE_EXTENSIONS[-1]} file"


def open_storage(location: str | os.PathLike[str], *, create: bool = False) -> Storage:
    """Open a folder, a bucket (s3://, gs://, az://), or a zip or tar file for reading.

    A folder of tar files (`holds_shards`) shows their members, too.

    Args:
        location: a path, absolute or relative to the working folder; or the URL of a bucket, with
            or without a folder in it, of which nothing is asked yet.
        create: make the folder, with its parents, where it is missing; for outputs.

    Raises:
        InputError: nothing is there, or it is neither a folder nor an archive.
        OutputError: with `create`: the folder cannot be made.
    """
    url = os.fspath(location)
    if url == "":
        raise InputError("the place is empty; name a folder, '.' for the working folder")
    if scheme := _SCHEME.match(url):
        error = OutputError if create else InputError
        if scheme[1].lower() not in SCHEMES:
            raise error(_about_scheme(url, scheme[1].lower()))
        if is_archive_name(url):
            raise error(f"{printable(url)}: an archive in a bucket; copy it to this machine first")
        return ObjectStorage.of(url)
    path = Path(url)
    if create:
        _make_folder(path, url)
    with reading(printable(url)):
        if path.is_dir():
            kind = ShardedTarStorage if holds_shards(path) else LocalStorage
            return kind(root=os.path.realpath(path), url=url)
        if path.is_file() and is_archive_name(path.name):
            archive = ZipStorage if path.suffix.lower() == ".zip" else TarStorage
            return archive(os.path.realpath(path), url=url)
        raise InputError(_about_missing(path, url))


def check_apart(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Make sure that writing to `target` cannot touch `source`.

    Both are locations as for `open_storage`; `target` need not exist. Symbolic links, other
    spellings and mounts of the same folder are seen through.

    Raises:
        OutputError: they are the same, or one lies inside the other.
    """
    inner, outer = os.fspath(source), os.fspath(target)
    if _SCHEME.match(inner) or _SCHEME.match(outer):
        _check_buckets(inner, outer)
        return
    source_path, target_path = (Path(os.path.realpath(path)) for path in (inner, outer))
    source_inside = _holds(target_path, source_path)
    target_inside = _holds(source_path, target_path)
    names = f"the output {printable(outer)}", f"the input {printable(inner)}"
    if source_inside and target_inside:
        raise OutputError(f"{names[0]} is {names[1]} itself; {_REMEDY}")
    if target_inside:
        raise OutputError(f"{names[0]} lies inside {names[1]}; {_REMEDY}")
    if source_inside:
        raise OutputError(f"{names[1]} lies inside {names[0]}; {_REMEDY}")


def _check_buckets(inner: str, outer: str) -> None:
    if not (_SCHEME.match(inner) and _SCHEME.match(outer)):
        return
    source, target = ObjectStorage.of(inner), ObjectStorage.of(outer)
    if (source.scheme, source.bucket) != (target.scheme, target.bucket):
        return
    one, two = (f"{storage.prefix}/".lstrip("/") for storage in (source, target))
    if one.startswith(two) or two.startswith(one):
        raise OutputError(
            f"the output {printable(outer)} and the input {printable(inner)} hold each other; "
            f"{_REMEDY}"
        )


def _holds(folder: Path, path: Path) -> bool:
    """Say whether `folder` is `path` or above it: by name, or by identity if it exists."""
    exists = folder.exists()
    return any(
        step == folder or (exists and step.exists() and step.samefile(folder))
        for step in (path, *path.parents)
    )


def _make_folder(path: Path, url: str) -> None:
    if is_archive_name(path.name) and not path.is_dir():
        raise OutputError(
            f"{printable(url)}: an archive cannot be written into; "
            "write to a folder and pack it with `variegate.storage.pack`"
        )
    with writing(printable(url)):
        path.mkdir(parents=True, exist_ok=True)


def _about_scheme(url: str, scheme: str) -> str:
    if scheme == "file":
        return f"{url}: write a local place as a plain path, without 'file://'"
    return (
        f"{url}: unknown kind of place {scheme + '://'!r}; expected a folder, "
        f"{', '.join(f'{one}://' for one in SCHEMES)}, or {_ARCHIVE}"
    )


def _about_missing(path: Path, url: str) -> str:
    place = printable(url)
    if path.is_file():
        return f"{place}: expected a folder or {_ARCHIVE}, found another file; name its folder"
    if path.exists():
        return f"{place}: expected a folder or {_ARCHIVE}, found a device or pipe"
    parent = path.parent
    siblings = (entry.name for entry in parent.iterdir()) if parent.is_dir() else iter(())
    hint = did_you_mean(path.name, siblings) or "; check the spelling and the working folder"
    return f"{place}: not found{hint}"
