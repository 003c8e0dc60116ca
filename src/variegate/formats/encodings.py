"""Text in any encoding: as the user says, as it says itself, or as alone makes sense.

Files are in UTF-8, or begin with a mark of UTF-16. Others are read in the one encoding in which
all that is not ASCII is common letters of one script, in words as people write them; where several
are left that read differently, there is no telling.
"""

import codecs
import re
from collections.abc import Callable

from variegate.errors import InputError
from variegate.storage import printable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHOWN = 20


class UnknownEncodingError(Exception):
    """A text is in none of the encodings that can be told. Its text says so, and what to do."""


def decode_text(
    data: bytes, place: str, encoding: str | None = None, notes: list[str] | None = None
) -> str:
    """Return the text of a small file.

    Args:
        data: all of it.
        place: for messages.
        encoding: what the user says.
        notes: where to say it if the encoding was found by the letters.

    Raises:
        InputError: it is not in that encoding, or there is no telling in which it is.
    """
    try:
        found = encoding_of(data, encoding)
        text = data.decode(found)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{place}:{line}: not in {encoding}; check --encoding") from error
    except UnknownEncodingError as error:
        raise InputError(f"{place}: {error}") from error
    if notes is not None:
        notes += guess_note(place, found, encoding)
    return text


def guess_note(place: str, found: str, said: str | None) -> list[str]:
    """Return what is to be said of an encoding that was found by the letters of a text."""
    if found == said or found not in _CANDIDATES:
        return []
    return [f"{place}: not in UTF-8 but, by its letters, in {found}; --encoding says otherwise"]


def encoding_of(data: bytes, encoding: str | None = None, *, cut: bool = False) -> str:
    """Return the encoding of a text.

    Args:
        data: the text, or its beginning.
        encoding: what the user says; a mark at the beginning goes before it.
        cut: more follows.

    Raises:
        UnknownEncodingError: there is no telling.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    if encoding is not None:
        return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, not cut)
    except UnicodeDecodeError:
        return _guessed(data[: data.rfind(b"\n") + 1] if cut else data)
    return "utf-8"


def _guessed(data: bytes) -> str:
    texts: dict[str, str] = {}
    for name, fits in _CANDIDATES.items():
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        cells = [
            cell for cell in re.split(r"[\n\r\t,;:|\"'()\[\]{}=]+", text) if not cell.isascii()
        ]
        if cells and fits(cells):
            texts[name] = cells[0].strip()
    if texts and len({data.decode(name) for name in texts}) == 1:
        return next(iter(texts))
    remedy = "say in which encoding it is, such as --encoding gbk, or save it as UTF-8"
    if not texts:
        raise UnknownEncodingError(f"not in UTF-8; {remedy}")
    ways = ", ".join(f"{printable(word[:_SHOWN])!r} in {name}" for name, word in texts.items())
    raise UnknownEncodingError(f"not in UTF-8, and it may mean {ways}; {remedy}")


def _by_bytes(encoding: str, low: int, high: int) -> Callable[[str], bool]:
    """Return what says whether a character is one of those whose first byte lies between."""

    def is_common(character: str) -> bool:
        try:
            data = character.encode(encoding)
        except UnicodeEncodeError:
            return False
        return len(data) == 2 and low <= data[0] <= high

    return is_common


def _is_kana(character: str) -> bool:
    return "\u3041" <= character <= "\u30ff"


def _east_asian(is_common: Callable[[str], bool]) -> Callable[[list[str]], bool]:
    """Return what says whether texts are written in such characters, and few of ASCII."""

    def fits(cells: list[str]) -> bool:
        others = [c for cell in cells for c in cell if not c.isascii()]
        return (
            len(others) > 1
            and all(map(is_common, others))
            and all(_latin(cell) <= len(cell) - _ascii(cell) for cell in cells)
        )

    return fits


def _latin(cell: str) -> int:
    return sum(c.isascii() and c.isalpha() for c in cell)


def _ascii(cell: str) -> int:
    return sum(c.isascii() for c in cell)


def _european(cells: list[str]) -> bool:
    """Say whether texts are of Latin letters, few of them with accents, in usual case."""
    return all(
        all("\u00c0" <= c <= "\u017f" and c.isalpha() for c in cell if not c.isascii())
        and len(cell) - _ascii(cell) <= _latin(cell)
        and _is_cased(cell)
        for cell in cells
    )


def _cyrillic(cells: list[str]) -> bool:
    return all(
        all("\u0401" <= c <= "\u0451" for c in cell if not c.isascii())
        and not _latin(cell)
        and len(cell) - _ascii(cell) > 2
        and _is_cased(cell)
        for cell in cells
    )


def _is_cased(cell: str) -> bool:
    words = re.findall(r"[^\W\d_]+", cell)
    return all(word.islower() or word.isupper() or word.istitle() for word in words)


# The characters that each standard puts first, for everyday use; rare ones come by chance.
_CANDIDATES: dict[str, Callable[[list[str]], bool]] = {
    "gbk": _east_asian(_by_bytes("gb2312", 0xB0, 0xD7)),
    "big5": _east_asian(_by_bytes("big5", 0xA4, 0xC6)),
    "cp949": _east_asian(_by_bytes("euc_kr", 0xB0, 0xC8)),
    "cp932": _east_asian(lambda c: _is_kana(c) or _by_bytes("cp932", 0x88, 0x97)(c)),
    "euc_jp": _east_asian(lambda c: _is_kana(c) or _by_bytes("euc_jp", 0xB0, 0xCF)(c)),
    "cp1252": _european,
    "cp1250": _european,
    "cp1251": _cyrillic,
    "koi8_r": _cyrillic,
    "cp866": _cyrillic,
}
