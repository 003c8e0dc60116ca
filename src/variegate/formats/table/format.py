"""A table (CSV) of files and labels, beside the images or above their folders."""

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from variegate.errors import InputError
from variegate.formats.base import DatasetFormat, NotThisFormat, Recognised, about, named
from variegate.formats.delimited import Head, chosen_tables, read_head
from variegate.formats.hints import Hints
from variegate.formats.notes import information
from variegate.formats.scan import Survey, leave_unsaid
from variegate.formats.table.file import Columns, Place, Table, describe, find_columns, read_table
from variegate.formats.table.writer import CsvTableWriter
from variegate.storage import Storage, printable

# A table that lists fewer of the images is about something else.
_LISTED = 0.5
_WANTED = ("file", "label", "split")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvTable(DatasetFormat):
    """The label, and the split where there is such a column, stand in a table.

    The rows name files relative to the table's folder or to the whole dataset, by bare name, or
    without an extension. The table is held in memory.
    """

    name: ClassVar[str] = "csv"
    choosable: ClassVar[bool] = True
    takes: ClassVar[frozenset[str]] = frozenset(("classes", "columns", "encoding"))

    key: str
    columns: Columns
    table: Table

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        hints, tables = survey.hints, chosen_tables(survey, storage)
        heads = {key: read_head(storage, key, hints.encoding) for key in tables}
        found = {key: _find_columns(head, key, hints) for key, head in heads.items()}
        fitting = {key: columns for key, columns in found.items() if isinstance(columns, Columns)}
        if not fitting:
            return _no_table({k: c for k, c in found.items() if isinstance(c, NotThisFormat)})
        if len(fitting) > 1:
            raise InputError(
                f"{printable(storage.url)}: several tables could hold the labels, "
                f"{named(fitting)}; choose one: --format csv:{printable(next(iter(fitting)))}"
            )
        ((key, columns),) = fitting.items()
        head = heads[key]
        assert isinstance(head, Head)
        guessed = columns.is_guess and "label" not in hints.columns
        if guessed and len(survey.groups) > 1 and not (chosen or hints.columns):
            reason = f"{printable(key)} may hold labels, but the folders are taken for classes"
            remedy = f"--columns label={columns.header[columns.label]}"
            return NotThisFormat(f"{reason}; {remedy} takes it", noteworthy=True)
        table = read_table(
            *(storage, key, columns),
            encoding=head.encoding,
            classes=hints.classes,
            said=hints.splits,
        )
        labels = {label for label, _ in table.rows.values() if label is not None}
        dataset_format = cls(
            root=survey.prefix,
            split_folders=survey.split_folders,
            classes=tuple(dict.fromkeys((*(hints.classes or ()), *sorted(labels)))),
            labels_from=survey.labels,
            notes=(*head.notes, *(_about_guess(key, columns) if guessed else ())),
            key=key,
            columns=columns,
            table=table,
        )
        return dataset_format._compared(survey, storage, chosen=chosen)

    def _compared(self, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        """Compare the table with the files that are there, in a second look at the listing."""
        missing = set(self.table.rows)
        unlisted: list[str] = []
        images: Counter[str] = Counter()
        folders, beside = set[str](), Counter[str]()
        for entry in storage.list(on_skip=leave_unsaid):
            if not survey.is_image(entry.key):
                continue
            images[self.split(entry.key) or ""] += 1
            row = self._row(entry.key)
            if row is None:
                unlisted.append(entry.key)
                beside[posixpath.dirname(entry.key)] += 1
            elif row in missing:
                missing.remove(row)
                folders.add(posixpath.dirname(entry.key))
            else:
                raise InputError(
                    f"{storage.place(self.key)}: {row!r} fits several files, one of them "
                    f"{entry.key!r}; write paths with folder and extension"
                )
        total = images.total()
        listed = total - len(unlisted)
        # A folder of which no image is listed may be one of images to be tested on.
        near = listed + sum(beside[folder] for folder in folders)
        if not listed or (listed < _LISTED * near and not chosen):
            reason = f"{printable(self.key)} lists {listed:,} of {total:,} images"
            names = [*self.table.rows, *self.table.outside]
            # One of other names is about something else only where folders tell the classes.
            lost = not listed and bool(names) and not survey.groups
            if lost:
                reason += f" (it has {printable(names[0])!r}); write names as they are there"
            return NotThisFormat(reason, noteworthy=True, annotated=lost)
        return replace(self, images=images, notes=(*self.notes, *self._notes(missing, unlisted)))

    def _notes(self, missing: set[str], unlisted: list[str]) -> Iterator[str]:
        key = printable(self.key)
        outside = f"outside the dataset, says {key}"
        lost = {name: end for name, end in self.table.by_end.items() if end in missing}
        missing = missing - {*lost.values()}
        yield from about([*self.table.outside, *lost], "file lies", "files lie", outside)
        ends = f"out of the dataset, says {key}; matched by its last part"
        yield from about(sorted(self.table.by_end.keys() - lost), "name leads", "names lead", ends)
        yield from about(sorted(missing), "file is", "files are", f"listed in {key} but missing")
        unsaid = f"not listed in {key} and without a label"
        yield from information(about(unlisted, "image is", "images are", unsaid))
        empty = [name for name, (label, _) in self.table.rows.items() if label is None]
        said = f"an empty label in {key}"
        yield from information(about(empty, "file has", "files have", said))

    @property
    def heading(self) -> str:
        return f"table {describe(self.columns, self.key)}"

    def label(self, key: str) -> str | None:
        return self._place(key)[0]

    def split(self, key: str) -> str | None:
        if self.columns.split is None:
            return super(CsvTable, self).split(key)
        return self._place(key)[1]

    def _place(self, key: str) -> Place:
        row = self._row(key)
        return (None, None) if row is None else self.table.rows[row]

    def _row(self, key: str) -> str | None:
        """Return the file as the table names it, if it does."""
        inside = self.inside(key)
        if inside is None:
            return None
        folder = posixpath.dirname(self.key)
        names = [posixpath.relpath(key, folder or "."), inside, key, posixpath.basename(key)]
        stems = [posixpath.splitext(name)[0] for name in names]
        return next((name for name in names + stems if name in self.table.rows), None)

    def writer(self) -> CsvTableWriter:
        return CsvTableWriter(
            classes=self.classes,
            table=self.key,
            columns=self.columns,
            split_names=self.table.split_names,
        )


def _find_columns(head: Head | str, key: str, hints: Hints) -> Columns | NotThisFormat:
    if isinstance(head, str):
        return NotThisFormat(head, question=f"{head}; or choose --format unlabelled")
    return find_columns(head.with_said(hints.columns, key, _WANTED))


def _about_guess(key: str, columns: Columns) -> tuple[str, ...]:
    name = columns.header[columns.label]
    taken = f"the label is taken from {name!r}, the only column that can hold it"
    return (f"{printable(key)}: {taken}; --columns label=NAME says otherwise",)


def _no_table(found: Mapping[str, NotThisFormat]) -> NotThisFormat:
    """Return why none of the tables is one of files and labels."""
    reasons = [f"{printable(key)}: {problem.reason}" for key, problem in found.items()]
    asked = (f"{printable(key)}: {one.question}" for key, one in found.items() if one.question)
    return NotThisFormat(
        "; ".join(reasons) or "there is no table",
        noteworthy=bool(reasons),
        question=next(asked, None),
    )
