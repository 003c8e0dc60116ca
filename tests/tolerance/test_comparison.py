"""The fingerprint delta: what is surely better or worse, and what is not."""

import pytest

from shades import search
from variegate.errors import UsageError
from variegate.tolerance.comparison import compare


@pytest.fixture(scope="module")
def both():
    """Dark images, made brighter, reach 125.5 sooner than 155."""
    return search(), search(155.0)


def test_a_model_with_more_room_is_better_where_it_has_it(both):
    found = compare(*both, names=("old", "new"))
    (bright, *_) = found.axes
    assert (bright.axis, bright.verdict) == ("brightness+", "better")
    one = bright.thresholds[0]
    assert 0 < one.low <= one.change
    assert one.high is None or one.change <= one.high
    back = compare(both[1], both[0])
    assert back.axes[0].verdict == "worse"
    assert back.axes[0].thresholds[0].change == -bright.thresholds[0].change


def test_a_model_against_itself_is_undecided_and_said_to_be_the_same(both):
    found = compare(both[0], both[0])
    assert {one.verdict for one in found.axes} == {"undecided"}
    assert found.clean.verdict == "undecided"
    assert any("same model" in note for note in found.notes)


def test_intervals_are_wider_than_those_of_one_alone_and_share_alpha(both):
    found = compare(*both)
    assert found.compared == 2 * 2 + 1
    threshold = both[0].axis("brightness+").thresholds[0]
    other = both[1].axis("brightness+").thresholds[0]
    alone = (other.at.intensity - other.low.intensity) ** 2
    alone += (threshold.high.intensity - threshold.at.intensity) ** 2
    one = found.axes[0].thresholds[0]
    assert one.change - one.low > alone**0.5


def test_models_that_are_wrong_more_often_as_they_are():
    found = compare(search(), search(100.0))
    assert found.clean.verdict == "worse"
    assert found.clean.low > 0


def test_other_measures_are_refused_and_other_images_are_said(both):
    with pytest.raises(UsageError, match="measure different things: tau"):
        compare(both[0], both[0].model_copy(update={"tau": 0.3}))
    with pytest.raises(UsageError, match=r"no quantile in common \(0.05, 0.49 and 0.2\)"):
        compare(both[0], search(quantiles=(0.2,)))
    with pytest.raises(UsageError, match="no axis in common"):
        compare(both[0], search(axes=("rotate+",)))
    moved = both[1].model_copy(update={"dataset": "elsewhere", "seed": 7})
    notes = " ".join(compare(both[0], moved, names=("old", "new")).notes)
    assert "new on elsewhere" in notes
    assert "seeds" in notes


def test_an_axis_of_one_alone_is_named(both):
    found = compare(search(axes=("brightness+", "gamma+")), both[1], names=("old", "new"))
    assert any(note == "only in old: gamma+" for note in found.notes)
    assert any(note == "only in new: contrast-" for note in found.notes)
