"""The head of a Ray cluster that is mute, another server, or lost; and tasks that fit nowhere."""

import http.server
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import jobs
import servers
from variegate.errors import UsageError
from variegate.runs.backends import ray_head
from variegate.runs.backends.ray_head import HeadWatch, check_head, watched
from variegate.runs.backends.ray_room import Room, RoomWatch


@pytest.fixture
def mute():
    """A listener that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = []

        def take():
            while True:
                try:
                    taken.append(server.accept())
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", taken
        for connection, _ in taken:
            connection.close()


def greeter(answer):
    """Run a server that answers once; return its address."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = server.accept()
        connection.recv(100)
        connection.sendall(answer)
        connection.close()
        server.close()

    threading.Thread(target=serve, daemon=True).start()
    return f"127.0.0.1:{server.getsockname()[1]}"


def test_a_mute_listener_is_given_up_on(mute):
    address, _ = mute
    begun = time.monotonic()
    with pytest.raises(UsageError, match="takes connections, but nothing answered there within 1"):
        check_head(address, answered_within_s=1)
    assert 1 <= time.monotonic() - begun < 3


def test_all_limits_together_are_under_thirty_seconds():
    assert ray_head._CONNECTED_WITHIN_S + ray_head._ANSWERED_WITHIN_S < 28
    # Ray ends the program after a minute.
    assert ray_head._LOST_AFTER_S + 3 * ray_head._LOOK_EVERY_S < 58


def test_an_interrupt_ends_the_wait_within_three_seconds(mute, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'variegate[ray]'")
    address, taken = mute
    source = jobs.draw_set(tmp_path / "in", 1)
    arguments = ["augment", source, tmp_path / "out", "--backend", "ray", "--address", address]
    command = [sys.executable, "-m", "variegate", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not taken:
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        words = process.stderr.read()
        assert process.wait(timeout=30) == 130
    assert time.monotonic() - begun < 3
    assert "interrupted before anything was written" in words
    assert "Traceback" not in words


def test_what_speaks_http2_is_taken_for_a_head():
    check_head(greeter(b"\0\0\6\4\0\0\0\0\0" + b"\0\5\0\0\100\0"))


def test_another_server_is_named(monkeypatch):
    sentence = "is not the head of a Ray cluster; name the head node and the port"
    for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b""):
        with pytest.raises(UsageError, match=sentence):
            check_head(greeter(answer))
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.handle_request, daemon=True).start()
    with pytest.raises(UsageError, match=sentence):
        check_head(f"127.0.0.1:{server.server_port}")
    server.server_close()
    monkeypatch.setenv("RAY_USE_TLS", "1")
    check_head(greeter(b"\x15\3\1\0\2\2\x46"))


def test_a_lost_head_is_noticed_and_one_that_comes_back_is_not_lost():
    port = servers.free_port()
    watch = HeadWatch(f"127.0.0.1:{port}", lost_after_s=0.6, every_s=0.1)
    try:
        watch.check()
        with socket.create_server(("127.0.0.1", port)) as server:

            def serve():
                for _ in range(8):
                    connection, _ = server.accept()
                    connection.recv(100)
                    connection.sendall(b"\0\0\0\4\0\0\0\0\0")
                    connection.close()

            thread = threading.Thread(target=serve)
            thread.start()
            thread.join(10)
            watch.check()
        time.sleep(1)
        with pytest.raises(UsageError, match=r"has not answered for .* same command again to res"):
            watch.check()
    finally:
        watch.close()


def test_reading_that_hangs_does_not_hold_up_the_watch():
    never = threading.Event()

    def items():
        yield 1
        never.wait(20)
        yield 2

    looks = []

    def look():
        looks.append(1)
        if len(looks) > 3:
            raise UsageError("lost")

    got = watched(items, look)
    assert next(got) == 1
    begun = time.monotonic()
    with pytest.raises(UsageError, match="lost"):
        next(got)
    assert time.monotonic() - begun < 5
    never.set()


def test_what_reading_raises_is_raised_and_its_order_kept():
    def items():
        yield from range(500)
        raise ValueError("broken")

    got = []
    with pytest.raises(ValueError, match="broken"):
        got += list(watched(items, lambda: None)) or []
    assert list(watched(lambda: iter(range(500)), lambda: None)) == list(range(500))


def test_reading_ends_where_nobody_listens_any_more():
    ended = threading.Event()

    def items():
        try:
            while True:
                yield 1
        finally:
            ended.set()

    got = watched(items, lambda: None)
    assert next(got) == 1
    got.close()
    assert ended.wait(5)


@pytest.mark.parametrize(
    ("room", "sentence"),
    [
        (Room(1, None), None),
        (Room(2, 4_000), None),
        (
            Room(4, None),
            (
                "a task reserves 4 CPUs, and no node of the cluster has that: the largest has "
                "2 CPUs and 4,000 MB; --cpus-per-task 2 would fit"
            ),
        ),
        (
            Room(0.5, 9_000),
            (
                "a task reserves 0.5 CPUs and 9,000 MB, and no node of the cluster has that: the "
                "largest has 2 CPUs and 4,000 MB; --cpus-per-task 0.5 --memory-per-task 4000 would "
                "fit"
            ),
        ),
    ],
)
def test_what_would_fit_is_said(room, sentence):
    nodes = [{"CPU": 1.0, "memory": 1e9}, {"CPU": 2.0, "memory": float(4_000 << 20)}, {}]
    assert room.lacking(nodes) == sentence


def test_a_cluster_without_workers_is_said():
    sentence = "a task reserves 1 CPU, and no node of the cluster takes tasks"
    assert Room(1, None).lacking([{"memory": 1e9}]) == sentence


def test_what_fits_nowhere_is_said_until_it_ends(caplog):
    looks = []

    def nodes():
        looks.append(1)
        if len(looks) > 2:
            raise RuntimeError("the cluster is gone")
        return [{"CPU": 1.0, "memory": 1e9}]

    watch = RoomWatch(Room(4, None), nodes, first_told_s=0.01, told_every_s=0.01)
    deadline = time.monotonic() + 10
    while len(looks) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    watch.close()
    said = [one for one in caplog.messages if one.startswith("no task has begun yet: a task res")]
    assert len(said) == 2
