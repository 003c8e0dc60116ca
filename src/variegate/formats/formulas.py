"""Cells of tables that a spreadsheet would take for formulas."""

import re
from typing import Any

# What spreadsheets take for the beginning of a formula, and the apostrophe that tells them it is
# text. One that stands there already gets another, so that what is read is what was written.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)


def guarded(cell: Any, *, raw: bool = False) -> Any:
    """Return a cell that no spreadsheet computes: with an apostrophe before what looks like it.

    Args:
        cell: what is to be written; numbers stay as they are.
        raw: leave it as it is.
    """
    if raw or not isinstance(cell, str) or not _FORMULA.match(cell) or _NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}"


def unguarded(cell: str) -> str:
    """Return a cell as it was before `guarded` wrote it."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
