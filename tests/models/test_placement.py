"""What a model says of its input comes back to pixels of the image."""

import numpy as np
import pytest

from variegate.models.card import ModelOutput
from variegate.models.placement import UNSEEN
from variegate.models.predictors.base import SemanticMap
from variegate.models.predictors.decoders import DECODERS
from variegate.models.preprocessing import Preprocessing

SIZES = [(60, 90), (90, 60), (64, 64), (31, 200), (300, 200)]


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("size", SIZES)
def test_a_mark_in_the_image_is_found_where_it_is(fit, size):
    # A bright disc in the middle third, which every crop shows: found in the model's input by its
    # centre of mass, and taken back.
    y, x = size[0] * 0.45, size[1] * 0.52
    rows, columns = np.indices(size) + 0.5
    image = (255 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 3**2))).astype(np.uint8)
    given = Preprocessing(size=(48, 64), fit=fit, channels="gray", fill=0)
    seen = given.apply([image])[0, 0]
    weights = seen / seen.sum()
    rows, columns = np.indices(seen.shape) + 0.5
    found = np.array([(weights * columns).sum(), (weights * rows).sum()])
    back = given.placement(size).points(found)
    assert back == pytest.approx([x, y], abs=max(size) / 64)


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("size", SIZES)
def test_a_mask_comes_back_as_it_was(fit, size):
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 4 : size[0] * 3 // 4, size[1] // 3 :] = 255
    given = Preprocessing(size=(96, 128), fit=fit, channels="gray", fill=0)
    seen = given.apply([mask])[0]
    place = given.placement(size)
    found = DECODERS["semantic"]["probabilities"]([seen], place, ModelOutput(kind="probabilities"))
    assert isinstance(found, SemanticMap)
    shown = found.classes != UNSEEN
    assert shown.all() or fit == "crop"
    assert shown.mean() > 0.1
    right = (found.classes == (mask > 127))[shown].mean()
    # Edges are interpolated.
    assert right > 0.94


def test_boxes_are_cut_at_the_border_of_the_image():
    place = Preprocessing(size=(100, 100), fit="pad").placement((50, 100))
    found = place.boxes(np.array([[0.0, 0.0, 100.0, 100.0], [10, 30, 20, 40]]))
    assert found.tolist() == [[0, 0, 100, 50], [10, 5, 20, 15]]
