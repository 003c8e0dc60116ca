"""Notes about a dataset, in two grades.

A plain text tells that something about annotations is lost, changed or guessed: `--strict` stops
at it. `Information` only tells what is so.
"""

from collections.abc import Iterable


class Information(str):
    """A note that costs no annotation and guesses none; `--strict` does not stop at it."""

    __slots__ = ()


def information(notes: Iterable[str]) -> list[Information]:
    """Return notes as such that only inform."""
    return list(map(Information, notes))


def stops_strict(note: str) -> bool:
    """Say whether `--strict` stops at a note."""
    return not isinstance(note, Information)
