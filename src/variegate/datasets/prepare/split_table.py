"""split.csv: which image is in which part; and a dataset whose images are in those parts.

Ten million rows wait in a temporary database on disk.
"""

import csv
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from variegate.annotations.splits import canonical_split
from variegate.datasets.prepare.parts import is_fold
from variegate.errors import InputError, OutputError
from variegate.formats import DatasetFormat, Source, Writer
from variegate.formats.base import NotThisFormat, Recognised
from variegate.formats.delimited import SPLIT_COLUMNS, body_rows, read_head
from variegate.formats.formulas import guarded
from variegate.formats.scan import Survey, seems_image
from variegate.formats.table.file import FILE_NAMES
from variegate.storage import (
    Entry,
    OnSkip,
    Storage,
    key_from_text,
    key_to_text,
    log_skip,
    open_storage,
    printable,
)

HEADER = ("file", "split", "group", "class")


@dataclass(frozen=True, slots=True)
class SplitRow:
    """A line of split.csv.

    Attributes:
        key: of the image.
        split: its part.
        group: the name of its group; of an image that is a group of its own, its path.
        classes: that it shows.
    """

    key: str
    split: str
    group: str = ""
    classes: tuple[str, ...] = ()


class SplitTable:
    """The rows of a split.csv, on disk, in the order in which they came. Close it at the end.

    Attributes:
        place: where it was read, for messages.
        counts: images by part.
    """

    def __init__(self, place: str = "split.csv") -> None:
        self.place = place
        self.counts: Counter[str] = Counter()
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(
            "pragma journal_mode = off; create table row (key blob, split text, name blob, "
            "classes blob); begin;"
        )
        self._indexed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a table of files and parts; groups and classes where it has them.

        Raises:
            InputError: it cannot be read, or a file is in two parts.
        """
        file = Path(path)
        if not file.is_file():
            raise InputError(f"{printable(str(path))}: there is no such file")
        table = cls(str(path))
        try:
            table._fill(open_storage(file.resolve().parent), file.name)
        except BaseException:
            table._database.close()
            raise
        return table

    def _fill(self, storage: Storage, key: str) -> None:
        head = read_head(storage, key)
        if isinstance(head, str):
            raise InputError(f"{printable(self.place)}: cannot be read: {head}")
        file_at, split_at = head.find("file", FILE_NAMES), head.find("split", SPLIT_COLUMNS)
        group_at = head.find("group", ("group",))
        if file_at is None or split_at is None:
            raise InputError(
                f"{printable(self.place)}: expected columns file and split, as variegate split "
                f"writes them; it has {', '.join(map(repr, head.cells))}"
            )
        rows = body_rows(storage, key, delimiter=head.delimiter, encoding=head.encoding)
        for line, row in rows:
            cells = dict(enumerate(row))
            word = cells.get(split_at, "").strip()
            if not word:
                continue
            split = word if is_fold(word) else canonical_split(word)
            if split is None:
                raise InputError(
                    f"{printable(self.place)}:{line}: split {word!r}: expected train, val, test "
                    "or a fold, such as fold1"
                )
            group = "" if group_at is None else cells.get(group_at, "")
            self.add(SplitRow(key_from_text(cells[file_at]), split, group))
        self._index()
        twice = self._database.execute(
            "select key from row group by key having count(distinct split) > 1 limit 1"
        ).fetchone()
        if twice:
            raise InputError(f"{printable(self.place)}: {_text(twice[0])!r} is in two parts")

    def add(self, row: SplitRow) -> None:
        """Take the next row."""
        self._indexed = False
        self.counts[row.split] += 1
        classes = "\n".join(row.classes)
        self._database.execute(
            "insert into row values (?, ?, ?, ?)",
            (_raw(row.key), row.split, _raw(row.group), _raw(classes)),
        )

    def rows(self) -> Iterator[SplitRow]:
        """Yield the rows."""
        for key, split, name, classes in self._database.execute("select * from row"):
            words = _text(classes)
            yield SplitRow(
                _text(key), split, _text(name), tuple(words.split("\n")) if words else ()
            )

    def split_of(self, key: str) -> str | None:
        """Return the part of an image, or None."""
        self._index()
        query = "select split from row where key = ?"
        found = self._database.execute(query, (_raw(key),)).fetchone()
        return None if found is None else str(found[0])

    def splits_of_group(self, name: str) -> set[str]:
        """Return the parts that the images of a group are in."""
        self._index()
        query = "select distinct split from row where name = ?"
        return {str(one) for (one,) in self._database.execute(query, (_raw(name),))}

    def _index(self) -> None:
        if not self._indexed:
            self._database.executescript(
                "create index if not exists by_key on row (key);"
                "create index if not exists by_name on row (name);"
            )
            self._indexed = True

    def write(self, path: Path) -> None:
        """Write the rows as a CSV file; it appears when it is whole.

        Raises:
            OutputError: it cannot be written.
        """
        part = path.with_name(f"{path.name}.part")
        try:
            with part.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(HEADER)
                for row in self.rows():
                    cells = (key_to_text(row.key), row.split, row.group, ";".join(row.classes))
                    writer.writerow(_cells(cells))
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise OutputError(
                f"{printable(str(path))}: cannot be written ({error.strerror}); name another file"
            ) from error


def _cells(cells: Iterable[str]) -> list[str]:
    """Return cells as valid text that no spreadsheet computes."""
    valid = (one.encode("utf-8", "replace").decode("utf-8") for one in cells)
    return [guarded(one) for one in valid]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedImages(DatasetFormat):
    """A dataset in its own format, whose images are in the parts that a table says.

    Attributes:
        inner: the format.
        table: where each image belongs; others are in no part.
        fold: of a table of folds the one for validation; the others are for training.
    """

    name: ClassVar[str] = "placed"

    inner: DatasetFormat
    table: SplitTable
    fold: str | None = None

    @classmethod
    def of(cls, inner: DatasetFormat, table: SplitTable, fold: str | None = None) -> Self:
        """Return a dataset with its images in other parts.

        Raises:
            InputError: the table has folds, and none of them is chosen, or there is no such fold.
        """
        counts: Counter[str] = Counter()
        if any(map(is_fold, table.counts)) and fold not in table.counts:
            raise InputError(
                f"{printable(table.place)}: it has folds; say which is for validation, such as "
                "--fold 1 (the others are for training)"
            )
        for split, count in table.counts.items():
            counts[_part(split, fold)] += count
        placed = sum(counts.values())
        counts[""] = max(0, sum(inner.images.values()) - placed)
        return cls(
            root=inner.root,
            classes=inner.classes,
            images={name: count for name, count in counts.items() if count},
            notes=inner.notes,
            skeletons=inner.skeletons,
            labels_from=inner.labels_from,
            inner=inner,
            table=table,
            fold=fold,
        )

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        return NotThisFormat("it is no format of files")

    @property
    def heading(self) -> str:
        return self.inner.heading

    @property
    def option(self) -> str:
        return self.inner.option

    def sources(self, storage: Storage, *, on_skip: OnSkip = log_skip) -> Iterator[Source]:
        for source in self.inner.sources(storage, on_skip=on_skip):
            yield self._placed(source)

    def source(self, entry: Entry, storage: Storage) -> Source:
        return self._placed(self.inner.source(entry, storage))

    def _placed(self, source: Source) -> Source:
        if source.skip is not None or not seems_image(source.key):
            return source
        split = self.table.split_of(source.key)
        return replace(source, split=None if split is None else _part(split, self.fold))

    def writer(self) -> Writer:
        return self.inner.writer()


def _part(split: str, fold: str | None) -> str:
    """Return the split that a part is, folds included."""
    if not is_fold(split):
        return split
    return "val" if split == fold else "train"


@contextmanager
def placed(
    inner: DatasetFormat, path: str | Path | None, fold: int | None = None
) -> Iterator[DatasetFormat]:
    """Give a dataset with its images where a split.csv says; as it is without one.

    Raises:
        InputError: the table cannot be used.
    """
    if path is None:
        yield inner
        return
    with SplitTable.read(path) as table:
        yield PlacedImages.of(inner, table, None if fold is None else f"fold{fold}")


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")
