"""One file of an output, made again from its source.

The manifest says which variant of which source it is, the job's record (``.variegate/job.json``)
which recipe and seed made it, and both digests are checked.
"""

import difflib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from variegate.errors import InputError, did_you_mean
from variegate.formats import Hints, Source, detect
from variegate.recipes.plugins import Plugin, load_plugin
from variegate.runs import manifest
from variegate.runs.environment import machine
from variegate.runs.identity import JOB, job_of, read_record
from variegate.runs.output import open_output
from variegate.runs.rows import Row
from variegate.runs.worker import remake
from variegate.storage import Snapshot, Storage, key_to_text, open_storage, printable


def rebuild(
    output: str | Path,
    key: str,
    *,
    source: str | Path | None = None,
    plugins: Iterable[str | Path] = (),
    write: bool = True,
) -> bytes:
    """Make one file of an output again.

    Args:
        output: a folder or zip file that variegate wrote.
        key: the file's path inside the output.
        source: where the sources are now; None for where they were.
        plugins: the files of transforms that were used; they are not kept with the output.
        write: put the file back into the output; zip files are only read.

    Returns:
        The file's content, whose digest is the manifest's.

    Raises:
        InputError: the output has no such file, the source is gone or changed, or what comes out
            is not what came out then.
        OutputError: it cannot be written.
    """
    storage = open_output(output)
    row, record = _row_of(storage, key), _record(storage)
    place = str(record["input"] if source is None else source)
    try:
        inputs = open_storage(place)
    except InputError as error:
        raise InputError(f"the source of {printable(key)}: {error}{_remedy(source)}") from error
    _check_source(inputs, row, source)
    job = job_of(record, input=place, output=str(output), plugins=_same_plugins(plugins, record))
    data = remake(job, _source(inputs, row, record), row).get(key, b"")
    expected = row.sha256 if key == row.output else row.sidecar_digests[key_to_text(key)]
    if hashlib.sha256(data).hexdigest() != expected:
        raise InputError(f"{storage.place(key)}: {_why_other_bytes(record)}")
    if write:
        storage.write(key, data)
    return data


def _same_plugins(paths: Iterable[str | Path], record: dict[str, Any]) -> tuple[Plugin, ...]:
    """Load the plugins that an output was made with.

    Raises:
        InputError: they are not these.
    """
    given = {one.name: one for one in map(Plugin.read, paths)}
    for name, digest in (record.get("plugins") or {}).items():
        if name not in given:
            raise InputError(f"it was made with transforms of {name}; name the file (--plugin)")
        if given[name].sha256 != digest:
            raise InputError(f"{name}: another plugin than the one it was made with")
        load_plugin(given[name])
    return tuple(given.values())


def _source(inputs: Storage, row: Row, record: dict[str, Any]) -> Source:
    """Return a row's source, with its annotation and with the others that the draws name."""
    drawn = json.loads(row.operations or "[]")
    parents = {key for one in drawn for key in one.get("partners", ())}
    source = Source(row.key, 0, row.split, row.label)
    if row.annotation is None and not parents and record["kind"] == "augment":
        return source
    found = {row.key: source}
    # Annotations are where the format keeps them, which may be one file for the whole set.
    with Snapshot(inputs) as seen:
        dataset_format = detect(
            seen,
            name=record["format"],
            label_pattern=record.get("label_pattern"),
            hints=Hints.of(**record.get("hints", {})),
        )
        for one in dataset_format.sources(seen):
            if one.key == row.key or one.key in parents:
                found[one.key] = one
    partners = tuple(found[key] for key in sorted(parents) if key in found)
    # A split that was chosen is written nowhere else.
    return replace(found[row.key], partners=partners, split=row.split)


def _remedy(source: str | Path | None) -> str:
    return "" if source is not None else "; if the sources were moved, name their place (--source)"


def _row_of(storage: Storage, key: str) -> Row:
    """Find the row of an output.

    Raises:
        InputError: there is none.
    """
    known: list[str] = []
    for row in manifest.rows(storage):
        if row.output == key or key_to_text(key) in row.sidecar_digests:
            return row
        if row.output is not None and _alike(key, row.output):
            known.append(key_to_text(row.output))
    close = did_you_mean(key_to_text(key), known)
    raise InputError(f"{storage.url}: no output is called {printable(key)!r}{close}")


def _alike(key: str, other: str) -> bool:
    """Whether two keys are worth a closer look: a cheap test for millions of them."""
    if abs(len(key) - len(other)) > len(key) // 2:
        return False
    matcher = difflib.SequenceMatcher(None, key, other)
    return matcher.real_quick_ratio() > 0.8 and matcher.quick_ratio() > 0.8


def _check_source(inputs: Storage, row: Row, source: str | Path | None) -> None:
    """Make sure that a source is the one that was augmented."""
    if not inputs.exists(row.key):
        raise InputError(f"{inputs.place(row.key)}: the source is not there{_remedy(source)}")
    digest = hashlib.sha256(inputs.read(row.key)).hexdigest()
    if digest != row.source_sha256:
        raise InputError(
            f"{inputs.place(row.key)}: the source has changed since (sha256 {digest[:12]}..., "
            f"was {(row.source_sha256 or '')[:12]}...){_remedy(source)}"
        )


def _record(storage: Storage) -> dict[str, Any]:
    """Read what the output was made by."""
    if not storage.exists(JOB):
        raise InputError(
            f"{storage.place(JOB)}: not found; without it, what made the output is not known"
        )
    return read_record(storage.read(JOB), storage.url)


def _why_other_bytes(record: dict[str, Any]) -> str:
    """Say why the same source and recipe gave another result."""
    now, then = machine(), record
    changed = [
        f"{name} {then['versions'].get(name)} then, {version} now"
        for name, version in now["versions"].items()
        if then["versions"].get(name) != version
    ]
    if now["processor"] != then["processor"]:
        changed.append(f"processor {then['processor']} then, {now['processor']} now")
    if not changed:
        return "other bytes came out, with the same libraries; please report this as a defect"
    return f"other bytes came out, because of {'; '.join(changed)}; nothing was written"
