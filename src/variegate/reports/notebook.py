"""The notebook for a newcomer, in Jupyter's format 4.5, made of `notebook.md`.

There a fenced block of Python is a cell with code, and the text between two of them one with text.
Blocks marked as a solution are folded away, in Jupyter as in Colab.
"""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

_CODE = re.compile(r"^```python( solution)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COUNT = "COUNT"


def notebook_text(images: int) -> str:
    """Return the notebook as the content of a file.

    Args:
        images: how many the sample dataset has.
    """
    source = files("variegate.reports").joinpath("notebook.md").read_text(encoding="utf-8")
    source = source.replace(f"--count {_COUNT}", f"--count {images}")
    cells = [{"id": f"cell-{number:02}", **cell} for number, cell in enumerate(_cells(source), 1)]
    notebook = {
        "cells": cells,
        "metadata": {
            "colab": {"name": "variegate.ipynb", "provenance": [], "toc_visible": True},
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cells(source: str) -> Iterator[dict[str, Any]]:
    end = 0
    for found in _CODE.finditer(source):
        if text := source[end : found.start()].strip():
            yield _text(text)
        yield _code(found[2].rstrip(), folded=found[1] is not None)
        end = found.end()
    if text := source[end:].strip():
        yield _text(text)


def _text(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": _lines(text)}


def _code(code: str, *, folded: bool) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if folded:
        # The first is Colab's, which shows the title alone; the second Jupyter's.
        code = f"# @title Solution\n{code}"
        metadata = {"cellView": "form", "jupyter": {"source_hidden": True}}
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "outputs": [],
        "source": _lines(code),
    }


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
