"""Who else is told of a run, besides the terminal: Prometheus, and a webhook at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from variegate.cli.console import Interrupted, tell
from variegate.cli.options import option
from variegate.errors import OutputError, VariegateError

if TYPE_CHECKING:
    from variegate.runs.metrics_file import MetricsFile
    from variegate.runs.rows import Counts
    from variegate.runs.run import Progress, Summary
    from variegate.runs.webhook import Webhook

_PANEL = "Run"


def _checked(url: str | None) -> str | None:
    if url is not None:
        from variegate.runs.webhook import Webhook

        Webhook(url)
    return url


@dataclass(frozen=True, kw_only=True)
class ObserverChoice:
    """Who else is told."""

    notify: Annotated[
        str | None,
        option(
            "--notify",
            "Post a JSON object to URL when the run ends: state, counts, digest. The URL is never "
            "shown.",
            _PANEL,
            "URL",
            envvar="VARIEGATE_NOTIFY",
            callback=_checked,
        ),
    ] = None
    metrics: Annotated[
        Path | None,
        option(
            "--metrics",
            "Keep the run's figures in FILE (.prom), for Prometheus' node exporter.",
            _PANEL,
            "FILE",
        ),
    ] = None

    @contextmanager
    def told(self, source: str, output: str) -> Iterator["Observers"]:
        """Tell them how the block ends."""
        from variegate.runs.metrics_file import MetricsFile
        from variegate.runs.webhook import Webhook

        observers = Observers(
            {"input": source, "output": output},
            None if self.notify is None else Webhook(self.notify),
            None if self.metrics is None else MetricsFile(self.metrics, output),
        )
        try:
            yield observers
        except Interrupted:
            observers.end("interrupted")
            raise
        except Exception as error:
            known = isinstance(error, VariegateError)
            observers.end("failed", error=str(error) if known else type(error).__name__)
            raise
        observers.end("finished")


@dataclass
class Observers:
    """Those who are told of one run."""

    about: dict[str, Any]
    webhook: "Webhook | None"
    metrics: "MetricsFile | None"

    def update(self, progress: "Progress") -> None:
        """Take what the run tells."""
        self.about["counts"] = _as_data(progress.counts)
        if self.metrics is not None:
            self.metrics.update(progress)

    def summarise(self, summary: "Summary") -> None:
        """Take what became of it all."""
        self.about["counts"] = _as_data(summary.counts)
        self.about |= {"digest": summary.digest, "elapsed_s": round(summary.elapsed_s, 1)}

    def end(self, state: str, **more: str) -> None:
        """Tell all of them that the run has ended; what fails is said."""
        if self.metrics is not None:
            try:
                self.metrics.write(state)
            except OutputError as error:
                tell(str(error))
        if self.webhook is not None:
            message = {"state": state, **self.about, **more, "text": self._words(state, **more)}
            if reason := self.webhook.post(message, hurried=state == "interrupted"):
                tell(reason)

    def _words(self, state: str, error: str = "") -> str:
        """Return one sentence, as chats show it."""
        counts = self.about.get("counts", {})
        parts = [f"{counts[name]:,} {name}" for name in ("inputs", "outputs") if name in counts]
        if counts.get("quarantined"):
            parts.append(f"{counts['quarantined']:,} quarantined")
        told = f"variegate: {self.about['output']}: {state}"
        return ", ".join([told, *parts]) + (f": {error}" if error else "")


def _as_data(counts: "Counts") -> dict[str, int]:
    return {**asdict(counts), "inputs": counts.sources, "objects_in": counts.objects_in}
