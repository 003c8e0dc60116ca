"""What a rule of `--group` is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from variegate.formats import Source


class GroupRule(ABC):
    """A rule.

    Attributes:
        text: what the user wrote.
        description: what it goes by, for people.
    """

    text: str
    description: str

    @abstractmethod
    def group(self, source: Source) -> str | None:
        """Return the name of an image's group, or None."""

    def notes(self) -> Iterator[str]:
        """Yield what should be known when all images have been asked for."""
        yield from ()
