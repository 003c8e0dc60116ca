"""The page of a training: its figures, its names, and how a browser takes it."""

import pytest
from sets import write_set

from browser import ROOT, browser
from markup_reader import Reader
from variegate.reports.training import write_training_page
from variegate.training.options import Hyperparameters, TrainingRun
from variegate.training.train import train

AXE = ROOT / ".venv" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
NAMES = ("a", "<script>window.planted=1<", "'b' & \u202egpj")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    images = write_set(
        tmp_path_factory.mktemp("set"),
        {"train": dict.fromkeys(NAMES, 6), "val": dict.fromkeys(NAMES, 2)}
        | {"test": dict.fromkeys(NAMES, 3)},
    )
    chosen = Hyperparameters.of(backbone="small", size=12, epochs=2, batch=6, optimizer="adamw")
    how = TrainingRun(workers=0, tensorboard=False, export=False)
    folder = tmp_path_factory.mktemp("model")
    done = train(images, folder, chosen=chosen, recipe=None, run=how)
    write_training_page(done, folder, limits=how.limits)
    return done, folder / "training.html"


def test_figures_and_names(written):
    done, page = written
    reader = Reader(page.read_text(encoding="utf-8"))
    shown = "".join(reader.texts)
    assert "\u202e" not in shown
    assert f"{done.scores.accuracy:.1%}" in shown
    images = [one for name, one in reader.elements if name == "img"]
    assert len(images) == done.scores.wrong_count > 0
    assert all(one["src"].startswith("data:image/") for one in images)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_a_browser_shows_it_without_an_error_or_a_request(chromium, written, width, dark):
    _, page = written
    chromium.open(page, width=width, dark=dark)
    assert chromium.value("window.planted") is None
    assert chromium.console == []
    assert [one for one in chromium.requests if not one.startswith("data:")] == [page.as_uri()]
    assert chromium.value("document.documentElement.scrollWidth") <= width
    assert chromium.value("document.querySelectorAll('.matrix rect').length") >= 3 * 3
    if not AXE.is_file():
        return
    chromium.ask("Runtime.evaluate", expression=AXE.read_text())
    chromium.value(
        "(axe.run().then((found) => { window.found = found.violations.map("
        "(one) => [one.id, one.nodes.length, one.nodes[0].html]); }), 0)"
    )
    chromium.wait_for("window.found !== undefined")
    assert chromium.value("window.found") == []
