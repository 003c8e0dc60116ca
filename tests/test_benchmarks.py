"""The benchmarks follow the code: all that they import is there."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_a_benchmark_can_be_imported(name):
    command = [sys.executable, "-c", f"import {name}"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_is_what_the_kept_results_give():
    code = "import results, run, sys; sys.stdout.write(results.page(run.NAMES))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = FOLDER.parent / "docs" / "benchmarks.md"
    assert page.read_text() == done.stdout, "python benchmarks/run.py --page"
