"""What every back end is: options, and a way to run shards."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar, Protocol

from variegate.errors import RecipeError, UsageError
from variegate.runs.job import Job, Report, Shard
from variegate.runs.options import SILENCE_LIMIT_S
from variegate.runs.rows import Counts

OnCounts = Callable[[Counts], None]
"""Told what shards that are not reported yet have done so far."""


class Opened(Protocol):
    """A back end that is ready to work on a job."""

    @property
    def parallel(self) -> int:
        """How many shards it works on at a time, as far as it knows; at least 1."""

    def run(self, shards: Iterable[Shard], on_progress: OnCounts) -> Iterator[Report]:
        """Run shards; read them as they are needed, never all of them.

        Yields:
            A report for every shard, or for each of its parts, as they are done.

        Raises:
            UsageError: the input or output as a whole cannot be used.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend(ABC):
    """Where shards are run. The fields are its options.

    Attributes:
        silence_limit_s: a worker that finishes no result for so long is taken to hang.
    """

    silence_limit_s: float = SILENCE_LIMIT_S

    LEAST: ClassVar[Mapping[str, float]] = {}
    """What an option, where it is not None, must be at least."""
    PACKAGE: ClassVar[tuple[str, str] | None] = None
    """A package that the back end needs, and the extra of variegate that installs it."""

    def check(self) -> None:
        """Look at the options before anything is read; nothing is reached for.

        Raises:
            RecipeError: one is out of range.
            UsageError: a package that the back end needs is not installed.
        """
        if not self.silence_limit_s > 0:
            raise RecipeError(
                "silence_limit_s: expected a positive number of seconds, "
                f"got {self.silence_limit_s}"
            )
        for name, least in self.LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise RecipeError(f"{name}: expected at least {least:g}, got {value:g}")
        if self.PACKAGE and find_spec(self.PACKAGE[0]) is None:
            raise UsageError(
                f"this back end needs {self.PACKAGE[0]}, which is not installed: "
                f"pip install 'variegate[{self.PACKAGE[1]}]'"
            )

    @abstractmethod
    def opened(self, job: Job) -> AbstractContextManager[Opened]:
        """Make ready for a job; all that was taken for it is given back when the block ends.

        Raises:
            UsageError: the back end cannot be reached, or cannot reach the input or output.
        """
