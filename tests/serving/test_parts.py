"""The parts of a server, each alone: queue, keys, marks, gate, metrics."""

import asyncio
import contextlib
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import served
from variegate.errors import InputError, UsageError
from variegate.models.card import ModelCard, card_path
from variegate.models.predictors.onnx import OnnxPredictor
from variegate.serving.batches import Batcher
from variegate.serving.faults import RequestError
from variegate.serving.forms import form_parts
from variegate.serving.gate import BodyGate
from variegate.serving.marks import AxisMarks, Mark, read_marks
from variegate.serving.metrics import Metrics
from variegate.serving.settings import KeyRing, ServerSettings
from variegate.serving.sliders import SliderStep, small, transformed

KIND = "multipart/form-data; boundary=b"


class Work:
    """Doubles numbers, as slowly as a test wants."""

    def __init__(self):
        self.go, self.begun = threading.Event(), threading.Event()
        self.batches = []

    def __call__(self, items, alone):
        self.begun.set()
        assert self.go.wait(30)
        self.batches.append(list(items))
        return [2 * one if one >= 0 else ValueError("negative") for one in items]


def test_what_came_meanwhile_is_done_together():
    work = Work()
    batcher = Batcher(work, workers=1, batch=4, limit=20)
    first = batcher.submit([0])
    assert work.begun.wait(30)
    rest = batcher.submit(list(range(1, 10)))
    work.go.set()
    assert [one.result(30) for one in first + rest] == [2 * one for one in range(10)]
    assert work.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]
    batcher.close()


def test_a_full_queue_refuses_all_of_a_request():
    work = Work()
    batcher = Batcher(work, workers=1, batch=1, limit=3)
    running = batcher.submit([1])
    assert work.begun.wait(30)
    waiting = batcher.submit([2, 3])
    with pytest.raises(RequestError, match="busy") as caught:
        batcher.submit([4, 5])
    assert (caught.value.status, batcher.depth) == (503, 2)
    assert caught.value.retry_after_s >= 1
    work.go.set()
    assert [one.result(30) for one in running + waiting] == [2, 4, 6]
    batcher.close()
    with pytest.raises(RequestError, match="stopping"):
        batcher.submit([1])


def test_what_nobody_waits_for_is_not_done():
    work = Work()
    batcher = Batcher(work, workers=1, batch=1, limit=9)
    batcher.submit([1])
    assert work.begun.wait(30)
    left, stays = batcher.submit([2, 3])
    assert left.cancel()
    work.go.set()
    assert stays.result(30) == 6
    batcher.close()
    assert work.batches == [[1], [3]]
    assert batcher.dropped == 1


def test_one_failure_is_its_own_and_a_broken_batch_is_everybodys():
    work = Work()
    work.go.set()
    batcher = Batcher(work, workers=2, batch=8, limit=9)
    good, bad = batcher.submit([1, -1])
    assert good.result(30) == 2
    with pytest.raises(ValueError, match="negative"):
        bad.result(30)
    (odd,) = batcher.submit(["x"])
    with pytest.raises(TypeError):
        odd.result(30)
    assert batcher.submit([5])[0].result(30) == 10
    batcher.close()


def test_closing_finishes_what_waits():
    work = Work()
    batcher = Batcher(work, workers=1, batch=1, limit=9)
    futures = batcher.submit([1, 2, 3])
    threading.Timer(0.1, work.go.set).start()
    batcher.close()
    assert [one.result(0) for one in futures] == [2, 4, 6]


