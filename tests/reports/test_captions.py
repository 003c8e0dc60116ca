"""Captions: short, with units, and for every transform."""

import pytest

from variegate.reports import caption
from variegate.reports.captions import from_operations, value_text
from variegate.seeding import generator
from variegate.transforms import all_transforms
from variegate.transforms.base import Draw


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (Draw("rotate", {"angle_degrees": -12.34, "border": "reflect"}), "rotate -12.3°"),
        (Draw("rotate", {"angle_degrees": 180.0, "fit": "keep"}), "rotate +180°"),
        (Draw("flip", {"axis": "horizontal"}), "flip horizontal"),
        (Draw("translate", {"x": 0.0, "x_pixels": -17.0, "whole": True}), "translate -17 px"),
        (Draw("contrast", {"factor": 1.162}), "contrast x1.16"),
        (Draw("brightness", {"amount": 0.0555}), "brightness +0.056"),
        (Draw("gaussian_noise", {"sigma": 0.0386, "noise_key": 50910}), "gaussian noise 0.039"),
        (Draw("jpeg", {"quality": 29.71}), "jpeg 30"),
        (Draw("resize", {"size": [224, 160]}), "resize 224x160"),
        (Draw("transpose", {}), "transpose"),
        (Draw("of_a_plug_in", {"amount": 0.5}), "of a plug in 0.50"),
    ],
)
def test_caption_is_short_and_readable(drawn, expected):
    assert caption([drawn]) == expected


def test_captions_of_several_steps_are_joined():
    drawn = [Draw("flip", {"axis": "vertical"}), Draw("rotate", {"angle_degrees": 3.0})]
    assert caption(drawn) == "flip vertical, rotate +3°"
    assert caption([]) == "source"


@pytest.mark.parametrize("name", all_transforms())
def test_every_transform_has_a_caption_that_fits(name):
    parameters = all_transforms()[name]().parameters(generator(5, name))
    text = caption([Draw(name, parameters)])
    assert text.startswith(name.replace("_", " "))
    assert len(text) < 40
    assert "noise_key" not in text
    assert "[" not in text


def test_operations_of_a_manifest_become_drawn_again():
    drawn = Draw("rotate", {"angle_degrees": 3.0})
    assert from_operations([drawn.to_json()]) == (drawn,)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (0.00341, "0.0034"),
        (0.1, "0.10"),
        (1.239, "1.24"),
        (29.7, "30"),
        (-0.5, "-0.50"),
    ],
)
def test_numbers_have_the_digits_that_count(value, expected):
    assert value_text("amount", value) == expected
