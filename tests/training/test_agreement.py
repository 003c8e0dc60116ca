"""One model, one answer: PyTorch and the ONNX file, validation and the server, on real images."""

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import served
from variegate.codecs import Limits, decode, encode
from variegate.models.card import ModelCard, ModelOutput
from variegate.models.predictors.onnx import OnnxPredictor
from variegate.models.preprocessing import Preprocessing
from variegate.serving.classifier import Classifier
from variegate.training.backbones import make_model
from variegate.training.contents import training_images
from variegate.training.export import export_onnx
from variegate.training.items import PlainItems
from variegate.training.options import TrainingRun

IMAGES = 200
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture(scope="module")
def contents(data_dir):
    """Photos of clothes, as a training reads them."""
    return training_images(data_dir / "clothing_classes", TrainingRun(), gray=False)


@pytest.fixture(scope="module")
def files(data_dir):
    """Photos of clothes, of anything, and of blood cells."""
    places = ("clothing_classes/*/*", "coco_mini/images/val2017", "bccd_voc/**")
    found = [path for one in places for path in sorted(data_dir.glob(f"{one}/*.jpg"))][:IMAGES]
    assert len(found) == IMAGES
    return [path.read_bytes() for path in found]


def test_the_exported_file_answers_as_pytorch_on_200_real_images(files, tmp_path):
    torch.manual_seed(0)
    model = make_model("small", 10, gray=False, side=64).eval()
    input_ = Preprocessing(size=(64, 64), name="image", **IMAGENET)
    card = ModelCard(input=input_, output=ModelOutput(kind="logits"), classes=tuple("abcdefghij"))
    images = [decode(data) for data in files]
    values = input_.apply(images)
    path = tmp_path / "model.onnx"
    export_onnx(model, card, path, values[:2], np.zeros(2, np.int64))
    with torch.no_grad():
        expected = torch.softmax(model(torch.from_numpy(values)), 1).numpy()
    predictor, classifier = OnnxPredictor(path, card), Classifier(path)
    asked = np.stack([one.probabilities for one in predictor.predict(images)])
    answered = np.stack([one.probabilities for one in classifier.work(files, alone=False)])
    # It looks at the images: the answers differ from one to the other.
    assert len(np.unique(expected.round(6), axis=0)) == len(np.unique(values, axis=0))
    assert np.abs(asked - expected).max() < 1e-5
    assert np.abs(answered - expected).max() < 1e-5
    assert (asked.argmax(1) == expected.argmax(1)).all()


def mirror(path, input_, shape):
    """Write a model whose logits are the numbers that it is given."""
    size = int(np.prod(shape))
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["numbers"])],
        "mirror",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["n", size])],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    names = tuple(f"{number:05}" for number in range(size))
    card = ModelCard(input=input_, output=ModelOutput(kind="logits"), classes=names)
    card.save(path.with_suffix(".card.json"))
    return path


KINDS = {
    "stretch": {"size": (24, 20), **IMAGENET},
    "pad": {"size": (24, 20), "fit": "pad", "fill": 7, **IMAGENET},
    "crop": {"size": (24, 20), "fit": "crop", "resize_to": 32, "channels": "bgr"},
    "gray": {"size": (24, 20), "channels": "gray", "mean": (0.5,), "std": (0.3,)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_gives_the_model_what_validation_gives_it_bit_for_bit(
    kind, contents, data_dir, tmp_path, monkeypatch
):
    input_ = Preprocessing(**KINDS[kind])
    channels = 1 if input_.channels == "gray" else 3
    path = mirror(tmp_path / "mirror.onnx", input_, (channels, *input_.size))
    sources = contents.sources["val"]
    items = PlainItems(contents.place, sources, contents.numbers, input_, Limits())
    raw = [(data_dir / "clothing_classes" / one.key).read_bytes() for one in sources]
    classifier, given = Classifier(path), []
    run = OnnxPredictor._run
    monkeypatch.setattr(
        OnnxPredictor, "_run", lambda self, batch: given.extend(batch) or run(self, batch)
    )
    classifier.work(raw, alone=False)
    assert len(given) >= 20
    for (validated, _), one in zip((items[n] for n in range(len(items))), given, strict=True):
        assert one.dtype == validated.numpy().dtype
        assert one.tobytes() == validated.numpy().tobytes()


def test_the_card_says_all_of_it(tmp_path, data_dir):
    """A running server, against the card's numbers written out, without variegate's own code."""
    import cv2

    mean, std = IMAGENET["mean"], IMAGENET["std"]
    input_ = Preprocessing(size=(8, 8), **IMAGENET)
    path = mirror(tmp_path / "mirror.onnx", input_, (3, 8, 8))
    card = json.loads(path.with_suffix(".card.json").read_text())["input"]
    assert (card["size"], card["mean"], card["std"]) == ([8, 8], [*mean], [*std])
    photos = sorted(data_dir.glob("coco_mini/images/val2017/*.jpg"))[:4]
    images = [decode(one.read_bytes()) for one in photos]
    with served.server(path, "--top", 192) as (url, _):
        for image in images:
            answer = served.ask(url, "/classify", encode(image, format="png")).json["results"][0]
            found = {one["class"]: one["probability"] for one in answer["classes"]}
            numbers = np.array([found[name] for name in sorted(found)])
            small = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA).astype(np.float32)
            wanted = ((small / 255 - mean) / std).transpose(2, 0, 1).ravel()
            powers = np.exp(wanted - wanted.max())
            # Six digits are told; a value of a pixel more or less changes the fifth.
            assert numbers == pytest.approx(powers / powers.sum(), abs=1e-6)