def test_keys_from_both_places_and_nothing_of_them_is_kept(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# mine\nabcdefghijklmnop\n\n")
    ring = KeyRing.read({"VARIEGATE_API_KEYS": "0123456789abcdef,ffffffffffffffff"}, path)
    accepted = [ring.accepts(one) for one in ("abcdefghijklmnop", "0123456789abcdef", "", "#")]
    assert accepted == [True, True, False, False]
    assert "abcdefghijklmnop" not in repr(vars(ring))
    assert not KeyRing.read({})
    with pytest.raises(UsageError, match="fewer than 16 letters"):
        KeyRing.read({"VARIEGATE_API_KEYS": "short"})
    path.write_text("\n")
    with pytest.raises(UsageError, match="on each line"):
        KeyRing.read({}, path)
    with pytest.raises(InputError):
        KeyRing.read({}, tmp_path / "none")


def test_marks_are_those_of_a_search(tmp_path, squeezenet):
    path = tmp_path / "tolerance.json"
    model = OnnxPredictor(squeezenet, ModelCard.load(card_path(squeezenet)))
    axes = {"rotate+": ((0.1, 0.2, 0.3), None), "hue+": ((0, None, 0), None)}
    served.tolerance(path, model.identity, axes)
    assert read_marks(path, model) == {"rotate+": AxisMarks(Mark(0.2, 0.1, 0.3), None)}
    served.tolerance(path, model.identity, {"hue+": ((0, None, 0), None)})
    with pytest.raises(InputError, match="takes all of each"):
        read_marks(path, model)
    served.tolerance(path, "another", axes)
    with pytest.raises(UsageError, match="of another model"):
        read_marks(path, model)


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_files_of_no_search_are_refused(tmp_path, text, squeezenet):
    (tmp_path / "tolerance.json").write_text(text)
    model = OnnxPredictor(squeezenet, ModelCard.load(card_path(squeezenet)))
    with pytest.raises(InputError, match=r"tolerance\.json"):
        read_marks(tmp_path / "tolerance.json", model)


def call(app, messages, headers=(), method="POST"):
    """Ask an ASGI application; return the messages that it sends."""
    sent, waiting = [], list(messages)

    async def receive():
        if not waiting:
            await asyncio.sleep(60)
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/", "headers": list(headers)}
    asyncio.run(app(scope, receive, send))
    return sent


def piece(data, more):
    return {"type": "http.request", "body": data, "more_body": more}


def gate(seen, **limits):
    async def app(scope, receive, send):
        message = await receive()
        seen.append(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return BodyGate(app, settings=ServerSettings(**limits), metrics=Metrics())


def test_the_body_is_counted_before_anybody_parses_it():
    seen = []
    one = gate(seen, max_bytes=10)
    assert call(one, [piece(b"12345", True), piece(b"67890", False)])[0]["status"] == 200
    assert seen == [b"1234567890"]
    many = [piece(b"123456", True), piece(b"7890ab", True), piece(b"c" * 100, False)]
    assert call(one, many)[0]["status"] == 413
    # With its length said, not a byte of it is asked for.
    stated = [(b"content-length", b"11")]
    assert call(one, [piece(b"", False)], stated)[0]["status"] == 413
    assert len(seen) == 1
    assert call(one, [piece(b"1", True), {"type": "http.disconnect"}]) == []
    assert one._held == 0


def test_bodies_together_are_bounded_and_late_ones_refused():
    seen = []
    one = gate(seen, max_bytes=10, max_waiting_bytes=15, upload_timeout_s=0.05)
    one.hold(9)
    refused = call(one, [piece(b"1234567", False)])
    assert refused[0]["status"] == 503
    assert (b"retry-after", b"1") in refused[0]["headers"]
    one.hold(-9)
    begun = time.monotonic()
    assert call(one, [piece(b"1", True)])[0]["status"] == 408
    assert time.monotonic() - begun < 30
    assert one._held == 0


def test_metrics_escape_labels_and_add_up():
    metrics = Metrics()
    metrics.count("requests", path='a"b\\c\nd')
    metrics.count("requests", by=2, path="x")
    metrics.observe("request_seconds", 0.03)
    metrics.observe("request_seconds", 99)
    lines = metrics.text().splitlines()
    assert 'variegate_requests_total{path="a\\"b\\\\c\\nd"} 1' in lines
    assert 'variegate_requests_total{path="x"} 2' in lines
    assert 'variegate_request_seconds_bucket{le="0.025"} 0' in lines
    assert 'variegate_request_seconds_bucket{le="0.05"} 1' in lines
    assert 'variegate_request_seconds_bucket{le="+Inf"} 2' in lines
    assert "variegate_request_seconds_sum 99.030000" in lines


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(UsageError, match="room for the images of one request"):
        ServerSettings(queue=4)
    with pytest.raises(UsageError, match="expected a site"):
        ServerSettings(origins=("example.org",))
    with pytest.raises(UsageError, match="workers"):
        ServerSettings(workers=0)


def test_a_slider_at_zero_changes_nothing(photos):
    for image in (photos[0], photos[0][:, :, 0]):
        assert np.array_equal(transformed(image, [SliderStep("elastic", 0.0)]), image)
        weak, strong = (transformed(image, [SliderStep("hue+", at)]) for at in (0.2, 0.9))
        assert weak.shape == strong.shape == image.shape
    large = np.zeros((3000, 4000, 3), np.uint8)
    assert small(large).shape == (866, 1155, 3)
    assert small(photos[0]) is photos[0]


def split_up(*parts, boundary="b", end="--b--\r\n", **limits):
    body = "".join(f"--{boundary}\r\n{head}\r\n\r\n{data}\r\n" for head, data in parts) + end
    limits = {"max_files": 2, "max_fields": 2, **limits}
    kind = f"multipart/form-data; boundary={boundary}"
    return form_parts(kind, body.encode("latin-1"), **limits)


def told(name, file=None):
    return f'Content-Disposition: form-data; name="{name}"' + (
        f'; filename="{file}"' if file else ""
    )


def test_forms_are_taken_apart_as_they_were_put_together():
    data = "a\r\n--\r\n--bb\0\xff\r\n"
    parts = split_up(
        (f"Content-Type: image/jpeg\r\n{told('x', 'a; b.jpg')}", data.replace("--bb", "--c")),
        (told("top"), "3"),
        (told("y", "none.jpg"), ""),
        end="--b--\r\nwhat comes after it",
    )
    assert [(one.name, one.file) for one in parts] == [
        ("x", "a; b.jpg"),
        ("top", None),
        ("y", "none.jpg"),
    ]
    assert parts[0].data == data.replace("--bb", "--c").encode("latin-1")
    assert parts[1].text == "3"
    assert parts[2].data == b""
    assert split_up(end="--b--") == []


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda: split_up((told("x", "a"), "1"), end=""), 400),
        (lambda: split_up((told("x", "a"), "1"), end="--b"), 400),
        (lambda: split_up(("Content-Type: text/plain", "1")), 400),
        (lambda: split_up(("X: " + "x" * 20_000, "1")), 400),
        (lambda: split_up(boundary="", end=""), 400),
        (lambda: split_up(boundary="b" * 300), 400),
        (lambda: split_up(*[(told("x"), "1")] * 3), 400),
        (lambda: split_up((told("x"), "1" * (2 << 20))), 400),
        (lambda: split_up(*[(told("x", "a"), "1")] * 3), 413),
        (lambda: form_parts(KIND, b"no form", max_files=1, max_fields=1), 400),
        (lambda: form_parts(KIND, b"before\r\n--b--", max_files=1, max_fields=1), 400),
    ],
)
def test_forms_that_are_none_are_refused(make, status):
    with pytest.raises(RequestError, match="form") as caught:
        make()
    assert caught.value.status == status


@given(st.binary(max_size=200))
def test_whatever_is_sent_as_a_form_is_read_or_refused(noise):
    text = told("x", "a").encode()
    for body in (noise, b"--b\r\n" + noise, b"--b\r\n" + text + b"\r\n\r\n" + noise + b"\r\n--b--"):
        with contextlib.suppress(RequestError):
            for one in form_parts(KIND, body, max_files=9, max_fields=9):
                assert one.data in body


def test_now_and_then_alone_is_not_alone():
    seen = []
    batcher = Batcher(lambda items, alone: seen.append(alone) or items, workers=2, batch=1, limit=9)
    for number in range(6):
        assert batcher.submit([number])[0].result(30) == number
        time.sleep(0.02)
    batcher.submit([6, 7])[1].result(30)
    batcher.close()
    assert seen[:3] == [False] * 3
    assert seen[5] is True
    assert not any(seen[7:])
