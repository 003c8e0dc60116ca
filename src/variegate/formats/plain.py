"""Writing images alone: their folders and names say all that there is to say."""

import re
from typing import ClassVar

from variegate.errors import KeyRefusedError
from variegate.formats.output_names import NAME_LIMIT, joined
from variegate.formats.pairing import parts_of
from variegate.formats.writer import Content, Writer


class PlainWriter(Writer):
    """Keeps every result in the folder of its source."""

    name: ClassVar = "plain"
    holds: ClassVar[frozenset[Content]] = frozenset(("label",))
    kinds: ClassVar = None

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        return joined(split, label, parts_of(key)[1] + extension)


class ClassFoldersWriter(PlainWriter):
    """A folder for every class, below the folder of the split where there are splits."""

    name: ClassVar = "classes"

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        if label is not None and (label.startswith(".") or _unfit(label, r"[/\\\0]")):
            raise KeyRefusedError(
                f"label {label!r:.80} fits no folder's name; rename the class, "
                "or write another format"
            )
        return joined(split, label, parts_of(key)[1] + extension)


class FlatNamesWriter(PlainWriter):
    """The label stands before the first dot: ``cat.7.jpg``."""

    name: ClassVar = "flat"

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        stem = parts_of(key)[1]
        if label is None:
            # Nothing before a dot, which would be taken for a label.
            return joined(split, stem.replace(".", "-") + extension)
        if (
            label.strip() != label
            or _unfit(label, r"[./\\\0]")
            or not re.search(r"[^\W\d_]", label)
        ):
            raise KeyRefusedError(
                f"label {label!r:.80} cannot be told from the rest of a file's name; "
                "rename the class, or write class folders"
            )
        return joined(split, f"{label}.{stem}{extension}")


class UnlabelledWriter(PlainWriter):
    """Images and nothing else."""

    name: ClassVar = "unlabelled"
    holds: ClassVar[frozenset[Content]] = frozenset()

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        return joined(split, parts_of(key)[1] + extension)


def _unfit(label: str, forbidden: str) -> bool:
    size = len(label.encode("utf-8", "surrogateescape"))
    return not label or size > NAME_LIMIT // 2 or re.search(forbidden, label) is not None
