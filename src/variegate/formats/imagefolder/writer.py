"""Writing Hugging Face's image folder: metadata as `datasets.load_dataset` reads it."""

import base64
import csv
import io
import json
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, ClassVar, Self

from variegate.annotations.annotation import Annotation
from variegate.codecs import EXTENSIONS, MASK_EXTENSION, encode_mask
from variegate.formats.imagefolder.metadata import LABEL, Metadata, Row
from variegate.formats.imagefolder.objects import AREA, OUTLINES, RAW, ObjectColumn
from variegate.formats.writer import Content, DatasetInfo, Item, Writer
from variegate.storage import Storage

_MASK = "mask_file_name"
# What `datasets` takes for the names of splits.
_FOLDERS = {"train": "train", "val": "validation", "test": "test"}
_ROWS_A_BATCH = 1024
_PLAIN = (str, int, float, bool)


@dataclass(frozen=True, kw_only=True)
class ImageFolderWriter(Writer):
    """Writes a row for every result into the nearest metadata file.

    Attributes:
        metadata: the files.
        own: fields may be nested; those of other formats are kept only where they are plain.
    """

    name: ClassVar = "imagefolder"
    holds: ClassVar[frozenset[Content]] = frozenset(
        ("label", "boxes", "polygons", "semantic masks", "soft masks", "captions", "other fields")
    )
    captions: ClassVar = "text"
    own_fields: ClassVar = frozenset((RAW,))

    metadata: tuple[Metadata, ...] = (Metadata(key="metadata.jsonl"),)
    own: bool = True

    @classmethod
    def fresh(cls, dataset: DatasetInfo) -> Self:
        folders = [f"{_FOLDERS[split]}/" for split in dataset.splits] or [""]
        metadata = tuple(
            Metadata(key=f"{folder}metadata.jsonl", objects=ObjectColumn(), mask=_MASK)
            for folder in folders
        )
        return cls(
            classes=dataset.classes, skeletons=dataset.skeletons, metadata=metadata, own=False
        )

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        stem = posixpath.splitext(posixpath.basename(key))[0]
        return f"{_FOLDERS[split]}/{stem}{extension}" if split else f"{stem}{extension}"

    def mask_key(self, mask_file: str, *, source: str, output: str) -> str:
        stem, extension = posixpath.splitext(
            super().mask_key(mask_file, source=source, output=output)
        )
        if not self.own:
            # Of another format, whose folders are not kept.
            split = posixpath.dirname(output)
            stem = posixpath.join(split, "masks", posixpath.basename(stem))
        return stem + (extension if extension.lower() in EXTENSIONS["png"] else MASK_EXTENSION)

    def sidecars(self, item: Item) -> Iterator[tuple[str, bytes]]:
        mask_file = item.annotation.mask_file if item.annotation else None
        if mask_file is not None and mask_file in item.masks:
            yield mask_file, encode_mask(item.masks[mask_file])

    def write_index(self, storage: Storage, items: Iterable[Item]) -> None:
        """Write the metadata files, row by row."""
        with ExitStack() as stack:
            tables: dict[str, _Table] = {}
            for metadata in self.metadata:
                tables[metadata.key] = _open(metadata, storage, stack)
            for item in items:
                metadata = self._nearest(item.key)
                if metadata.key not in tables:
                    tables[metadata.key] = _open(metadata, storage, stack)
                tables[metadata.key].add(self._row(item, metadata))

    def _nearest(self, key: str) -> Metadata:
        """Return the metadata file of a result: the deepest one above it."""
        above = [one for one in self.metadata if key.startswith(one.folder)]
        # A result in no split, in a set of splits.
        stray = replace(self.metadata[0], key=f"metadata{self.metadata[0].extension}")
        return max(above, key=lambda one: len(one.folder), default=stray)

    def _row(self, item: Item, metadata: Metadata) -> Row:
        annotation = item.annotation or Annotation()
        fields: Row = {metadata.file: _relative(item.key, metadata)}
        if item.label is not None:
            known = metadata.numbered and item.label.lstrip("-").isdecimal()
            fields[LABEL] = int(item.label) if known else item.label
        if metadata.mask and annotation.mask_file is not None:
            fields[metadata.mask] = _relative(annotation.mask_file, metadata)
        if metadata.objects is not None and (self.own or annotation.objects):
            moved = item.source is not None and item.source != item.key
            fields[metadata.objects.name] = metadata.objects.write(annotation.objects, moved=moved)
        for name, value in annotation.extra.items():
            if name not in fields and (self.own or isinstance(value, _PLAIN)):
                fields[name] = value
        for name, size in zip(("height", "width"), item.size, strict=True):
            if type(fields.get(name)) is int:
                fields[name] = size
        order = [name for name in metadata.columns if name in fields]
        return {name: fields[name] for name in dict.fromkeys((*order, *fields))}


