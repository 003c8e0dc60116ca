"""Forms of the kind multipart/form-data, in one piece (RFC 7578).

The body is there and bounded, so that python-multipart is given it at once: Starlette's reader
would take it piece by piece, with a task and a temporary file for each part.
"""

from dataclasses import dataclass, field
from typing import Any

from variegate.serving.faults import RequestError

# RFC 2046 asks for no more than 70.
_LONGEST_BOUNDARY = 256
_LARGEST_FIELD = 1 << 20
_DISPOSITION = b"content-disposition"


@dataclass(frozen=True, slots=True)
class FormPart:
    """A part of a form.

    Attributes:
        name: of its field.
        file: as the client calls the file; None where it is none.
        data: its content.
    """

    name: str
    file: str | None
    data: bytes

    @property
    def text(self) -> str:
        """Its content, where it is no file."""
        return _text(self.data)


def form_parts(
    content_type: str, body: bytes, *, max_files: int, max_fields: int
) -> list[FormPart]:
    """Return the parts of a form.

    Raises:
        RequestError: 400, it is broken or cut off, or has too many fields; 413, too many files.
    """
    from python_multipart.exceptions import MultipartParseError
    from python_multipart.multipart import MultipartParser

    reader = _Reader(max_files, max_fields)
    try:
        parser = MultipartParser(_boundary(content_type), reader.callbacks())
        parser.write(body)
    except MultipartParseError as error:
        raise _broken(str(error)[:200]) from error
    if not reader.ended:
        raise RequestError(400, "the form is cut off: its last boundary is missing")
    return reader.parts


def _boundary(content_type: str) -> bytes:
    from python_multipart.multipart import parse_options_header

    found = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 0 < len(found) <= _LONGEST_BOUNDARY:
        raise _broken("its header names no boundary, or too long a one")
    return found


@dataclass(slots=True)
class _Reader:
    """What python-multipart tells, put together.

    Attributes:
        max_files, max_fields: how many there may be.
        parts: that are whole.
        ended: whether the last boundary was there.
    """

    max_files: int
    max_fields: int
    parts: list[FormPart] = field(default_factory=list)
    ended: bool = False
    _key: bytes = b""
    _value: bytes = b""
    _named: tuple[str, str | None] | None = None
    _pieces: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    def callbacks(self) -> Any:
        """Return what it calls, by the names that it knows."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._named, self._pieces, self._bytes = None, [], 0

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._key += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        from python_multipart.multipart import parse_options_header

        if self._key.strip().lower() == _DISPOSITION:
            told = parse_options_header(self._value.strip())[1]
            if b"name" in told:
                file = told.get(b"filename")
                self._named = _text(told[b"name"]), None if file is None else _text(file)
        self._key = self._value = b""

    def _headers_finished(self) -> None:
        if self._named is None:
            raise _broken('the Content-Disposition of a part has no "name"')
        files = sum(one.file is not None for one in self.parts)
        if self._named[1] is not None and files >= self.max_files:
            raise RequestError(413, f"Too many files in the form; the limit is {self.max_files:,}")
        if self._named[1] is None and len(self.parts) - files >= self.max_fields:
            raise _broken(f"it has more than {self.max_fields:,} fields")

    def _data(self, data: bytes, start: int, end: int) -> None:
        assert self._named is not None
        self._pieces.append(data[start:end])
        self._bytes += end - start
        if self._named[1] is None and self._bytes > _LARGEST_FIELD:
            raise _broken(f"a field has more than {_LARGEST_FIELD:,} bytes")

    def _part_end(self) -> None:
        assert self._named is not None
        self.parts.append(FormPart(*self._named, b"".join(self._pieces)))
        self._pieces = []

    def _end(self) -> None:
        self.ended = True


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _broken(why: str) -> RequestError:
    return RequestError(400, f"the form cannot be read: {why}")
