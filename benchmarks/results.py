"""What benchmarks found, as data: one JSON file each in `results/`, and the page made of them."""

import json
import math
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness import HERE, Claim, Result

RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "benchmarks.md"

_PACKAGES = ("variegate", "numpy", "opencv-python-headless", "simplejpeg", "stringzilla")

# A machine with so much to do before a benchmark began is not called quiet.
_QUIET_LOAD = 0.5

INTRODUCTION = """
# Benchmarks

`make bench` runs all benchmarks, `make bench ONLY=whole_job` one; what they find is kept as JSON in
`benchmarks/results`, with the machine and the versions, and this page is made of that. Contenders
take turns (A B C A B C ...), a ratio is computed within each turn, and the median of the ratios is
reported, so a busy machine slows all contenders alike. Peers are installed in separate
environments. Each does equivalent work with the same ranges, drawn anew for every variant, and is
written as a careful user would write it. Missed targets are reported as such.
"""


@dataclass(frozen=True)
class Measured:
    """A result, and where it comes from.

    Attributes:
        date: ISO 8601.
        machine: processor, CPUs, system and Python, in words.
        load: mean number of processes that wanted to run in the five minutes before; None where it
            was not noted.
        versions: of packages, those of peers included.
        result: what was found.
        note: what else is to be known.
    """

    date: str
    machine: str
    load: float | None
    versions: dict[str, str]
    result: Result
    note: str = ""

    def save(self, name: str) -> None:
        """Keep it as the result of the benchmark `name`."""
        RESULTS.mkdir(exist_ok=True)
        data = asdict(self)
        for claim in data["result"]["claims"]:
            claim["figure"] = None if math.isnan(claim["figure"]) else claim["figure"]
        text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
        (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load_of(cls, name: str) -> "Measured | None":
        """Return what is kept of a benchmark; None where nothing is."""
        file = RESULTS / f"{name}.json"
        if not file.exists():
            return None
        data = json.loads(file.read_text(encoding="utf-8"))
        return cls(**data | {"result": _result(data["result"])})

    def markdown(self) -> str:
        """Return the section of the page."""
        return f"{self.result.markdown()}\n{self._origin()}\n"

    def _origin(self) -> str:
        words = [self.date, self.machine]
        if self.load is not None and self.load > _QUIET_LOAD:
            words.append(f"busy with other programs (load {self.load:.1f})")
        if self.note:
            words.append(self.note)
        versions = ", ".join(f"{package} {one}" for package, one in self.versions.items())
        return f"<sub>{'; '.join([*words, versions])}</sub>"


def _result(data: dict[str, Any]) -> Result:
    claims = [
        Claim(**one | {"figure": math.nan if one["figure"] is None else one["figure"]})
        for one in data["claims"]
    ]
    rows = [tuple(row) for row in data["rows"]]
    return Result(**data | {"claims": claims, "rows": rows, "head": tuple(data["head"])})


def own_versions() -> dict[str, str]:
    """Return the versions of variegate and of what its speed depends on."""
    return {package: version(package) for package in _PACKAGES}


def machine() -> str:
    """Return processor, CPUs, system and Python in words."""
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} CPUs, {platform.system()}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def page(names: tuple[str, ...]) -> str:
    """Return the page of these benchmarks, in their order."""
    kept = {name: Measured.load_of(name) for name in names}
    missing = [name for name, one in kept.items() if one is None]
    parts = [INTRODUCTION.strip()]
    if missing:
        parts.append(f"Not measured yet: {', '.join(missing)}.")
    parts += [one.markdown().strip() for one in kept.values() if one is not None]
    return "\n\n".join(parts) + "\n"
