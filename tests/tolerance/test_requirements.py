"""Limits in a file: units, misspelt names, and what is kept, broken or not shown."""

from xml.etree import ElementTree as ET

import pytest

from shades import search
from variegate.errors import InputError, UsageError
from variegate.recipes.policies import all_axes
from variegate.tolerance.junit import write_junit
from variegate.tolerance.requirements import ToleranceLimits, check_limits, intensity_of
from variegate.tolerance.units import in_units

parse = ToleranceLimits.parse


@pytest.fixture(scope="module")
def found():
    return search()


def outcomes(found, text):
    return [one.outcome for one in check_limits(found, parse(text))]


def test_what_is_planted_below_inside_and_above_the_interval(found):
    one = found.axis("brightness+").thresholds[0]
    low, high = one.low.intensity, one.high.intensity
    below = max(0.0, low - 0.005)
    for at, outcome in ((below, "kept"), (low, "kept"), (high + 0.005, "broken")):
        assert outcomes(found, f"axes: {{brightness+: {at}}}") == [outcome]
    inside = (low + high) / 2
    assert outcomes(found, f"axes: {{brightness+: {inside}}}") == ["not shown"]


def test_another_share_may_be_lost(found):
    one = found.axis("brightness+").thresholds[1]
    text = f"axes: {{brightness+: {{at_least: {one.low.intensity}, lost: 0.49}}}}"
    assert outcomes(found, text) == ["kept"]
    with pytest.raises(UsageError, match=r"looked for the shares 0.05, 0.49, not for 0.3"):
        outcomes(found, "lost: 0.3\naxes: {brightness+: 0.1}")


def test_more_confidence_than_was_searched_for_is_refused(found):
    with pytest.raises(UsageError, match=r"0.95 confidence, and 0.99 is required"):
        outcomes(found, "confidence: 0.99\naxes: {brightness+: 0.1}")


def test_errors_on_images_as_they_are(found):
    high = found.clean.error.high
    assert outcomes(found, f"clean_error: {high + 0.001}") == ["kept"]
    assert outcomes(found, f"clean_error: {high - 0.001}") == ["not shown"]
    assert outcomes(found, "clean_error: 100%") == ["kept"]


@pytest.mark.parametrize("axis", sorted(all_axes()))
def test_every_unit_is_read_back(axis):
    for intensity in (0.2, 0.7, 1.0):
        one = in_units(axis, intensity)
        read = intensity_of(axis, f"{one.value!r} {one.unit}")
        assert in_units(axis, read).value == pytest.approx(one.value, rel=1e-6)


@pytest.mark.parametrize(
    ("axis", "value", "intensity"),
    [
        ("rotate+", "18 degrees", 0.1),
        ("rotate-", "18 degrees", 0.1),
        ("rotate-", "-1 degree", 1 / 180),
        ("gaussian_blur", "2 px", 0.04),
        ("random_crop", "80%", 0.2 / 0.75),
        ("rotate+", "0.3", 0.3),
        ("rotate+", "0.3 intensity", 0.3),
    ],
)
def test_units_as_people_write_them(axis, value, intensity):
    assert intensity_of(axis, value) == pytest.approx(intensity, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axes: {rotat+: 10 degrees}", r"unknown axis 'rotat\+'; did you mean 'rotate\+'"),
        ("axes: {rotate+: 10}", "10 is no intensity.*'10 degrees'"),
        ("axes: {rotate+: 10 px}", "the unit 'degrees'"),
        ("axes: {rotate+: 500 degrees}", r"from \+0 degrees to \+180 degrees"),
        ("axes: {rotate+: yes}", r"rotate\+: expected an intensity"),
        ("axes: {rotate+: {at_leats: 0.1}}", "rotate.*'at_leats'; did you mean 'at_least'"),
        ("axes: {rotate+: 0.1, rotate+: 0.2}", "appears twice"),
        ("axis: {rotate+: 0.1}", "'axis'; did you mean 'axes'"),
        ("lost: 5\naxes: {rotate+: 0.1}", "lost: expected less than 1"),
        ("clean_error: many", "expected a share, 0.1 or 10%"),
        ("axes: {}", "names no limit"),
        ("[rotate+]", "expected axes with limits"),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_searched(text, message):
    with pytest.raises(UsageError, match=message):
        parse(text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        ToleranceLimits.load(tmp_path / "none.yaml")


def test_junit_has_a_failure_for_each_limit_that_is_not_kept(found, tmp_path):
    checked = check_limits(found, parse("axes: {contrast-: 0.5, brightness+: 0.9}"))
    assert [one.kept for one in checked] == [True, False]
    write_junit(tmp_path / "limits.xml", checked, suite="<model> & \x1b set")
    root = ET.parse(tmp_path / "limits.xml").getroot()
    suite = root.find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    first, second = suite.findall("testcase")
    assert first.find("failure") is None
    assert first.get("name").startswith("contrast-: at least")
    assert second.find("failure").get("message").startswith(checked[1].outcome)
