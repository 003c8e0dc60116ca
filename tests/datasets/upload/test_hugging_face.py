"""The real client of the hub, against a small hub on this machine."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from variegate import Options, augment
from variegate.datasets.upload.hugging_face import upload_to_hub
from variegate.errors import UsageError

pytest.importorskip("huggingface_hub")


class Hub(BaseHTTPRequestHandler):
    """What the client asks when a dataset is uploaded; all files are small ones."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]
    seen: list[tuple[str, str]]

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((self.path, self.headers.get("authorization", "")))
        url = f"http://{self.headers['Host']}/datasets/user/parts"
        if self.path == "/api/repos/create":
            self.answer({"url": url, "id": "user/parts", "name": "user/parts"})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            told = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in files
            ]
            self.answer({"files": told})
        elif "/commit/" in self.path:
            for line in body.splitlines():
                one = json.loads(line)
                if one["key"] == "file":
                    self.files[one["value"]["path"]] = base64.b64decode(one["value"]["content"])
            oid = "0" * 40
            self.answer({"success": True, "commitOid": oid, "commitUrl": f"{url}/commit/{oid}"})
        else:
            self.answer({})

    def do_GET(self) -> None:
        self.answer({"id": "user/parts", "sha": "0" * 40, "siblings": []})

    def answer(self, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch):
    handler = type("OneHub", (Hub,), {"files": {}, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    yield handler
    server.shutdown()
    server.server_close()


def test_folders_of_classes_are_uploaded_as_they_are(hub, tmp_path):
    for number, name in enumerate(("cat/a.jpg", "dog/b.jpg")):
        path = tmp_path / "set/train" / name
        path.parent.mkdir(parents=True)
        Image.new("RGB", (40, 30), (90 * number, 70, 50)).save(path)
    augment(tmp_path / "set", tmp_path / "more", options=Options(workers=0))
    done = upload_to_hub(str(tmp_path / "more"), "user/parts")
    files = {
        str(path.relative_to(tmp_path / "more")): path.read_bytes()
        for path in Path(tmp_path / "more").rglob("*.jpg")
    }
    assert hub.files == files  # neither manifest nor records
    assert (done.images, done.converted) == (16, None)
    assert {token for _, token in hub.seen} == {"Bearer hf_secret"}


def test_boxes_become_an_image_folder_with_metadata(hub, data_dir):
    done = upload_to_hub(str(data_dir / "bccd_voc"), "user/parts", allow_loss=True)
    assert done.converted == "voc"
    tables = [name for name in hub.files if name.endswith("metadata.jsonl")]
    rows = [json.loads(line) for name in tables for line in hub.files[name].splitlines()]
    assert len(rows) == done.images == len(hub.files) - len(tables)
    assert any(row["objects"]["bbox"] for row in rows)


def test_a_name_that_is_none_is_refused(tmp_path):
    with pytest.raises(UsageError, match="expected USER/NAME"):
        upload_to_hub(str(tmp_path), "parts")
