"""The notebook: valid, run from its first cell to its last, and never written over a file."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

import variegate
from variegate.cli import app
from variegate.reports.notebook import notebook_text

# What all of them look at is made once, not once a worker.
pytestmark = pytest.mark.xdist_group("notebook")

# The kernel's own warnings are none of this process's.
RUN = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=400, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[1])
"""


def write(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["notebook", *map(str, arguments)])


def test_it_is_written_where_it_is_told_and_over_nothing(tmp_path):
    file = tmp_path / "new" / "first.ipynb"
    assert write(file).exit_code == 0
    first = file.read_bytes()
    file.write_text("mine")
    again = write(file)
    assert (again.exit_code, "exists; name another file" in again.output) == (2, True)
    assert file.read_text() == "mine"
    assert write(file, "--replace").exit_code == 0
    assert file.read_bytes() == first
    for wrong, says in ((tmp_path, "is a folder"), (tmp_path / "a.py", "ends with .ipynb")):
        refused = write(wrong)
        assert (refused.exit_code, says in refused.output) == (2, True), refused.output
    assert write(file, "--replace", "--count", "9").exit_code == 2


def test_it_is_of_the_format_that_colab_opens_and_installs_first():
    data = json.loads(notebook_text(60))
    assert (data["nbformat"], data["nbformat_minor"]) == (4, 5)
    nbformat.validate(data)
    assert data["metadata"]["kernelspec"]["name"] == "python3"
    code = [cell for cell in data["cells"] if cell["cell_type"] == "code"]
    assert "%pip install" in "".join(code[0]["source"])
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    folded = [cell for cell in code if cell["metadata"]]
    assert len(folded) == 2
    for cell in folded:
        assert cell["source"][0] == "# @title Solution\n"
        assert cell["metadata"] == {"cellView": "form", "jupyter": {"source_hidden": True}}
    assert len({cell["id"] for cell in data["cells"]}) == len(data["cells"])
    assert "```" not in notebook_text(60)
    assert "COUNT" not in notebook_text(60)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The notebook with a tiny set, as it was run: its folder and its cells with code."""
    folder = tmp_path_factory.mktemp("notebook")
    file = folder / "first.ipynb"
    assert write(file, "--count", 50).exit_code == 0
    (folder / "bin").mkdir()
    program = folder / "bin" / "variegate"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m variegate "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(variegate.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
        "IPYTHONDIR": str(folder / "ipython"),
    }
    environment.pop("EI_API_KEY", None)
    command = [sys.executable, "-c", RUN, str(file)]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    notebook = nbformat.read(file, as_version=4)
    return folder, [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(cell):
    return "".join(one.get("text", "") for one in cell.outputs)


def test_every_cell_does_what_it_says(done):
    folder, cells = done
    nbformat.validate(nbformat.read(folder / "first.ipynb", as_version=4))
    for cell in cells:
        # A command that fails stops no notebook.
        assert not re.search(r"error:|Error\b|Traceback", text_of(cell)), text_of(cell)
        assert "not found" not in text_of(cell)
        if "show(" in cell.source and "def show" not in cell.source:
            assert any("image/png" in one.get("data", {}) for one in cell.outputs), cell.source
    text = "\n".join(map(text_of, cells))
    assert "70 of 70 test images have a variant among the training images" in text
    assert "same source: none" in text
    assert len(re.findall(r"of 7 test images are right", text)) == 2
    assert re.search(r"^total +260 ", text, re.MULTILINE)
    assert not list(folder.glob("*.edge-impulse.jsonl"))


def test_the_solutions_change_what_the_exercises_begin_with(done):
    _, cells = done

    def shown(end):
        found = [one for one in cells if one.source.endswith(end)]
        return [one.outputs[0]["data"]["image/png"] for one in found]

    assert len({*shown('"steps": [mine]}})'), *shown('"steps": [mine_solved]}})')}) == 2
    # At first the plugin changes nothing.
    assert len(set(shown('"steps": ["fade"]}})'))) == 2


def test_nothing_derived_crosses_and_the_verdict_is_proves(done):
    folder, cells = done
    proof = json.loads((folder / "proof" / "proof.json").read_text())
    verdicts = [one["sentence"] for one in proof["verdicts"]]
    assert [one["name"] for one in proof["verdicts"]] == ["recipe", "trivial"]
    (cell,) = [one for one in cells if "variegate prove" in one.source]
    assert text_of(cell).rstrip().splitlines()[-2:] == verdicts
    for name in ("before", "after"):
        assert (folder / name / "training.html").is_file()
    assert (folder / "after" / "model.onnx").is_file()
