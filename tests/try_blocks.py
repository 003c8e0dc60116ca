"""Try the blocks of Edge Impulse without Docker: install what a Dockerfile installs, run its entry.

Used by `try_wheel.py`, whose Python has no packages: nothing but the standard library is imported.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

from edge_impulse_server import KEY, PROJECT, Handler, Project

# What the platform adds to the parameters; they keep their defaults.
BLOCKS = {
    "transform": ("--in-directory", "parts", "--out-directory", "out", "--hmac-key", "0"),
    "transform_files": ("--in-file", "one.jpg", "--out-directory", "out_files", "--hmac-key", "0"),
    "synthetic": ("--synthetic-data-job-id", "7"),
}


def try_block(block: str, wheel: Path, place: Path) -> None:
    """Try one block.

    Args:
        block: name of its folder, which is taken from the package that is installed.
        wheel: put beside the Dockerfile.
        place: has that package in `venv`, and images in `parts`.
    """
    app = place / block
    (packed,) = place.glob(f"venv/lib/python*/site-packages/variegate/deployment/*/{block}")
    shutil.copytree(packed, app)
    shutil.copy(wheel, app)
    dockerfile = (app / "Dockerfile").read_text()
    (install,) = re.findall(r"^RUN pip (.*)$", dockerfile, re.MULTILINE)
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", dockerfile, re.MULTILINE)
    run(place / "venv/bin/python", "-m", "venv", place / f"venv-{block}")
    python = place / f"venv-{block}" / "bin" / "python"
    run(python, "-m", "pip", *install.split(), cwd=app)
    photo = next((place / "parts").rglob("*.jpg"))
    shutil.copy(photo, place / "one.jpg")
    with _service(photo.read_bytes()) as (project, environment):
        call = [*json.loads(entry)[1:], *_defaults(app), *BLOCKS[block], "--of-tomorrow"]
        run(python, *call, cwd=place, **environment)
        uploaded = len(project.samples)
    if block == "synthetic":
        assert uploaded > 1, f"{block}: nothing was uploaded"
        return
    out = place / BLOCKS[block][3]
    assert json.loads((out / "ei-metadata.json").read_text())["metadata"]["ei_check"] in ("0", "1")
    assert len(list(out.rglob("*.jpg"))) > 1, f"{block}: it made nothing"


def run(*arguments: object, cwd: Path | None = None, **environment: str) -> None:
    """Run a program; where it fails, end with what it said."""
    call = list(map(str, arguments))
    done = subprocess.run(
        call, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(call)}:\n{done.stdout}{done.stderr}")


def _defaults(app: Path) -> Iterator[str]:
    """Yield the parameters of a block as the platform passes them: booleans are 1 or 0."""
    for one in json.loads((app / "parameters.json").read_text())["parameters"]:
        value = int(one["value"]) if one["type"] == "boolean" else one["value"]
        yield from (f"--{one['param']}", str(value))


@contextmanager
def _service(photo: bytes) -> Iterator[tuple[Project, dict[str, str]]]:
    """Serve a project with one photo; give it, and the environment of a block."""
    Handler.project = project = Project({})
    project.store("training", {"x-label": "resistor"}, "photo.jpg", photo, None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    yield (
        project,
        {
            "EI_API_ENDPOINT": f"{url}/v1",
            "EI_API_KEY": "ei_of_the_organization",
            "EI_INGESTION_HOST": url,
            "EI_ORGANIZATION_ID": "12",
            "EI_PROJECT_API_KEY": KEY,
            "EI_PROJECT_ID": str(PROJECT),
        },
    )
    server.shutdown()
    server.server_close()
