"""The images of a dataset with their groups and classes, on disk, and what a solver needs of them.

Names of groups become numbers; a group by one rule and a group by another that share an image are
one group (union-find over these numbers, eight bytes each). Images that are assigned already are
cut out of their group: they stay where they are, and draw the rest of it there.
"""

import json
import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple, Self

import numpy as np

from variegate.datasets.prepare.solver import Groups, Numbers
from variegate.formats import Source

_SHOWN = 3
# Of images without any label, which are shared out like a class.
NO_LABEL = ""


class _Row(NamedTuple):
    group: int
    number: int
    key: str
    name: str
    old: str | None
    near: str | None
    classes: list[tuple[int, int]]


class Portion(NamedTuple):
    """Images of a group that go to one part together.

    Attributes:
        rows: the images.
        old: the part that they are in already, or None.
    """

    rows: list[_Row]
    old: str | None


class ImageTable:
    """The images. Use it in a with statement.

    Attributes:
        count: how many.
        classes: names, in the order of their first images.
        objects: how many there are.
        crossing: how many groups were in several parts before.
        examples: some of their names.
    """

    def __init__(self) -> None:
        self.count = self.objects = self.crossing = 0
        self.classes: dict[str, int] = {}
        self.examples: list[str] = []
        self._parents = array("q")
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            """
            pragma journal_mode = off;
            create table name (name blob primary key, number integer) without rowid;
            create table image
                (number integer, key blob, name blob, old text, near text, classes text);
            begin;
            """
        )
        self._database.create_function("root", 1, self._root, deterministic=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(
        self, source: Source, groups: list[str | None], *, old: str | None, near: str | None
    ) -> None:
        """Take the next image.

        Args:
            source: the image.
            groups: its group's name by every rule.
            old: the part that it is in already.
            near: the part that others of its group were in.
        """
        numbers = [
            self._number(f"{rule}:{name}") for rule, name in enumerate(groups) if name is not None
        ]
        if not numbers:
            numbers = [self._new()]
        for other in numbers[1:]:
            one, two = sorted((self._root(numbers[0]), self._root(other)))
            self._parents[two] = one
        name = next((one for one in groups if one is not None), source.key)
        row = (numbers[0], _raw(source.key), _raw(name), old, near, json.dumps(self._shown(source)))
        self._database.execute("insert into image values (?, ?, ?, ?, ?, ?)", row)
        self.count += 1

    def _shown(self, source: Source) -> list[tuple[int, int]]:
        """Return the classes of an image, each with its number of objects."""
        objects = source.annotation.objects if source.annotation else ()
        counts = Counter(dict.fromkeys(source.shares, 0))
        for one in objects:
            counts[one.category] += 1
        self.objects += len(objects)
        names = sorted(counts) or [NO_LABEL]
        return [
            (self.classes.setdefault(name, len(self.classes)), counts.get(name, 0))
            for name in names
        ]

    def _number(self, name: str) -> int:
        raw = _raw(name)
        query = "select number from name where name = ?"
        found = self._database.execute(query, (raw,)).fetchone()
        if found:
            return int(found[0])
        number = self._new()
        self._database.execute("insert into name values (?, ?)", (raw, number))
        return number

    def _new(self) -> int:
        self._parents.append(len(self._parents))
        return len(self._parents) - 1

    def _root(self, number: int) -> int:
        while self._parents[number] != number:
            # Halves the way for whoever comes next.
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number

    def names(self) -> list[str]:
        """Return the names of the classes by their numbers."""
        return list(self.classes)

    def _rows(self) -> Iterator[_Row]:
        query = (
            "select root(number) as first, rowid, key, name, old, near, classes from image "
            "order by first, rowid"
        )
        for group, number, key, name, old, near, classes in self._database.execute(query):
            yield _Row(group, number, _text(key), _text(name), old, near, json.loads(classes))

    def portions(self) -> Iterator[Portion]:
        """Yield the images by group, those apart that are assigned already."""
        self.crossing, self.examples = 0, []
        for _, group in groupby(self._rows(), key=lambda row: row.group):
            rows = list(group)
            if len(rows) == 1:
                yield Portion(rows, rows[0].old or rows[0].near)
                continue
            known = Counter(row.old for row in rows if row.old is not None)
            if len(known) > 1:
                self.crossing += 1
                self.examples += [rows[0].name] if len(self.examples) < _SHOWN else []
            known = known or Counter(row.near for row in rows if row.near is not None)
            most = max(known, key=lambda part: (known[part], part), default=None)
            parts = sorted({*known, most} - {None}, key=str) if known else [None]
            for part in parts:
                chosen = [row for row in rows if (row.old or most) == part]
                if chosen:
                    yield Portion(chosen, part)

    def groups(self, names: tuple[str, ...]) -> tuple[Groups, list[tuple[int, bool]]]:
        """Return what the solver needs, and what its columns but the first are.

        Args:
            names: of the parts.

        Returns:
            The groups, and for each column behind that of images: number of the class, and whether
            objects are counted (images that show it otherwise).
        """
        starts, fixed = array("q", [0]), array("q")
        columns, amounts = array("q"), array("q")
        for portion in self.portions():
            counts: Counter[int] = Counter({0: len(portion.rows)})
            for row in portion.rows:
                for number, objects in row.classes:
                    counts[1 + 2 * number] += 1
                    if objects:
                        counts[2 + 2 * number] += objects
            columns.extend(counts.keys())
            amounts.extend(counts.values())
            starts.append(len(columns))
            fixed.append(-1 if portion.old is None else names.index(portion.old))
        there, places = np.unique(_array(columns), return_inverse=True)
        made = Groups(
            starts=_array(starts),
            columns=places.astype(np.int64),
            amounts=_array(amounts),
            width=len(there),
            fixed=_array(fixed),
        )
        return made, [((int(one) - 1) // 2, int(one) % 2 == 0) for one in there[1:]]

    def put(self, parts: Numbers) -> Iterator[tuple[str, int, str, list[int]]]:
        """Yield key, part, name of the group and classes of every image, in the order they came.

        Args:
            parts: of the groups, as `groups` returned them.
        """
        self._database.execute(
            "create table placed (number integer primary key, part integer) without rowid"
        )
        for part, portion in zip(parts.tolist(), self.portions(), strict=True):
            self._database.executemany(
                "insert into placed values (?, ?)", ((row.number, part) for row in portion.rows)
            )
        query = (
            "select key, part, name, classes from image join placed on "
            "placed.number = image.rowid order by image.rowid"
        )
        for key, part, name, classes in self._database.execute(query):
            yield _text(key), part, _text(name), [number for number, _ in json.loads(classes)]


def _array(numbers: "array[int]") -> Numbers:
    return np.array(numbers, dtype=np.int64)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")
