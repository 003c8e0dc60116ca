"""Ctrl-C, in a real process."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from variegate.cli.application import INTERRUPTED


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "variegate", *map(str, arguments)]


def finished(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child process")
def test_interrupted_run_says_how_to_go_on_and_ends_in_the_same_digest(parts, tmp_path):
    out, other = tmp_path / "out", tmp_path / "other"
    arguments = ("augment", parts, out, "--preset", "chain", "--workers", 2, "--shard-size", 1)
    with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True) as process:
        wait_for_a_part(out)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        words = process.stderr.read()
        assert process.wait(timeout=20) == INTERRUPTED == 130
    assert "Traceback" not in words
    assert "of 10 inputs are done; run the same command again to resume" in words
    assert f"variegate augment {parts} {out} --preset chain" in words
    assert not list(out.rglob(".variegate-tmp-*"))
    unfinished = finished("verify", out)
    assert unfinished.returncode == 2
    assert "not finished" in unfinished.stderr

    assert "(resumed)" in finished(*arguments).stdout
    digest = json.loads(finished("verify", out, "--json").stdout)["digest"]
    whole = finished("augment", parts, other, "--preset", "chain", "--workers", 1, "--json")
    assert json.loads(whole.stdout)["digest"] == digest


def wait_for_a_part(out: Path) -> None:
    """Wait until something, but not all, is done."""
    deadline = time.monotonic() + 30
    while not list(out.glob(".variegate/parts/*.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_processes_end_with_their_own_exit_code(parts, tmp_path):
    # pyarrow's threads once aborted every second process that looked for quarantined images.
    (parts / "led/broken.jpg").write_bytes(b"not a jpeg")
    arguments = ("augment", parts, tmp_path / "out", "--workers", 0, "--strict")
    codes = [finished(*arguments).returncode for _ in range(4)]
    assert codes == [3, 3, 3, 3]
    assert finished("verify", tmp_path / "out").returncode == 0
    assert finished("verify", parts).returncode == 2
