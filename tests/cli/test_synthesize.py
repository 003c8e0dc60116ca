"""variegate synthesize: its options, and what it says."""

import json

import pytest

from variegate.recipes.policies import all_axes

# Says the first of five classes to everything.
MODEL = """
def predict(images):
    return [[0.6, 0.1, 0.1, 0.1, 0.1] for _ in images]
"""


def quantity(value):
    return {"intensity": value, "value": value, "unit": "", "text": f"{value}"}


@pytest.fixture
def tolerance(tmp_path):
    found = [
        {"quantile": q, "at": quantity(at), "low": quantity(at), "high": quantity(at)}
        for q, at in ((0.05, 0.2), (0.49, 0.5))
    ]
    axes = [
        {"axis": name, "version": all_axes()[name][1].version, "thresholds": found}
        for name in ("brightness+", "brightness-", "rotate+", "jpeg")
    ]
    whole = {"value": 0, "low": 0, "high": 0.2}
    data = {
        "model": {"name": "mean", "identity": "mean"},
        "mode": "correctness preserved",
        "error": "class",
        "tau": 0.5,
        "seed": 0,
        "quantiles": [0.05, 0.49],
        "n_max": 64,
        "clean": {"images": 12, "wrong": 0, "error": whole, "units": 12},
        "axes": axes,
        "calls": 0,
    }
    path = tmp_path / "tolerance.json"
    path.write_text(json.dumps(data))
    return path


def rows(output):
    import variegate

    found = variegate.read_manifest(output).to_pylist()
    return [row for row in found if row["status"] == "output"]


def test_options_reach_the_recipe(parts, tolerance, tmp_path, run):
    out = tmp_path / "out"
    result = run(
        *("synthesize", parts, out, "-t", tolerance, "--realism", "-2", "-n", 23, "-w", 0),
        *("--axes", "rotate+,jpeg", "--axis-realism", "jpeg=1", "--axis-max", "rotate+=0.1"),
        *("--weight", "rotate+=3", "--min-transforms", 2, "--max-transforms", 2, "--json"),
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["made"], told["wanted"], told["rejected"]) == (23, 23, 0)
    drawn = [json.loads(row["operations"]) for row in rows(out)]
    assert {one["transform"] for steps in drawn for one in steps} == {"rotate"}
    policy = json.loads((out / ".variegate/job.json").read_text())["recipe"]["variants"][
        "realistic"
    ]
    assert policy["axes"]["rotate+"]["weight"] == 3
    assert (policy["k_min"], policy["k_max"]) == (2, 2)


def test_the_filter_the_page_and_the_report_in_words(parts, tolerance, tmp_path, run):
    model, page = tmp_path / "model.py", tmp_path / "page.html"
    classes = sorted(path.name for path in parts.iterdir())
    model.write_text(f"{MODEL}\npredict.classes = {tuple(classes)!r}\n")
    out = tmp_path / "out"
    result = run(
        *("synthesize", parts, out, "-t", tolerance, "-r", 0, "-w", 0, "--retries", 2),
        *("--predict", f"{model}:predict", "--max-error", "0.5", "--report", page),
    )
    assert result.exit_code == 0, result.output
    assert "rejected by the filter:" in result.output
    assert "results: for the others no draw passed" in result.output
    assert {row["label"] for row in rows(out)} == {classes[0]}
    assert all(row["predicted_error"] == 0 for row in rows(out))
    text = page.read_text()
    assert text.count("<figure>") == len(rows(out))
    assert "predicted error 0.00" in text
    assert "Rejected" in text


@pytest.mark.parametrize("told", [(), ("--json",)])
def test_a_count_that_a_filter_does_not_let_through_fails(parts, tolerance, tmp_path, run, told):
    model = tmp_path / "model.py"
    classes = sorted(path.name for path in parts.iterdir())
    model.write_text(f"{MODEL}\npredict.classes = {tuple(classes)!r}\n")
    call = ("synthesize", parts, tmp_path / "out", "-t", tolerance, "-w", 0, "--retries", 1)
    call += ("--predict", f"{model}:predict", "--max-error", "0.5", "--count", 20, *told)
    result = run(*call)
    made = len(rows(tmp_path / "out"))
    assert 0 < made < 20
    assert result.exit_code == 1
    assert f"--count: {made} of 20 results were made" in result.stderr
    # Once more it fails again: nothing is left to do, and still fewer are there.
    assert run(*call).exit_code == 1


def test_a_page_of_nothing_is_written(parts, tolerance, tmp_path, run):
    model, page = tmp_path / "model.py", tmp_path / "page.html"
    model.write_text(MODEL)
    result = run(
        *("synthesize", parts, tmp_path / "out", "-t", tolerance, "-w", 0, "--retries", 0),
        *("--predict", f"{model}:predict", "--min-error", 0.7, "--max-error", 0.8),
        *("--report", page, "--json"),
    )
    assert json.loads(result.stdout)["made"] == 0
    assert "<figure>" not in page.read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-r", "1.2"), "at most 1"),
        (("-r", "0.5:0.1"), "LOW:HIGH"),
        (("-r", "weak"), "--realism: expected a number, got 'weak'"),
        (("--disk-limit", "1"), "only with --forever"),
        (("--max-error", "0.5"), "expected a model to ask"),
        (("--axis-max", "rotat+=1"), "did you mean 'rotate+'"),
        (("--axis-max", "rotate+"), "--axis-max: expected NAME=VALUE"),
        (("--axes", "jpeg", "--weight", "rotate+=1"), "--axes: 'rotate+' is none of them"),
        (("--group", "jpeg,wepb"), "unknown axis 'wepb'"),
        (("--predict", "a:b", "--predict", "c:d"), "expected one model, got 2"),
    ],
)
def test_what_is_not_right_is_said(parts, tolerance, tmp_path, run, options, message):
    result = run("synthesize", parts, tmp_path / "out", "-t", tolerance, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_forever_stops_at_the_disk_limit(parts, tolerance, tmp_path, run):
    out = tmp_path / "out"
    result = run(
        *("synthesize", parts, out, "-t", tolerance, "-w", 0, "--forever"),
        *("--disk-limit", "0.0002"),
    )
    assert result.exit_code == 0, result.output
    assert "the disk limit" in result.output
    assert (out / "000001/manifest.parquet").is_file()
