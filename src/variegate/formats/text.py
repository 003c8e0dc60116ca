"""Text of datasets: in UTF-8 or with a mark that tells its encoding, or as the user says."""

import codecs

from variegate.errors import InputError
from variegate.storage import Storage

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def encoding_of(head: bytes, said: str | None = None) -> str:
    """Return the encoding of a text that begins with `head`: by its mark, or UTF-8.

    Args:
        head: its first bytes.
        said: by the user.
    """
    marked = (name for mark, name in _MARKS.items() if head.startswith(mark))
    return next(marked, said or "utf-8-sig")


def read_text(storage: Storage, key: str, *, limit: int, encoding: str | None = None) -> str:
    """Read a text whose words are names.

    Args:
        storage, key: of the file.
        limit: of its size, bytes.
        encoding: what the user says it is in; a mark at its beginning counts more.

    Raises:
        InputError: it is not in this encoding: nobody can tell what its names are.
    """
    data = storage.read(key, limit=limit)
    try:
        return data.decode(encoding_of(data, encoding))
    except UnicodeDecodeError as error:
        raise not_decoded(storage.place(key), data[: error.start].count(b"\n") + 1, encoding) from (
            error
        )


def not_decoded(place: str, line: int, encoding: str | None) -> InputError:
    """Return the error for a text that is not in its encoding."""
    return InputError(
        f"{place}: line {line:,}: not in {encoding or 'UTF-8'}; say what it is in, such as "
        "--encoding gbk or --encoding cp1252, or save it as UTF-8"
    )
