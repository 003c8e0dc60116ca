"""What was sent, written down as it happens: an interrupted upload resumes with it.

One JSON line before a request ("sending") and one after it for each image. A line that a kill cut
short is passed over: its image is sent again, and the service answers that it has it.
The key of the project is never in it.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from variegate.datasets.upload.edge_impulse import Answer
from variegate.datasets.upload.payload import Payload
from variegate.errors import OutputError
from variegate.storage import key_to_text

_VERSION = 1
SENDING = "sending"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What the log says of some bytes.

    Attributes:
        state: "sending", "stored", "present" or "failed".
        meaning: where they went, with which label and boxes; see `Payload.meaning`.
        here: this command dealt with them.
    """

    state: str
    meaning: str
    here: bool


class UploadLog:
    """The log of one upload, and an index of it on disk.

    Args:
        path: of its file; None to write nothing.
        target: endpoint and project, which have to be those of the log.

    Raises:
        OutputError: it is the log of another upload, or cannot be written.
    """

    def __init__(self, path: Path | None, target: dict[str, str | None]) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute(
            "create table entry (digest blob primary key, state text, meaning text, here int) "
            "without rowid"
        )
        self.boxes_seen = False
        self._file: BinaryIO | None = None
        if path is None:
            return
        try:
            there = path.exists() and path.stat().st_size > 0
            if there:
                self._load(path, target)
            self._file = path.open("ab")
            if there and not _ends_whole(path):
                self._file.write(b"\n")
            if not there:
                self._write({"variegate_upload": _VERSION, **target})
        except OSError as error:
            raise OutputError(
                f"{path}: the log cannot be written ({error.strerror}); "
                "name another file with --log"
            ) from error

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._database.close()

    def _load(self, path: Path, target: dict[str, str | None]) -> None:
        lines = _lines(path)
        first = next(lines, {})
        if first.get("variegate_upload") != _VERSION:
            raise OutputError(f"{path}: is no log of an upload; name another file with --log")
        for name, value in target.items():
            if first.get(name) not in (None, value) and value is not None:
                raise OutputError(
                    f"{path}: is the log of an upload to the {name} {first[name]}, and this is "
                    f"{value}; name another file with --log"
                )
        with self._lock:
            self._database.execute("begin")
            for line in lines:
                self.boxes_seen |= line.get("boxes") == "seen"
                with suppress(KeyError, ValueError, TypeError):
                    digest = bytes.fromhex(line["sha256"])
                    self._put(digest, line["state"], line["as"], here=False)
            self._database.execute("commit")

    def find(self, digest: bytes) -> LogEntry | None:
        """Return what is known of some bytes."""
        with self._lock:
            query = "select state, meaning, here from entry where digest = ?"
            found = self._database.execute(query, (digest,)).fetchone()
        return None if found is None else LogEntry(found[0], found[1], bool(found[2]))

    def mark(self, digest: bytes, entry: LogEntry) -> None:
        """Note, for this command alone, that some bytes were dealt with."""
        with self._lock:
            self._put(digest, entry.state, entry.meaning, here=True)

    def sending(self, payloads: Iterable[Payload]) -> None:
        """Write down that images are about to be sent."""
        self._record([(one, SENDING, {}) for one in payloads])

    def answered(self, payloads: Iterable[Payload], answers: Iterable[Answer]) -> None:
        """Write down what became of images."""
        told = []
        for one, answer in zip(payloads, answers, strict=True):
            more: dict[str, Any] = {"key": key_to_text(one.part.key)}
            more |= {"sample": answer.sample} if answer.sample is not None else {}
            more |= {"reason": answer.reason} if answer.reason else {}
            told.append((one, answer.state, more))
        self._record(told)

    def see_boxes(self) -> None:
        """Write down that the project keeps boxes."""
        self.boxes_seen = True
        with self._lock:
            self._write({"boxes": "seen"})

    def _record(self, told: list[tuple[Payload, str, dict[str, Any]]]) -> None:
        with self._lock:
            for one, state, more in told:
                digest = one.digest
                line = {"sha256": digest.hex(), "state": state, "as": one.meaning, **more}
                self._write(line, flush=False)
                self._put(digest, state, one.meaning, here=True)
            if self._file is not None:
                self._file.flush()

    def _put(self, digest: bytes, state: str, meaning: str, *, here: bool) -> None:
        self._database.execute(
            "insert or replace into entry values (?, ?, ?, ?)", (digest, state, meaning, here)
        )

    def _write(self, line: dict[str, Any], *, flush: bool = True) -> None:
        if self._file is None:
            return
        self._file.write(json.dumps(line).encode() + b"\n")
        if flush:
            self._file.flush()


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            with suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict):
                    yield found
