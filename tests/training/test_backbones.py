"""Models and the weights that they begin with."""

import hashlib
import urllib.error

import pytest
import torch

from variegate.errors import InputError, UsageError
from variegate.training import backbones
from variegate.training.backbones import head_names, make_model, train_mode
from variegate.training.weights import load_weights


def fill(model, path, **more):
    given = {"backbone": "mobilenet_v2", "classes": 3, "gray": False} | more
    return load_weights(model, str(path), **given)


@pytest.mark.parametrize("side", [1, 5, 32, 97])
def test_small_takes_images_of_any_side(side):
    model = make_model("small", 4, gray=True, side=side)
    assert model(torch.zeros(2, 1, side, side)).shape == (2, 4)
    assert head_names(model, 4) == {"classifier.1.weight", "classifier.1.bias"}


@pytest.mark.usefixtures("torchvision")
def test_names_of_torchvision_are_known():
    with pytest.raises(UsageError, match="did you mean 'mobilenet_v2'"):
        make_model("mobilenet_v22", 3, gray=False, side=32)
    with pytest.raises(UsageError, match=r"cannot take images of 8 x 8.*--size"):
        make_model("alexnet", 3, gray=False, side=8)
    model = make_model("squeezenet1_1", 3, gray=False, side=64)
    # Its last layer is a convolution.
    assert head_names(model, 3) == {"classifier.1.weight", "classifier.1.bias"}


def test_a_torchvision_for_another_torch_is_explained(monkeypatch):
    def broken():
        raise UsageError("torchvision does not fit")

    monkeypatch.setattr(backbones, "torchvision_models", broken)
    with pytest.raises(UsageError, match="does not fit"):
        make_model("mobilenet_v2", 3, gray=False, side=32)


@pytest.mark.usefixtures("torchvision")
def test_published_weights_fit_and_the_head_is_new(tmp_path):
    torch.manual_seed(0)
    whole = make_model("mobilenet_v2", 1000, gray=False, side=32)
    path = tmp_path / "weights.pth"
    torch.save(whole.state_dict(), path)
    model = make_model("mobilenet_v2", 3, gray=False, side=32)
    told, digest = fill(model, path)
    assert "not a published one" in told
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert torch.equal(model.features[3].conv[0][0].weight, whole.features[3].conv[0][0].weight)
    assert model.classifier[1].weight.shape == (3, 1280)

    gray = make_model("mobilenet_v2", 3, gray=True, side=32)
    fill(gray, path, gray=True)
    with torch.no_grad():
        gray.classifier, images = model.classifier, torch.rand(2, 1, 32, 32)
        assert torch.allclose(
            gray.eval()(images), model.eval()(images.repeat(1, 3, 1, 1)), atol=1e-4
        )


@pytest.mark.usefixtures("torchvision")
def test_weights_of_another_architecture_are_refused(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(make_model("resnet18", 1000, gray=False, side=32).state_dict(), path)
    model = make_model("mobilenet_v2", 3, gray=False, side=32)
    with pytest.raises(InputError, match="of another architecture than mobilenet_v2: 312 of 314"):
        fill(model, path)


def test_a_damaged_file_is_told_by_the_digest_in_its_name(tmp_path):
    path = tmp_path / "mobilenet_v2-b0353104.pth"
    path.write_bytes(b"half of it")
    with pytest.raises(InputError, match=r"damaged: its SHA-256 begins with .*b0353104"):
        fill(make_model("small", 3, gray=False, side=8), path, backbone="small")


def test_a_file_of_no_weights_runs_nothing_and_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    for content in (b"", b"no weights", b"cos\nsystem\n(S'touch evil'\ntR."):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a file of weights"):
            fill(make_model("small", 3, gray=False, side=8), path, backbone="small")
    with pytest.raises(InputError, match="expected hub, none or a file"):
        fill(make_model("small", 3, gray=False, side=8), tmp_path / "nothing", backbone="small")


def test_a_hub_that_cannot_be_reached_is_explained(torchvision, monkeypatch):
    kind = torchvision.models.MobileNet_V2_Weights

    def unreachable(*_, **__):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(kind, "get_state_dict", unreachable)
    model = make_model("mobilenet_v2", 3, gray=False, side=32)
    with pytest.raises(UsageError, match=r"cannot be downloaded.*--weights FILE"):
        load_weights(model, "hub", backbone="mobilenet_v2", classes=3, gray=False)


@pytest.mark.usefixtures("torchvision")
def test_with_the_head_alone_the_rest_does_not_move():
    model = make_model("mobilenet_v2", 3, gray=False, side=32)
    train_mode(model, head_only=True)
    before = model.features[0][1].running_mean.clone()
    model(torch.rand(4, 3, 32, 32))
    assert torch.equal(model.features[0][1].running_mean, before)
    train_mode(model, head_only=False)
    model(torch.rand(4, 3, 32, 32))
    assert not torch.equal(model.features[0][1].running_mean, before)
