"""What is wrong with a call is said in one sentence, with exit code 2, and nothing is written."""

import re
import shlex
from pathlib import Path

import pytest

from variegate.errors import VariegateError

# What is called, and what the sentence has to say: the place, and the remedy.
CALLS = [
    ("augment texts out", r"texts: no images found.*name the folder"),
    ("augment empty out", r"empty: no images found.*name the folder"),
    ("augment prats out", r"prats: not found.*did you mean 'parts'"),
    ("augment parts out --format clases", r"--format clases.*did you mean 'classes'"),
    ("augment parts out --format csv", r"parts: cannot be read with --format csv"),
    ("augment parts parts/out", r"lies inside the input parts; choose"),
    ("augment parts .", r"lies inside the output \.; choose"),
    ("augment parts parts", r"is the input parts itself; choose"),
    ("augment parts thesis", r"thesis: is not empty.*choose"),
    ("augment parts parts/led/led-0000.jpg", r"led-0000\.jpg"),
    ("augment parts out --seed lucky", r"'--seed'.*expected a whole number, got 'lucky'"),
    ("augment parts out --seed -1", r"seed: expected 0 to .*got -1"),
    ("augment parts out --recipe none.yaml", r"none\.yaml: cannot be read as a recipe"),
    ("augment parts out --preset chian", r"--preset chian: .*did you mean 'chain'"),
    ("augment parts out --preset chain --recipe r", r"--recipe and --preset: expected one of them"),
    ("augment parts out --limit 0", r"limit: expected at least 1, got 0"),
    ("augment parts out --workers -2", r"workers: expected at least 0, got -2"),
    ("augment parts out --max-pixels 0", r"'--max-pixels'.*at least 1, got '0'"),
    ("augment parts out --label-pattern '(.*)'", r"'\(\.\*\)': no group called 'label'"),
    (
        "augment twice out --recipe jpeg.yaml",
        r"'led/x\.png' and 'led/x\.png\.jpg' would share an output's name; rename one",
    ),
    ("augment parts out --sede 3", r"no such option: --sede.*--seed"),
    ("augmnt", r"no such command 'augmnt'.*augment"),
    ("augment", r"missing argument 'IN'.*--help"),
    ("plan none", r"none: not found"),
    ("preview parts --out p.png --rows 99", r"'--rows'.*number 1 to 40, got '99'"),
    ("preview parts --out p.png --transforms rotaet", r"--transforms: .*did you mean 'rotate'"),
    ("preview parts --out p.png --preset light -t flip", r"--transforms: expected one of them"),
    ("verify parts", r"parts: not an output of variegate"),
    ("rebuild parts led/x.jpg", r"parts: not an output of variegate"),
    ("transforms rotaet", r"unknown transform 'rotaet'; did you mean 'rotate'"),
    ("transforms --image p.png", r"--image.*NAME"),
    ("transforms fog --source parts/led/led-0000.jpg", r"--source: .*--image"),
    ("transforms fog --image p.png --source no.jpg", r"no\.jpg: not found"),
    ("transforms fog --image p.png --source thesis/thesis.tex", r"thesis\.tex: not an image"),
    ("recipe presets lihgt", r"lihgt: .*did you mean 'light'"),
    ("recipe check none.yaml", r"none\.yaml: cannot be read as a recipe"),
    ("sample parts", r"parts: is not empty; name a new folder"),
    ("sample new --size big", r"--size big: expected HxW"),
    ("sample new --size 8x8", r"--size: expected at least 32 pixels"),
    ("sample new --size 32x32 --objects 50", r"--objects: 50 do not fit.*use fewer"),
    ("sample new --count 0", r"'--count'.*at least 1, got '0'"),
]

RECIPES = [
    ("varients: flip", r"unknown parameter 'varients'; did you mean 'variants'"),
    ("variants: [flip", r"not valid YAML: line"),
    ("seed: lucky\nvariants: flip", r"seed: expected an integer, got 'lucky'"),
    (
        "variants: {subsets: [flip, guassian_blur]}",
        r"variants: subsets\[1\]: unknown .*did you mean 'gaussian_blur'",
    ),
    (
        "variants: {rotate: {angel_degrees: 3}}",
        r"variants: rotate: .*'angel_degrees'; did you mean 'angle_degrees'",
    ),
    (
        "variants: {rotate: {angle_degrees: [30, -30]}}",
        r"variants: rotate: angle_degrees: expected low <= high, got \[30, -30\]",
    ),
    (
        "variants: {brightness: {amount: 2}}",
        r"variants: brightness: amount: expected -1 to 1, got 2",
    ),
]


@pytest.fixture
def place(tmp_path: Path, parts: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with all that the calls name."""
    monkeypatch.chdir(tmp_path)
    image = (parts / "led/led-0000.jpg").read_bytes()
    files = {
        "texts/readme.txt": b"no image",
        "thesis/thesis.tex": b"years of work",
        "twice/led/x.png": image,
        "twice/led/x.png.jpg": image,
        "twice/chip/y.jpg": image,
        "jpeg.yaml": b"variants: flip\noutput: {format: jpeg}\n",
    }
    for name, data in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    Path("empty").mkdir()
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(("line", "expected"), CALLS)
def test_bad_call_gets_one_sentence_and_writes_nothing(line, expected, place, run):
    check_refused(line, expected, place, run)


@pytest.mark.parametrize(("text", "expected"), RECIPES)
def test_bad_recipe_gets_one_sentence_and_writes_nothing(text, expected, place, run):
    (place / "recipe.yaml").write_text(text)
    check_refused("augment parts out --recipe recipe.yaml", f"recipe.yaml: {expected}", place, run)
    check_refused("recipe check recipe.yaml", f"recipe.yaml: {expected}", place, run)


def check_refused(line, expected, place, run):
    before = contents(place)
    result = run(*shlex.split(line))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1, "one line"
    assert re.search(expected, result.stderr), result.stderr
    assert contents(place) == before


def test_output_of_another_job_is_refused_with_the_differences(parts, tmp_path, run):
    out = tmp_path / "out"
    assert run("augment", parts, out, "--workers", "0").exit_code == 0
    before = contents(tmp_path)
    result = run("augment", parts, out, "--workers", "0", "--seed", "5", "--preset", "chain")
    assert result.exit_code == 2
    assert re.fullmatch(
        r"error: .*out: .*another job.*recipe.*seed \(0 there, 5 now\).*\n", result.stderr
    )
    assert contents(tmp_path) == before


def test_unexpected_exception_gets_a_sentence_and_debug_the_traceback(monkeypatch, parts, run):
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("variegate.runs.estimate.estimate", broken)
    result = run("plan", parts)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "ZeroDivisionError: by nothing" in result.stderr
    assert "--debug" in result.stderr
    assert isinstance(run("plan", parts, "--debug").exception, ZeroDivisionError)


def test_debug_shows_where_a_usage_error_came_from(tmp_path, run):
    assert isinstance(run("--debug", "plan", tmp_path / "none").exception, VariegateError)
