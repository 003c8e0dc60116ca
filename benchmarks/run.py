"""Run the benchmarks, keep what they find, and write docs/benchmarks.md.

    python benchmarks/run.py [--quick] [NAME ...]
    python benchmarks/run.py --page

Without names all are run. The page names those that have not been run, and is never written from
quick runs.
"""

import argparse
import datetime as dt
import importlib
import os
import sys

from harness import HERE, peer_versions
from results import PAGE, Measured, machine, own_versions, page

NAMES = (
    *("transform_only", "new_pixels", "new_geometry", "whole_job", "power_set", "memory", "labels"),
    *("start", "kernels", "storage", "cluster", "serverless", "fidelity", "corruptions", "splits"),
    *("duplicates", "audit_rate", "listing", "serving", "encoders", "loading", "proof_time"),
    *("tolerance_search", "tolerance_comparison", "tolerance_models"),
)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="few turns; nothing is kept")
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in () if options.page else options.names or NAMES:
        _run(name, quick=options.quick)
    if not options.quick:
        PAGE.write_text(page(NAMES), encoding="utf-8")
        print(f"written: {PAGE.relative_to(HERE.parent)}")


def _run(name: str, *, quick: bool) -> None:
    load = os.getloadavg()[1]
    result = importlib.import_module(name).run(quick=quick)
    print(result.markdown(), flush=True)
    if quick:
        return
    today = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    Measured(today, machine(), load, own_versions() | peer_versions(), result).save(name)


if __name__ == "__main__":
    sys.exit(main())
