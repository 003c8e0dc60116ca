"""Reading one large JSON object part by part, so that it is never in memory as a whole."""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal

from variegate.errors import InputError

_CHUNK = 1 << 20
# Near the end of what is read so far an error may be a word that is cut, such as "tru".
_CUT = 16
_SPACE = re.compile(r"[ \t\n\r]*")
# What `JSONDecoder.raw_decode` calls; here StopIteration tells where, too.
_scan: Callable[[str, int], tuple[Any, int]] = vars(json.JSONDecoder())["scan_once"]

Part = tuple[str, Literal["value", "list", "element"], Any]
"""A key; a value as a whole, or the beginning of a list (None), or one of its elements."""


def parts(file: BinaryIO, place: str, *, lists: frozenset[str]) -> Iterator[Part]:
    """Yield what a JSON object holds, in the order of the file.

    Args:
        file: the JSON text, in UTF-8.
        place: its name, for messages.
        lists: keys whose values, if they are lists, are given element by element.

    Raises:
        InputError: it is not JSON, or it ends too early; with line and column.
    """
    text = _Text(file, place)
    text.expect("{", "an object ('{')")
    if text.take("}"):
        return
    while True:
        key = text.value()
        if not isinstance(key, str):
            raise text.error("expected a name in quotes")
        text.expect(":", "a colon")
        if key in lists and text.take("["):
            yield key, "list", None
            if not text.take("]"):
                yield key, "element", text.value()
                while text.take(","):
                    yield key, "element", text.value()
                text.expect("]", "a comma or ']'")
        else:
            yield key, "value", text.value()
        if not text.take(","):
            break
    text.expect("}", "a comma or '}'")
    if text.peek():
        raise text.error("expected nothing after the object's end")


class _Text:
    """A window onto the text, moving forward."""

    def __init__(self, file: BinaryIO, place: str) -> None:
        self._file = file
        self._place = place
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._buffer = ""
        self._at = 0
        self._ended = False
        self._lines = 0
        self._columns = 0

    def peek(self) -> str:
        """Return the next character that is no space, or "" at the end."""
        while True:
            found = _SPACE.match(self._buffer, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more(_CHUNK):
                return ""

    def take(self, character: str) -> bool:
        """Step over `character` if it comes next."""
        if self.peek() != character:
            return False
        self._at += 1
        return True

    def expect(self, character: str, what: str) -> None:
        if not self.take(character):
            raise self.error(f"expected {what}")

    def value(self) -> Any:
        """Return the next value, whole."""
        self.peek()
        size = _CHUNK
        while True:
            try:
                value, end = _scan(self._buffer, self._at)
            except StopIteration as stop:
                failed, why = int(stop.value), "expected a value"
            except json.JSONDecodeError as error:
                failed, why = error.pos, error.msg[:1].lower() + error.msg[1:]
            except RecursionError:
                raise self.error("nested too deeply") from None
            except ValueError as error:
                raise self.error(str(error)) from None
            else:
                # A number at the end of the window may go on behind it.
                if end < len(self._buffer) or self._ended:
                    self._at = end
                    return value
                failed, why = end, ""
            cut = failed > len(self._buffer) - _CUT or why.startswith("unterminated string")
            if not cut or not self._more(size):
                if why:
                    self._at = failed
                    raise self.error(why)
                continue
            size *= 2

    def error(self, why: str) -> InputError:
        """Return an error that names the present line and column."""
        before = self._buffer[: self._at]
        line = self._lines + before.count("\n") + 1
        last = before.rfind("\n")
        column = self._at - last if last >= 0 else self._columns + self._at + 1
        if self._at >= len(self._buffer) and self._ended:
            why = "the file ends too early; is it cut off?"
        return InputError(f"{self._place}: line {line:,}, column {column:,}: {why}")

    def _more(self, size: int) -> bool:
        """Move the window's end by up to `size` bytes; say whether anything came."""
        if self._ended:
            return False
        data = self._file.read(size)
        self._ended = not data
        try:
            text = self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError:
            raise self.error("not in UTF-8") from None
        done = self._buffer[: self._at]
        if lines := done.count("\n"):
            self._lines += lines
            self._columns = len(done) - done.rfind("\n") - 1
        else:
            self._columns += len(done)
        self._buffer = self._buffer[self._at :] + text
        self._at = 0
        return True
