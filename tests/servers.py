"""Servers for tests, as real processes on free ports of this machine, and a proxy with faults."""

import contextlib
import http.client
import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from azure.storage.blob import BlobServiceClient

ROOT = Path(__file__).parents[1]
S3RVER, AZURITE = (
    ROOT / ".venv" / "stores" / "node_modules" / ".bin" / name
    for name in ("s3rver", "azurite-blob")
)

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "S3RVER",
    "AWS_SECRET_ACCESS_KEY": "S3RVER",
    "AWS_REGION": "us-east-1",
}
EMULATOR = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[str]:
    """Run a server until the block ends; yield its URL."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, f"{command[0]} did not start"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def moto(**environment: str) -> Iterator[str]:
    """Run moto's server: S3 and much else."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port, **environment) as url:
        for _ in range(100):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5).close()
                break
            time.sleep(0.1)
        yield url


def s3_client(url: str):
    """Return a client of one of these servers."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=CREDENTIALS["AWS_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


@contextlib.contextmanager
def s3rver(folder: Path) -> Iterator[str]:
    """Run s3rver, an S3 written by others, in another language."""
    command = [_from_npm(S3RVER), "-d", str(folder), "-a", "127.0.0.1", "-p"]
    port = free_port()
    with running([*command, str(port)], port) as url:
        yield url


@contextlib.contextmanager
def azurite(*containers: str) -> Iterator[dict[str, str]]:
    """Run Azurite, Microsoft's own emulator; yield the variables by which it is found."""
    command = [_from_npm(AZURITE), "--silent", "--inMemoryPersistence", "--skipApiVersionCheck"]
    port = free_port()
    with running([*command, "--disableTelemetry", "--blobPort", str(port)], port) as url:
        # The account and key that everybody's emulator has.
        account, key = EMULATOR
        with BlobServiceClient(f"{url}/{account}", credential=key) as client:
            for name in containers:
                client.create_container(name)
        yield {
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": url,
            "AZURE_ALLOW_HTTP": "true",
        }


def _from_npm(program: Path) -> str:
    if not program.exists():
        reason = f"no {program.name} here: `make test` sets it up where there is npm"
        if os.environ.get("CI") and shutil.which("npm"):
            pytest.fail(reason)
        pytest.skip(reason)
    return str(program)


# The names that http.server looks for.
_METHODS = ("GET", "PUT", "POST", "HEAD", "DELETE")

Fault = Callable[["_Handler"], bool]


class FaultyProxy:
    """Passes requests on to a server, but lets faults happen.

    Attributes:
        url: where it listens.
        faults: asked in turn at every request; one that answers returns True.
        seen: method and path of every request.
    """

    def __init__(self, upstream: str) -> None:
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        host, port = upstream.removeprefix("http://").split(":")
        methods = {f"do_{name}": _Handler.answer_any for name in _METHODS}
        handler = type(
            "Handler", (_Handler,), {"proxy": self, "upstream": (host, int(port)), **methods}
        )
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultyProxy
    upstream: tuple[str, int]

    def answer_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        with self.proxy.lock:
            self.proxy.seen.append((self.command, self.path))
            faults = list(self.proxy.faults)
        if not any(fault(self) for fault in faults):
            self.pass_on()

    def pass_on(self, *, cut: bool = False) -> None:
        upstream = http.client.HTTPConnection(*self.upstream, timeout=60)
        upstream.request(self.command, self.path, self.body, dict(self.headers))
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.reset()

    def answer(self, status: int, code: str) -> None:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def reset(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


def sometimes(every: int, kinds: str) -> Fault:
    """Return a fault that every n-th request meets, of these kinds in turn.

    Kinds: "5" answers 503, "4" answers 429, "r" resets the connection, "c" cuts the body short.
    """
    counter = itertools.count(1)

    def fault(handler: _Handler) -> bool:
        count = next(counter)
        if count % every:
            return False
        kind = kinds[count // every % len(kinds)]
        if kind == "5":
            handler.answer(503, "SlowDown")
        elif kind == "4":
            handler.answer(429, "TooManyRequests")
        elif kind == "r":
            handler.reset()
        else:
            handler.pass_on(cut=True)
        return True

    return fault


def in_bursts(every: int, length: int) -> Fault:
    """Return a fault that every n-th request and the next ones meet: 503, "slow down"."""
    counter = itertools.count(1)

    def fault(handler: _Handler) -> bool:
        count = next(counter)
        if count < every or count % every >= length:
            return False
        handler.answer(503, "SlowDown")
        return True

    return fault


def always(status: int, code: str, *methods: str) -> Fault:
    """Return a fault that all requests of these methods meet."""

    def fault(handler: _Handler) -> bool:
        if methods and handler.command not in methods:
            return False
        handler.answer(status, code)
        return True

    return fault
