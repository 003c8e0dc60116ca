"""What became of every file of a heap: in = kept + removed + quarantined + skipped."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from variegate.datasets.prepare.audit import SUMMARY, kind_of_reason
from variegate.datasets.prepare.selection import DUPLICATE, LEFT_OUT
from variegate.formats.base import counted, named
from variegate.runs import manifest
from variegate.runs.rows import Row
from variegate.runs.run import Summary
from variegate.storage import Storage, open_storage, printable
from variegate.storage.json import loaded

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassAccount:
    """Images of a class in the heap, and of those that are kept."""

    found: int
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of every file of a heap.

    Attributes:
        place, output: the heap, the clean dataset.
        decisions: where they stand that were applied.
        inputs: files; the sum of the next five.
        kept: images of the clean dataset.
        duplicates: removed, because another file shows the same.
        left_out: removed for other reasons: by a flag, by hand.
        quarantined: cannot be read, or set aside.
        skipped: not images.
        as_they_were: of those kept, files whose pixels were not encoded anew.
        reasons: of the quarantine, with counts.
        grades: images of the heap that another one shows, too, by grade of how they are related.
        flags: images of the heap by flag.
        classes: counts by class; of those decided, in the clean dataset.
        notes: what should be known.
        digest: of the clean dataset.
        bytes: of its images.
        elapsed_s: seconds, of this command.
    """

    place: str
    output: str
    decisions: str
    inputs: int
    kept: int
    duplicates: int
    left_out: int
    quarantined: int
    skipped: int
    as_they_were: int
    reasons: dict[str, int]
    grades: dict[str, int]
    flags: dict[str, int]
    classes: dict[str, ClassAccount]
    notes: tuple[str, ...]
    digest: str
    bytes: int
    elapsed_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def account_of(place: str, decisions: str, audited: Storage, summary: Summary) -> Account:
    """Count what became of every file, streaming.

    Args:
        place: the heap.
        decisions: where they stand.
        audited: the tables of the audit.
        summary: of the run that wrote the clean dataset.
    """
    counts = Counter[str]()
    reasons, found, kept = Counter[str](), Counter[str](), Counter[str]()
    changed: list[str] = []
    for before, row in _pairs(audited, open_storage(summary.output)):
        what = _what(row)
        counts[what] += 1
        counts["as they were"] += row.status == "copied"
        if what == "quarantined":
            reasons[kind_of_reason(row.reason or "")] += 1
        if before.status != "skipped" and before.label is not None:
            found[before.label] += 1
        if what == "kept" and row.label is not None:
            kept[row.label] += 1
        if row.source_sha256 and before.source_sha256 not in (None, row.source_sha256):
            changed.append(row.key)
    heap = loaded(audited.read(SUMMARY))
    return Account(
        place=place,
        output=summary.output,
        decisions=decisions,
        inputs=summary.counts.sources,
        kept=counts["kept"],
        duplicates=counts[DUPLICATE],
        left_out=counts[LEFT_OUT],
        quarantined=counts["quarantined"],
        skipped=counts["skipped"],
        as_they_were=counts["as they were"],
        reasons=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        grades={name: one["images"] for name, one in heap["duplicates"].items()},
        flags=heap["flags"],
        classes={
            name: ClassAccount(found=found[name], kept=kept[name]) for name in sorted(found | kept)
        },
        notes=(*_notes(found, kept, changed), *summary.notes, *summary.file_notes),
        digest=summary.digest,
        bytes=summary.counts.bytes,
    )


def _pairs(audited: Storage, output: Storage) -> Iterator[tuple[Row, Row]]:
    """Yield the row of each file in the audit with that in the clean dataset."""
    return zip(manifest.rows(audited), manifest.rows(output), strict=True)


def _what(row: Row) -> str:
    if row.status in ("output", "copied"):
        return "kept"
    if row.status == "skipped" and row.reason:
        return next(
            (what for what in (DUPLICATE, LEFT_OUT) if row.reason.startswith(what)), "skipped"
        )
    return row.status


def _notes(found: Counter[str], kept: Counter[str], changed: list[str]) -> Iterator[str]:
    empty = [printable(name) for name in sorted(found) if not kept[name]]
    if empty:
        classes = counted(len(empty), "class is", "classes are")
        yield f"{classes} left with nothing: {named(empty, _SHOWN)}; see the decisions"
    if changed:
        files = counted(len(changed), "file has", "files have")
        yield (
            f"{files} changed since the audit, and were written as they are now: "
            f"{named([printable(key) for key in changed], _SHOWN)}"
        )
