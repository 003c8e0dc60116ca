"""Where the command line writes: results to standard output, talk to standard error.

Everything that is shown goes through here, and much of it comes from data: names of files and of
classes, messages about them. A terminal obeys control characters, so `clean` shows them as text.
"""

import json
import os
import re
import sys
from collections.abc import Collection, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from variegate.errors import without_password

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment
    from rich.table import Table


_WIDE = 240

# What moves the cursor, colors, answers, or reverses the order of what is read; stray bytes; and
# what ends a line somewhere. Tabs and line feeds are harmless.
_CONTROLS = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_STRAY = range(0xDC80, 0xDD00)


class Interrupted(Exception):  # noqa: N818 - not an error: the user wants it
    """The user pressed Ctrl-C; the message says how to go on."""


def clean(text: str) -> str:
    """Return text that a terminal shows and does not obey, and without passwords in URLs."""
    return _CONTROLS.sub(_escaped, without_password(text))


def line(text: str) -> str:
    """Return text as one line, as `clean` does: a file's name must not begin another."""
    return clean(text).replace("\n", "\\n")


def _escaped(found: "re.Match[str]") -> str:
    number = ord(found[0])
    if number in _STRAY:
        number -= 0xDC00
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


@cache
def _console(stderr: bool) -> "Console":
    from rich.console import Console
    from rich.segment import Segment

    class CleanConsole(Console):
        """Whatever is rendered passes here, bars and cells of tables included."""

        def render(
            self, renderable: "RenderableType", options: "ConsoleOptions | None" = None
        ) -> "Iterable[Segment]":
            for text, style, control in super().render(renderable, options):
                # Control segments are rich's own, which moves the cursor of its bars.
                yield Segment(text if control else clean(text), style, control)

    console = CleanConsole(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        # Lines for other programs: each record in one of them.
        console.width = _WIDE
    return console


def talk() -> "Console":
    """The console on standard error."""
    return _console(True)


def note(sentence: str) -> None:
    """Say something beside the results; lines are not broken, so that they can be searched."""
    talk().print(line(sentence), style="dim", soft_wrap=True)


def tell(sentence: str) -> None:
    """Say something that should not be overlooked."""
    talk().print(line(sentence), soft_wrap=True)


def fault(sentence: str) -> None:
    """Say what is wrong, in one line."""
    from rich.text import Text

    told = line(" ".join(sentence.splitlines()))
    talk().print(Text.assemble(("error: ", "bold red"), told), soft_wrap=True)


def trace(text: str) -> None:
    """Show a traceback."""
    sys.stderr.write(clean(text))


def show(result: "RenderableType") -> None:
    """Show a result: a line, or a table."""
    console = _console(False)
    if isinstance(result, str):
        console.print(line(result), soft_wrap=True)
    else:
        console.print(result)


def table(*titles: str, header: bool = True, right: Collection[int] = ()) -> "Table":
    """Return a table without lines.

    Args:
        titles: of its columns.
        header: show them.
        right: numbers of the columns of figures.
    """
    from rich.table import Table

    class CleanTable(Table):
        """As wide as what is shown: names are cleaned before they are measured."""

        def add_row(self, *cells: "RenderableType | None", **options: Any) -> None:
            super().add_row(*(line(c) if isinstance(c, str) else c for c in cells), **options)

    made = CleanTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=header)
    for number, title in enumerate(titles):
        made.add_column(title, justify="right" if number in right else "left")
    return made


def show_json(data: Any) -> None:
    """Show a result as one JSON object."""
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def show_raw(text: str) -> None:
    """Show lines, such as a file's content."""
    text = _CONTROLS.sub(_escaped, text)
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
