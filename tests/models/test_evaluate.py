"""Evaluation of models that are right and wrong as planned, and the guess of a preprocessing."""

import itertools
import json
import shutil

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from variegate.cli import app
from variegate.errors import UsageError
from variegate.models.card import ModelCard, ModelOutput
from variegate.models.evaluate import evaluate
from variegate.models.guess import Graph, KnownScaling, candidates, choose
from variegate.models.predictors import NamedModel
from variegate.models.predictors.function import FunctionPredictor
from variegate.models.preprocessing import Preprocessing
from variegate.seeding import generator

COLORS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


@pytest.fixture(scope="module")
def colors(tmp_path_factory):
    """Flat images of three colors in class folders, and a broken one."""
    folder = tmp_path_factory.mktemp("colors")
    rng = generator(2, "colors")
    for name, color in COLORS.items():
        (folder / name).mkdir()
        for number in range(20):
            noisy = np.clip(np.array(color) + rng.normal(0, 20, (12, 14, 3)), 0, 255)
            cv2.imwrite(str(folder / name / f"{number:02}.png"), noisy[..., ::-1].astype(np.uint8))
    (folder / "red" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    return folder


def color_of(images):
    """Say the strongest channel, in the order red, green, blue: not that of the folders."""
    found = []
    for one in images:
        shares = one.reshape(-1, 3).mean(axis=0) + 1
        found.append((shares / shares.sum()).tolist())
    return found


color_of.classes = ("red", "green", "blue")


def wrong_about_dark_red(images):
    """Take a third of the reds for green, surely."""
    found = color_of(images)
    for place, one in enumerate(images):
        if found[place][0] > 0.5 and one[0, 0, 0] < 245:
            found[place] = [0.05, 0.9, 0.05]
    return found


wrong_about_dark_red.classes = color_of.classes


def test_a_model_with_other_names_in_another_order_is_right(colors):
    found = evaluate(colors, [FunctionPredictor(color_of)], workers=0)
    assert found.images == 60
    # A predictor that is given as it is answers in its own names, which are the folders'.
    assert found.models[0].figures["accuracy"] == 1
    assert found.unusable == 1
    assert "red/broken.png" in found.unusable_examples[0]
    assert found.models[0].figures["accuracy_low"] == pytest.approx(0.9398, abs=1e-3)
    assert not found.models[0].worst


def test_two_models_side_by_side(colors):
    models = [FunctionPredictor(color_of), FunctionPredictor(wrong_about_dark_red)]
    found = evaluate(colors, models)
    first, second = found.models
    assert (first.name, second.name) == ("FunctionPredictor (1)", "FunctionPredictor (2)")
    missed = 20 - round(20 * next(c["recall"] for c in second.classes if c["class"] == "red"))
    assert 5 <= missed <= 15
    (pair,) = found.comparisons
    assert (pair.only_first, pair.only_second) == (missed, 0)
    assert pair.p == pytest.approx(2 / 2**missed, abs=1e-5)
    assert pair.verdict == "worse"
    assert pair.change == pytest.approx(-missed / 60, abs=1e-6)
    assert pair.low < pair.change < pair.high < 0
    table = second.tables["confusion"]
    assert table["classes"] == ["red", "green", "blue"]
    assert table["counts"] == [[20 - missed, missed, 0], [0, 20, 0], [0, 0, 20]]
    assert len(second.worst) == missed
    assert second.worst[0].expected == "red"
    assert second.worst[0].predicted == "green 90%"


def test_the_result_does_not_depend_on_the_number_of_threads(colors):
    models = [FunctionPredictor(color_of), FunctionPredictor(wrong_about_dark_red)]
    one, other = (evaluate(colors, models, workers=count).to_json() for count in (0, 3))
    assert one == other


def test_failures_count_as_wrong_and_are_told(colors):
    def breaks(images):
        if any(one.reshape(-1, 3).mean(axis=0).argmax() == 1 for one in images):
            raise RuntimeError("no green")
        return color_of(images)

    found = evaluate(colors, [FunctionPredictor(breaks, classes=color_of.classes)]).models[0]
    assert found.failed == 20
    assert found.figures["accuracy"] == pytest.approx(2 / 3, abs=1e-6)
    assert next(one for one in found.classes if one["class"] == "green")["recall"] == 0
    assert "breaks failed: RuntimeError: no green" in found.failures[0]


def test_other_answers_to_the_same_question_are_noticed(colors):
    count = itertools.count()

    def drifting(images):
        return [[1 / (2 + next(count)), 1 - 1 / (2 + next(count)), 0] for _ in images]

    found = evaluate(colors, [FunctionPredictor(drifting, classes=color_of.classes)]).models[0]
    assert any("other answers to" in one for one in found.notes)


def test_boxes_of_a_real_detector(data_dir, tmp_path):
    names = (data_dir / "models/coco_names.txt").read_text().split("\n")
    model = tmp_path / "detector.onnx"
    shutil.copy(data_dir / "models/fastestdet_coco.onnx", model)
    ModelCard(
        task="boxes",
        input=Preprocessing(size=(352, 352), channels="bgr"),
        output=ModelOutput(kind="fastestdet"),
        classes=tuple(name for name in names if name),
    ).save(tmp_path / "detector.card.json")
    found = evaluate(
        data_dir / "coco_mini",
        [NamedModel(model=model)],
        format="yolo:object_detection",
        part="all",
    )
    figures = found.models[0].figures
    # All that the labels have, also of the classes that the model calls otherwise.
    assert figures["objects"] == 129
    # 24 photos; wrong order of channels, sizes or offsets gives less than half of it.
    assert figures["map50"] > 0.45
    assert any("'motorcycle' is the model's 'motorbike'" in one for one in found.models[0].notes)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Digits drawn by OpenCV, white on black."""
    folder = tmp_path_factory.mktemp("digits")
    rng = generator(0, "digits")
    fonts = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)
    for number in range(400):
        image = np.zeros((112, 112), np.uint8)
        place = (34 + int(rng.integers(-6, 6)), 80 + int(rng.integers(-6, 6)))
        size = 2.2 + 0.5 * float(rng.random())
        cv2.putText(image, str(number % 10), place, fonts[number % 3], size, 255, 8, cv2.LINE_AA)
        path = folder / str(number % 10) / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), cv2.resize(image, (28, 28), interpolation=cv2.INTER_AREA))
    return folder


def test_mnist_wants_0_to_255_or_the_guess_is_undecided(data_dir, digits, tmp_path):
    model = tmp_path / "mnist.onnx"
    shutil.copy(data_dir / "models/mnist.onnx", model)
    try:
        found = evaluate(digits, [NamedModel(model=model)]).models[0]
    except UsageError as error:
        assert "undecided which preprocessing" in str(error)  # noqa: PT017 - either is honest
        assert "gray, 0 to 255" in str(error)  # noqa: PT017
    else:
        assert found.figures["accuracy"] > 0.7
        assert any("guessed: gray, 0 to 255" in one for one in found.notes)
    known = KnownScaling(scale=1.0)
    found = evaluate(digits, [NamedModel(model=model, known=known)]).models[0]
    assert found.figures["accuracy"] > 0.7


GRAPH = Graph("x", (None, 3, 8, 8), "float32", ((None, 4),))
RULES = {
    "BGR, 0 to 255 less Caffe's mean": 0.9,
    "RGB, 0 to 255 less Caffe's mean": 0.6,
    "RGB, -1 to 1 (mean and deviation 0.5)": 0.5,
}


def asked(accuracy):
    """Return a model that is right as often as `accuracy` says for a card."""

    def ask(card, images):
        name = next(name for name, one in CARDS if one.input == card.input)
        rng = generator(3, name, len(images))
        values = rng.uniform(0, 0.5, (len(images), 4)).astype(np.float32)
        right = rng.random(len(images)) < accuracy.get(name, 0.0)
        values[np.arange(len(images)), [one[0, 0, 0] for one in images]] += right
        return values

    return ask


CARDS = candidates(GRAPH, KnownScaling())


def tried(accuracy, count):
    labels = [number % 4 for number in range(count)]
    images = [np.full((8, 8, 3), label, np.uint8) for label in labels]
    return choose(CARDS, asked(accuracy), images, labels, classes=4)


def test_a_clear_case_is_decided():
    assert len(CARDS) == 10
    guess = tried(RULES, 200)
    assert guess.decided
    assert guess.card.input.mean == (104.0, 117.0, 123.0)
    assert guess.card.input.channels == "bgr"
    assert "guessed: BGR, 0 to 255 less Caffe's mean, right on" in guess.note


def test_a_close_case_is_undecided_and_names_the_options():
    guess = tried({**RULES, "RGB, 0 to 255 less Caffe's mean": 0.87}, 100)
    assert not guess.decided
    assert "undecided" in guess.refusal()
    assert "--mean" in guess.refusal()


def test_a_model_that_knows_nothing_is_said_to_be_no_better_than_chance():
    guess = tried({}, 100)
    assert not guess.decided
    assert "better than chance" in guess.refusal()


def test_too_few_images_are_refused():
    with pytest.raises(UsageError, match="at least 20 labelled images"):
        tried(RULES, 10)


@pytest.mark.parametrize(
    ("graph", "known", "told"),
    [
        (Graph("x", (1, 3, None, None), "float32", ((1, 4),)), KnownScaling(), "--input-size"),
        (Graph("x", (1, 7, 8, 8), "float32", ((1, 4),)), KnownScaling(), "how many channels"),
        (
            Graph("x", (1, 3, 8, 8), "float32", ((1, 84, 900),)),
            KnownScaling(),
            "--task and --output",
        ),
        (Graph("x", (1, 10), "float32", ((1, 4),)), KnownScaling(), "takes images"),
    ],
)
def test_what_the_graph_does_not_tell_is_asked(graph, known, told):
    with pytest.raises(UsageError, match=told):
        candidates(graph, known)


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (KnownScaling(mean=(1.0, 2.0)), "--mean: expected one number, or 3"),
        (KnownScaling(std=(1.0, 0.0, 1.0)), "--std: expected more than 0, got 0"),
        (KnownScaling(mean=(float("nan"),)), "--mean: expected numbers, got nan"),
        (KnownScaling(scale=-1.0), "--scale: expected more than 0, got -1"),
    ],
)
def test_numbers_that_fit_no_channels_are_refused(known, told):
    with pytest.raises(UsageError, match=told):
        candidates(GRAPH, known)


def test_one_number_is_that_of_every_channel():
    known = KnownScaling(mean=(123.0, 117.0, 104.0), std=(1.0,))
    assert {card.input.std for _, card in candidates(GRAPH, known)} == {(1.0, 1.0, 1.0)}
    gray = Graph("x", (None, 1, 8, 8), "float32", ((None, 4),))
    with pytest.raises(UsageError, match="for a model of 1 channel, got 3"):
        candidates(gray, known)


def test_the_command(colors, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "painter.py").write_text(
        "def say(images):\n    return [one.reshape(-1, 3).sum(axis=0)[::-1] /"
        " max(1, one.sum()) for one in images]\n"
    )
    arguments = ["evaluate", str(colors), "--predict", "painter.py:say"]
    run = CliRunner().invoke(app, [*arguments, "--report", "page.html"])
    assert run.exit_code == 0, run.output
    assert "60 images asked about, 1 that cannot be used" in run.output
    assert "Evaluation of painter.py:say" in (tmp_path / "page.html").read_text()
    run = CliRunner().invoke(app, [*arguments, "--json", "--limit", "9"])
    data = json.loads(run.stdout)
    assert data["version"] == 1
    assert data["images"] == 9
    assert data["models"][0]["figures"]["accuracy"] == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "expected a model"),
        (["--model", "no.onnx"], "there is no such file"),
        (["--model", "no.pt"], "expected a model file, .onnx or .tflite"),
        (["--predict", "no_such_module:f"], "cannot be imported"),
        (["--predict", "json:dupms"], "did you mean 'dumps'"),
        (["--predict", "json"], "expected module:function"),
        (["--predict", "json:dumps", "--part", "test"], "it has no splits"),
        (["--predict", "json:dumps", "--mean", "1,2"], "expected 1 or 3 numbers"),
        (["--predict", "json:dumps", "--task", "box"], "expected one of classification"),
        (["--predict", "json:dumps", "--difference", "iou"], "expected one of class"),
    ],
)
def test_mistakes_are_told_in_a_sentence(colors, options, told):
    run = CliRunner().invoke(app, ["evaluate", str(colors), *options])
    assert run.exit_code == 2
    assert told in " ".join(run.output.split())
