"""How far a run is: a live bar on a terminal, now and then a plain line elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from variegate.cli.console import note, talk, time_text

if TYPE_CHECKING:
    from variegate.runs.run import Progress

# Between plain lines, where there is no terminal: seldom enough for the log of a long run.
_PLAIN_INTERVAL_S = 30.0
# Before that an estimate of the time left is worth nothing.
_FIRST_ESTIMATE_S = 2.0


class RunProgress:
    """The figures of a run, updated as it goes.

    Attributes:
        last: what was told last; None before anything was.
    """

    def __init__(self) -> None:
        self.last: Progress | None = None
        self._begun = time.monotonic()

    def update(self, progress: "Progress") -> None:
        """Take what `variegate.augment` tells."""
        if self.last is None:
            self._begun = time.monotonic()
        self.last = progress

    @property
    def rate(self) -> float:
        """Outputs a second, of this run."""
        if self.last is None:
            return 0.0
        made = self.last.counts.outputs - self.last.before.outputs
        return made / max(1e-3, time.monotonic() - self._begun)

    def words(self) -> str:
        """The figures in words: outputs, rate, time left, quarantined."""
        if self.last is None:
            return ""
        counts = self.last.counts
        parts = [f"{counts.outputs:,} files"]
        if self.rate > 0:
            left = max(0, self.last.outputs - counts.outputs) / self.rate
            parts.append(f"{self.rate:,.0f} a second")
            if counts.sources < self.last.total:
                parts.append(f"{time_text(left)} left")
        if counts.quarantined:
            parts.append(f"{counts.quarantined:,} quarantined")
        return ", ".join(parts)


@contextmanager
def run_progress() -> Iterator[tuple[RunProgress, Callable[["Progress"], None]]]:
    """Show a run's progress while the block runs; give its figures and what to call with news."""
    figures, last = RunProgress(), time.monotonic()
    with bar("inputs") if talk().is_terminal else nullcontext() as show:

        def update(progress: "Progress") -> None:
            nonlocal last
            # A start that takes long, such as that of a cluster, is no progress to be told.
            if figures.last is None:
                last = time.monotonic()
            figures.update(progress)
            done, total = progress.counts.sources, progress.total
            if show:
                show(done, total, figures.words())
            # What is said at the end of a run follows at once.
            elif done < total and time.monotonic() - last >= _PLAIN_INTERVAL_S:
                last = time.monotonic()
                note(f"{done:,} of {total:,} inputs, {figures.words()}")

        yield figures, update


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a count and the time left; without a terminal, a plain line now and then.

    Gives a function to be called with (done, total).
    """
    begun = last = time.monotonic()
    with bar(what) if talk().is_terminal else nullcontext() as show:

        def update(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            left = (now - begun) * (total - done) / max(1, done)
            words = f"{time_text(left)} left" if now - begun >= _FIRST_ESTIMATE_S else ""
            if show:
                show(done, total, words)
            elif now - last >= _PLAIN_INTERVAL_S:
                last = now
                note(f"{done:,} of {total:,} {what}, {words}")

        yield update


@contextmanager
def bar(unit: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar on a terminal; give what to call with (done, total, words)."""
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        BarColumn(bar_width=28),
        TextColumn(
            "{task.completed:,.0f} of {task.total:,.0f} {task.fields[unit]}",
            style="bold",
            markup=False,
        ),
        TextColumn("{task.fields[words]}", markup=False),
    )
    with Progress(*columns, console=talk(), transient=True) as shown:
        task = shown.add_task("", total=None, unit=unit, words="", visible=False)

        def show(done: int, total: int, words: str) -> None:
            shown.update(task, completed=done, total=total, words=words, visible=True)

        yield show
