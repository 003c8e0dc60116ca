"""`make demo`: from nothing to a contact sheet, by the commands that a user would type."""

import shutil
import sys
from pathlib import Path

from variegate.cli import app
from variegate.cli.console import tell

IMAGES = 60


def main(folder: str) -> None:
    """Draw a small dataset, augment it, check it, and draw a contact sheet of it."""
    place = Path(folder)
    parts, more, sheet = place / "parts", place / "augmented", place / "preview.png"
    marker = place / ".variegate-demo"
    if place.is_dir() and any(place.iterdir()) and not marker.exists():
        tell(f"{place}: is not empty, and no demo made it; name another folder")
        sys.exit(2)
    for made in (parts, more):
        shutil.rmtree(made, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    marker.touch()
    _run("sample", str(parts), "--count", str(IMAGES))
    _run("augment", str(parts), str(more), "--preset", "chain", "--seed", "7")
    _run("verify", str(more))
    _run("preview", str(more), "--out", str(sheet))
    tell("")
    tell(f"Images in {more}; the contact sheet is {sheet.resolve()}")


def _run(*arguments: str) -> None:
    """Run one command and show it as it would be typed."""
    tell("")
    tell(f"$ variegate {' '.join(arguments)}")
    try:
        app(list(arguments))
    except SystemExit as end:
        if end.code:
            raise


if __name__ == "__main__":
    main(*sys.argv[1:2] or ["demo"])
