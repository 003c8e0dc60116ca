"""Formats of datasets: a file or package each, detected, or chosen by name.

To add one, write a module with a subclass of `DatasetFormat` and put the class into
`registry.FORMATS`, before the formats that would also accept such datasets. A package of somebody
else's brings its own by an entry point of the group ``variegate.formats`` that names the class.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from variegate.formats.base import DatasetFormat, Source
    from variegate.formats.hints import NO_HINTS, Hints
    from variegate.formats.output_names import CollisionCheck, output_key
    from variegate.formats.plain import PlainWriter
    from variegate.formats.registry import FORMATS, all_formats, detect
    from variegate.formats.scan import is_hidden
    from variegate.formats.writer import Item, Writer, writer_from_json, writer_to_json

# Loaded when first asked for: a worker needs the writer of one format, and none of the readers.
_HOMES = {
    "FORMATS": "registry",
    "NO_HINTS": "hints",
    "CollisionCheck": "output_names",
    "DatasetFormat": "base",
    "Hints": "hints",
    "Item": "writer",
    "PlainWriter": "plain",
    "Source": "base",
    "Writer": "writer",
    "all_formats": "registry",
    "detect": "registry",
    "is_hidden": "scan",
    "output_key": "output_names",
    "writer_from_json": "writer",
    "writer_to_json": "writer",
}

__all__ = [
    "FORMATS",
    "NO_HINTS",
    "CollisionCheck",
    "DatasetFormat",
    "Hints",
    "Item",
    "PlainWriter",
    "Source",
    "Writer",
    "all_formats",
    "detect",
    "is_hidden",
    "output_key",
    "writer_from_json",
    "writer_to_json",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'variegate.formats' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"variegate.formats.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
