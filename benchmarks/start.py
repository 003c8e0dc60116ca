"""How long it takes to begin: whole programs that have little to do.

    VARIEGATE_BESIDE=../main python benchmarks/run.py start

times another checkout beside this one, which is how a change is judged: its rows get its name, and
the shortest runs are compared within each turn.
"""

import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness import HERE, WORK, Claim, Program, Result, interleave, number, ratio
from photos import photos

if TYPE_CHECKING:
    from collections.abc import Callable

METHOD = """
Whole programs, with their files in the system's cache (`benchmarks/start.py`). The jobs make ten
variants each of {few} photos of 500 x 375 with two workers, which is little work: a tenth of a
second of both processors.
"""

FEW = 8
_BESIDE = "VARIEGATE_BESIDE"

VARIANTS = 10
_RECIPE = f"""
variants:
  each:
    draws: {VARIANTS}
    steps:
      - sequence:
          - flip: {{p: 0.5}}
          - rotate: {{angle_degrees: [-15, 15]}}
          - scale: {{factor: [0.9, 1.1]}}
          - brightness: {{amount: [-0.2, 0.2]}}
          - saturation: {{factor: [0.7, 1.4]}}
"""
_SCRIPT = """
import sys, variegate
options = variegate.Options(workers=2)
variegate.augment(sys.argv[2], sys.argv[3], recipe={recipe}, options=options)
"""
_JOBS = {
    "variegate augment": ("-m", "variegate", "augment", "--workers", "2", "--recipe"),
    "augment(), the recipe's file": ("-c", _SCRIPT.format(recipe="sys.argv[1]")),
    "augment(), a Recipe": ("-c", _SCRIPT.format(recipe="variegate.Recipe.load(sys.argv[1])")),
}
_PROGRAMS = {
    "python -c pass": ("-c", "pass"),
    "import variegate": ("-c", "import variegate"),
    "from variegate import Recipe": ("-c", "from variegate import Recipe"),
    "variegate --help": ("-m", "variegate", "--help"),
}


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    rounds = 3 if quick else 15
    checkouts = {"": HERE.parent}
    if beside := os.environ.get(_BESIDE):
        checkouts[f" ({Path(beside).resolve().name})"] = Path(beside).resolve()
    contenders: dict[str, Callable[[], float]] = {}
    for name, arguments in {**_PROGRAMS, **_JOBS}.items():
        for where, checkout in checkouts.items():
            contenders[f"{name}{where}"] = _Turn(checkout, arguments, makes=name in _JOBS)
    # What the first turn compiles and reads is there for all others.
    for one in contenders.values():
        one()
    times = interleave(contenders, rounds)
    middle = {name: statistics.median(times[name]) for name in contenders}
    claims = [Claim.at_most("variegate --help", 0.5, middle["variegate --help"], " s")]
    claims += [
        Claim.at_most(f"{name}, times{where}", 0.5, ratio(times, name, f"{name}{where}"))
        for where in checkouts
        if where
        for name in _JOBS
    ]
    rows = [(name, number(seconds)) for name, seconds in middle.items()]
    return Result("Start", METHOD.format(few=FEW), ("", "s"), rows, claims)


class _Turn:
    """A turn of one program of one checkout; what it makes is new each time."""

    def __init__(self, checkout: Path, arguments: tuple[str, ...], *, makes: bool) -> None:
        self._program = Program([sys.executable, "-P", *arguments])
        self._source = str(checkout / "src")
        self._makes = makes

    def __call__(self) -> float:
        os.environ["PYTHONPATH"] = self._source
        if not self._makes:
            return self._program()
        recipe = WORK / "start.yaml"
        recipe.write_text(_RECIPE)
        target = WORK / "outputs" / f"start, {time.time_ns()}"
        target.parent.mkdir(parents=True, exist_ok=True)
        seconds = self._program(str(recipe), str(photos(FEW)), str(target))
        made = len(list(target.rglob("*.jpg")))
        if made != VARIANTS * FEW:
            raise SystemExit(f"{target}: expected {VARIANTS * FEW} files, found {made}")
        return seconds
