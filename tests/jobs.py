"""Small datasets and runs for the tests of jobs, back ends and runs."""

import hashlib
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from variegate import Recipe
from variegate.codecs import encode
from variegate.datasets.samples import draw_images
from variegate.seeding import generator

EIGHT = """
variants:
  sample:
    n: 8
    k_min: 1
    k_max: 3
    steps:
      - flip
      - rotate: {angle_degrees: [-20, 20]}
      - brightness: {amount: [-0.2, 0.2]}
      - gaussian_noise: {sigma: [0.02, 0.08]}
"""
TWO = "variants: {sample: {n: 2, k_min: 1, k_max: 1, steps: [flip, invert]}}"


def recipe(text: str = EIGHT, **changes: object) -> Recipe:
    """Return a recipe from its text, with some fields changed."""
    return Recipe.parse(text).model_copy(update=changes)


def draw_set(folder: Path, count: int, size: tuple[int, int] = (48, 64)) -> Path:
    """Write a folder per class of specimens."""
    for key, drawn in draw_images(count, size=size):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(drawn.image, format="jpeg"))
    return folder


def draw_noise(path: Path, size: tuple[int, int] = (24, 32)) -> Path:
    """Write one image that costs next to nothing to make."""
    image = generator(1, path.name).integers(0, 256, (*size, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "png" if path.suffix.lower() == ".png" else "jpeg"
    path.write_bytes(encode(cv2.blur(image, (5, 5)), format=kind))
    return path


def tree(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder but the record, which tells places."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "job.json":
            data = path.read_bytes()
            found[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return found


def components(data_dir: Path, folder: Path, every: int) -> Path:
    """Write some of the electronic components and one that is broken."""
    folder.mkdir()
    archive = data_dir / "electronic_components/electronic-components-png-original.zip"
    with zipfile.ZipFile(archive) as members:
        names = sorted(name for name in members.namelist() if name.endswith(".png"))[::every]
        for name in names:
            (folder / name).write_bytes(members.read(name))
    (folder / "broken.01.png").write_bytes((folder / names[0]).read_bytes()[:300])
    return folder


def children(pid: int | None = None) -> list[int]:
    """Return the processes that a process has started, by all of its threads."""
    # A glob of what has gone is empty.
    tasks = Path(f"/proc/{pid or os.getpid()}/task").glob("*")
    return [int(child) for task in tasks for child in _read_children(task)]


def _read_children(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def workers(pid: int | None = None) -> list[int]:
    """Return the worker processes that a process has started, zombies with them.

    Those that were forked are children of a server. Other children, such as the servers that tests
    share, are left out.
    """
    servers = _started(pid, "fork_server")
    return [*_started(pid, "worker"), *(one for each in servers for one in children(each))]


def left_over() -> list[int]:
    """Return the processes that runs of this process have left behind."""
    return [*workers(), *_started(None, "fork_server")]


def _started(pid: int | None, program: str) -> list[int]:
    return [child for child in children(pid) if _runs(child, program)]


def _runs(pid: int, program: str) -> bool:
    found = command(pid)
    # A zombie has no command.
    return found == "" or f"variegate.runs.backends.{program} " in (found or "")


def command(pid: int) -> str | None:
    """Return the command line of a process; None if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None


def peak_memory(pid: int) -> int:
    """Return the most memory that a process has had, in bytes; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def is_alive(pid: int) -> bool:
    """Say whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def python(program: str, *arguments: object, **options: object) -> "subprocess.Popen[str]":
    """Start a Python program in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def kill_group(process: "subprocess.Popen[str]") -> None:
    """SIGKILL a program started by `python`, and all that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def search_path(folder: Path) -> str:
    """Return a PYTHONPATH by which a program finds modules in `folder`, too."""
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


def patched_workers(monkeypatch, folder: Path, program: str) -> None:
    """Let every Python process that is started run a program first: a fault for the workers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", search_path(folder))


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder that may be changing."""
    for base, _, names in os.walk(folder):
        for name in names:
            yield Path(base, name)
