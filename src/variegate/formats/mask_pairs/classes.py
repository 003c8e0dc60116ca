"""Small files beside masks that say what their values mean: kept, and read for the names."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from variegate.errors import LimitError
from variegate.formats.encodings import decode_text
from variegate.storage import Entry, Storage, printable

_NAMES = frozenset(
    (
        *("dataset_meta.json", "classes.txt", "labels.txt", "label_colors.txt", "labelmap.txt"),
        *("labelmap.csv", "class_dict.csv", "classes.csv", "classes.json", "config.yaml"),
        *("classes.yaml", "codes.txt"),
    )
)
_SIZE_LIMIT = 1 << 16
_MOST_FILES = 8
_MOST_VALUES = 1 << 16


def is_class_file(entry: Entry) -> bool:
    """Say whether a file is one of those, by its name and size."""
    name = entry.key.rpartition("/")[2].lower()
    return name in _NAMES and entry.size <= _SIZE_LIMIT and entry.key.count("/") <= 2


def read_class_files(
    storage: Storage,
    keys: list[str],
    encoding: str | None = None,
    notes: list[str] | None = None,
) -> dict[str, str]:
    """Return the text of these files, by key.

    Args:
        storage, keys: of the files; those that are too large are none of classes.
        encoding: as the user says.
        notes: where to say which was guessed.

    Raises:
        InputError: there is no telling in which encoding one is.
    """
    texts = {}
    for key in keys[:_MOST_FILES]:
        try:
            data = storage.read(key, limit=_SIZE_LIMIT)
        except LimitError:
            continue
        texts[key] = decode_text(data, printable(key), encoding, notes)
    return texts


def class_names(texts: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the classes in the order of their values; () if no file tells them."""
    for key, text in texts.items():
        extension = key.lower().rpartition(".")[2]
        try:
            if extension == "json":
                names = _from_mapping(json.loads(text), ("label_map", "classes", "labels"))
            elif extension == "yaml":
                names = _from_mapping(yaml.safe_load(text), ("classes", "names"))
            elif key.lower().endswith(("classes.txt", "labels.txt", "codes.txt")):
                names = tuple(line.strip() for line in text.splitlines() if line.strip())
            else:
                continue
        except (ValueError, yaml.YAMLError, RecursionError):
            continue
        if names:
            return names
    return ()


def _from_mapping(data: Any, fields: tuple[str, ...]) -> tuple[str, ...]:
    """Return names from {"0": "road", ...} or ["road", ...] under one of these fields."""
    if not isinstance(data, dict):
        return ()
    found = next((data[field] for field in fields if field in data), None)
    if isinstance(found, list):
        return tuple(str(name) for name in found[:_MOST_VALUES])
    if not isinstance(found, dict):
        return ()
    numbered = {int(value): str(name) for value, name in found.items() if str(value).isdecimal()}
    if not numbered:
        return ()
    # A value without a name is called by its number.
    most = min(max(numbered) + 1, _MOST_VALUES)
    return tuple(numbered.get(value, str(value)) for value in range(most))
