"""Writing pictures alone: their folders and names say all that there is to say."""

from typing import ClassVar

from variegate.formats.writing import Content, Writer


class PlainWriter(Writer):
    """Keeps every result in the folder of its source."""

    name: ClassVar = "plain"
    holds: ClassVar[frozenset[Content]] = frozenset(("label",))

    def fresh_key(self, key: str, *, split: str | None, label: str | None, ending: str) -> str:
        stem = key.rpartition("/")[2].rpartition(".")[0] or key.rpartition("/")[2]
        return "/".join(part for part in (split, label, f"{stem}{ending}") if part)
