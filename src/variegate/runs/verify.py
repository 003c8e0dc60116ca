"""What was made, checked against its manifest, and made again.

`verify` reads every file of an output and compares its digest. `rebuild` makes one file again from
its source: the manifest says which variant of which source it is, the job's record
(``.variegate/job.json``) which recipe and seed made it, and both digests are checked.
"""

import difflib
import hashlib
import json
import zipfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from variegate.errors import InputError, did_you_mean
from variegate.formats import Source, detect
from variegate.recipes.plugins import Plugin, load_plugin
from variegate.runs import manifest
from variegate.runs.environment import machine
from variegate.runs.event_manifest import WithEvents, has_events
from variegate.runs.identity import JOB, job_of
from variegate.runs.job import carry_again, copy_again, make_again
from variegate.runs.manifest import FOLDER, MANIFEST, Row
from variegate.storage import Snapshot, Storage, key_from_text, key_to_text, open_storage, printable
from variegate.transforms.base import Draw

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE = 1 << 20

# Problems that are kept in full; beyond that they are counted.
_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One file that is not as the manifest says.

    Attributes:
        key: the file, as text.
        kind: "missing", "changed" or "unknown" (the manifest does not know it).
        detail: what was expected and what is there.
    """

    key: str
    kind: str
    detail: str


@dataclass(slots=True, kw_only=True)
class Verification:
    """What `verify` found.

    Attributes:
        output: what was checked.
        files: files that the manifest names.
        bytes: read of them.
        missing, changed, unknown: how many files are so.
        problems: the first 1,000 of them.
        digest: of all outputs, as the manifest has it.
    """

    output: str
    files: int = 0
    bytes: int = 0
    missing: int = 0
    changed: int = 0
    unknown: int = 0
    problems: list[Problem] = field(default_factory=list)
    digest: str = ""

    @property
    def ok(self) -> bool:
        """Whether every file is as it was written, and none is there besides."""
        return not (self.missing or self.changed or self.unknown)

    def add(self, key: str, kind: str, detail: str) -> None:
        """Count a problem, and keep it if there are not too many."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.problems) < _KEPT:
            self.problems.append(Problem(key_to_text(key), kind, detail))


def read_manifest(
    output: str | Path,
    *,
    columns: Sequence[str] | None = None,
    where: Mapping[str, Sequence[Any]] | None = None,
) -> "pa.Table":
    """Read the manifest of a finished output; its columns stand in `variegate.runs.manifest`.

    Args:
        output: a folder or zip file that variegate wrote.
        columns: only these.
        where: only rows with one of these values in a column, such as
            {"status": ["quarantined", "skipped"]}.

    Raises:
        InputError: there is no manifest.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    storage, where = _finished(output), where or {}
    with storage.open_read(MANIFEST) as file:
        # Group by group, and not with pyarrow's own filters: those start threads on which the
        # process sometimes aborts at its end (pyarrow 26).
        parquet = pq.ParquetFile(file)
        schema = parquet.schema_arrow
        wanted = schema.names if columns is None else list(columns)
        read = list(dict.fromkeys([*wanted, *where]))
        batches = []
        for batch in parquet.iter_batches(columns=read, use_threads=False):
            for name, values in where.items():
                known = pa.array(values, schema.field(name).type)
                batch = batch.filter(pc.is_in(batch[name], value_set=known))
            batches.append(batch.select(wanted))
        return pa.Table.from_batches(batches, pa.schema([schema.field(name) for name in wanted]))


def verify(
    output: str | Path, *, on_progress: Callable[[int, int], None] | None = None
) -> Verification:
    """Compare every file of an output with the manifest. Memory: 8 bytes a file.

    Args:
        output: a folder or zip file that variegate wrote.
        on_progress: told (files checked, files in all), after every file.

    Raises:
        InputError: there is no manifest.
    """
    storage = _finished(output)
    total = _files_named(storage)
    found = Verification(output=str(output))
    known = array("Q", [_fingerprint(MANIFEST)])
    index = manifest.read_index_record(storage)
    for text, digest in index.items():
        known.append(_fingerprint(key_from_text(text)))
        _check_file(storage, key_from_text(text), digest, None, found)

    def checked() -> Iterator[Row]:
        for row in manifest.rows(storage):
            if row.output is None:
                continue
            known.append(_fingerprint(row.output))
            _check_file(storage, row.output, row.sha256 or "", row.bytes, found)
            for text, digest in row.sidecar_digests.items():
                known.append(_fingerprint(key_from_text(text)))
                _check_file(storage, key_from_text(text), digest, None, found)
            found.files += 1
            if on_progress:
                on_progress(found.files, total)
            yield row

    found.digest = manifest.digest(checked(), index)
    _find_unknown(storage, known, found)
    return found


def is_output(storage: Storage) -> bool:
    """Say whether a place holds an output whose manifest can be read."""
    return storage.exists(MANIFEST) or has_events(storage)


def _finished(output: str | Path) -> Storage:
    """Open an output that has a manifest, or parts of one that events wrote."""
    storage = open_storage(output)
    if has_events(storage):
        return WithEvents(storage)
    if storage.exists(MANIFEST):
        return storage
    if storage.exists(JOB):
        raise InputError(
            f"{output}: the run that makes it is not finished (no {MANIFEST} yet); "
            "give its command again, it goes on where it stopped"
        )
    raise InputError(f"{output}: not an output of variegate: it holds no {MANIFEST}")


def _files_named(storage: Storage) -> int:
    """Return how many files the manifest names."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with storage.open_read(MANIFEST) as file:
        batches = pq.ParquetFile(file).iter_batches(columns=["bytes"])
        return sum(pc.count(batch.column(0)).as_py() for batch in batches)


