"""Images of cells, the log of answers, and units."""

import math

import numpy as np
import pytest

from variegate.annotations.sample import Sample
from variegate.errors import OutputError
from variegate.recipes.policies import AxisStrain, Realistic, all_axes
from variegate.tolerance.cells import AxisPlan, CompositePlan, Sources, changes_something, strain_of
from variegate.tolerance.log import Answer, AnswerLog, digest, image_digest
from variegate.tolerance.run import preset_axes
from variegate.tolerance.units import in_units


def distance(one, other):
    return np.abs(one.image.astype(int) - other.image).mean()


@pytest.mark.parametrize("axis", preset_axes())
def test_level_0_is_the_image_and_stronger_levels_are_further_from_it(photos, axis):
    plan, sample = AxisPlan(axis, seed=3), Sample(photos[0])
    assert plan.apply("a", sample, 0) is sample
    far = [distance(sample, plan.apply("a", sample, level)) for level in (4, 40)]
    assert 0 < far[0] < far[1]
    assert np.array_equal(plan.apply("a", sample, 40).image, plan.apply("a", sample, 40).image)


def test_chance_is_the_same_at_every_level_and_another_for_another_image_or_seed():
    dots = Sample(np.full((40, 40), 128, np.uint8))

    def dropped(seed, key, level, replicate=0):
        plan = AxisPlan("pixel_dropout", seed, replicate=replicate)
        return plan.apply(key, dots, level).image != 128

    few, many = dropped(0, "a", 20), dropped(0, "a", 60)
    assert few.any()
    assert not (few & ~many).any()
    for other in (dropped(1, "a", 20), dropped(0, "b", 20), dropped(0, "a", 20, replicate=1)):
        assert (other != few).any()


def test_identities_differ_with_all_that_decides_an_image():
    plans = [
        AxisPlan("rotate+"),
        AxisPlan("rotate-"),
        AxisPlan("rotate+", seed=1),
        AxisPlan("rotate+", objects=True),
        AxisPlan("rotate+", replicate=1),
    ]
    policies = [Realistic(axes={"jpeg": AxisStrain(onset=onset)}) for onset in (0.1, 0.2)]
    plans += [CompositePlan(one) for one in policies]
    assert len({one.identity for one in plans}) == len(plans)


def test_composites_are_what_the_recipe_makes_at_that_strain(photos):
    axes = {"rotate+": AxisStrain(onset=0.1, critical=0.3), "jpeg": AxisStrain(onset=0.4)}
    plan = CompositePlan(Realistic(axes=axes, k_min=2), seed=4)
    sample = Sample(photos[0])
    far = [distance(sample, plan.apply("a", sample, level)) for level in (10, 50, 100)]
    assert 0 < far[0] < far[1] < far[2]
    assert strain_of(0) == 0
    assert strain_of(100) == 3


def test_colors_of_gray_images_do_not_change():
    gray = Sample(np.arange(256, dtype=np.uint8).reshape(16, 16))
    assert not changes_something(AxisPlan("hue+"), [("a", gray)])
    assert changes_something(AxisPlan("brightness+"), [("a", gray)])


def test_sources_are_decoded_once_within_their_memory():
    loaded = []

    def load(number):
        loaded.append(number)
        return Sample(np.zeros((10, 10), np.uint8))

    sources = Sources(5, load, memory=300)
    for _ in range(3):
        for number in range(5):
            sources[number]
    assert [loaded.count(number) for number in range(5)] == [1, 1, 1, 3, 3]
    assert sources.restricted([2, 0])[0] is sources[2]


def test_a_log_keeps_answers_and_cuts_a_torn_line(tmp_path):
    path = tmp_path / "deep" / "log.jsonl"
    with AnswerLog(path) as log:
        log.add(["a", "b"], [Answer(0.25, "cat (80%)"), Answer(math.nan, "no answer")])
    with path.open("ab") as file:
        file.write(b'["c", 0.5')
    with AnswerLog(path) as log:
        assert log.get("a") == Answer(0.25, "cat (80%)")
        assert log.get("c") is None
        assert math.isnan(log.get("b").error)
        log.add(["d"], [Answer(1.0)])
    with AnswerLog(path) as log:
        assert len(log) == 3
        assert log.get("d") == Answer(1.0)


def test_a_damaged_line_is_left_out(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'["a", 0.0, ""]\n\x00\xff garbage\n["b", 1.0, ""]\n')
    with AnswerLog(path) as log:
        assert len(log) == 2


def test_two_searches_do_not_share_a_log(tmp_path):
    with AnswerLog(tmp_path / "log.jsonl"), pytest.raises(OutputError, match="another search"):
        AnswerLog(tmp_path / "log.jsonl")


def test_digests_tell_parts_and_shapes_apart():
    assert digest("ab", "c") != digest("a", "bc")
    flat = np.zeros((4, 6), np.uint8)
    assert image_digest(flat) != image_digest(flat.reshape(6, 4))
    assert image_digest(flat) == image_digest(np.asfortranarray(flat))


@pytest.mark.parametrize(
    ("axis", "intensity", "text"),
    [
        ("rotate+", 0.1, "+18 degrees"),
        ("exposure-", 0.5, "-1.5 stops"),
        ("gaussian_blur", 0.1, "5 px blur (sigma) at 1 MP"),
        ("jpeg", 0.5, "26 JPEG quality"),
        ("gaussian_noise", 0.2, "20 dB PSNR"),
        ("speckle", 1, "0 dB signal to noise"),
        ("speckle", 0, "no noise (dB signal to noise)"),
        ("brightness-", 1, "-128 levels of 255"),
        ("pixel_dropout", 0.5, "25% of pixels"),
        ("downscale", 1, "12.5% of the resolution kept"),
        ("random_crop", 1, "25% of the area kept"),
        ("saturation-", 1, "0 x saturation"),
    ],
)
def test_intensities_in_units_that_people_know(axis, intensity, text):
    assert in_units(axis, intensity).text == text


@pytest.mark.parametrize("axis", all_axes())
def test_every_axis_has_a_unit_and_values_that_move_one_way(axis):
    values = [in_units(axis, share).value for share in (0.1, 0.4, 0.7, 1)]
    steps = np.diff(values)
    assert (steps > 0).all() or (steps < 0).all()
    assert in_units(axis, 0.5).unit
