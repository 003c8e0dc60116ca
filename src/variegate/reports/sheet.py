"""The contact sheet: sources by variants, each with what was done to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from variegate.annotations.sample import Image
from variegate.reports.canvas import (
    ACCENT,
    FAINT,
    TEXT,
    Canvas,
    enlarged,
    thumbnail,
    width_of,
    wrap,
)
from variegate.reports.overlay import Color, LabelledImage, colors_of, overlaid

# A sheet stays below these, so that every viewer opens it.
WIDEST, HIGHEST = 3_600, 8_000

_LARGEST_IMAGE = 220
_SMALLEST_IMAGE = 72
_MARGIN, _GAP, _PAD = 24, 10, 6
_TITLE, _SMALL, _CAPTION = 26, 15, 13
_LINE = 17
_MOST_LINES = 4
_CAPTION_WIDTH = 160
_LONGEST_NAME = 24


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One image with its caption, and with what is drawn over it."""

    image: Image
    caption: str
    labels: LabelledImage | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SheetRow:
    """Some images in a line; they all come from the first one.

    Attributes:
        cells: None where there is nothing.
    """

    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where things are."""

    height: int
    width: int
    cell: tuple[int, int]
    image: tuple[int, int]
    top: int


def contact_sheet(
    rows: Sequence[SheetRow], *, title: str, subtitle: str = "", header: Sequence[str] = ()
) -> Image:
    """Draw a contact sheet.

    Args:
        rows: at least one; the first cell of each stands out.
        title: the largest line.
        subtitle: under it, up to two lines.
        header: over the columns.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    columns = max(len(row.cells) for row in rows)
    lines = _lines(subtitle, columns)
    colors = colors_of(_categories(rows))
    grid = _grid(rows, columns, subtitle_lines=len(lines) + bool(colors), header=bool(header))
    canvas = Canvas(grid.height, grid.width)
    canvas.text((_MARGIN, _MARGIN - 6), title, size=_TITLE)
    for number, line in enumerate(lines):
        place = (_MARGIN, _MARGIN + 30 + number * (_LINE + 3))
        canvas.text(place, line, size=_SMALL, color=FAINT)
    if colors:
        place = (_MARGIN, _MARGIN + 30 + len(lines) * (_LINE + 3))
        _draw_legend(canvas, colors, place, grid.width - 2 * _MARGIN)
    for column, words in enumerate(header):
        x = _MARGIN + column * (grid.cell[1] + _GAP)
        color = ACCENT if column == 0 else FAINT
        canvas.text((x + _PAD, grid.top - _LINE - 7), words, size=_SMALL, color=color)
    for number, row in enumerate(rows):
        y = grid.top + number * (grid.cell[0] + _GAP)
        for column, cell in enumerate(row.cells):
            if cell is not None:
                x = _MARGIN + column * (grid.cell[1] + _GAP)
                _draw_cell(canvas, cell, (x, y), grid, colors, first=column == 0)
    return canvas.pixels()


def _categories(rows: Sequence[SheetRow]) -> set[str]:
    cells = [cell for row in rows for cell in row.cells if cell is not None]
    return set[str]().union(*(cell.labels.categories() for cell in cells if cell.labels))


def _draw_legend(
    canvas: Canvas, colors: Mapping[str, Color], at: tuple[int, int], width: int
) -> None:
    """Name the classes in their colors, as many as there is room for."""
    x, y = at
    for number, (name, color) in enumerate(colors.items()):
        words = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
        needed = round(width_of(words, _SMALL)) + _LINE + 2 * _PAD
        more = f"and {len(colors) - number} more"
        if x + needed + width_of(more, _SMALL) > at[0] + width and number:
            canvas.text((x, y), more, size=_SMALL, color=FAINT)
            return
        canvas.swatch((x, y + 4), _LINE - 6, color)
        canvas.text((x + _LINE - 2, y), words, size=_SMALL, color=FAINT)
        x += needed


def _lines(subtitle: str, columns: int) -> list[str]:
    width = columns * (_LARGEST_IMAGE // 2)
    return wrap(subtitle, width=max(400, width), size=_SMALL, lines=2) if subtitle else []


def _grid(rows: Sequence[SheetRow], columns: int, *, subtitle_lines: int, header: bool) -> _Grid:
    """Choose the largest images for which the sheet is not too large."""
    top = _MARGIN + 34 + subtitle_lines * (_LINE + 3) + (_LINE + 12 if header else 6)
    highest, widest = _needed(rows)
    across = (WIDEST - 2 * _MARGIN) // columns - _GAP - 2 * _PAD
    down = (HIGHEST - top - _MARGIN) // len(rows) - _GAP - 2 * _PAD
    down -= _MOST_LINES * _LINE + _PAD
    image = (
        max(_SMALLEST_IMAGE, min(_LARGEST_IMAGE, down, highest)),
        max(_SMALLEST_IMAGE, min(_LARGEST_IMAGE, across, widest)),
    )
    width = max(image[1], min(_CAPTION_WIDTH, across))
    cells = [cell for row in rows for cell in row.cells if cell is not None]
    lines = max(len(_caption_lines(cell.caption, width)) for cell in cells)
    cell = (image[0] + lines * _LINE + 3 * _PAD, width + 2 * _PAD)
    return _Grid(
        height=top + len(rows) * (cell[0] + _GAP) - _GAP + _MARGIN,
        width=max(columns * (cell[1] + _GAP) - _GAP + 2 * _MARGIN, 460),
        cell=cell,
        image=(image[0], width),
        top=top,
    )


def _needed(rows: Sequence[SheetRow]) -> tuple[int, int]:
    """Return the greatest height and width of the images, each brought to the largest size."""
    cells = (cell for row in rows for cell in row.cells if cell is not None)
    sizes = [enlarged(cell.image).shape[:2] for cell in cells]
    scales = [min(1, _LARGEST_IMAGE / max(size)) for size in sizes]
    highest = max(size[0] * scale for size, scale in zip(sizes, scales, strict=True))
    widest = max(size[1] * scale for size, scale in zip(sizes, scales, strict=True))
    return round(highest), round(widest)


def _caption_lines(text: str, width: int) -> list[str]:
    """Break a caption into lines; a line feed in it stays one."""
    lines: list[str] = []
    for part in text.split("\n"):
        lines += wrap(part, width=width, size=_CAPTION, lines=_MOST_LINES)
    return lines[:_MOST_LINES]


def _draw_cell(
    canvas: Canvas,
    cell: Cell,
    at: tuple[int, int],
    grid: _Grid,
    colors: Mapping[str, Color],
    *,
    first: bool,
) -> None:
    x, y = at
    canvas.panel(at, grid.cell)
    shown = thumbnail(enlarged(cell.image), grid.image)
    if cell.labels is not None:
        shown = overlaid(shown, cell.labels, colors)
    canvas.thumbnail((x + _PAD, y + _PAD), grid.image, shown)
    below = y + _PAD + grid.image[0] + _PAD
    for number, line in enumerate(_caption_lines(cell.caption, grid.image[1])):
        color = TEXT if first and number == 0 else FAINT
        canvas.text((x + _PAD, below + number * _LINE), line, size=_CAPTION, color=color)
