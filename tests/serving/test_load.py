"""Many clients, slow ones, those that leave, and the end of the server."""

import concurrent.futures
import json
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest

import served
from served import ask, form


@pytest.fixture(scope="module")
def photo(data_dir):
    return min(data_dir.glob("coco_mini/images/val2017/*.jpg")).read_bytes()


def raw(url):
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port), timeout=30)


def test_a_hundred_at_once_are_answered_or_told_when_to_come_again(squeezenet, photo):
    with served.server(squeezenet, "--queue", 16) as (url, _):
        (expected,) = ask(url, "/classify", photo).json["results"]

        def one(number):
            return ask(url, "/classify", b"junk" if number % 20 == 0 else photo)

        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(one, range(100)))
        told = [answer.status for answer in answers]
        assert set(told) <= {200, 415, 503}
        assert told.count(200) >= 16
        for answer in answers:
            if answer.status == 503:
                assert 1 <= int(answer.headers["retry-after"]) <= 60
            elif answer.status == 200:
                (found,) = answer.json["results"]
                assert found["classes"][0]["class"] == expected["classes"][0]["class"]
        assert ask(url, "/ready").status == 200
        assert ask(url, "/classify", photo).status == 200


def test_slow_and_cut_off_uploads_hold_nobody_up(mnist, photo):
    with served.server(mnist, "--upload-timeout", 1) as (url, _):
        head = "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
        with raw(url) as slow, raw(url) as cut:
            slow.sendall(head.encode() + b"12345")
            cut.sendall(head.encode() + b"12345")
            cut.close()
            assert ask(url, "/health").status == 200
            answer = slow.recv(65536)
            while b"arrive within" not in answer:
                more = slow.recv(65536)
                assert more, answer
                answer += more
            assert answer.startswith(b"HTTP/1.1 408 ")
        text = ask(url, "/metrics").body.decode()
        assert "variegate_held_bytes 0" in text


def test_work_of_a_client_that_leaves_is_dropped(squeezenet, photo):
    with served.server(squeezenet, "--workers", 1, "--batch", 1) as (url, _):
        body, headers = form(*((f"{n}.jpg", photo) for n in range(16)))
        head = f"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        with raw(url) as leaving:
            leaving.sendall(
                f"{head}Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body
            )
            while "variegate_queue_images 0" in (text := ask(url, "/metrics").body.decode()):
                assert "variegate_images_total" not in text
        ends = time.monotonic() + 60
        while 'status="499"' not in text or "variegate_queue_images 0" not in text:
            assert time.monotonic() < ends, text
            text = ask(url, "/metrics").body.decode()
        (line,) = [one for one in text.splitlines() if one.startswith("variegate_dropped_images ")]
        assert int(line.split()[1]) >= 1


def test_keys_are_asked_for_and_stay_secret(mnist, photo, tmp_path):
    key, other = "k" * 30, "0123456789abcdef"
    (tmp_path / "keys.txt").write_text(f"# ours\n{key}\n")
    options = ("--keys", tmp_path / "keys.txt", "--allow-origin", "https://example.org")
    with served.server(mnist, *options, VARIEGATE_API_KEYS=other) as (url, process):
        for path in ("/health", "/ready", "/"):
            assert ask(url, path).status == 200
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": f"Basic {key}"}):
            answer = ask(url, "/classify?secret=hush", photo, headers)
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert ask(url, "/metrics").status == 401
        for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {other}"}):
            assert ask(url, "/classify?secret=hush", *with_name(photo, headers)).status == 200
        mine = ask(url, "/health", headers={"Origin": "https://example.org"})
        assert mine.headers["access-control-allow-origin"] == "https://example.org"
        theirs = ask(url, "/health", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in theirs.headers
        log = process.end()
    assert process.returncode == 0
    assert not [word for word in (key, other, "wrong", "hush", "private-name") if word in log]
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [one["status"] for one in lines if one["path"] == "/classify"] == [401] * 3 + [200] * 2
    assert {"request", "client", "method", "path", "status", "seconds"} <= lines[0].keys()


def with_name(photo, headers):
    body, kind = form(("private-name.jpg", photo))
    return body, {**headers, **kind}


def test_it_is_closed_to_other_sites_by_default(mnist, photo):
    with served.server(mnist) as (url, _):
        answer = ask(url, "/classify", photo, {"Origin": "https://example.org"})
        assert not [name for name in answer.headers if name.startswith("access-control")]
        preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
        refused = ask(url, "/classify", headers=preflight, method="OPTIONS")
        assert refused.status == 405


def test_it_stops_when_it_has_answered(squeezenet, photo):
    with served.server(squeezenet, "--workers", 1, "--batch", 1) as (url, process):
        answers = []
        body = form(*((f"{n}.jpg", photo) for n in range(16)))
        asking = threading.Thread(target=lambda: answers.append(ask(url, "/classify", *body)))
        asking.start()
        time.sleep(0.15)
        log = process.end()
        asking.join(60)
    assert process.returncode == 0
    assert "Traceback" not in log
    assert answers
    assert answers[0].status == 200
    assert len(answers[0].json["results"]) == 16


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda path: path.with_suffix(".card.json").unlink(), "expected the model's card there"),
        (lambda path: (path.unlink(), path.write_bytes(b"no model")), "not an ONNX model"),
        (lambda path: path.unlink(), "there is no such model file"),
        (
            lambda path: path.with_suffix(".card.json").write_text(
                '{"input": {"size": [28, 28], "channels": "gray"}, "classes": ["a", "b"]}'
            ),
            "answers 10 numbers, its card names 2 classes",
        ),
        (
            lambda path: path.with_suffix(".card.json").write_text(
                '{"input": {"size": [30, 28], "channels": "gray"}}'
            ),
            "does not fit its card",
        ),
        (
            lambda path: path.with_suffix(".card.json").write_text(
                '{"task": "boxes", "input": {"size": [28, 28], "channels": "gray"}}'
            ),
            "expected a model that classifies",
        ),
    ],
    ids=["card", "junk", "missing", "classes", "size", "task"],
)
def test_what_cannot_be_served_is_said_in_a_sentence(data_dir, tmp_path, change, says):
    from typer.testing import CliRunner

    from variegate.cli import app

    path = served.mnist(data_dir, tmp_path)
    change(path)
    result = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["serve", str(path), "--port", "0"])
    assert result.exit_code == 2, result.output
    assert says in result.output


def test_a_port_that_is_taken_is_said(mnist):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "variegate", "serve", mnist, "--port"]
        done = subprocess.run(
            [*command, str(taken.getsockname()[1])],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 2
    assert "choose" in done.stderr.lower()
