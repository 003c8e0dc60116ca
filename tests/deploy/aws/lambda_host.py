"""A small Lambda: the built function in its own interpreter, fed through the Runtime API.

What AWS does around a function is here in little: a sandbox is a process that runs `awslambdaric`
(the program in Lambda's own images) and asks a server on loopback for its next call; a sandbox that
dies is replaced; `endpoint` answers the API by which boto3 calls a function, and
`move_messages` moves messages from a queue to the function as an event source mapping does.
"""

import contextlib
import json
import queue
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HANDLER = "variegate.deploy.aws.handler.handler"

_NEXT = "/2018-06-01/runtime/invocation/next"


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline().strip(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def answer(self, status: int, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A sandbox that is killed leaves its connection open: nothing to speak of."""


class FunctionError(Exception):
    """The function raised, died, or took too long."""


class Sandbox:
    """One process of the function; it works on one call at a time."""

    def __init__(
        self,
        python: Path,
        artefact: Path,
        environment: Mapping[str, str],
        log: Path,
        limit_s: float,
        handler: str = HANDLER,
    ) -> None:
        self._calls: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._answers: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._limit_s = limit_s
        self._log = log
        sandbox = self

        class Runtime(_Quiet):
            def do_GET(self) -> None:
                assert self.path == _NEXT, self.path
                call = sandbox._calls.get()
                if call is None:
                    self.close_connection = True
                    return
                number, data = call
                told = {
                    "Lambda-Runtime-Aws-Request-Id": number,
                    "Lambda-Runtime-Deadline-Ms": str(int((time.time() + limit_s) * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:1:function:f",
                    "Lambda-Runtime-Trace-Id": "Root=1-0-0",
                    "Content-Type": "application/json",
                }
                self.answer(200, data, told)

            def do_POST(self) -> None:
                sandbox._answers.put((self.path.rpartition("/")[2], self.body()))
                self.answer(202, b"{}")

        self._server = _Server(("127.0.0.1", 0), Runtime)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.started = time.monotonic()
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [python, "-m", "awslambdaric", handler],
                cwd=artefact,
                env={
                    "PATH": "/usr/bin:/bin",
                    "LANG": "C.UTF-8",
                    # Where Lambda keeps a function, nothing can be written.
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "LAMBDA_TASK_ROOT": str(artefact),
                    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                    "AWS_LAMBDA_FUNCTION_NAME": "augment",
                    "AWS_LAMBDA_FUNCTION_VERSION": "1",
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
                    **environment,
                },
                stdout=file,
                stderr=file,
            )

    def call(self, event: Any) -> Any:
        """Call the function.

        Raises:
            FunctionError: it raised, died, or took too long; in the latter cases it is gone.
        """
        self._calls.put((str(uuid.uuid4()), json.dumps(event).encode()))
        ends = time.monotonic() + self._limit_s
        while True:
            try:
                kind, data = self._answers.get(timeout=0.05)
            except queue.Empty:
                if self.process.poll() is not None:
                    raise FunctionError(f"exited with {self.process.returncode}") from None
                if time.monotonic() > ends:
                    self.stop()
                    raise FunctionError("out of time") from None
                continue
            if kind == "response":
                return json.loads(data)
            raise FunctionError(data.decode())

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._calls.put(None)
        self._server.shutdown()
        self._server.server_close()


class Function:
    """The function with so many sandboxes at most; one that died is replaced when needed."""

    def __init__(
        self,
        python: Path,
        artefact: Path,
        environment: Mapping[str, str],
        log: Path,
        *,
        size: int = 2,
        limit_s: float = 60.0,
        handler: str = HANDLER,
    ) -> None:
        self._make = lambda: Sandbox(python, artefact, environment, log, limit_s, handler)
        self._idle: queue.Queue[Sandbox | None] = queue.Queue()
        for _ in range(size):
            self._idle.put(None)
        self.log = log
        self.calls = 0

    def call(self, event: Any) -> Any:
        sandbox = self._idle.get()
        self.calls += 1
        if sandbox is None or sandbox.process.poll() is not None:
            sandbox = self._make()
        try:
            return sandbox.call(event)
        finally:
            self._idle.put(sandbox)

    def stop(self) -> None:
        while not self._idle.empty():
            sandbox = self._idle.get()
            if sandbox is not None:
                sandbox.stop()

    def told(self) -> list[dict[str, Any]]:
        """Return the lines of JSON that the function logged."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{")]


def move_messages(
    sqs: Any, source: str, function: Function, *, batch: int = 10, most_calls: int = 1_000
) -> int:
    """Do what an event source mapping does until the queue is empty; return the number of calls.

    Messages that did not fail are deleted, the others can be received again at once; the queue
    itself moves what was received too often to its dead letters.
    """
    for calls in range(most_calls):
        found = sqs.receive_message(
            QueueUrl=source, MaxNumberOfMessages=batch, AttributeNames=["All"], WaitTimeSeconds=0
        ).get("Messages", [])
        if not found:
            return calls
        try:
            answer = function.call({"Records": [_record(one) for one in found]})
            failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        except FunctionError:
            failed = {one["MessageId"] for one in found}
        for one in found:
            handle = {"QueueUrl": source, "ReceiptHandle": one["ReceiptHandle"]}
            if one["MessageId"] in failed:
                sqs.change_message_visibility(**handle, VisibilityTimeout=0)
            else:
                sqs.delete_message(**handle)
    raise AssertionError(f"the queue is not empty after {most_calls} calls")


def _record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:arrivals",
        "awsRegion": "us-east-1",
    }


@contextlib.contextmanager
def endpoint(
    function: Function, faults: Iterator[int] | None = None, *, share: int = 20
) -> Iterator[str]:
    """Serve the API by which boto3 calls a function; yield its URL.

    Args:
        function: that answers.
        faults: HTTP statuses to answer with instead, one a call; 0 for none.
        share: calls at a time that the function has for runs.
    """

    class Invoke(_Quiet):
        def do_GET(self) -> None:
            told = {"Environment": {"Variables": {"VARIEGATE_RUN_CONCURRENCY": str(share)}}}
            self.answer(200, json.dumps(told).encode())

        def do_POST(self) -> None:
            data = self.body()
            if self.headers.get("X-Amz-Invocation-Type") == "DryRun":
                self.answer(204, b"")
                return
            status = next(faults, 0) if faults else 0
            if status:
                kind = "TooManyRequestsException" if status == 429 else "ServiceException"
                self.answer(status, b'{"message": "slow down"}', {"x-amzn-ErrorType": kind})
                return
            try:
                answer = json.dumps(function.call(json.loads(data))).encode()
                self.answer(200, answer)
            except FunctionError as error:
                text = json.dumps({"errorMessage": str(error), "errorType": "Error"})
                with contextlib.suppress(ValueError):
                    text = json.dumps(json.loads(str(error)))
                self.answer(200, text.encode(), {"X-Amz-Function-Error": "Unhandled"})

    server = _Server(("127.0.0.1", 0), Invoke)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
