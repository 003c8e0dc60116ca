"""Several labels in one cell of a table, "scab rust": they are said, and taken for one class."""

import re
from collections import Counter
from collections.abc import Collection, Iterator

from variegate.formats.base import counted, named
from variegate.formats.table.file import Table

# What seldom stands within a name, and what often does.
_SEPARATORS = re.compile(r"\s*[;|,+&]\s*")
_SPACES = re.compile(r"[\s/]+")


def several_labels(table: Table, place: str) -> Iterator[str]:
    """Yield which labels are made of others.

    Args:
        table: whose.
        place: its name, for messages.
    """
    counts = Counter(label for label, _ in table.rows.values() if label is not None)
    parts = Counter(part for label in counts for part in {*_SEPARATORS.split(label)})
    joined = [label for label in sorted(counts) if _is_joined(label, counts.keys(), parts)]
    if joined:
        rows = sum(counts[label] for label in joined)
        yield (
            f"{place}: {counted(rows, 'image has', 'images have')} several labels in one cell, "
            f"such as {named(joined)}: each such combination is taken for a class of its own; "
            "several labels of an image stand in COCO, for example"
        )


def _is_joined(label: str, alone: Collection[str], parts: Counter[str]) -> bool:
    """Say whether a label is several: with a separator before parts that are labels elsewhere."""
    own = [part for part in _SEPARATORS.split(label) if part]
    if len(own) > 1 and any(part in alone or parts[part] > 1 for part in own):
        return True
    words = _SPACES.split(label)
    return len(words) > 1 and all(word in alone for word in words)
