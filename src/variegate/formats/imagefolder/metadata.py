"""``metadata.jsonl``, ``metadata.csv`` and ``metadata.parquet``: a row for every image."""

import base64
import json
import posixpath
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from variegate.errors import InputError
from variegate.formats.delimited import csv_rows
from variegate.formats.imagefolder.objects import ObjectColumn
from variegate.formats.scan import relative_name
from variegate.storage import Storage

EXTENSIONS = (".jsonl", ".csv", ".parquet")
FILE_NAME, _SUFFIX = "file_name", "_file_name"
LABEL = "label"
_MASKS = ("mask", "label", "segmentation", "seg", "annotation", "semantic")
_LINE_LIMIT = 1 << 26

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """One file of rows.

    Attributes:
        key: where it is; its rows name files relative to its folder.
        file, mask: the columns that name the image and its mask; "" for no mask.
        columns: in their order.
        objects: how boxes are written down, or None.
        numbered: labels are integers.
        schema: of a Parquet file, as Arrow writes it, in base 64.
    """

    key: str
    file: str = FILE_NAME
    mask: str = ""
    columns: tuple[str, ...] = (FILE_NAME,)
    objects: ObjectColumn | None = None
    numbered: bool = False
    schema: str = ""

    @property
    def folder(self) -> str:
        """The folder it stands in, with its slash; "" for the top."""
        return self.key[: self.key.rfind("/") + 1]

    @property
    def extension(self) -> str:
        """Its kind: one of `EXTENSIONS`."""
        return posixpath.splitext(self.key)[1].lower()


def read_rows(storage: Storage, key: str) -> Iterator[tuple[int, Row | str]]:
    """Yield the lines of a file with their numbers: rows, or what is wrong with them.

    Raises:
        InputError: the file cannot be read as a whole.
    """
    reader = {".jsonl": _read_json, ".csv": _read_csv, ".parquet": _read_parquet}
    yield from reader[posixpath.splitext(key)[1].lower()](storage, key)


def read_schema(storage: Storage, key: str) -> str:
    """Return the schema of a Parquet file, in base 64; "" for other files."""
    if not key.lower().endswith(".parquet"):
        return ""
    import pyarrow.parquet as pq

    with storage.open_read(key) as file:
        schema = pq.ParquetFile(file).schema_arrow
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def describe(key: str, rows: list[Row], schema: str) -> Metadata:
    """Say what is in a file, from the first of its rows."""
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    named = [name for name in columns if name == FILE_NAME or name.endswith(_SUFFIX)]
    masks = [n for n in named if n.removesuffix(_SUFFIX).lower() in _MASKS]
    images = [n for n in named if n not in masks]
    labels = [row[LABEL] for row in rows if row.get(LABEL) is not None]
    return Metadata(
        key=key,
        file=next((n for n in (FILE_NAME, "image_file_name", *images) if n in images), ""),
        mask=masks[0] if masks else "",
        columns=columns,
        objects=next((found for row in rows if (found := ObjectColumn.find(row))), None),
        numbered=bool(labels) and all(type(label) is int for label in labels),
        schema=schema,
    )


def resolve(name: Any, folder: str) -> str | None:
    """Return the key of a file that a row names, or None for one outside of the dataset."""
    plain = relative_name(name) if isinstance(name, str) else None
    key = "." if plain is None else posixpath.normpath(folder + plain)
    return None if key.startswith("..") or key == "." else key


def _read_json(storage: Storage, key: str) -> Iterator[tuple[int, Row | str]]:
    with storage.open_read(key) as file:
        for number, line in enumerate(iter(lambda: file.readline(_LINE_LIMIT), b""), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                yield number, f"no JSON ({error})"
                continue
            yield number, row if isinstance(row, dict) else "expected an object, {...}"


def _read_csv(storage: Storage, key: str) -> Iterator[tuple[int, Row | str]]:
    rows = csv_rows(storage, key)
    _, header = next(rows, (0, []))
    for line, cells in rows:
        if len(cells) == len(header):
            yield line, dict(zip(header, cells, strict=True))
        elif cells:
            yield line, f"{len(cells)} columns, the header has {len(header)}"


def _read_parquet(storage: Storage, key: str) -> Iterator[tuple[int, Row | str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with storage.open_read(key) as file:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield number, _without_strangers(row)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{storage.place(key)}: cannot be read as Parquet ({error}); write it again"
        ) from error


def _without_strangers(row: Row) -> Row:
    """Leave out what JSON does not know, such as dates and bytes."""
    kept = {}
    for name, value in row.items():
        with suppress(TypeError, ValueError):
            json.dumps(value, allow_nan=False)
            kept[name] = value
    return kept