def _relative(key: str, metadata: Metadata) -> str:
    return posixpath.relpath(key, metadata.folder or ".")


def _open(metadata: Metadata, storage: Storage, stack: ExitStack) -> "_Table":
    sink = stack.enter_context(storage.open_write(metadata.key))
    table = _TABLES[metadata.extension](sink, metadata)
    stack.callback(table.close)
    return table


class _Table(ABC):
    """Takes rows, one after the other."""

    @abstractmethod
    def __init__(self, sink: BinaryIO, metadata: Metadata) -> None: ...
    @abstractmethod
    def add(self, row: Row) -> None: ...
    @abstractmethod
    def close(self) -> None: ...


class _Json(_Table):
    def __init__(self, sink: BinaryIO, metadata: Metadata) -> None:
        self._sink = sink

    def add(self, row: Row) -> None:
        # Names with stray bytes are no text: they are escaped.
        self._sink.write(json.dumps(row).encode() + b"\n")

    def close(self) -> None:
        pass


class _Csv(_Table):
    def __init__(self, sink: BinaryIO, metadata: Metadata) -> None:
        self._text = io.TextIOWrapper(sink, "utf-8", errors="surrogateescape", newline="")
        self._writer = csv.DictWriter(
            self._text, metadata.columns, extrasaction="ignore", lineterminator="\n"
        )
        self._writer.writeheader()

    def add(self, row: Row) -> None:
        self._writer.writerow(row)

    def close(self) -> None:
        self._text.flush()
        self._text.detach()


class _Parquet(_Table):
    def __init__(self, sink: BinaryIO, metadata: Metadata) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._pa = pa
        stored = pa.py_buffer(base64.b64decode(metadata.schema))
        self._schema = _widened(pa.ipc.read_schema(stored), metadata, pa)
        self._writer = pq.ParquetWriter(sink, self._schema)
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) == _ROWS_A_BATCH:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(self._pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


_TABLES: Mapping[str, Callable[[BinaryIO, Metadata], _Table]] = {
    ".jsonl": _Json,
    ".csv": _Csv,
    ".parquet": _Parquet,
}


def _widened(schema: Any, metadata: Metadata, pa: Any) -> Any:
    """Return a schema whose boxes may be fractions."""
    column = metadata.objects
    if column is None:
        return schema

    def widen(kind: Any, *, inside: bool) -> Any:
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or _is_fixed(kind, pa):
            return pa.list_(widen(kind.value_type, inside=inside))
        if pa.types.is_struct(kind):
            known = (column.box, OUTLINES, AREA)
            parts = [(f.name, widen(f.type, inside=inside or f.name in known)) for f in kind]
            return pa.struct(parts)
        return pa.float64() if inside and pa.types.is_integer(kind) else kind

    at = schema.get_field_index(column.name)
    wide = widen(schema.field(at).type, inside=False)
    # The features that `datasets` notes beside it would contradict.
    return (
        schema
        if wide == schema.field(at).type
        else schema.set(at, pa.field(column.name, wide)).remove_metadata()
    )


def _is_fixed(kind: Any, pa: Any) -> bool:
    return bool(pa.types.is_fixed_size_list(kind))
