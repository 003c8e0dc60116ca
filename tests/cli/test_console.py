"""What comes from data reaches the terminal as text, from every command, and no password does."""

import os
import re
import subprocess
import sys

import pytest

import jobs
from variegate.cli.console import clean, line
from variegate.errors import InputError, without_password

TITLE, CLEAR, CSI, REVERSED = "\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "\u202e"
EVIL = f"ca{TITLE}t{CSI}{REVERSED}"
FORGED = "dog\nerror: 0 quarantined\r"

OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def evil(tmp_path):
    """A dataset whose classes and files are called to do something to terminals."""
    folder = tmp_path / f"in{CLEAR}"
    for label in (EVIL, FORGED):
        for number in range(2):
            jobs.draw_noise(folder / label / f"{number}{TITLE}.png")
    (folder / EVIL / f"broken{CLEAR}\nfine.png").write_bytes(b"no image")
    return folder


def harmless(result):
    shown = result.output + result.stderr
    assert not OBEYED.search(shown)
    assert not any(one.startswith("error: 0 quarantined") for one in shown.splitlines())
    return shown


def test_every_command_shows_names_as_text(run, evil, tmp_path):
    out = tmp_path / f"out{TITLE}"
    shown = [
        harmless(run("inspect", evil)),
        harmless(run("plan", evil)),
        harmless(run("augment", evil, out, "--workers", 0)),
        harmless(run("augment", evil, out, "--workers", 0)),
        harmless(run("convert", evil, tmp_path / "coco", "--to", "coco", "--workers", 0)),
        harmless(run("convert", evil, tmp_path / "yolo", "--to", f"yolo{CLEAR}", "--workers", 0)),
        harmless(run("status", out)),
        harmless(run("preview", evil, "--out", tmp_path / f"sheet{CSI}.png")),
        harmless(run("rebuild", out, f"{EVIL}/none.png")),
    ]
    next(out.rglob("*-v00.png")).unlink()
    shown.append(harmless(run("verify", out)))
    shown.append(harmless(run("augment", evil, out, "--workers", 0, "--seed", 5)))
    shown.append(harmless(run("augment", f"{evil}{TITLE}", out)))
    assert any("\\x1b]0;owned\\x07" in one for one in shown)


def test_a_recipe_shows_names_as_text(run, evil, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text('variants: {sample: {n: 2, steps: ["fl\\e[2Jip"]}}')
    harmless(run("recipe", "check", recipe))
    harmless(run("recipe", "validate", recipe))
    harmless(run("augment", evil, tmp_path / "out", "--recipe", recipe))
    harmless(run("augment", evil, tmp_path / "out", f"--no{CLEAR}such"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cat", "cat"),
        ("größe 画像 🏴 👩‍🔬\tx", "größe 画像 🏴 👩‍🔬\tx"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\x9bb\x7f", "a\\x9bb\\x7f"),
        ("a\u202eb\u2066", "a\\u202eb\\u2066"),
        ("a\udce9b", "a\\xe9b"),
        ("a\ud800", "a\\ud800"),
        ("a\rb", "a\\x0db"),
        ("\U000e0041", "\\U000e0041"),
        ("see http://user:secret@host/x", "see http://***@host/x"),
        ("s3://bucket/a@b.png", "s3://bucket/a@b.png"),
    ],
)
def test_what_is_shown(text, shown):
    assert clean(text) == shown
    assert line(f"{text}\n") == f"{shown}\\n"


def test_a_table_is_as_wide_as_what_it_shows(run, evil):
    shown = run("inspect", evil).stdout
    assert "ca\\x1b]0;owned\\x07t\\x9b31m\\u202e" in shown
    assert "dog\\nerror: 0 quarantined\\x0d" in shown


def test_no_message_shows_a_password():
    for url in ("http://user:secret@host", "https://secret@host:9000/x", "s3://me:secret@bucket/a"):
        assert "secret" not in str(InputError(f"{url}: not there"))
        assert without_password(url).startswith(f"{url.partition('://')[0]}://***@")


@pytest.mark.parametrize("more", [(), ("--debug",)])
@pytest.mark.parametrize(
    "endpoint",
    [
        "http://user:sEcret@127.0.0.1:9",
        "http://user:with/sEcret@127.0.0.1:9",
        "user:sEcret@127.0.0.1:9",
        "ftp://user:sEcret@127.0.0.1",
        "http://user:sEcret@",
        "http://user:sEcret@127.0.0.1:99999",
        "https://user name:sEcret@127.0.0.1:9",
        "http://user:sEcret@[::bad",
    ],
)
def test_a_password_in_the_endpoint_is_never_shown(tmp_path, endpoint, more):
    program = (
        "from variegate.storage import object_store\n"
        "object_store._RETRIES['max_retries'] = 0\n"
        "from variegate.cli import main\n"
        "main()"
    )
    arguments = ["augment", "s3://raw", "s3://more", "--endpoint", endpoint, *more]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "AWS_ACCESS_KEY_ID": "one", "AWS_SECRET_ACCESS_KEY": "two"},
    )
    assert done.returncode == (1 if more else 2)
    assert "sEcret" not in done.stdout + done.stderr
    assert not any(word in done.stderr for word in ("defect", "Panic"))
    assert "endpoint" in done.stderr


def test_a_bucket_with_a_password_is_refused(run, tmp_path):
    done = run("augment", "s3://me:sEcret@raw/a", tmp_path / "out")
    assert done.exit_code == 2
    assert "s3://***@raw/a: credentials do not belong into a URL" in done.stderr


def test_a_trace_shows_names_as_text(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "variegate", "inspect", f"{tmp_path}/a{CLEAR}", "--debug"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert not OBEYED.search(done.stderr)
