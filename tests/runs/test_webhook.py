"""What is posted at the end of a run, to a real server."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import servers
from variegate.errors import UsageError
from variegate.runs import webhook
from variegate.runs.webhook import Webhook


@pytest.fixture
def hook(monkeypatch):
    """A server that notes what it is sent, and answers with what stands in `answers`."""
    monkeypatch.setattr(webhook, "_PAUSES_S", (0.01, 0.01))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            server.got.append((self.path, self.headers, json.loads(self.rfile.read(length))))
            self.send_response(server.answers.pop(0) if server.answers else 200)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.answers = [], []
    server.url = f"http://127.0.0.1:{server.server_port}/T0/s3cret?token=t0ken"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_the_message_arrives_as_json(hook):
    assert Webhook(hook.url).post({"state": "finished"}) is None
    ((path, headers, message),) = hook.got
    assert (path, message) == ("/T0/s3cret?token=t0ken", {"state": "finished"})
    assert headers["Content-Type"] == "application/json"


def test_a_fault_that_passes_is_waited_for(hook):
    hook.answers[:] = [503, 502]
    assert Webhook(hook.url).post({}) is None
    assert len(hook.got) == 3


@pytest.mark.parametrize("code", [404, 500, 302])
def test_what_is_not_taken_is_said_without_the_secret(hook, code):
    hook.answers[:] = [code] * 9
    reason = Webhook(hook.url).post({})
    assert reason.startswith("the message to 127.0.0.1 (--notify) was not taken: it answered")
    assert str(code) in reason
    assert "s3cret" not in reason
    assert "t0ken" not in reason
    assert len(hook.got) == 3


def test_nobody_there(monkeypatch):
    monkeypatch.setattr(webhook, "_PAUSES_S", ())
    reason = Webhook(f"http://127.0.0.1:{servers.free_port()}/s3cret").post({})
    assert "Connection refused" in reason
    assert "s3cret" not in reason


@pytest.mark.parametrize(
    "url",
    ["hooks.example/s3cret", "file:///s3cret", "http://", "http://a:b/s3cret", "http://a/s 3"],
)
def test_what_is_no_url_is_refused_unseen(url):
    with pytest.raises(UsageError, match="--notify: expected a URL") as told:
        Webhook(url)
    assert "s3" not in str(told.value)
    assert "s3" not in repr(told.value)
