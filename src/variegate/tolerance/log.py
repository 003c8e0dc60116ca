"""The log of a search: every answer of the model, once, so that a killed search continues.

One line for each answer, appended and never changed: a key, the error, and what the model said.
The key is a digest of all that decides the answer: the model, how errors are measured and against
what, the image's pixels, the axis and its version, the seed and the level. So an answer of another
model, image, axis or seed is never found.
"""

import hashlib
import json
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from variegate.annotations.sample import Image
from variegate.errors import OutputError

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered.

    Attributes:
        error: 0 to 1; NaN where the answer cannot be used.
        says: in a few words, or nothing.
    """

    error: float
    says: str = ""


def digest(*parts: object) -> str:
    """Return a key of parts, each told from the next."""
    made = hashlib.blake2b(digest_size=16, person=b"tolerance")
    for part in parts:
        text = str(part).encode("utf-8", "surrogatepass")
        made.update(b"%d:" % len(text) + text)
    return made.hexdigest()


def image_digest(image: Image) -> str:
    """Return a digest of an image's pixels and shape."""
    made = hashlib.blake2b(str(image.shape).encode(), digest_size=16, person=b"image")
    made.update(np.ascontiguousarray(image).data)
    return made.hexdigest()


class AnswerLog:
    """Answers by their keys, in memory and, where there is a file, on disk. See above."""

    def __init__(self, path: Path | None = None) -> None:
        """Read what is there; a torn last line is cut off.

        Raises:
            OutputError: the file cannot be read or written, or is in use by another search.
        """
        self._answers: dict[str, Answer] = {}
        self._file: IO[bytes] | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            _lock(self._file, path)
            self._read(self._file, path)
        except OutputError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise OutputError(
                f"{path}: the log of answers cannot be used ({error.strerror}); give another place"
            ) from error

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: str) -> Answer | None:
        """Return the answer that was kept under a key."""
        return self._answers.get(key)

    def add(self, keys: Sequence[str], answers: Sequence[Answer]) -> None:
        """Keep answers; on return they are in the file."""
        self._answers.update(zip(keys, answers, strict=True))
        if self._file is not None:
            lines = (
                json.dumps([key, None if math.isnan(one.error) else one.error, one.says])
                for key, one in zip(keys, answers, strict=True)
            )
            self._file.write("".join(f"{line}\n" for line in lines).encode())
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self, file: IO[bytes], path: Path) -> None:
        file.seek(0)
        whole, damaged = 0, 0
        for line in file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            try:
                key, error, says = json.loads(line)
                self._answers[key] = Answer(math.nan if error is None else float(error), says)
            except (ValueError, TypeError):
                damaged += 1
        # The next line must not be joined to one that was not finished.
        file.truncate(whole)
        file.seek(0, os.SEEK_END)
        if damaged:
            _LOG.warning("%s: %d damaged lines; those answers are asked again", path, damaged)


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(f"{path}: another search is writing this log") from error
