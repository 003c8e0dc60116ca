"""How the platform calls a block, and how a block answers: arguments, lines of the log, exit code.

Every documented argument is known; others are passed over, so that one that the platform adds does
not end the block. Success is exit code 0, anything else a failure: 2 where the call or the data
have to be corrected.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from variegate.errors import UsageError, VariegateError
from variegate.recipes.recipe import Recipe, presets
from variegate.runs.run import Progress, load_recipe
from variegate.storage import printable

_INTERVAL_S = 10.0


def say(text: str) -> None:
    """Write a line to the job's log, at once."""
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser of what all blocks are given, and of the recipe."""
    made = argparse.ArgumentParser(description=description, allow_abbrev=False)
    made.add_argument("--out-directory", type=Path)
    made.add_argument("--hmac-key")
    made.add_argument("--metadata")
    made.add_argument("--upload-category", choices=("split", "training", "testing"))
    made.add_argument("--upload-label")
    made.add_argument("--preset", default="light")
    made.add_argument("--recipe", default="", help="text of a recipe, instead of a preset")
    made.add_argument("--seed", type=int, default=0)
    return made


def parsed(made: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments; name those that are passed over, without their values."""
    found, others = made.parse_known_args(arguments)
    for one in others:
        if one.startswith("--"):
            say(f"passed over: {one.partition('=')[0]}")
    return found


def switch(text: str) -> bool:
    """Read a boolean as the platform passes it: 1 or 0."""
    if text.lower() in ("1", "true"):
        return True
    if text.lower() in ("0", "false", ""):
        return False
    raise argparse.ArgumentTypeError(f"expected 1 or 0, got {text!r}")


def recipe_of(given: argparse.Namespace) -> Recipe:
    """Return the recipe whose text is given, or else the preset.

    Raises:
        UsageError: there is no such preset, or the recipe is not valid.
    """
    if given.recipe.strip():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "recipe.yaml"
            file.write_text(given.recipe, encoding="utf-8")
            return load_recipe(file, given.seed)
    if given.preset not in presets():
        raise UsageError(f"--preset {given.preset}: expected one of {', '.join(presets())}")
    return load_recipe(given.preset, given.seed)


def progress() -> Callable[[Progress], None]:
    """Return what writes a line about a run every few seconds."""
    last = time.monotonic()

    def update(now: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= _INTERVAL_S:
            last = time.monotonic()
            say(f"{now.counts.sources:,} of {now.total:,} images, {now.counts.outputs:,} files")

    return update


def run_block(block: Callable[[], None]) -> int:
    """Carry out a block; return its exit code. What is wrong is said in one sentence."""
    try:
        block()
    except VariegateError as error:
        say(f"error: {error}")
        return 2
    return 0
