"""How long it takes to begin."""

import statistics
import sys
from pathlib import Path

from harness import Claim, Program, Result, interleave, number

METHOD = """
Whole programs, with their files in the system's cache (`benchmarks/start.py`).
"""


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    command = Path(sys.executable).with_name("variegate")
    contenders = {
        "python -c pass": Program([sys.executable, "-c", "pass"]),
        "import variegate": Program([sys.executable, "-c", "import variegate"]),
        "from variegate import Recipe": Program(
            [sys.executable, "-c", "from variegate import Recipe"]
        ),
        "variegate --help": Program([str(command), "--help"]),
    }
    times = interleave(contenders, 3 if quick else 10)
    middle = {name: statistics.median(times[name]) for name in contenders}
    return Result(
        "Start",
        METHOD,
        ("", "s"),
        [(name, number(seconds)) for name, seconds in middle.items()],
        [Claim.at_most("variegate --help", 0.5, middle["variegate --help"], " s")],
    )
