"""The house rules of CONTRIBUTING.md, as far as a test can see them."""

import ast
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "variegate"
AT_ROOT = {
    "__init__.py",
    "__main__.py",
    "errors.py",
    "seeding.py",
    "validation.py",
}
MOST_AT_ROOT, MOST_PACKAGES = 6, 18

FILES = sorted(SRC.rglob("*.py"))
PACKAGES = sorted(path.parent for path in SRC.rglob("__init__.py") if path.parent != SRC)
names = [str(path.relative_to(SRC)) for path in PACKAGES]

# A transform draws, an operation of the same name acts.
PAIRED = {"ops", "transforms"}
# Words that end like gerunds and are nouns of the field.
NOUNS = {"mixing", "pairing", "preprocessing", "training", "serving", "testing", "seeding"}


def test_few_files_stand_at_the_root():
    found = {path.name for path in SRC.glob("*.py")}
    assert found == AT_ROOT, "a new file belongs into one of the packages; see CONTRIBUTING.md"
    assert len(found) <= MOST_AT_ROOT


def test_there_are_few_packages():
    found = {path.name for path in PACKAGES if path.parent == SRC}
    assert len(found) <= MOST_PACKAGES, sorted(found)


@pytest.mark.parametrize("package", PACKAGES, ids=names)
def test_a_package_says_in_its_init_what_it_is(package):
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text()))
    assert text, f"{package.name}/__init__.py has no docstring"
    assert re.match(r"[A-Z].*[.:]", text), f"{package.name}: begin with a sentence"


@pytest.mark.parametrize("package", PACKAGES, ids=names)
def test_no_package_is_empty(package):
    others = [path for path in package.rglob("*") if path.name != "__init__.py"]
    assert [path for path in others if path.is_file()], f"{package.name} holds nothing"


def test_class_names_are_unique():
    places = defaultdict(set)
    for path in FILES:
        room = path.relative_to(SRC).parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add("pairs" if room in PAIRED else str(path.relative_to(SRC)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_files_are_named_by_what_they_hold(path):
    stem = path.stem.strip("_")
    assert stem not in {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    last = stem.rpartition("_")[2]
    assert not last.endswith("ing") or last in NOUNS, f"{path.name}: a gerund; name the thing"


def test_every_decoder_of_our_own_has_its_evidence():
    # Row by row it is compared in tests/codecs/test_codec_evidence.py.
    page = (ROOT / "docs/decisions/codecs.md").read_text(encoding="utf-8")
    for path in (SRC / "codecs").rglob("*.py"):
        if re.search(r"^def parse\(", path.read_text(), re.MULTILINE):
            assert f"`{path.relative_to(SRC / 'codecs')}`" in page or "tiff" in path.parts


def test_the_version_is_in_the_changelog():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_pre_commit_runs_what_make_lint_runs():
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert lint
    tools = set(re.findall(r"\$\(BIN\)/(.+)", lint[1]))
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert {tool for tool in tools if f"entry: .venv/bin/{tool}" in hooks} == tools
