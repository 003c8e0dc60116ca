"""Every command and every option stands in docs/commands.md, and every help has an example."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from variegate.cli import app
from variegate.formats.hints import Hints

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/commands.md").read_text(encoding="utf-8")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


COMMANDS = {" ".join(path): command for path, command in commands(get_command(app))}


def section(name: str) -> str:
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/commands.md has no section {name!r}"
    return found[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_documented_with_all_its_options(name):
    text = section(name)
    assert f"variegate {name}" in text
    for parameter in COMMANDS[name].params:
        if getattr(parameter, "hidden", False) or "--help" in parameter.opts:
            continue
        for option in parameter.opts:
            word = parameter.metavar if parameter.param_type_name == "argument" else option
            assert f"`{word}`" in text, f"{name}: {word} is not documented"


def test_page_documents_nothing_that_is_not_there():
    assert set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE)) == COMMANDS.keys()
    for name, command in COMMANDS.items():
        known = {
            option
            for parameter in command.params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert set(re.findall(r"`(--[a-z-]+)`", section(name))) <= known


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example(name, run):
    result = run(*name.split(), "--help")
    assert result.exit_code == 0
    assert f"variegate {name}" in result.stdout.partition("Examples")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_of_the_help_can_be_parsed(name):
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    for example in re.findall(r"variegate .+", COMMANDS[name].epilog):
        assert {word for word in example.split() if word.startswith("-")} <= known


def test_commands_are_found_without_loading_numpy():
    # That is what makes `variegate --help` quick: 0.2 s instead of 0.6 s.
    code = "import sys, variegate.cli; print([m for m in ('numpy', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version_is_the_package_version(run):
    import variegate

    assert run("--version").stdout == f"variegate {variegate.__version__}\n"


def test_no_command_shows_the_help(run):
    result = run()
    assert result.exit_code == 0
    assert "augment" in result.stdout


def test_page_of_assumptions_names_what_settles_each():
    page = (ROOT / "docs/assumptions.md").read_text(encoding="utf-8")
    flags = {"format": "--format csv-boxes:FILE", "splits": "--split"}
    for name in Hints.model_fields:
        assert flags.get(name, f"--{name}") in page, name
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| **")]
    assert len(rows) > 20
    # The situation, what is assumed, and what settles it.
    assert all(len(row) == 3 and all(cell.strip() for cell in row) for row in rows)
