"""Try the wheel as a user gets it: in an empty environment of every Python that is here.

    python tests/try_wheel.py DIST

The source archive is tried too: what is built from it is the same wheel. So are the blocks of Edge
Impulse: what their Dockerfiles install, with the wheel beside them, and their entry points.
"""

import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from try_blocks import BLOCKS, run, try_block

PYTHONS = ("3.11", "3.12", "3.13")
# What only an installed package can get wrong: files that are not Python, and what is not there.
COMMANDS = (
    ("--version",),
    ("recipe", "presets"),
    ("sample", "parts", "--count", "10"),
    ("augment", "parts", "more", "--preset", "light", "--workers", "2"),
    ("verify", "more"),
    ("preview", "more", "--out", "sheet.png"),
    ("convert", "parts", "coco", "--to", "coco"),
    ("deploy", "kubernetes", "s3://raw", "s3://more", "--print"),
    ("deploy", "augment", "--input", "raw-images", "--output", "more-images", "--print"),
)


def main(dist: Path) -> None:
    (wheel,), (archive,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        again = place / "again"
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", again, archive)
        (other,) = again.glob("*.whl")
        assert names(other) == names(wheel), "the source archive gives another wheel"
        tried = [version for version in PYTHONS if try_with(version, wheel, place / version)]
        assert tried, f"none of Python {', '.join(PYTHONS)} is here"
        for block in BLOCKS:
            try_block(block, wheel, place / tried[-1])
    print(f"{wheel.name} works in an empty environment of Python {', '.join(tried)}")


def try_with(version: str, wheel: Path, place: Path) -> bool:
    """Install the wheel for one Python and use it; say whether that Python is here."""
    own = version == f"{sys.version_info[0]}.{sys.version_info[1]}"
    python = sys.executable if own else shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        return False
    if own:
        venv.create(place / "venv", with_pip=True)
    else:
        run(python, "-m", "venv", place / "venv")
    bin_folder = place / "venv" / "bin"
    run(bin_folder / "python", "-m", "pip", "install", "--quiet", wheel)
    for command in COMMANDS:
        run(bin_folder / "variegate", *command, cwd=place)
    return True


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as file:
        return sorted(file.namelist())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
