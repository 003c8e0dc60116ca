"""Models in other programs, asked line by line.

variegate writes one line of JSON for each batch to the program's standard input,
`{"id": 7, "images": [{"png": BASE64}, ...]}`, or `{"path": FILE}` for programs that want files, and
waits for one line on its standard output, `{"id": 7, "predictions": [...]}` with one answer (see
`answers`) for each image, or `{"id": 7, "error": "why"}`. The program ends when its input ends.
"""

import base64
import contextlib
import hashlib
import json
import queue
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal

from variegate.annotations.sample import Image
from variegate.codecs import encode
from variegate.errors import InputError, UsageError
from variegate.models.card import Task
from variegate.models.predictors.answers import AnswerReader
from variegate.models.predictors.base import Prediction, PredictionError, Predictor
from variegate.models.predictors.checks import checked
from variegate.models.preprocessing import as_rgb
from variegate.validation import shown

# A program that dies of a batch is started again, and asked again, this often.
_ATTEMPTS = 2
_END_S = 5.0
_TOLD_BYTES = 600


class _Ended(Exception):  # noqa: N818 - how it ended is told by who catches it
    """The program gave no reply."""


class CommandPredictor(Predictor):
    """Another program that is asked through its standard input and output."""

    def __init__(
        self,
        command: str | Sequence[str],
        *,
        task: Task = "classification",
        classes: Sequence[str] = (),
        version: str = "",
        sends: Literal["png", "path"] = "png",
        batch: int = 16,
        timeout_s: float = 120.0,
    ) -> None:
        """Take a command; the program is started when it is first asked.

        Args:
            command: as in a shell, but without one: quotes count, variables and pipes do not.
            task: of the model.
            classes: of its answers.
            version: of the model, part of the identity, beside the files that the command names.
            sends: what the program is given.
            batch: images in a line.
            timeout_s: for each reply.

        Raises:
            UsageError: it is no command.
        """
        try:
            self._command = shlex.split(command) if isinstance(command, str) else list(command)
        except ValueError as error:
            raise UsageError(f"--command: {error} in {command!r}") from error
        if not self._command:
            raise UsageError("--command: expected a program and its arguments")
        self._sends, self._batch, self._timeout_s = sends, batch, timeout_s
        self.task, self.classes = task, tuple(classes)
        self.identity = _identity(self._command, version, task, self.classes)
        self._reader = AnswerReader(task, self.classes)
        self._program: _Program | None = None
        self._asked = 0

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        found: list[Prediction] = []
        for start in range(0, len(images), self._batch):
            part = images[start : start + self._batch]
            sizes = [(one.shape[0], one.shape[1]) for one in part]
            found += self._reader.all(self._answers(part), sizes)
        return checked(found, images, self)

    def close(self) -> None:
        if self._program is not None:
            self._program.close()
            self._program = None

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "command": shlex.join(self._command)}

    def _answers(self, images: Sequence[Image]) -> Any:
        if self._sends == "png":
            files = [encode(as_rgb(one), format="png") for one in images]
            return self._reply([{"png": base64.b64encode(one).decode()} for one in files])
        with tempfile.TemporaryDirectory(prefix="variegate-") as folder:
            paths = [Path(folder) / f"{number}.png" for number in range(len(images))]
            for path, image in zip(paths, images, strict=True):
                path.write_bytes(encode(as_rgb(image), format="png"))
            return self._reply([{"path": str(path)} for path in paths])

    def _reply(self, images: list[dict[str, str]]) -> Any:
        self._asked += 1
        line = json.dumps({"id": self._asked, "images": images}).encode() + b"\n"
        for attempt in range(1, _ATTEMPTS + 1):
            if self._program is None:
                self._program = _Program(self._command)
            try:
                return self._understood(self._program.ask(line, self._timeout_s))
            except _Ended as ended:
                self._program.kill()
                told = self._program.told()
                self.close()
                if attempt == _ATTEMPTS:
                    raise PredictionError(
                        f"{self._command[0]}: {ended} ({_ATTEMPTS} times){told}"
                    ) from ended
        raise AssertionError

    def _understood(self, reply: bytes) -> Any:
        """Return the predictions in a line.

        Whatever it is, the next line would be taken for the answer to another batch if this one
        were not the right one: so the program is ended then.
        """
        try:
            data = json.loads(reply)
        except ValueError:
            data = None
        if not isinstance(data, dict) or data.get("id") != self._asked:
            self.close()
            text = reply[:80].decode(errors="backslashreplace")
            raise PredictionError(
                f'{self._command[0]}: expected a line of JSON with "id": {self._asked} on standard '
                f"output, got {text!r}; write all else to standard error"
            )
        if "error" in data:
            raise PredictionError(f"{self._command[0]}: {shown(data['error'])}")
        if "predictions" not in data:
            raise PredictionError(f'{self._command[0]}: a reply without "predictions"')
        return data["predictions"]


class _Program:
    """A running program and what it says."""

    def __init__(self, command: Sequence[str]) -> None:
        # The predictor closes it: it is read when the program is dead.
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
            )
        except OSError as error:
            self._errors.close()
            raise InputError(f"--command: {command[0]}: {error.strerror}") from error
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stdout:
                if line.strip():
                    self._lines.put(line)
        self._lines.put(b"")

    def ask(self, line: bytes, timeout_s: float) -> bytes:
        """Write a line and return the one that comes back.

        Raises:
            _Ended: none came.
        """
        # In a thread: a program that reads nothing would block the writer for ever.
        writer = threading.Thread(target=self._write, args=(line,), daemon=True)
        writer.start()
        try:
            reply = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise _Ended(f"no reply within {timeout_s:g} s") from None
        if not reply:
            code = self._process.wait()
            raise _Ended(f"it was ended by signal {-code}" if code < 0 else f"it ended ({code})")
        return reply

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        # A dead program is noticed by its silence.
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def told(self) -> str:
        """Return the end of what the program wrote to standard error, as part of a sentence."""
        size = self._errors.seek(0, 2)
        self._errors.seek(max(0, size - _TOLD_BYTES))
        text = " ".join(self._errors.read().decode(errors="backslashreplace").split())
        return f"; it said: {text}" if text else ""

    def kill(self) -> None:
        """Kill the program, which does not answer: a writer may be waiting for it to read."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the program: its input ends, and if that does not help, it is killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(_END_S)
        for one in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(OSError):
                one.close()


def _identity(command: Sequence[str], version: str, task: str, classes: Sequence[str]) -> str:
    """Return a digest of the command and of the files that it names."""
    digest = hashlib.sha256(repr(("command", *command, version, task, tuple(classes))).encode())
    for word in command:
        path = Path(word)
        with contextlib.suppress(OSError):
            if path.is_file():
                digest.update(path.read_bytes())
    return digest.hexdigest()
