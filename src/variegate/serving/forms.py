"""Forms of the kind multipart/form-data, in one piece: RFC 7578, with the delimiters of RFC 2046.

The body is there and bounded, so that its parts are found by searching it, each of them once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from variegate.serving.faults import RequestError

# RFC 2046 asks for no more than 70.
_LONGEST_BOUNDARY = 256
_LONGEST_HEAD = 16 << 10
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
    parts: list[FormPart] = []
    files = 0
    for head, begin, end in _places(_boundary(content_type), body):
        name, file = _named(head)
        files += file is not None
        if files > max_files:
            raise RequestError(413, f"Too many files in the form; the limit is {max_files:,}")
        if len(parts) - files >= max_fields:
            raise _broken(f"it has more than {max_fields:,} fields")
        if file is None and end - begin > _LARGEST_FIELD:
            raise _broken(f"a field has more than {_LARGEST_FIELD:,} bytes")
        parts.append(FormPart(name, file, body[begin:end]))
    return parts


def _boundary(content_type: str) -> bytes:
    from python_multipart.multipart import parse_options_header

    found = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 0 < len(found) <= _LONGEST_BOUNDARY:
        raise _broken("its header names no boundary, or too long a one")
    return found


def _places(boundary: bytes, body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each part's head, and where its content begins and ends."""
    delimiter = b"\r\n--" + boundary
    # The first one needs no line before it.
    if body.startswith(delimiter[2:]):
        at = len(delimiter) - 2
    else:
        at = body.find(delimiter)
        if at < 0 or body[:at].strip(b"\r\n"):
            raise _broken("it does not begin with its boundary")
        at += len(delimiter)
    while body[at : at + 2] != b"--":
        line = body.find(b"\r\n", at, at + _LONGEST_HEAD)
        if line < 0:
            raise _cut_off()
        if body[at:line].strip(b" \t"):
            raise _broken("something follows its boundary")
        # A part without a head would have an empty line here.
        ends = body.find(b"\r\n\r\n", line, line + _LONGEST_HEAD)
        if ends < 0:
            raise _cut_off() if len(body) - line < _LONGEST_HEAD else _broken("a head is too long")
        begin = ends + 4
        at = body.find(delimiter, begin - 2)
        if at < 0:
            raise _cut_off()
        yield body[line + 2 : ends], begin, max(begin, at)
        at += len(delimiter)


def _named(head: bytes) -> tuple[str, str | None]:
    """Return the name of a part's field, and of its file."""
    from python_multipart.multipart import parse_options_header

    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == _DISPOSITION:
            told = parse_options_header(value.strip())[1]
            if b"name" in told:
                file = told.get(b"filename")
                return _text(told[b"name"]), None if file is None else _text(file)
    raise _broken('the Content-Disposition of a part has no "name"')


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _broken(why: str) -> RequestError:
    return RequestError(400, f"the form cannot be read: {why}")


def _cut_off() -> RequestError:
    return RequestError(400, "the form is cut off: its last boundary is missing")
