"""variegate status, in real processes."""

import json
import subprocess
import sys

import pytest

from variegate.cli.console import size_text
from variegate.cli.status import rate_text
from variegate.runs import manifest
from variegate.runs.rows import Counts
from variegate.storage import open_storage


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "variegate", *map(str, arguments)]


def test_a_run_is_watched_from_before_its_beginning_to_its_end(parts, tmp_path, run):
    out = tmp_path / "out"
    watching = subprocess.Popen(
        command("status", out, "--watch", "--every", 1),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "(waiting)" in watching.stderr.readline()
    run("augment", parts, out, "--workers", 0)
    said, _ = watching.communicate(timeout=60)
    digest = json.loads(run("verify", out, "--json").stdout)["digest"]
    assert said.startswith("finished: 10 inputs, 80 files, ")
    assert said.endswith(f"digest {digest}\n")


def test_half_a_run(parts, tmp_path, run):
    out = tmp_path / "out"
    run("augment", parts, out, "--workers", 0)
    rows = list(manifest.rows(open_storage(out)))
    (out / "manifest.parquet").unlink()
    some = [row for row in rows if row.source < 4]
    manifest.write_part(open_storage(out), 0, 4, some)
    size = size_text(Counts.of(some).bytes)
    assert run("status", out).stdout == f"4 of 10 inputs (40.0%), {len(some)} files, {size}\n"
    told = json.loads(run("status", out, "--json").stdout)
    assert told["counts"]["inputs"] == 4
    assert told["counts"]["bytes"] == Counts.of(some).bytes
    assert told["finished"] is False


def test_no_output(tmp_path, run):
    result = run("status", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "nowhere: not found" in result.stderr


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (1_234_567.8, "1,234,568"),
        (1_234.5, "1,234"),
        (123.4, "123"),
        (12.34, "12"),
        (1.234, "1.2"),
        (0.0517, "0.052"),
        (0.00001, "0.0000"),
        (0.0, "0"),
    ],
)
def test_a_rate_is_one_that_people_read(rate, text):
    assert rate_text(rate) == text
