"""Run the benchmarks and write docs/benchmarks.md.

    python benchmarks/run.py [--quick] [NAME ...]

Without names all are run. What each found is kept in `.work/results`, so that one can be run anew;
the page names those that have not been run, and is never written from quick runs.
"""

import argparse
import datetime as dt
import importlib
import importlib.util
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from harness import ENVIRONMENTS, HERE, WORK, Result, version_of

NAMES = (
    *("transform_only", "new_pixels", "new_geometry", "whole_job", "power_set", "memory", "labels"),
    *("start", "kernels", "storage", "cluster", "serverless", "fidelity", "corruptions", "splits"),
    *("duplicates", "serving"),
)
PAGE = HERE.parent / "docs" / "benchmarks.md"
RESULTS = WORK / "results"

INTRODUCTION = """
# Benchmarks

`make bench` runs all benchmarks and writes this page. Contenders take turns (A B C A B C ...), a
ratio is computed within each turn, and the median of the ratios is reported, so a busy machine
slows all contenders alike. Peers are installed in separate environments. Each does equivalent work
with the same ranges, drawn anew for every variant, and is written as a careful user would write it.
Missed targets are reported as such.
"""


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="few turns; the page is not written")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in options.names or NAMES:
        if importlib.util.find_spec(name) is None:
            print(f"{name}: not here\n")
            continue
        result: Result = importlib.import_module(name).run(quick=options.quick)
        print(result.markdown(), flush=True)
        if not options.quick:
            RESULTS.mkdir(parents=True, exist_ok=True)
            kept = {"date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d}", "text": result.markdown()}
            (RESULTS / f"{name}.json").write_text(json.dumps(kept))
    if not options.quick:
        _write_page()


def _write_page() -> None:
    present = [name for name in NAMES if importlib.util.find_spec(name)]
    files = [RESULTS / f"{name}.json" for name in present]
    missing = [file.stem for file in files if not file.exists()]
    kept = [json.loads(file.read_text()) for file in files if file.exists()]
    dates = sorted({one["date"] for one in kept})
    parts = [
        INTRODUCTION.strip(),
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}. {_machine()}",
    ]
    if missing:
        parts.append(f"Not measured on this machine: {', '.join(missing)}.")
    PAGE.write_text("\n\n".join([*parts, *(one["text"].strip() for one in kept)]) + "\n")
    print(f"written: {PAGE.relative_to(HERE.parent)}")


def _machine() -> str:
    names = ("variegate", "numpy", "opencv-python-headless", "simplejpeg", "stringzilla")
    here = ", ".join(f"{name} {version(name)}" for name in names)
    peers = ", ".join(
        f"{package} {version_of(peer, package)}"
        for peer, package in zip(
            ENVIRONMENTS,
            (
                *("albumentations", "imgaug", "scikit-learn", "Augmentor", "torchvision"),
                "imagecorruptions",
            ),
            strict=True,
        )
    )
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} CPUs, {platform.system()}, "
        f"Python {platform.python_version()}; {here}. Peers: {peers}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
