"""A server that behaves like Edge Impulse: run as a program, asked as the service is.

    python edge_impulse_server.py PORT '{"slow_every": 7, ...}'

What it can be told to do, each to every n-th request that uploads: `busy_every` (429 with
Retry-After), `down_every` (503), `lose_every` (cut the connection, nothing stored), `cut_every`
(store, then cut the connection), `refuse_every` (a file fails inside HTTP 200, the first time it is
seen), `deny_every` (the request as a whole fails inside HTTP 200, whatever is said of its files).
After a 429 all requests get one until the time in Retry-After is over; those that come before it
are counted as `early`. Further `hold_at`, numbers of samples: a request that reaches one is stored
and never answered, so that its client can be killed between the two; `slow_ms`, how long each
takes; `redirect_to` another server; `echo`, an error page that shows the key. And `drop_boxes`: the
project's labeling method is another one.
`GET /state` tells all samples and what was asked for.
"""

import hashlib
import json
import re
import socket
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

KEY, PROJECT = "ei_0123456789abcdef", 4711
MOST_FILES, MOST_BYTES, MOST_HEADERS = 1_000, 100_000_000, 16_384
RETRY_S = 0.2
LABEL = re.compile(r"^[a-zA-Z0-9\s\-_]+")


class Project:
    """All that is stored, and what happens to which request."""

    def __init__(self, faults: dict) -> None:
        self.faults = faults
        self.hold_at = sorted(faults.get("hold_at", ()))
        self.held: list[list[str]] = []
        self.lock = threading.Lock()
        self.samples: dict[int, dict] = {}
        self.by_digest: dict[str, int] = {}
        self.refused: set[str] = set()
        self.requests = 0
        self.busy = 0
        self.busy_until = 0.0
        self.early = 0
        self.happened: dict[str, int] = {}
        self.sent_again = 0
        self.largest = 0

    def fault(self) -> str | None:
        """Count a request; return what happens to it."""
        with self.lock:
            self.requests += 1
            if time.monotonic() < self.busy_until:
                self.early += 1
                return "busy"
            for name in ("busy", "down", "lose", "cut", "refuse", "deny"):
                every = self.faults.get(f"{name}_every")
                if every and self.requests % every == 0:
                    self.happened[name] = self.happened.get(name, 0) + 1
                    if name == "busy":
                        self.busy_until = time.monotonic() + RETRY_S
                    return name
        return None

    def holds(self, digests: list[str]) -> bool:
        """Say whether the request that stored these files is one that is never answered."""
        with self.lock:
            if not self.hold_at or len(self.samples) < self.hold_at[0]:
                return False
            del self.hold_at[0]
            self.held.append(digests)
            return True

    def store(self, category: str, headers: dict, name: str, data: bytes, boxes: list | None):
        """Store a file; return the answer for it."""
        kind = "jpg" if data[:3] == b"\xff\xd8\xff" else "png" if data[:4] == b"\x89PNG" else None
        if kind is None:
            return {"success": False, "fileName": name, "error": "Unsupported file type"}
        if len(data) > MOST_BYTES:
            return {"success": False, "fileName": name, "error": "File too large"}
        digest = hashlib.sha256(data).hexdigest()
        with self.lock:
            if digest in self.by_digest and headers.get("x-disallow-duplicates"):
                self.sent_again += 1
                error = f"An item with this hash already exists (ids: {self.by_digest[digest]})"
                return {"success": False, "fileName": name, "error": error}
            number = 1000 + len(self.samples)
            if "x-no-label" in headers:
                label = ""
            elif "x-label" in headers:
                label = unquote(headers["x-label"])
            else:
                found = LABEL.match(name)
                label = found[0] if found else ""
            if category == "split":
                category = "testing" if int(digest, 16) % 5 == 0 else "training"
            self.samples[number] = {
                "id": number,
                "filename": name,
                "category": category,
                "label": label,
                "metadata": json.loads(headers.get("x-metadata", "{}")),
                "boundingBoxes": [] if self.faults.get("drop_boxes") else boxes or [],
                "sha256": digest,
                "bytes": len(data),
                "job": headers.get("x-synthetic-data-job-id"),
                "source": headers.get("x-upload-source"),
                "data": data,
            }
            self.by_digest[digest] = number
        return {"success": True, "projectId": PROJECT, "sampleId": number, "fileName": name}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    project: Project

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = re.fullmatch(r"/api/(training|testing|split)/files", self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if found is None:
            self.answer(404, {"success": False, "error": "No such endpoint"})
        elif sum(len(name) + len(value) + 4 for name, value in headers.items()) > MOST_HEADERS:
            self.answer(431, {"success": False, "error": "Request header fields too large"})
        elif headers.get("x-api-key") != KEY:
            # As the service does: the failure is inside an answer that says 200.
            self.answer(
                200, {"success": False, "error": f"Invalid API key ({headers['x-api-key']})"}
            )
        else:
            self.upload(found[1], headers, body)

    def upload(self, category: str, headers: dict, body: bytes) -> None:
        fault = self.project.fault()
        time.sleep(self.project.faults.get("slow_ms", 0) / 1000)
        if self.misbehaves(fault, headers, body):
            return
        files = multipart(headers["content-type"], body)
        labels = [data for name, data in files if name.endswith(".labels")]
        images = [(name, data) for name, data in files if not name.endswith(".labels")]
        self.project.largest = max(self.project.largest, len(images))
        if len(files) > MOST_FILES:
            self.answer(400, {"success": False, "error": "Too many files"})
            return
        told = headers.get("x-bounding-boxes")
        if told is not None and len(images) != 1:
            self.answer(400, {"success": False, "error": "Bounding boxes need one file"})
            return
        boxes = json.loads(told) if told else None
        beside = {
            name: some for one in labels for name, some in json.loads(one)["boundingBoxes"].items()
        }
        answers = []
        for name, data in images:
            digest = hashlib.sha256(data).hexdigest()
            if fault == "refuse" and not answers and digest not in self.project.refused:
                self.project.refused.add(digest)
                answers.append({"success": False, "fileName": name, "error": "Could not store"})
                continue
            one = beside.get(name, boxes)
            answers.append(self.project.store(category, headers, name, data, one))
        if self.project.holds([hashlib.sha256(data).hexdigest() for _, data in images]):
            self.connection.recv(1)  # until its client is gone
            self.cut()
            return
        if fault == "cut":
            self.cut()
            return
        self.answer(200, {"success": True, "files": answers})

    def misbehaves(self, fault: str | None, headers: dict, body: bytes) -> bool:
        """Answer without storing anything, where that is what happens to a request."""
        if to := self.project.faults.get("redirect_to"):
            self.answer(307, None, {"Location": f"{to}{self.path}"})
        elif self.project.faults.get("echo"):
            self.raw(400, f"<p>No: {headers['x-api-key']}</p>".encode(), {})
        elif fault == "busy":
            self.project.busy += 1
            wait = {"Retry-After": str(RETRY_S)}
            self.answer(429, {"success": False, "error": "Slow down"}, wait)
        elif fault == "deny":
            names = [name for name, _ in multipart(headers["content-type"], body)]
            answer = {"success": False, "error": "Could not process the request"}
            if self.project.happened["deny"] % 2 == 0:
                answer["files"] = [{"success": True, "fileName": name} for name in names]
            self.answer(200, answer)
        elif fault == "down":
            self.answer(503, None)
        elif fault == "lose":
            self.cut()
        else:
            return False
        return True

    def do_GET(self) -> None:
        if self.path == "/state":
            self.answer(200, self.state())
        elif self.headers.get("x-api-key") != KEY:
            self.answer(401, {"success": False, "error": "Unauthorized"})
        elif self.path == "/v1/api/projects":
            self.answer(200, {"success": True, "projects": [{"id": PROJECT, "name": "parts"}]})
        elif found := re.fullmatch(rf"/v1/api/{PROJECT}/raw-data/(\d+)(/image)?", self.path):
            sample = self.project.samples.get(int(found[1]))
            if sample is None:
                self.answer(200, {"success": False, "error": "No such sample"})
            elif found[2]:
                self.raw(200, sample["data"], {})
            else:
                self.answer(200, {"success": True, "sample": told_of(sample)})
        elif found := re.fullmatch(
            rf"/v1/api/{PROJECT}/raw-data\?category=(\w+)&limit=(\d+)&offset=(\d+).*", self.path
        ):
            those = [one for one in self.project.samples.values() if one["category"] == found[1]]
            start, limit = int(found[3]), int(found[2])
            some = [told_of(one) for one in those[start : start + limit]]
            self.answer(200, {"success": True, "samples": some, "totalCount": len(those)})
        else:
            self.answer(404, {"success": False, "error": "No such endpoint"})

    def state(self) -> dict:
        project = self.project
        with project.lock:
            return {
                "samples": [told_of(one) for one in project.samples.values()],
                "requests": project.requests,
                "busy": project.busy,
                "early": project.early,
                "happened": project.happened,
                "held": project.held,
                "sent_again": project.sent_again,
                "largest": project.largest,
            }

    def answer(self, status: int, body: dict | None, headers: dict[str, str] | None = None) -> None:
        self.raw(status, b"" if body is None else json.dumps(body).encode(), headers or {})

    def raw(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(data)

    def cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


def told_of(sample: dict) -> dict:
    return {name: value for name, value in sample.items() if name != "data"}


def multipart(content_type: str, body: bytes) -> list[tuple[str, bytes]]:
    """Return the name and content of each file of a form."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    assert boundary
    files = []
    for piece in body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, data = piece.partition(b"\r\n\r\n")
        name = re.search(r'filename="([^"]*)"', head.decode())
        assert b'name="data"' in head
        assert name
        files.append((name[1], data[:-2]))
    return files


def main() -> None:
    Handler.project = Project(json.loads(sys.argv[2]) if len(sys.argv) > 2 else {})
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
