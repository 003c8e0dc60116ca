"""A run's figures for Prometheus, in a file that its node exporter collects.

https://prometheus.io/docs/instrumenting/exposition_formats/
https://github.com/prometheus/node_exporter#textfile-collector
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from variegate.errors import OutputError
from variegate.storage.keys import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from variegate.runs.rows import Counts
    from variegate.runs.run import Progress

# As often as anybody scrapes.
_EVERY_S = 5.0

STATES = ("running", "finished", "failed", "interrupted")
_FATES = ("augmented", "copied", "quarantined", "skipped")


@dataclass
class MetricsFile:
    """A text file of figures; it is always whole.

    Attributes:
        path: whose name ends in ".prom", or the collector passes it over.
        output: the run's results, by which its figures are told from another's.
    """

    path: Path
    output: str
    _last: "Progress | None" = None
    _written: float = 0.0

    def update(self, progress: "Progress") -> None:
        """Take what the run tells, and write it now and then.

        Raises:
            OutputError: it cannot be written the first time; later that costs the run nothing.
        """
        first, self._last = self._last is None, progress
        if first or time.monotonic() - self._written >= _EVERY_S:
            try:
                self.write("running")
            except OutputError:
                if first:
                    raise

    def write(self, state: str) -> None:
        """Write the figures.

        Raises:
            OutputError: that is not possible.
        """
        self._written = time.monotonic()
        text = "".join(f"{line}\n" for line in self._lines(state))
        beside = self.path.with_name(f"{TEMPORARY_PREFIX}{self.path.name}.{os.getpid()}")
        try:
            beside.write_text(text)
            beside.replace(self.path)
        except OSError as error:
            raise OutputError(
                f"--metrics {self.path}: {error.strerror}; name a file in a folder that exists"
            ) from error

    def _lines(self, state: str) -> Iterator[str]:
        run = f'output="{_escaped(self.output)}"'
        yield from _head("run_state", "gauge", "1 for the state that the run is in.")
        for one in STATES:
            yield f'variegate_run_state{{{run},state="{one}"}} {int(one == state)}'
        yield from _head("run_written_seconds", "gauge", "When this was written, since 1970.")
        yield f"variegate_run_written_seconds{{{run}}} {time.time():.0f}"
        if self._last is None:
            return
        counts: Counts = self._last.counts
        yield from _head("run_inputs_expected", "gauge", "Inputs in all.")
        yield f"variegate_run_inputs_expected{{{run}}} {self._last.total}"
        yield from _head("run_inputs", "gauge", "Inputs done, by what became of them.")
        for fate in _FATES:
            yield f'variegate_run_inputs{{{run},fate="{fate}"}} {getattr(counts, fate)}'
        yield from _head("run_outputs", "gauge", "Files written.")
        yield f"variegate_run_outputs{{{run}}} {counts.outputs}"
        yield from _head("run_output_bytes", "gauge", "Bytes written.")
        yield f"variegate_run_output_bytes{{{run}}} {counts.bytes}"


def _head(name: str, kind: str, words: str) -> tuple[str, str]:
    return f"# HELP variegate_{name} {words}", f"# TYPE variegate_{name} {kind}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