def _record(storage: Storage) -> dict[str, Any]:
    """Read what the output was made by."""
    if not storage.exists(JOB):
        raise InputError(
            f"{storage.place(JOB)}: not found; without it nobody knows what made the output"
        )
    try:
        record = json.loads(storage.read(JOB))
    except ValueError as error:
        raise InputError(f"{storage.place(JOB)}: not valid JSON ({error})") from error
    return dict(record)


def _fingerprint(key: str) -> int:
    # 64 bits: among ten million files two are alike with a probability of 3 in a million.
    raw = key.encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")


def _check_file(
    storage: Storage, key: str, expected: str, expected_size: int | None, found: Verification
) -> None:
    """Compare one file with its digest, and with its size where that is known."""
    if not storage.exists(key):
        found.add(key, "missing", "the file is not there")
        return
    digest, size = hashlib.sha256(), 0
    try:
        with storage.open_read(key) as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
    except (OSError, InputError, zipfile.BadZipFile) as error:
        found.add(key, "changed", f"cannot be read: {error}")
        return
    found.bytes += size
    if expected_size is not None and size != expected_size:
        found.add(key, "changed", f"{size:,} bytes, was {expected_size:,}")
    elif digest.hexdigest() != expected:
        found.add(key, "changed", f"sha256 {digest.hexdigest()[:12]}..., was {expected[:12]}...")


def _find_unknown(storage: Storage, known: "array[int]", found: Verification) -> None:
    """Find files that the manifest does not know."""
    ordered = np.sort(np.frombuffer(known, dtype=np.uint64))
    for entry in storage.list():
        if entry.key.startswith(f"{FOLDER}/"):
            continue
        fingerprint = np.uint64(_fingerprint(entry.key))
        place = int(np.searchsorted(ordered, fingerprint))
        if place == len(ordered) or ordered[place] != fingerprint:
            found.add(entry.key, "unknown", f"{entry.size:,} bytes that the manifest does not name")


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
    storage = _finished(output)
    row, record = _row_of(storage, key), _record(storage)
    place = str(record["input"] if source is None else source)
    try:
        inputs = open_storage(place)
    except InputError as error:
        raise InputError(f"the source of {printable(key)}: {error}{_remedy(source)}") from error
    data = _source_bytes(inputs, row, source)
    conversion = record.get("conversion")
    if row.status == "output" or conversion is not None or key != row.output:
        job = job_of(
            record, input=place, output=str(output), plugins=_same_plugins(plugins, record)
        )
        drawn = tuple(Draw.from_json(one) for one in json.loads(row.operations or "[]"))
        made_of = _source(inputs, row, record, drawn)
        if conversion is None and row.status == "copied":
            files = copy_again(job, made_of)
        elif conversion is None:
            files = make_again(job, made_of, drawn, row.variant or 0)
        else:
            files = carry_again(job, made_of)
        data = files.get(key, b"")
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


def _source(inputs: Storage, row: Row, record: dict[str, Any], drawn: tuple[Draw, ...]) -> Source:
    """Return a row's source, with its annotation and with the others that the draws name."""
    parents = {key for one in drawn for key in one.parameters.get("partners", ())}
    source = Source(row.key, 0, row.split, row.label)
    if row.annotation is None and not parents and record.get("conversion") is None:
        return source
    found = {row.key: source}
    # Annotations are where the format keeps them, which may be one file for the whole set.
    pattern = record.get("label_pattern")
    with Snapshot(inputs) as seen:
        for one in detect(seen, name=record["format"], label_pattern=pattern).sources(seen):
            if one.key == row.key or one.key in parents:
                found[one.key] = one
    partners = tuple(found[key] for key in sorted(parents) if key in found)
    return replace(found[row.key], partners=partners)


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


def _source_bytes(inputs: Storage, row: Row, source: str | Path | None) -> bytes:
    """Read a source and make sure that it is the one that was augmented."""
    if not inputs.exists(row.key):
        raise InputError(f"{inputs.place(row.key)}: the source is not there{_remedy(source)}")
    data = inputs.read(row.key)
    digest = hashlib.sha256(data).hexdigest()
    if digest != row.source_sha256:
        raise InputError(
            f"{inputs.place(row.key)}: the source has changed since (sha256 {digest[:12]}..., "
            f"was {(row.source_sha256 or '')[:12]}...){_remedy(source)}"
        )
    return data


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
