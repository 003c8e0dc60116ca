"""tolerance and compare, called as users call them: a real model on drawn digits."""

import json
import shutil
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest

from variegate.seeding import generator
from variegate.tolerance.result import Tolerance

CARD = {
    "version": 1,
    "input": {"size": [28, 28], "channels": "gray", "scale": 1},
    "output": {"kind": "logits"},
    "classes": [str(number) for number in range(10)],
}
FAST = ("--n-max", "200", "--no-realism", "--axes", "brightness-,rotate+")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Digits drawn by OpenCV, white on black."""
    folder = tmp_path_factory.mktemp("digits")
    rng = generator(0, "digits")
    for number in range(240):
        image = np.zeros((112, 112), np.uint8)
        place = (34 + int(rng.integers(-6, 6)), 80 + int(rng.integers(-6, 6)))
        size = 2.2 + 0.5 * float(rng.random())
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(image, str(number % 10), place, font, size, 255, 8, cv2.LINE_AA)
        path = folder / str(number % 10) / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), cv2.resize(image, (28, 28), interpolation=cv2.INTER_AREA))
    return folder


@pytest.fixture(scope="module")
def model(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    shutil.copy(data_dir / "models/mnist.onnx", folder / "mnist.onnx")
    (folder / "mnist.card.json").write_text(json.dumps(CARD))
    return folder / "mnist.onnx"


def test_limits_pass_and_fail_as_planted_and_a_page_is_written(run, digits, model, tmp_path):
    result = tmp_path / "mnist.json"
    limits, junit = tmp_path / "limits.yaml", tmp_path / "limits.xml"
    call = ("tolerance", digits, "--model", model, "-o", result, *FAST)
    limits.write_text("axes: {brightness-: 0.05}\n")
    passed = run(*call, "--require", limits, "--junit", junit)
    assert passed.exit_code == 0, passed.output
    assert ET.parse(junit).getroot().get("failures") == "0"
    page = (tmp_path / "mnist.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp") >= 4
    onset = Tolerance.load(result).axis("rotate+").thresholds[0]
    limits.write_text(
        f"axes:\n  brightness-: 0.05\n  rotate+: {onset.high.value + 2:.0f} degrees\n"
    )
    failed = run(*call, "--require", limits, "--junit", junit, "--no-report", "--json")
    assert failed.exit_code == 1
    told = json.loads(failed.stdout)
    assert [one["outcome"] for one in told["limits"]] == ["kept", "broken"]
    assert ET.parse(junit).getroot().get("failures") == "1"


def test_only_what_is_required_is_searched_unless_more_is_named(run, digits, model, tmp_path):
    limits = tmp_path / "limits.yaml"
    limits.write_text("confidence: 0.9\naxes: {contrast-: {at_least: 0.01, lost: 0.2}}\n")
    options = ("--n-max", "64", "--no-realism", "--no-report", "--require", limits)
    done = run("tolerance", digits, "--model", model, "-o", tmp_path / "a.json", *options)
    assert done.exit_code == 0, done.output
    found = Tolerance.load(tmp_path / "a.json")
    assert [one.axis for one in found.axes] == ["contrast-"]
    assert (found.quantiles, found.alpha) == ((0.05, 0.2, 0.49), 0.1)
    assert not (tmp_path / "a.html").exists()


def test_a_misspelt_axis_ends_it_before_the_search(run, digits, model, tmp_path):
    limits = tmp_path / "limits.yaml"
    limits.write_text("axes: {rotat+: 10 degrees}\n")
    done = run("tolerance", digits, "--model", model, "--require", limits)
    assert done.exit_code == 2
    assert "did you mean 'rotate+'" in done.stderr
    done = run("tolerance", digits, "--model", model, "--junit", tmp_path / "limits.xml")
    assert done.exit_code == 2
    assert "--require" in done.stderr


def test_a_comparison_in_the_terminal_as_json_and_as_a_page(run, digits, model, tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    run("tolerance", digits, "--model", model, "-o", old, *FAST, "--no-report")
    data = json.loads(old.read_text())
    data["dataset"] = "other/"
    new.write_text(json.dumps(data))
    done = run("compare", old, new, "--report", tmp_path / "delta.html")
    assert done.exit_code == 0, done.output
    assert "undecided: 2 (brightness-, rotate+)" in done.stdout
    assert "what differs may be the images" in done.stdout
    assert (tmp_path / "delta.html").exists()
    told = json.loads(run("compare", old, new, "--json").stdout)
    assert [one["verdict"] for one in told["axes"]] == ["undecided", "undecided"]
    assert run("compare", old, tmp_path / "none.json").exit_code == 2


def test_errors_under_corruptions_are_written_beside_a_search(run, digits, model, tmp_path):
    result = tmp_path / "corruptions.json"
    options = ("--severity", "corruptions", "--n-max", "24", "-o", result)
    done = run("tolerance", digits, "--model", model, *options)
    assert done.exit_code == 0, done.output
    assert "mean corruption error: " in done.stdout
    told = json.loads(result.read_text())
    assert (len(told["corruptions"]), told["images"]) == (19, 24)
    for more in (("--axes", "rotate+"), ("--require", "limits.yaml")):
        assert run("tolerance", digits, "--model", model, *options, *more).exit_code == 2
    wrong = run("tolerance", digits, "--model", model, "--severity", "corruption")
    assert "did you mean 'corruptions'" in wrong.stderr
