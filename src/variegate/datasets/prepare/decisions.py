"""decisions.csv: what becomes of every image of a heap, as it is proposed and as a person edits it.

| column | meaning |
| --- | --- |
| file | of the heap |
| group | the file that represents those that show the same; empty where nothing else does |
| grade | bytes, pixels, copy, edit or again; of the first four, empty for the representative |
| relation | to the representative, in words |
| flags | what is odd about it |
| class | as the heap has it |
| decision | keep, remove or quarantine |
| class_decided | of what is kept, where images have one class; empty: as the heap has it |
| reason | in words |
"""

import csv
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import IO, Self

from variegate.errors import InputError, did_you_mean
from variegate.formats.base import counted
from variegate.formats.delimited import body_rows, csv_rows, read_head
from variegate.formats.formulas import guarded
from variegate.storage import key_to_text, open_storage, printable

DECISIONS = "decisions.csv"
WORDS = ("keep", "remove", "quarantine")
#: How the reason begins where a flag is one, and where another audit knows the image.
FLAGGED, KNOWN_ALREADY = "flagged: ", "known already: "
_NEEDED = ("file", "decision")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of one image. The fields are explained above."""

    file: str
    group: str = ""
    grade: str = ""
    relation: str = ""
    flags: str = ""
    label: str = ""
    decision: str = "keep"
    class_decided: str = ""
    reason: str = ""

    @property
    def is_duplicate(self) -> bool:
        """Whether another file shows the same, and that is why it is removed."""
        of_same = bool(self.group) and self.grade != "again"
        known = self.reason.startswith(KNOWN_ALREADY)
        return known or (of_same and not self.reason.startswith(FLAGGED))


COLUMNS = tuple("class" if one.name == "label" else one.name for one in fields(Decision))


def write_decisions(file: IO[str], decisions: Iterable[Decision]) -> None:
    """Write the table, row by row."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(COLUMNS)
    for one in decisions:
        rows.writerow([guarded(cell) for cell in astuple(one)])


class DecisionTable:
    """A table of decisions that was checked and can be asked. Use it in a with statement.

    It waits in a temporary database on disk, about 150 bytes an image.

    Args:
        path: of the file, which may be in a bucket.

    Raises:
        InputError: it is no such table, or holds a word or a file twice that it must not.
    """

    def __init__(self, path: str | Path) -> None:
        self.place = printable(str(path))
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute(
            "create table decision (file text primary key, line integer, word text, label text, "
            "reason text, grade text, shared text, asked integer) without rowid"
        )
        try:
            self._fill(str(path))
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def take(self, key: str) -> tuple[int, Decision] | None:
        """Return the line and the decision about a file, which counts as asked for then."""
        found = self._database.execute(
            "update decision set asked = 1 where file = ? returning line, word, label, reason, "
            "grade, shared",
            (key_to_text(key),),
        ).fetchall()
        if not found:
            return None
        line, word, label, reason, grade, group = found[0]
        return line, Decision(
            file=key,
            group=group,
            grade=grade,
            decision=word,
            class_decided=label,
            reason=reason,
        )

    def check_all_asked(self, names: Iterable[str], heap: str) -> None:
        """Make sure that there is no decision about a file that nobody asked for.

        Args:
            names: of the files that there are, for what may be meant.
            heap: for the message.

        Raises:
            InputError: there is one.
        """
        query = "select file, line from decision where asked = 0 order by line"
        others = self._database.execute(query).fetchmany(2)
        if not others:
            return
        (file, line), *_ = others
        total = self._database.execute("select count(*) from decision where asked = 0").fetchone()
        more = f"; so are {total[0] - 1:,} more" if total[0] > 1 else ""
        raise InputError(
            f"{self.place}: line {line:,}: {printable(file)!r} is no image of {printable(heap)}"
            f"{did_you_mean(file, names)}{more}"
        )

    def missing(self, count: int, first: str) -> InputError:
        """Return the error about images of the heap of which the table says nothing."""
        images = counted(count, "image has", "images have")
        return InputError(
            f"{self.place}: {images} no line, such as {printable(first)!r}; to leave an image out, "
            "write remove and keep its line"
        )

    def _fill(self, path: str) -> None:
        self._database.execute("begin")
        for line, one in _read(path, self.place):
            told = (one.decision, one.class_decided, one.reason, one.grade, one.group)
            values = (one.file, line, *told)
            try:
                self._database.execute(
                    "insert into decision values (?, ?, ?, ?, ?, ?, ?, 0)", values
                )
            except sqlite3.IntegrityError:
                query = "select line from decision where file = ?"
                first = self._database.execute(query, (one.file,)).fetchone()[0]
                raise InputError(
                    f"{self.place}: line {line:,}: {printable(one.file)!r} stands in line "
                    f"{first:,} already; keep one of the two"
                ) from None
        self._database.execute("commit")


def _read(path: str, place: str) -> Iterator[tuple[int, Decision]]:
    """Yield the decisions, each with its line."""
    folder, slash, name = path.rpartition("/")
    storage = open_storage((folder or slash) or ".")
    if not storage.exists(name):
        raise InputError(f"{place}: there is no such file; variegate prepare writes one")
    head = read_head(storage, name)
    if isinstance(head, str):
        raise InputError(f"{place}: {head}; save it as CSV UTF-8")
    header = next(csv_rows(storage, name, delimiter=head.delimiter, encoding=head.encoding), None)
    names = [] if header is None else [cell.strip().lower() for cell in header[1]]
    for needed in _NEEDED:
        if needed not in names:
            raise InputError(
                f"{place}: line 1: no column {needed!r}; expected {', '.join(COLUMNS)}"
                f"{did_you_mean(needed, names)}"
            )
    for line, cells in body_rows(storage, name, delimiter=head.delimiter, encoding=head.encoding):
        row = dict(zip(names, cells, strict=False))
        word = row.get("decision", "").strip().lower()
        if word not in WORDS:
            raise InputError(
                f"{place}: line {line:,}: decision {word!r}: expected {', '.join(WORDS[:-1])} or "
                f"{WORDS[-1]}{did_you_mean(word, WORDS)}"
            )
        yield (
            line,
            Decision(
                file=row.get("file", ""),
                group=row.get("group", ""),
                decision=word,
                class_decided=row.get("class_decided", "").strip(),
                reason=row.get("reason", "").strip(),
                grade=row.get("grade", "").strip(),
            ),
        )
