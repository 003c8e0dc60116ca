"""The pages of tolerance searches and of comparisons: figures, the very images, and a browser."""

import base64
import re

import cv2
import numpy as np
import pytest

from browser import browser
from markup_reader import Reader
from shades import search, shades
from variegate.reports.fingerprint import write_fingerprint_page
from variegate.reports.tolerance import write_tolerance_page
from variegate.tolerance.comparison import compare
from variegate.tolerance.realism import Composition
from variegate.tolerance.result import DropResult, Tolerance, name_of

AXES = ("brightness+", "contrast-", "speckle", "hue+")
PLANTED = "<script>window.planted=1<\u202egpj"


@pytest.fixture(scope="module")
def found():
    """A search with realism, and one axis as if it came back."""
    one = search(axes=AXES, n_max=96, composition=Composition(), given=shades(120))
    drop = DropResult(peak=0.6, dip=0.8, lost_at_peak=0.5, lost_at_dip=0.2, p=0.001)
    bent = one.axes[0].model_copy(
        update={"monotone": False, "drop": drop, "reentry": ((0.75, 0.9),)}
    )
    return one.model_copy(update={"axes": (bent, *one.axes[1:]), "dataset": PLANTED})


@pytest.fixture(scope="module")
def written(found, tmp_path_factory):
    made, _ = shades(120)
    page = tmp_path_factory.mktemp("page") / "tolerance.html"
    told = []
    write_tolerance_page(
        found,
        page,
        load=lambda key: made[int(key.split()[1])],
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1][0] <= told[-1][1]
    return page


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    first, second = search(), search(155.0)
    page = tmp_path_factory.mktemp("page") / "delta.html"
    write_fingerprint_page(compare(first, second, names=("old", PLANTED)), first, second, page)
    return page


def test_its_parts_stand_in_the_order_of_the_method(written):
    reader = Reader(written.read_text(encoding="utf-8"))
    assert [name for name, _ in reader.elements].count("script") == 1
    sections = [given["id"] for name, given in reader.elements if name == "section"]
    assert sections == ["baseline", "measured", "ranking", "axes", "classes", "realism", "cost"]
    shown = "".join(reader.texts)
    assert "\u202e" not in shown
    assert "correctness preserved" in shown
    assert "not monotone" in shown
    assert "of all images are still right" in shown
    assert "hue+: changes nothing on these images" in shown


def test_thresholds_are_said_in_units_with_intervals_the_least_tolerated_first(found, written):
    reader = Reader(written.read_text(encoding="utf-8"))
    shown = "".join(reader.texts)
    onsets = {}
    for one in found.axes:
        if not one.unchanged:
            first = one.thresholds[0]
            onsets[one.axis] = 2.0 if one.onset is None else one.onset
            assert first.at is None or f"5% are lost from {first.at.text} on" in shown
    panels = [
        given["id"].removeprefix("axis-").replace("-more", "+").replace("-less", "-")
        for _, given in reader.elements
        if given.get("class") == "panel block axis-panel"
    ]
    assert [onsets[axis] for axis in panels] == sorted(onsets.values())


def test_the_images_are_those_that_the_model_saw(found, written):
    """Images of 24 x 24 are embedded without loss: the model's answers are repeated on them."""
    page = written.read_text(encoding="utf-8")
    pattern = r'src="data:image/webp;base64,([^"]+)"[^>]* alt="(image \d+) at (\S+) ([\d.]+)"'
    shots = {
        (key, axis, float(at)): base64.b64decode(data)
        for data, key, axis, at in re.findall(pattern, page)
    }
    checked = 0
    for axis in found.axes:
        for one in axis.thresholds:
            for each in filter(None, (one.last_success, one.first_failure)):
                data = shots[each.image, axis.axis, round(each.intensity, 6)]
                image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
                says = "bright" if image.mean() > 125.5 else "dark"
                assert each.says.startswith(says)
                checked += 1
    assert checked >= 4


def test_every_point_of_a_curve_can_be_pointed_at(found, written):
    page = written.read_text(encoding="utf-8")
    one = found.axes[0]
    for point in one.points:
        told = f"intensity {point.intensity:.2f}: "
        assert told in page
    assert f"{one.points[-1].asked} images asked here, {one.points[-1].lost} of them lost" in page
    assert 'class="again"' in page


def test_without_images_or_labels_it_says_so(found, tmp_path):
    other = found.model_copy(update={"mode": "prediction preserved", "composite": None})
    page = tmp_path / "page.html"
    write_tolerance_page(other, page)
    shown = "".join(Reader(page.read_text(encoding="utf-8")).texts)
    assert "not shown: it cannot be read any more" in shown
    assert "There are no labels" in shown
    assert "of all images are still right" not in shown


def test_a_search_without_axes_has_a_page(found, tmp_path):
    empty = Tolerance.model_validate({**found.model_dump(), "axes": (), "composite": None})
    write_tolerance_page(empty, tmp_path / "page.html")
    assert "Baseline" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_comparison_names_what_is_surely_better(compared):
    shown = "".join(Reader(compared.read_text(encoding="utf-8")).texts)
    assert "surely better1brightness+" in shown
    assert "\u202e" not in shown


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_shows_them_without_an_error_or_a_request(
    chromium, written, compared, width, dark
):
    for page in (written, compared):
        chromium.open(page, width=width, dark=dark)
        assert chromium.value("window.planted") is None
        assert chromium.console == []
        assert [one for one in chromium.requests if not one.startswith("data:")] == [page.as_uri()]
        assert chromium.value("document.documentElement.scrollWidth") <= width


def test_a_program_is_called_without_the_folders_of_its_files():
    assert (
        name_of({"command": "node /opt/m/boxes.mjs '/my data/x.onnx'"}) == "node boxes.mjs x.onnx"
    )
    assert name_of({"command": "node /opt/m/boxes.mjs", "name": "boxes"}) == "boxes"
