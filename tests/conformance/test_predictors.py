"""Every predictor keeps what predictors promise; see `variegate.testing.PredictorSuite`."""

import sys

import pytest

from predicting import CLASSES, PROGRAM, brightness, brightness_of_file, server
from variegate.models.card import ModelCard, ModelOutput
from variegate.models.class_names import matched
from variegate.models.predictors.aligned import AlignedPredictor
from variegate.models.predictors.command import CommandPredictor
from variegate.models.predictors.function import FunctionPredictor
from variegate.models.predictors.http import UrlPredictor
from variegate.models.predictors.onnx import OnnxPredictor
from variegate.models.predictors.similarity import SimilarityPredictor
from variegate.models.preprocessing import Preprocessing
from variegate.testing import PredictorSuite
from variegate.testing.predictors import blobs


class TestOnnxClassifier(PredictorSuite):
    """A model that takes one gray image at a time."""

    @pytest.fixture
    def predictor(self, data_dir):
        card = ModelCard(
            input=Preprocessing(size=(28, 28), channels="gray", scale=1, fit="pad", fill=0),
            classes=tuple("0123456789"),
        )
        with OnnxPredictor(data_dir / "models/mnist.onnx", card) as one:
            yield one


class TestOnnxDetector(PredictorSuite):
    """A model whose raw map has to be decoded."""

    @pytest.fixture
    def predictor(self, data_dir):
        names = (data_dir / "models/coco_names.txt").read_text().split("\n")
        card = ModelCard(
            task="boxes",
            input=Preprocessing(size=(352, 352), channels="bgr"),
            output=ModelOutput(kind="fastestdet", min_score=0.3),
            classes=tuple(name for name in names if name),
        )
        with OnnxPredictor(data_dir / "models/fastestdet_coco.onnx", card) as one:
            yield one


class TestFunction(PredictorSuite):
    """A list of arrays."""

    @pytest.fixture
    def predictor(self):
        return FunctionPredictor(brightness, classes=CLASSES)


class TestFunctionOfPaths(PredictorSuite):
    """One path."""

    @pytest.fixture
    def predictor(self):
        return FunctionPredictor(brightness_of_file, classes=CLASSES, takes="path")


class TestUrl(PredictorSuite):
    """A server."""

    @pytest.fixture
    def predictor(self):
        with server() as (url, _), UrlPredictor(url, classes=CLASSES, batch=4) as one:
            yield one


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Two programs that stay for all tests: one that is sent pixels, one that is sent paths."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "model.py").write_text(PROGRAM)
    command = [sys.executable, str(folder / "model.py"), "", ""]
    with (
        CommandPredictor(command, classes=CLASSES, batch=4) as pixels,
        CommandPredictor(command, classes=CLASSES, sends="path") as paths,
    ):
        yield {"png": pixels, "path": paths}


class TestCommand(PredictorSuite):
    """Another program."""

    @pytest.fixture
    def predictor(self, programs):
        return programs["png"]


class TestCommandOfPaths(PredictorSuite):
    """Another program that wants files."""

    @pytest.fixture
    def predictor(self, programs):
        return programs["path"]


class TestSimilarity(PredictorSuite):
    """No model at all."""

    @pytest.fixture
    def predictor(self):
        return SimilarityPredictor([blobs((60, 80), n) for n in range(5)], list("abcde"))


class TestAligned(PredictorSuite):
    """A model under a dataset's names."""

    @pytest.fixture
    def predictor(self):
        match = matched(CLASSES, ("light",), {"light": ["bright"]})
        return AlignedPredictor(FunctionPredictor(brightness, classes=CLASSES), match)
