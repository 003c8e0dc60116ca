"""Keys: what they may look like, and how those that are not text are written down.

POSIX file names are bytes. Names that are valid UTF-8, nearly all, become the text they are, code
point for code point, without Unicode normalisation. The others are kept too: each stray byte is
one lone surrogate (`os.fsdecode`), so that the file can be opened and its variants get the same
odd bytes in their names. JSON, Parquet, zip files and terminals cannot represent such a string:
`key_to_text` and `key_from_text` convert it for them, without loss.
"""

import re

from variegate.errors import InputError, UsageError

# Names of files that are being written. No listing shows them, and no key may contain one.
TEMPORARY_PREFIX = ".variegate-tmp-"

#: Extensions of archives that are read and written.
ARCHIVE_EXTENSIONS = (".zip", ".tar", ".tar.gz", ".tgz")

_DRIVE = re.compile("[A-Za-z]:")
_STRAY_BYTE = re.compile("[\udc80-\udcff]")
_OTHER_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_ESCAPED = re.compile(r"\\(?:\\|x([0-9a-f]{2}))")


def key_problem(key: str) -> str | None:
    """Say why `key` cannot be a key, or return None where it can."""
    if key == "":
        return "it is empty"
    if key.startswith("/"):
        return "it is absolute"
    if "\0" in key:
        return "it contains a NUL character"
    if _OTHER_SURROGATE.search(key):
        return "it contains half of a surrogate pair"
    for part in key.split("/"):
        if part in ("", ".", ".."):
            return f"{part!r} is not a file or folder name"
        if part.startswith(TEMPORARY_PREFIX):
            return f"names starting with {TEMPORARY_PREFIX!r} are reserved for unfinished files"
    return None


def check_key(key: str, error: type[UsageError] = InputError) -> str:
    """Return `key` if it names a place inside a storage.

    Raises:
        InputError: it is empty, absolute, or climbs ("..").  `error` may name another class.
    """
    problem = key_problem(key)
    if problem is not None:
        raise error(
            f"key {key!r}: {problem}; "
            "expected a relative path with forward slashes, such as 'cats/7.jpg'"
        )
    return key


def hostile(name: str) -> str | None:
    """Say why the name of an archive's member, which anybody may have written, is refused."""
    if "\\" in name:
        return "its name contains a backslash"
    if _DRIVE.match(name):
        return "its name starts with a drive letter"
    problem = key_problem(name.removesuffix("/"))
    return problem and f"its name is refused: {problem}"


def is_archive_name(name: str) -> bool:
    """Say whether a file is called like an archive that can be read and written."""
    return name.lower().endswith(ARCHIVE_EXTENSIONS)


def printable(name: str) -> str:
    """Return `name` for a message: one line, without control characters or stray bytes."""
    return repr(name)[1:-1]


def key_to_text(key: str) -> str:
    r"""Return `key` as valid Unicode: a stray byte becomes ``\xe9``, a backslash ``\\``."""
    if "\\" not in key and key.isascii():
        return key
    doubled = key.replace("\\", "\\\\")
    text = _STRAY_BYTE.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", doubled)
    return text.encode("utf-8", "replace").decode("utf-8")


def key_from_text(text: str) -> str:
    """Undo `key_to_text`."""
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(0xDC00 + int(found[1], 16)) if found[1] else "\\", text)
