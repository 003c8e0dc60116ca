"""variegate tolerance: which model, and what comes of it."""

import json

import cv2
import numpy as np
import pytest

MODEL = """
def predict(images):
    return [[m, 1 - m] for m in (one.mean() / 255 for one in images)]
predict.classes = ("bright", "dark")

def far(expected, predicted):
    return float(abs(expected.probabilities - predicted.probabilities).max())
far.tau = 0.9
"""
FEW = ("--axes", "brightness+", "--n-max", 32, "--no-realism")


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(40):
        name = ("dark", "bright")[number % 2]
        place = tmp_path / "set" / name
        place.mkdir(parents=True, exist_ok=True)
        value = int(rng.integers(60, 110)) + 90 * (name == "bright")
        cv2.imwrite(str(place / f"{number}.png"), np.full((8, 8, 3), value, np.uint8))
    (tmp_path / "model.py").write_text(MODEL)
    return tmp_path


def test_a_function_with_an_error_of_its_own(run, folder):
    result, model = folder / "found.json", f"{folder}/model.py:predict"
    done = run("tolerance", folder / "set", "--predict", model, *FEW, "-o", result, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(result.read_text())["error"] == "class"
    told = ("--error", f"{folder}/model.py:far", "-o", result)
    done = run("tolerance", folder / "set", "--predict", model, *FEW, *told)
    assert done.exit_code == 0, done.stderr
    found = json.loads(result.read_text())
    assert (found["error"], found["tau"]) == (f"{folder}/model.py:far", 0.9)


def test_similarity_needs_no_model(run, tmp_path):
    rng, found = np.random.default_rng(0), tmp_path / "found.json"
    (tmp_path / "set").mkdir()
    for number in range(40):
        small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        image = cv2.resize(small, (96, 96), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / f"set/{number}.png"), image)
    told = ("--axes", "rotate+,brightness+", "--n-max", 32, "--no-realism", "-o", found)
    done = run("tolerance", tmp_path / "set", "--similarity", *told)
    assert done.exit_code == 0, done.stderr
    result = json.loads(found.read_text())
    assert result["mode"] == "prediction preserved"
    assert result["clean"]["units"] == 40
    # What is turned resembles another one as much; what is brighter still itself.
    rotate, brightness = (one["thresholds"] for one in result["axes"])
    assert 0.05 < rotate[1]["at"]["intensity"] < 0.4
    assert brightness[1]["at"] is None


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ((), "expected a model: --model, --predict, --url or --command"),
        (("--predict", "a:b", "--predict", "c:d"), "expected one model, got 2"),
        (("--similarity", "--predict", "a:b"), "--similarity stands for a model"),
        (("--model", "nowhere.onnx"), "nowhere.onnx: there is no such file"),
    ],
)
def test_which_model_is_asked_for(run, folder, told, message):
    done = run("tolerance", folder / "set", *FEW, *told, "-o", folder / "found.json")
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
