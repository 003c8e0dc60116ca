"""XML without its dangers: no document type, no entities of its own, nothing fetched.

Element trees become JSON values and back, so that fields nobody knows travel with the annotation.
"""

import codecs
import json
import re
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from variegate.formats.paired import BrokenFileError, UndecodedFileError

# A file of 10,000 objects has 4 MB.
SIZE_LIMIT = 1 << 24
_DEPTH_LIMIT = 32
_DECLARED = re.compile(
    rb"""(?:\xef\xbb\xbf)?<\?xml[^>]{,100}?\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']"""
)
_INTEGER = re.compile("0|-?[1-9][0-9]{0,17}")
_NO_NAME = re.compile(r"[^\w.-]|^(?=[^A-Za-z_])", re.ASCII)
# Not `xml.sax.saxutils.escape`: importing that brings HTTP along.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Node:
    """One element."""

    tag: str
    line: int
    attributes: Mapping[str, str]
    children: list["Node"] = field(default_factory=list)
    text: str = ""

    def find(self, tag: str) -> "Node | None":
        """Return the first child of that name."""
        return next((child for child in self.children if child.tag == tag), None)

    def word(self, tag: str) -> str | None:
        """Return a child's text without white space around it, or None without such a child."""
        child = self.find(tag)
        return None if child is None else child.text.strip()

    def value(self) -> Any:
        """Return the content as JSON: text, integers in their plain spelling, or a mapping."""
        if not self.children and not self.attributes:
            return int(self.text) if _INTEGER.fullmatch(self.text) else self.text
        content = {f"@{name}": text for name, text in self.attributes.items()}
        return {**content, **(self.values() if self.children else {"#text": self.text})}

    def values(self, without: Container[str] = ()) -> dict[str, Any]:
        """Return the children's values by their names; several of one name become a list."""
        values: dict[str, list[Any]] = {}
        for child in self.children:
            if child.tag not in without:
                values.setdefault(child.tag, []).append(child.value())
        return {tag: found if len(found) > 1 else found[0] for tag, found in values.items()}


def parse(data: bytes, encoding: str | None = None) -> Node:
    """Return the root element.

    Args:
        data: the file.
        encoding: of files that do not say theirs, as the user says.

    Raises:
        BrokenFileError: it is not well-formed, or contains what is refused.
    """
    parser = _parser()
    root = Node("", 0, {})
    stack = [root]

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(stack) > _DEPTH_LIMIT:
            raise BrokenFileError(
                parser.CurrentLineNumber, f"more than {_DEPTH_LIMIT} levels of elements"
            )
        node = Node(tag, parser.CurrentLineNumber, attributes)
        stack[-1].children.append(node)
        stack.append(node)

    def text(content: str) -> None:
        stack[-1].text += content

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = text
    _run(parser, _utf8(data, encoding))
    return root.children[0]


def scan(
    data: bytes, wanted: Container[tuple[str, str]], encoding: str | None = None
) -> Iterator[tuple[str, str]]:
    """Yield (tag, text) of the elements that are wanted by parent and tag; a fast look.

    Raises:
        BrokenFileError: as for `parse`.
    """
    parser = _parser()
    stack: list[str] = []
    found: list[tuple[str, str]] = []
    pieces: list[str] = []

    def start(tag: str, _: dict[str, str]) -> None:
        # Text is asked for only where it is wanted: most of the time goes into such calls.
        if stack and (stack[-1], tag) in wanted:
            pieces.clear()
            parser.CharacterDataHandler = pieces.append
        stack.append(tag)

    def end(tag: str) -> None:
        stack.pop()
        if parser.CharacterDataHandler is not None:
            parser.CharacterDataHandler = None
            found.append((tag, "".join(pieces).strip()))

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    _run(parser, _utf8(data, encoding))
    return iter(found)


def _parser() -> expat.XMLParserType:
    """Return a parser that refuses document types, before anything that they declare is used."""
    # Whatever the file says: it is in UTF-8 by now.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True

    def refuse(*_: Any) -> Any:
        reason = "document types and entities are refused; remove the <!DOCTYPE ...>"
        raise BrokenFileError(parser.CurrentLineNumber, reason)

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    return parser


def _utf8(data: bytes, encoding: str | None) -> bytes:
    """Return XML in UTF-8: expat knows no encodings of several bytes but Unicode's.

    Raises:
        UndecodedFileError: it is not in the encoding that it or the user says.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        said = "utf-16"
    else:
        declared = _DECLARED.match(data)
        said = declared[1].decode("ascii") if declared else ""
        if not said or said.lower().replace("-", "") == "utf8":
            # What is not in UTF-8 is as the user says: tools declare UTF-8 whatever they write.
            with suppress(UnicodeDecodeError):
                data.decode("utf-8")
                return data
            said = encoding or "utf-8"
    try:
        return data.decode(said).encode()
    except UnicodeDecodeError as error:
        raise UndecodedFileError(said, encoding) from error
    except (LookupError, ValueError) as error:
        raise BrokenFileError(1, f"in an encoding that cannot be read ({error})") from error


def _run(parser: expat.XMLParserType, data: bytes) -> None:
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, "broken")
        raise BrokenFileError(error.lineno, f"not well-formed XML ({reason})") from error
    except (LookupError, ValueError) as error:
        raise BrokenFileError(1, f"in an encoding that cannot be read ({error})") from error


def write(tag: str, value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the lines of an element with a JSON value; a list becomes several elements."""
    indent = "\t" * depth
    name = _NO_NAME.sub("_", tag)
    if isinstance(value, list | tuple):
        for one in value:
            yield from write(tag, one, depth)
    elif not isinstance(value, Mapping):
        yield f"{indent}<{name}>{_escaped(value)}</{name}>"
    else:
        attributes = "".join(
            f' {_NO_NAME.sub("_", key[1:])}="{_escaped(text)}"'
            for key, text in value.items()
            if key.startswith("@")
        )
        if "#text" in value:
            yield f"{indent}<{name}{attributes}>{_escaped(value['#text'])}</{name}>"
            return
        yield f"{indent}<{name}{attributes}>"
        for key, one in value.items():
            if not key.startswith("@"):
                yield from write(key, one, depth + 1)
        yield f"{indent}</{name}>"


def _escaped(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return _NO_CHARACTER.sub("\ufffd", text).translate(_ESCAPES)
