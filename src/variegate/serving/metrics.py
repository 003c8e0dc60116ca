"""Counts and times, in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_IMAGES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)

Labels = tuple[tuple[str, str], ...]


class MetricHistogram:
    """Values counted by size."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def lines(self, name: str) -> Iterator[str]:
        """Yield its lines, each bucket with those below it."""
        total = 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self.sum:.6f}"
        yield f"{name}_count {total}"


class Metrics:
    """What a server counts. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, Labels], int] = defaultdict(int)
        self._histograms = {
            "variegate_request_seconds": MetricHistogram(_SECONDS),
            "variegate_model_seconds": MetricHistogram(_SECONDS),
            "variegate_batch_images": MetricHistogram(_IMAGES),
        }
        self._gauges: dict[str, Callable[[], float]] = {}

    def count(self, name: str, by: int = 1, **labels: str) -> None:
        """Add to a counter; its name without "variegate_" and "_total"."""
        with self._lock:
            self._counts[f"variegate_{name}_total", tuple(sorted(labels.items()))] += by

    def observe(self, name: str, value: float) -> None:
        """Add a value to a histogram; its name without "variegate_"."""
        with self._lock:
            self._histograms[f"variegate_{name}"].add(value)

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """Have a value read whenever the text is made; its name without "variegate_"."""
        self._gauges[f"variegate_{name}"] = read

    def text(self) -> str:
        """Return all of it."""
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        before = None
        for (name, labels), value in sorted(self._counts.items()):
            if name != before:
                yield f"# TYPE {name} counter"
                before = name
            named = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
            yield f"{name}{{{named}}} {value}" if named else f"{name} {value}"
        for name, read in self._gauges.items():
            yield f"# TYPE {name} gauge"
            yield f"{name} {read():g}"
        for name, histogram in self._histograms.items():
            yield f"# TYPE {name} histogram"
            yield from histogram.lines(name)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
