"""Who else is told of a run: a webhook and Prometheus."""

import json
import re
import signal
import subprocess
import sys
import time

import jobs
from variegate.cli.summaries import without_secrets
from variegate.runs.webhook import Webhook

SECRET = "https://hooks.example/s3cret"
LINE = re.compile(r'variegate_run_\w+\{output="[^"]+"(?:,\w+="\w+")?\} \d+')


def figures(path):
    lines = path.read_text().splitlines()
    found = [line for line in lines if not line.startswith("# ")]
    assert all(map(LINE.fullmatch, found))
    kinds = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds))
    return {
        re.sub(r'output="[^"]+",?', "", name).removeprefix("variegate_run_"): int(value)
        for name, value in (line.rsplit(" ", 1) for line in found)
    }


def taken(monkeypatch, answer=None):
    messages = []

    def post(hook, message, *, hurried=False):
        messages.append(json.loads(json.dumps(message)))
        return answer

    monkeypatch.setattr(Webhook, "post", post)
    return messages


def test_the_end_is_told(parts, tmp_path, run, monkeypatch):
    messages = taken(monkeypatch)
    out, prom = tmp_path / "out", tmp_path / "run.prom"
    result = run("augment", parts, out, "-w", 0, "--notify", SECRET, "--metrics", prom, "--json")
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    (message,) = messages
    assert message["state"] == "finished"
    assert message["digest"] == summary["digest"]
    assert message["counts"] == summary["counts"]
    assert message["counts"]["inputs"] == 10
    assert message["text"] == f"variegate: {out}: finished, 10 inputs, 80 outputs"
    found = figures(prom)
    assert found['state{state="finished"}'] == 1
    assert found['state{state="running"}'] == 0
    assert found['inputs{fate="augmented"}'] == found["inputs_expected{}"] == 10
    assert found["outputs{}"] == 80
    assert found["output_bytes{}"] == summary["counts"]["bytes"]
    assert [path.name for path in tmp_path.glob("*prom*")] == ["run.prom"]


def test_a_failure_is_told_and_one_of_the_webhook_said(parts, tmp_path, run, monkeypatch):
    messages = taken(monkeypatch, "the message was not taken")
    monkeypatch.setenv("VARIEGATE_NOTIFY", SECRET)
    result = run("augment", parts, tmp_path / "out", "-w", 0)
    assert result.exit_code == 0
    assert "the message was not taken" in result.stderr
    result = run("augment", tmp_path / "nowhere", tmp_path / "out2")
    assert result.exit_code == 2
    assert "s3cret" not in result.stdout + result.stderr
    assert [one["state"] for one in messages] == ["finished", "failed"]
    assert "nowhere: not found" in messages[1]["error"]
    assert "nowhere: not found" in messages[1]["text"]


def test_a_folder_that_is_not_there_is_said_before_work_begins(parts, tmp_path, run):
    result = run("augment", parts, tmp_path / "out", "--metrics", tmp_path / "no" / "run.prom")
    assert result.exit_code == 2
    assert "run.prom: No such file or directory; name a file in a folder" in result.stderr


def test_no_secret_is_shown(parts, tmp_path, run):
    bad = run("augment", parts, tmp_path / "out", "--notify", "hooks.example/s3cret")
    assert bad.exit_code == 2
    assert "--notify: expected a URL" in bad.stderr
    assert "s3cret" not in bad.stderr
    assert without_secrets(["a", "--notify", SECRET, f"--notify={SECRET}", "b"]) == [
        *("a", "--notify", "URL", "--notify=URL", "b")
    ]


def test_an_interrupt_is_told_at_once(tmp_path):
    source = jobs.draw_set(tmp_path / "in", 40)
    prom = tmp_path / "run.prom"
    arguments = ["augment", source, tmp_path / "out", "-w", 1, "--shard-size", 1]
    # Nobody listens there.
    arguments += ["--notify", "http://127.0.0.1:9/s3cret", "--metrics", prom]
    command = [sys.executable, "-m", "variegate", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not prom.exists():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        words = process.stderr.read()
        assert process.wait(timeout=30) == 130
    assert "(--notify) was not taken" in words
    assert "--notify URL" in words
    assert "s3cret" not in words
    assert figures(prom)['state{state="interrupted"}'] == 1
