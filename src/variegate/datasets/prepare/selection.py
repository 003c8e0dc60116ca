"""Decisions applied to the listing of a heap: what is left out, what is called how."""

from array import array
from dataclasses import replace
from functools import cached_property

from variegate.datasets.prepare.auditor import measures_of
from variegate.datasets.prepare.decisions import DecisionTable
from variegate.datasets.prepare.names import (
    Scheme,
    TargetNames,
    fingerprint,
    repeated_ones,
    without_extension,
)
from variegate.errors import InputError, OutputError, did_you_mean
from variegate.formats import DatasetFormat, Source
from variegate.runs import manifest
from variegate.runs.rows import Row
from variegate.storage import Storage, key_from_text, key_to_text, printable

#: How the manifest says why a file is no part of the result.
DUPLICATE, LEFT_OUT, SET_ASIDE = "a duplicate", "left out by decision", "set aside by decision"
_SUGGESTED = 2_000


class Selection:
    """Says of each source, in the order of the listing, what is made of it.

    Args:
        audited: the tables of the audit, which has the same listing.
        table: what was decided.
        dataset_format: of the heap.
        scheme: of names.
        heap: place of it, for messages.
    """

    def __init__(
        self,
        audited: Storage,
        table: DecisionTable,
        dataset_format: DatasetFormat,
        scheme: Scheme,
        heap: str,
    ) -> None:
        self._audited = audited
        self._table = table
        self._format = dataset_format
        self._heap = heap
        repeated = self._checked(scheme)
        self._names = TargetNames(dataset_format, scheme, repeated)
        self._scheme = scheme
        self._rows = manifest.rows(audited)
        self._targets = array("Q")

    def __call__(self, source: Source) -> Source:
        """Return a source as it was decided.

        Raises:
            InputError: the listing is another one.
        """
        row = next(self._rows, None)
        if row is None or row.key != source.key:
            raise self.changed()
        found = self._table.take(source.key)
        if found is None or row.status == "skipped":
            return source
        _, decision = found
        if decision.decision == "remove":
            return replace(
                source,
                skip=_said(DUPLICATE if decision.is_duplicate else LEFT_OUT, decision.reason),
                annotation=None,
                problems=(),
            )
        if decision.decision == "quarantine":
            own = row.reason if row.status == "quarantined" else None
            return replace(source, unusable=own or _said(SET_ASIDE, decision.reason))
        label = self._label(row, decision.class_decided)
        measures = measures_of(row)
        digest = measures.bytes_digest if measures else ""
        target = self._names.target(source, label, digest)
        self._targets.append(fingerprint(target))
        annotation = source.annotation
        if annotation is not None and annotation.labels and label != source.label:
            annotation = annotation.changed(labels={label: 1.0})
        return replace(source, label=label, target=target, annotation=annotation)

    def changed(self) -> InputError:
        """Return the error about a heap that is not as it was audited."""
        return InputError(
            f"{printable(self._heap)}: its files are others than those that were audited in "
            f"{self._audited.url}; it changed meanwhile, so audit it anew in another folder "
            "(--audit), or delete that one"
        )

    def check_names(self) -> None:
        """Make sure, at the end, that no two images are called alike.

        Raises:
            OutputError: some are.
        """
        if repeat := repeated_ones(self._targets):
            why = (
                "several files of the same content are kept: remove all but one of each, or use "
                "--names keep"
                if self._scheme == "digest"
                else "use --names digest"
            )
            raise OutputError(f"--names {self._scheme}: {len(repeat):,} names repeat; {why}")

    def _checked(self, scheme: Scheme) -> frozenset[int]:
        """Compare the decisions with what was audited; return what names repeat.

        Raises:
            InputError: a file or a class is not known, or something is not decided.
        """
        names = TargetNames(self._format, scheme)
        stems = array("Q")
        missing, first = 0, ""
        for row in manifest.rows(self._audited):
            if row.status == "skipped":
                continue
            found = self._table.take(row.key)
            if found is None:
                missing, first = missing + 1, first or row.key
                continue
            line, decision = found
            decided = key_from_text(decision.class_decided)
            if decided and decided != row.label and decided not in self._classes:
                shown = [printable(name) for name in sorted(self._classes)]
                raise InputError(
                    f"{self._table.place}: line {line:,}: class_decided {printable(decided)!r}: "
                    f"no class of {printable(self._heap)}{did_you_mean(printable(decided), shown)}"
                )
            if decision.decision == "keep":
                label = self._label(row, decision.class_decided)
                source = Source(row.key, 0, row.split, row.label)
                try:
                    key = names.moved(source, label)
                except InputError as error:
                    raise InputError(f"{self._table.place}: line {line:,}: {error}") from None
                stems.append(fingerprint(without_extension(key)))
        self._table.check_all_asked(self._keys(), self._heap)
        if missing:
            raise self._table.missing(missing, first)
        return repeated_ones(stems)

    def _label(self, row: Row, decided: str) -> str | None:
        return key_from_text(decided) if decided else row.label

    @cached_property
    def _classes(self) -> frozenset[str]:
        rows = manifest.rows(self._audited)
        return frozenset((*self._format.classes, *(row.label for row in rows if row.label)))

    def _keys(self) -> list[str]:
        """Return some keys, of which one may be meant."""
        found = []
        for row in manifest.rows(self._audited):
            if row.status != "skipped":
                found.append(key_to_text(row.key))
            if len(found) == _SUGGESTED:
                break
        return found


def _said(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what
