"""JSON for what there are millions of: annotations and lines of manifests.

msgspec reads and writes it several times as fast as the standard library, floats exactly. What it
cannot write, text with lone surrogates (names of files that are not UTF-8), the standard library
can.
"""

import codecs
import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

import msgspec

from variegate.errors import InputError

_CHUNK = 1 << 20
# Near the end of what is read so far an error may be a word that is cut, such as "tru".
_CUT = 16
_SPACE = re.compile(r"[ \t\n\r]*")
# What `JSONDecoder.raw_decode` calls; here StopIteration tells where, too.
_scan: Callable[[str, int], tuple[Any, int]] = vars(json.JSONDecoder())["scan_once"]
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes: ...


def dumped(value: Any) -> bytes:
    """Return JSON values as text in UTF-8, without spaces."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode()


def lines(values: list[Any]) -> bytes:
    """Return JSON values as text, one a line, with a comma at the end of each but the last."""
    try:
        text = _encoder.encode_lines(values)
    except UnicodeEncodeError:
        return b",\n".join(dumped(one) for one in values)
    # Within a value there is no line's end: in strings it is written as an escape.
    return text[:-1].replace(b"\n", b",\n")


def loaded(text: bytes | str) -> Any:
    """Return the value that JSON text means."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return json.loads(text)


def parts(
    file: Readable, place: str, *, lists: Collection[str], encoding: str = "utf-8"
) -> Iterator[tuple[str, Any, bool]]:
    """Yield what one large JSON object holds, in its order; it is never in memory as a whole.

    Args:
        file: the JSON text.
        place: its name, for messages.
        lists: keys whose values, if they are lists, are given element by element.
        encoding: of the text.

    Yields:
        A key; its value, or one element of it; whether it is an element.

    Raises:
        InputError: it is not JSON, or it ends too early; with line and column.
    """
    text = _Text(file, place, encoding)
    text.expect("{", "an object ('{')")
    if text.take("}"):
        return
    while True:
        key = text.value()
        if not isinstance(key, str):
            raise text.error("expected a name in quotes")
        text.expect(":", "a colon")
        if key not in lists or not text.take("["):
            yield key, text.value(), False
        elif not text.take("]"):
            yield key, text.value(), True
            while text.take(","):
                yield key, text.value(), True
            text.expect("]", "a comma or ']'")
        if not text.take(","):
            break
    text.expect("}", "a comma or '}'")
    if text.peek():
        raise text.error("expected nothing after the object's end")


class _Text:
    """A window onto the text, moving forward."""

    def __init__(self, file: Readable, place: str, encoding: str) -> None:
        self._file = file
        self._place = place
        self._encoding = encoding
        named = "utf-8-sig" if encoding == "utf-8" else encoding
        self._decoder = codecs.getincrementaldecoder(named)()
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
            why = f"not in {self._encoding.upper()}; say in which encoding it is with --encoding"
            raise self.error(why) from None
        done = self._buffer[: self._at]
        if lines := done.count("\n"):
            self._lines += lines
            self._columns = len(done) - done.rfind("\n") - 1
        else:
            self._columns += len(done)
        self._buffer = self._buffer[self._at :] + text
        self._at = 0
        return True
