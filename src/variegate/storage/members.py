"""Names inside archives, which anybody may have written."""

import re

from variegate.storage.keys import key_problem

#: Extensions of archives that are read and written.
ARCHIVE_EXTENSIONS = (".zip", ".tar", ".tar.gz", ".tgz")

_DRIVE = re.compile("[A-Za-z]:")


def is_archive_name(name: str) -> bool:
    """Say whether a file is called like an archive that can be read and written."""
    return name.lower().endswith(ARCHIVE_EXTENSIONS)


def hostile(name: str) -> str | None:
    """Say why a member's name cannot be trusted, or None."""
    if "\\" in name:
        return "its name contains a backslash"
    if _DRIVE.match(name):
        return "its name starts with a drive letter"
    problem = key_problem(name.removesuffix("/"))
    return problem and f"its name is refused: {problem}"
