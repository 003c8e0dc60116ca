"""Text for users keeps to the words of docs/glossary.md.

Checked are the documentation, the JSON Schema of recipes, the help of every command, and the
strings of the code (messages and docstrings), but no identifiers.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from variegate.cli import app

ROOT = Path(__file__).parents[1]
GLOSSARY = "docs/glossary.md"


class Rule(NamedTuple):
    """What not to write.

    Attributes:
        pattern: regular expression of the banned words, found in any case.
        term: word of the glossary that replaces or explains it.
        instead: what to write.
    """

    pattern: str
    term: str
    instead: str


BANNED = (
    Rule(r"\bpictures?\b", "image", "image"),
    Rule(r"\bdata sets?\b", "dataset", "dataset"),
    Rule(r"\b(?<!person )layouts?\b", "format", "format"),
    Rule(r"\blaid out\b", "format", "in the format ..., organized"),
    Rule(r"\bgo(es)? on where (it|they) (was |were )?stopped\b", "resume", "resume"),
    Rule(r"\bpass(ed|es)? through\b", "copied unchanged", "copied unchanged"),
    Rule(r"\bif none\b[;.]", "default", "Default: ..."),
    Rule(r"\breckon(s|ed)?\b", "estimate", "estimated, counted, expected"),
    Rule(r"\bmend(s|ed|ing)?\b", "repaired", "repaired; for a user: corrected, fixed"),
    Rule(r"\btak(e|es|en|ing) down\b|\btak(e|ing) it down\b", "delete", "delete, deleted"),
    Rule(r"\bcannot hold\b", "represent", "cannot represent; of bytes: are too few for"),
    Rule(r"\bloss(es)? of substance\b", "data loss", "data loss"),
    Rule(r"\b(is|are) not read\b", "not supported", "is not supported"),
    Rule(r"\bstands? in the manifest\b", "manifest", "see the manifest for reasons"),
    Rule(r"\bfile endings?\b", "file extension", "file extension"),
    Rule(r"\bso many\b", "limit", "N, at most N, this number of"),
)

# Whole strings that may be in a file although they are banned, each with the reason. They must be
# there, so that this list does not outlive its reasons.
ALLOWED = {
    # What users call their own files and columns.
    "src/variegate/formats/flat.py": ("picture",),
    "src/variegate/formats/table/file.py": ("picture",),
    "src/variegate/formats/webdataset/schema.py": ("picture",),
    "src/variegate/formats/pairing.py": ("pictures",),
    "src/variegate/formats/mask_pairs/search.py": ("pictures",),
}
# The history names in backticks what things were called before.
QUOTES_OLD_NAMES = "CHANGELOG.md"


def folded(text: str) -> str:
    """Return a text in one line: phrases may be broken."""
    return " ".join(text.split())


def complaints(text: str) -> list[str]:
    """Return a line for every banned word in a text."""
    text = folded(text)
    return [
        f"{found[0]!r} in {text[max(0, found.start() - 30) : found.end() + 30]!r}: "
        f"write {rule.instead!r} (glossary: {rule.term})"
        for rule in BANNED
        for found in re.finditer(rule.pattern, text, re.IGNORECASE)
    ]


def strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the strings of a program: docstrings, literals, and the parts of f-strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node


def visible(command: Any) -> Iterator[str]:
    """Yield everything that the help of a command and of those below it shows."""
    yield from (text for text in (command.help, command.epilog, command.short_help) if text)
    for parameter in command.params:
        yield from (text for text in (getattr(parameter, "help", ""), parameter.metavar) if text)
    for name, one in getattr(command, "commands", {}).items():
        yield name
        yield from visible(one)


def tracked(pattern: str, *folders: str) -> list[str]:
    """Return paths of the repository's own files, without environments and working folders."""
    found = [path for folder in folders for path in (ROOT / folder).glob(pattern)]
    names = [path.relative_to(ROOT) for path in found]
    return sorted(str(name) for name in names if not any(p.startswith(".") for p in name.parts))


PAGES = [
    *tracked("*.md", "."),
    *tracked("**/*.md", "docs", "deploy", "src", "tests", "benchmarks"),
    *tracked("**/*.yaml", "deploy", "src"),
    "docs/recipe.schema.json",
]
PROGRAMS = tracked("**/*.py", "src")


def test_there_is_something_to_read():
    assert {"README.md", GLOSSARY, "docs/decisions/shape.md"} <= set(PAGES)
    assert "src/variegate/errors.py" in PROGRAMS


@pytest.mark.parametrize("name", PAGES)
def test_page_has_no_banned_words(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    if name == QUOTES_OLD_NAMES:
        text = re.sub(r"`[^`]*`", "`...`", text)
    assert not (found := complaints(text)), f"{name}:\n" + "\n".join(found)


@pytest.mark.parametrize("name", PROGRAMS)
def test_strings_of_the_code_have_no_banned_words(name):
    allowed = ALLOWED.get(name, ())
    found = [
        f"line {node.lineno}: {complaint}"
        for node in strings(ast.parse((ROOT / name).read_text(encoding="utf-8")))
        if node.value not in allowed
        for complaint in complaints(node.value)
    ]
    assert not found, f"{name}:\n" + "\n".join(found)


def test_help_has_no_banned_words():
    found = [line for text in visible(get_command(app)) for line in complaints(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_is_there(name):
    there = {node.value for node in strings(ast.parse((ROOT / name).read_text(encoding="utf-8")))}
    assert set(ALLOWED[name]) <= there
    assert all(complaints(text) for text in ALLOWED[name]), "allowed, but not banned"


def glossary() -> list[str]:
    """Return the words that the glossary explains, in its order."""
    text = (ROOT / GLOSSARY).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \|", text, re.MULTILINE)
    return [row for row in rows if row not in ("word", "---")]


def test_every_word_to_write_instead_is_in_the_glossary():
    assert {rule.term for rule in BANNED} <= set(glossary())


def test_glossary_explains_no_banned_word():
    assert not [line for word in glossary() for line in complaints(word)]


def test_glossary_is_alphabetical_and_explains_every_word_once():
    words = glossary()
    assert words == sorted(set(words), key=str.lower)


@pytest.mark.parametrize(
    "text",
    [
        "only so many pictures",
        "The data\nset is laid out",
        "the LAYOUT is unknown",
        "images pass through",
        "light if none; one a processor if none.",
        "csv cannot hold it: a loss of substance",
    ],
)
def test_banned_words_are_found(text):
    assert complaints(text)


def test_words_that_are_fine_are_not_found():
    text = "a recommended amendment depicts formats, datasets and images; resume a read-through"
    assert not complaints(text)


def test_schema_is_read_as_it_is_shown():
    # A phrase may not hide behind the escapes of JSON.
    schema = json.loads((ROOT / "docs/recipe.schema.json").read_text(encoding="utf-8"))
    assert not complaints(json.dumps(schema, ensure_ascii=False))
