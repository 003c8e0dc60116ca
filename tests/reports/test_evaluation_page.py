"""The page of an evaluation: its figures, its names, and how a browser takes it."""

import cv2
import numpy as np
import pytest

from browser import browser
from markup_reader import Reader
from variegate.models.evaluate import evaluate
from variegate.models.predictors.function import FunctionPredictor
from variegate.reports.evaluation import write_evaluation_page

NAMES = ("dark", "<script>window.planted=1<", "'bright' & \u202egpj")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shades")
    for number, name in enumerate(NAMES):
        (folder / name).mkdir()
        for place in range(6):
            image = np.full((30, 40), 40 + 80 * number + 8 * place, np.uint8)
            cv2.imwrite(str(folder / name / f"{place}.png"), image)

    def shade(images):
        """Say the shade; of every sixth image too bright by one."""
        found = []
        for one in images:
            value = int(one[0, 0, 0])
            number = min((value - 40) // 80 + (value % 80 == 48), 2)
            found.append([0.9 if n == number else 0.05 for n in range(3)])
        return found

    def lazy(images):
        return [[0.4, 0.3, 0.3] for _ in images]

    models = [FunctionPredictor(one, classes=sorted(NAMES)) for one in (shade, lazy)]
    # Classes stand in the order of their names, the shades in that of NAMES.
    order = [sorted(NAMES).index(name) for name in NAMES]

    def reordered(images):
        return [[one[order.index(n)] for n in range(3)] for one in shade(images)]

    models[0] = FunctionPredictor(reordered, classes=sorted(NAMES))
    found = evaluate(folder, models)
    page = tmp_path_factory.mktemp("page") / "evaluation.html"
    write_evaluation_page(found, folder, page)
    return found, page


def test_figures_and_names(written):
    found, page = written
    reader = Reader(page.read_text(encoding="utf-8"))
    assert [name for name, _ in reader.elements].count("script") == 1
    shown = "".join(reader.texts)
    assert "\u202e" not in shown
    assert f"{found.models[0].figures['accuracy']:.1%}" in reader.texts
    assert found.comparisons[0].verdict == "worse"
    assert "worse" in reader.texts
    images = [one for name, one in reader.elements if name == "img"]
    assert len(images) == sum(len(one.worst) for one in found.models)
    assert all(one["src"].startswith("data:image/webp") for one in images)
    told = [text for text in reader.texts if ", taken for " in text]
    assert any("'bright'" in text for text in told)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_shows_it_without_an_error_or_a_request(chromium, written, width, dark):
    _, page = written
    chromium.open(page, width=width, dark=dark)
    assert chromium.value("window.planted") is None
    assert chromium.console == []
    assert [one for one in chromium.requests if not one.startswith("data:")] == [page.as_uri()]
    assert chromium.value("document.documentElement.scrollWidth") <= width
    cells = chromium.value("document.querySelectorAll('.matrix rect').length")
    assert cells == 2 * 3 * 3
    # Nothing of a chart is cut off by its own frame.
    assert chromium.value(
        "[...document.querySelectorAll('.matrix text')].every(t => { const b = t.getBBox(), "
        "s = t.ownerSVGElement.viewBox.baseVal; return b.x >= 0 && b.x + b.width <= s.width; })"
    )
