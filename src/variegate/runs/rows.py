"""Rows of a manifest: what became of an input, or how an output came about; and counts of them.

| column | meaning |
| --- | --- |
| source | number of the input file, in the order of the listing |
| key | its path inside the dataset |
| status | output, copied (it belongs to no training split), quarantined or skipped |
| reason | why it was quarantined or skipped |
| transient | true where the file could not be read just then: the same command tries it again |
| source_sha256, split, label | of the input |
| source_labels | digest of all that is known of the input: label, split, annotation, problems |
| labels | JSON: the share of each class, where the image is made of several |
| annotation | JSON: objects, masks and the rest, where the format has them |
| problems | JSON: what was wrong with the source's annotation, and repaired or left out |
| variant, name | number of the variant, from 0; the names of its transforms |
| operations | JSON: what was drawn, with exact parameters |
| sidecars | JSON: digests of the files that belong to the output, by key |
| output, sha256, bytes, height, width | of the file that was written |
| identical | how many variants of the source equal an earlier one of it, written or not |
| objects, objects_left_out | of the source: known, and in its annotation file but not usable |
| objects_written | in the annotation of the output |
| predicted, predicted_error | what a model says to the output, and how wrong it is, 0 to 1 |
| rejected | JSON: what a filter refused before this output: `variant`, `error`, `operations` |
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import msgspec

from variegate.storage import key_from_text, key_to_text

Status = Literal["output", "copied", "quarantined", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One output, or one input that gave none. The columns are explained above."""

    source: int
    key: str
    status: Status
    reason: str | None = None
    transient: bool | None = None
    source_sha256: str | None = None
    source_labels: str | None = None
    split: str | None = None
    label: str | None = None
    labels: str | None = None
    annotation: str | None = None
    problems: str | None = None
    variant: int | None = None
    name: str | None = None
    operations: str | None = None
    output: str | None = None
    sha256: str | None = None
    sidecars: str | None = None
    bytes: int | None = None
    height: int | None = None
    width: int | None = None
    identical: int | None = None
    objects: int | None = None
    objects_left_out: int | None = None
    objects_written: int | None = None
    predicted: str | None = None
    predicted_error: float | None = None
    rejected: str | None = None

    @property
    def objects_hidden(self) -> int:
        """How many objects of the source the output lacks; none where it is made of several."""
        several = self.operations is not None and '"partners"' in self.operations
        return 0 if several else max(0, (self.objects or 0) - (self.objects_written or 0))

    @property
    def sidecar_digests(self) -> dict[str, str]:
        """The digests of the files that belong to the output, by key, as text."""
        return json.loads(self.sidecars) if self.sidecars else {}

    def to_fields(self) -> dict[str, Any]:
        """Return JSON values, without what is None."""
        fields = {name: value for name in COLUMNS if (value := getattr(self, name)) is not None}
        for name in _NAMES:
            if name in fields:
                fields[name] = key_to_text(fields[name])
        return fields

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Make a row from parsed JSON or from a row of the merged manifest."""
        if not fields.keys() <= COLUMN_NAMES:
            raise TypeError("unknown columns")
        given = {name: value for name in _NAMES if (value := fields.get(name)) is not None}
        names = {name: key_from_text(text) for name, text in given.items()}
        return msgspec.convert(fields | names, cls)


# What comes from file names, which need not be text.
_NAMES = ("key", "label", "output")

COLUMNS = tuple(Row.__dataclass_fields__)
COLUMN_NAMES = frozenset(COLUMNS)


@dataclass(slots=True)
class Counts:
    """What became of inputs, and how much came out.

    Attributes:
        augmented, copied, quarantined, skipped: inputs; their sum is all of them.
        outputs: files written, copies included.
        bytes: of those files.
        identical: variants that equal an earlier one of the same image.
        objects: annotated in the inputs that gave outputs; with those in quarantined inputs and
            those left out, all that the annotation files hold.
        objects_quarantined: in inputs that are quarantined.
        objects_left_out: that cannot be used, for reasons that the column `problems` gives.
        objects_written: in the annotations of all outputs.
        objects_hidden: that an output lacks: clipped away or hidden, by the rule for labels.
            Where an output is made of several images, none is counted.
    """

    augmented: int = 0
    copied: int = 0
    quarantined: int = 0
    skipped: int = 0
    outputs: int = 0
    bytes: int = 0
    identical: int = 0
    objects: int = 0
    objects_quarantined: int = 0
    objects_left_out: int = 0
    objects_written: int = 0
    objects_hidden: int = 0

    @property
    def sources(self) -> int:
        """All inputs that are done."""
        return self.augmented + self.copied + self.quarantined + self.skipped

    @property
    def objects_in(self) -> int:
        """All objects that the annotation files hold."""
        return self.objects + self.objects_quarantined + self.objects_left_out

    def add(self, other: "Counts") -> None:
        """Count what `other` counts, too."""
        for name in _COUNTED:
            if number := getattr(other, name):
                self._count(name, number)

    def negative(self) -> "Counts":
        """Return what takes these counts back."""
        return Counts(**{name: -getattr(self, name) for name in _COUNTED})

    def without_outputs(self) -> "Counts":
        """Return the counts of the inputs alone."""
        return replace(self, outputs=0, bytes=0)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """Count rows, which come ordered by source."""
        counts, last = cls(), None
        for row in rows:
            if row.bytes is not None:
                counts.outputs += 1
                counts.bytes += row.bytes
                counts.objects_written += row.objects_written or 0
                counts.objects_hidden += row.objects_hidden
            if row.source != last:
                counts.identical += row.identical or 0
                counts.objects_left_out += row.objects_left_out or 0
                usable = "objects_quarantined" if row.status == "quarantined" else "objects"
                counts._count(usable, row.objects or 0)
                counts._count("augmented" if row.status == "output" else row.status)
                last = row.source
        return counts

    def _count(self, name: str, number: int = 1) -> None:
        setattr(self, name, getattr(self, name) + number)


_COUNTED = tuple(Counts.__dataclass_fields__)
