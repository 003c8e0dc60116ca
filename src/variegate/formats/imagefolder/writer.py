"""Writing Hugging Face's image folder: metadata as `datasets.load_dataset` reads it."""

import base64
import csv
import json
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from variegate.annotations.annotation import Annotation
from variegate.codecs import encode_mask
from variegate.formats.delimited import open_table
from variegate.formats.formulas import guarded
from variegate.formats.imagefolder.metadata import LABEL, Metadata, Row
from variegate.formats.imagefolder.objects import AREA, OUTLINES, RAW, ObjectColumn
from variegate.formats.output_names import png_key
from variegate.formats.writer import Content, DatasetInfo, Item, Writer
from variegate.storage import Storage

_MASK = "mask_file_name"
# What `datasets` takes for the names of splits.
_FOLDERS = {"train": "train", "val": "validation", "test": "test"}
_ROWS_A_BATCH = 1024
_AddRow = Callable[[Row], object]
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
        key = super().mask_key(mask_file, source=source, output=output)
        if not self.own:
            # Of another format, whose folders are not kept.
            key = posixpath.join(posixpath.dirname(output), "masks", posixpath.basename(key))
        return png_key(key)

    def sidecars(self, item: Item) -> Iterator[tuple[str, bytes]]:
        mask_file = item.annotation.mask_file if item.annotation else None
        if mask_file is not None and mask_file in item.masks:
            yield mask_file, encode_mask(item.masks[mask_file])

    def write_index(self, storage: Storage, items: Iterable[Item]) -> Iterable[str]:
        """Write the metadata files, row by row; return their keys."""
        with ExitStack() as stack:
            tables: dict[str, _AddRow] = {}

            def table(metadata: Metadata) -> _AddRow:
                if metadata.key not in tables:
                    opened = _TABLES[metadata.extension](storage, metadata)
                    tables[metadata.key] = stack.enter_context(opened)
                return tables[metadata.key]

            for metadata in self.metadata:
                table(metadata)
            for item in items:
                metadata = self._nearest(item.key)
                table(metadata)(self._row(item, metadata))
        return tables

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
        if metadata.key.lower().endswith(".csv"):
            fields = {name: guarded(one, raw=self.raw_labels) for name, one in fields.items()}
        order = [name for name in metadata.columns if name in fields]
        return {name: fields[name] for name in dict.fromkeys((*order, *fields))}


def _relative(key: str, metadata: Metadata) -> str:
    return posixpath.relpath(key, metadata.folder or ".")


@contextmanager
def _open_json(storage: Storage, metadata: Metadata) -> Iterator[_AddRow]:
    with storage.open_write(metadata.key) as sink:
        # Names with stray bytes are no text: they are escaped.
        yield lambda row: sink.write(json.dumps(row).encode() + b"\n")


@contextmanager
def _open_csv(storage: Storage, metadata: Metadata) -> Iterator[_AddRow]:
    with open_table(storage, metadata.key) as text:
        writer = csv.DictWriter(text, metadata.columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        yield writer.writerow


@contextmanager
def _open_parquet(storage: Storage, metadata: Metadata) -> Iterator[_AddRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stored = pa.py_buffer(base64.b64decode(metadata.schema))
    schema = _widened(pa.ipc.read_schema(stored), metadata, pa)
    rows: list[Row] = []

    def flush() -> None:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        rows.clear()

    def add(row: Row) -> None:
        rows.append(row)
        if len(rows) == _ROWS_A_BATCH:
            flush()

    with storage.open_write(metadata.key) as sink, pq.ParquetWriter(sink, schema) as writer:
        yield add
        flush()


_TABLES: Mapping[str, Callable[[Storage, Metadata], AbstractContextManager[_AddRow]]] = {
    ".jsonl": _open_json,
    ".csv": _open_csv,
    ".parquet": _open_parquet,
}


def _widened(schema: Any, metadata: Metadata, pa: Any) -> Any:
    """Return a schema whose boxes may be fractions."""
    column = metadata.objects
    if column is None:
        return schema

    def widen(kind: Any, *, inside: bool) -> Any:
        lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        if any(is_one(kind) for is_one in lists):
            return pa.list_(widen(kind.value_type, inside=inside))
        if pa.types.is_struct(kind):
            known = (column.box, OUTLINES, AREA)
            parts = [(f.name, widen(f.type, inside=inside or f.name in known)) for f in kind]
            return pa.struct(parts)
        return pa.float64() if inside and pa.types.is_integer(kind) else kind

    at = schema.get_field_index(column.name)
    wide = widen(schema.field(at).type, inside=False)
    # The features that `datasets` notes beside it would contradict.
    same = wide == schema.field(at).type
    return schema if same else schema.set(at, pa.field(column.name, wide)).remove_metadata()
