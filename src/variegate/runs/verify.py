"""Every file of an output, compared with its manifest."""

import hashlib
import zipfile
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from variegate.errors import InputError
from variegate.runs import manifest
from variegate.runs.manifest import FOLDER, MANIFEST
from variegate.runs.output import open_output
from variegate.runs.rows import Row
from variegate.storage import Storage, key_from_text, key_to_text

_PIECE = 1 << 20

# Problems that are kept in full; beyond that they are counted.
_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Damage:
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
    problems: list[Damage] = field(default_factory=list)
    digest: str = ""

    @property
    def ok(self) -> bool:
        """Whether every file is as it was written, and none is there besides."""
        return not (self.missing or self.changed or self.unknown)

    def add(self, key: str, kind: str, detail: str) -> None:
        """Count a problem, and keep it if there are not too many."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.problems) < _KEPT:
            self.problems.append(Damage(key_to_text(key), kind, detail))


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
    storage = open_output(output)
    total = manifest.totals(storage).counts.outputs
    found = Verification(output=str(output))
    known = array("Q", [_fingerprint(MANIFEST)])
    index = manifest.read_index_record(storage)

    def check(key: str, digest: str, size: int | None = None) -> None:
        known.append(_fingerprint(key))
        _check_file(storage, key, digest, size, found)

    def checked() -> Iterator[Row]:
        for row in manifest.rows(storage):
            if row.output is None:
                continue
            check(row.output, row.sha256 or "", row.bytes)
            for text, digest in row.sidecar_digests.items():
                check(key_from_text(text), digest)
            found.files += 1
            if on_progress:
                on_progress(found.files, total)
            yield row

    for text, digest in index.items():
        check(key_from_text(text), digest)
    found.digest = manifest.summed(checked(), index).digest
    _find_unknown(storage, known, found)
    return found


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
