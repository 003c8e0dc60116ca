"""Where the command line writes: results to standard output, talk to standard error."""

import json
import os
import sys
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table


_WIDE = 240


class Interrupted(Exception):  # noqa: N818 - not an error: the user wants it
    """The user pressed Ctrl-C; the message says how to go on."""


@cache
def _console(stderr: bool) -> "Console":
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        # Lines for other programs: each record in one of them.
        console = Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=_WIDE)
    return console


def talk() -> "Console":
    """The console on standard error."""
    return _console(True)


def note(sentence: str) -> None:
    """Say something beside the results; lines are not broken, so that they can be searched."""
    talk().print(sentence, style="dim", soft_wrap=True)


def tell(sentence: str) -> None:
    """Say something that should not be overlooked."""
    talk().print(sentence, soft_wrap=True)


def fault(sentence: str) -> None:
    """Say what is wrong, in one line."""
    from rich.text import Text

    line = " ".join(sentence.splitlines())
    talk().print(Text.assemble(("error: ", "bold red"), line), soft_wrap=True)


def show(result: "RenderableType") -> None:
    """Show a result."""
    console = _console(False)
    console.print(result, soft_wrap=isinstance(result, str))


def table(*titles: str, header: bool = True, right: Collection[int] = ()) -> "Table":
    """Return a table without lines.

    Args:
        titles: of its columns.
        header: show them.
        right: numbers of the columns of figures.
    """
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=header)
    for number, title in enumerate(titles):
        made.add_column(title, justify="right" if number in right else "left")
    return made


def show_json(data: Any) -> None:
    """Show a result as one JSON object."""
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def show_raw(text: str) -> None:
    """Show text as it is, such as a file's content."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def size_text(size: float) -> str:
    """Return bytes in readable units: "3.4 MB"."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:,.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"


def time_text(seconds: float) -> str:
    """Return a time in readable units: "42 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"
