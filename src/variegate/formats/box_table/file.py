"""Reading and writing tables of boxes: which column is what, and one box from a row."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from variegate.formats.delimited import SPLIT_COLUMNS, Head, comparable

Style = Literal["edges", "sides"]
"""x1, y1, x2, y2 or x, y, width, height."""

_FILES = (
    *("filename", "file_name", "file", "image", "image_name", "image_path", "image_file"),
    *("filepath", "file_path", "path", "img", "image_id", "imageid"),
)
_LABELS = ("class_name", "label_name", "category_name", "class", "label", "category", "labelname")
_BOXES: Mapping[Style, Sequence[tuple[str, str, str, str]]] = {
    "edges": (
        ("xmin", "ymin", "xmax", "ymax"),
        ("x_min", "y_min", "x_max", "y_max"),
        ("x1", "y1", "x2", "y2"),
        ("left", "top", "right", "bottom"),
    ),
    "sides": (
        ("x", "y", "w", "h"),
        ("x1", "y1", "w", "h"),
        ("x", "y", "width", "height"),
        ("left", "top", "width", "height"),
        ("bbox_x", "bbox_y", "bbox_width", "bbox_height"),
    ),
}
_SIZES = (("image_height", "image_width"), ("height", "width"), ("img_height", "img_width"))
#: What the user may name a column for.
WANTED = tuple(
    dict.fromkeys(
        (
            *("file", "label", "split"),
            *(name for choices in _BOXES.values() for choice in choices for name in choice),
            *(name for pair in _SIZES for name in pair),
        )
    )
)
_INTEGER = re.compile(r"[+-]?\d{1,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxColumns:
    """Where a table has what: indices of its columns.

    Attributes:
        delimiter: between cells.
        header: names of the columns; None for a table without.
        file, label: of the image and the class.
        box: of the four numbers.
        style: what they mean.
        size: of the image's height and width, if the table has them.
        split: of the split, if the table has it.
    """

    delimiter: str
    header: tuple[str, ...] | None
    file: int
    label: int
    box: tuple[int, int, int, int]
    style: Style
    size: tuple[int, int] | None = None
    split: int | None = None

    @property
    def width(self) -> int:
        """How many cells a row needs."""
        return max(self.file, self.label, *self.box) + 1

    @property
    def others(self) -> Iterator[tuple[str, int]]:
        """Columns that are not understood, by name."""
        known = {self.file, self.label, self.split, *self.box, *(self.size or ())}
        for index, name in enumerate(self.header or ()):
            if index not in known:
                yield name, index


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxTableFile:
    """One table of a set.

    Attributes:
        key: of the file.
        split: of its images, or None.
        columns: where it has what.
        images: the folder that its files are relative to, "" or with a slash at its end.
        empty: images without boxes have a row without numbers.
        words: canonical split -> the table's word.
    """

    key: str
    split: str | None
    columns: BoxColumns
    images: str = ""
    empty: bool = False
    words: dict[str, str] | None = None


def find_box_columns(head: Head) -> BoxColumns | str:
    """Find the columns by the first line, or say why this is no table of boxes."""
    if (headless := _headless(head)) is not None:
        return headless
    names = head.names
    file_at, label_at = head.find("file", _FILES), head.find("label", _LABELS)
    if file_at is not None and label_at is None:
        label_at = _only_label(head, file_at)
    for style, choices in _BOXES.items():
        for choice in choices:
            if not {*choice} <= {*names}:
                continue
            if file_at is None or label_at is None:
                return (
                    "it has boxes, but no column for the file, or none for the class; say which "
                    "they are, such as --columns file=NAME,label=NAME"
                )
            if "isgroupof" in names:
                return "its boxes are relative to the images' sizes (Open Images)"
            x1, y1, x2, y2 = map(names.index, choice)
            return BoxColumns(
                delimiter=head.delimiter,
                header=head.cells,
                file=file_at,
                label=label_at,
                box=(x1, y1, x2, y2),
                style=style,
                size=_size(names, choice),
                split=head.find("split", SPLIT_COLUMNS),
            )
    if "bbox" in names:
        return (
            "its column 'bbox' may be x1, y1, x2, y2 or x, y, width, height: make it four columns"
        )
    return "it has no columns for boxes, such as xmin, ymin, xmax, ymax"


def holds_boxes(head: Head) -> bool:
    """Say whether a table has columns of boxes, whatever else it lacks."""
    names = set(head.names)
    return "bbox" in names or any(
        {*choice} <= names for choices in _BOXES.values() for choice in choices
    )


def is_guessed(columns: BoxColumns, said: Mapping[str, str]) -> bool:
    """Say whether the column of the class has no usual name, and the user has named none."""
    if columns.header is None or "label" in said:
        return False
    return comparable(columns.header[columns.label]) not in _LABELS


def _only_label(head: Head, file_at: int) -> int | None:
    """Return the only column, besides that of the file, of which all cells are words."""
    found = [
        place
        for place in range(len(head.cells))
        if place != file_at and head.names[place] not in SPLIT_COLUMNS and _are_words(head, place)
    ]
    return found[0] if len(found) == 1 else None


def _are_words(head: Head, place: int) -> bool:
    cells = [row[place] for row in head.rows if len(row) > place and row[place]]
    return bool(cells) and all(number(cell) is None for cell in cells)


def _size(names: list[str], box: tuple[str, ...]) -> tuple[int, int] | None:
    for height, width in _SIZES:
        if height in names and width in names and not {height, width} & set(box):
            return names.index(height), names.index(width)
    return None


def _headless(head: Head) -> BoxColumns | None:
    """Return the columns of `path,x1,y1,x2,y2,class` or `path,class,x1,y1,x2,y2` without header."""
    cells = head.cells
    if len(cells) != 6 or not cells[0]:
        return None
    empty = not any(cells[1:])
    for label, box in ((5, (1, 2, 3, 4)), (1, (2, 3, 4, 5))):
        if empty or (cells[label] and None not in [number(cells[index]) for index in box]):
            return BoxColumns(
                delimiter=head.delimiter, header=None, file=0, label=label, box=box, style="edges"
            )
    return None


def number(cell: str) -> float | None:
    """Return a cell's number: an integer where it is written as one; NaN and infinity, too."""
    text = cell.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return None
