"""The page of a proof: its figures, its names, and how a browser takes it."""

import numpy as np
import pytest

pytest.importorskip("torch")
from browser import browser
from markup_reader import Reader
from variegate.models.metrics import CalibrationBin
from variegate.reports.proof import proof_page
from variegate.training.comparison import RightAnswers, compare
from variegate.training.proof import ArmFigures, Proof, ProofDesign

CLASSES = ("a", "<script>window.planted=1<", "'bright' & \u202egpj")
ARMS = ("none", "harmful", "a recipe of a name that does not fit into a column (written)")


def figures(name: str) -> ArmFigures:
    return ArmFigures(
        name=name,
        accuracy=0.8,
        setting=(0.001, 0.01),
        searched=[((0.001, 0.01), 0.8), ((0.003, 0.01), 0.7)],
        log_loss=0.5,
        calibration_error=0.07,
        bins=(CalibrationBin(0.5, 0.6, 30, 0.55, 0.5), CalibrationBin(0.9, 1.0, 70, 0.97, 0.95)),
        confusion=((80, 10, 10), (0, 100, 0), (20, 0, 80)),
        corrupted=0.6,
        corruptions={"gaussian_noise": 0.5, "fog": 0.7},
        losses=[1.2, 0.7, 0.5],
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    count = np.arange(300)
    base = np.ones((300, 2))
    base[::5] = 0
    worse = base.copy()
    worse[(count % 3 == 1) & (count % 2 == 0)] = 0
    right = {"harmful": worse, ARMS[2]: base}
    verdicts, robustness = [], []
    for name in ARMS[1:]:
        answers = RightAnswers(base, right[name], count // 60, count, count % 3)
        verdicts.append(compare(answers, name=name, classes=CLASSES, arms=2))
        robustness.append(compare(answers, name=name, classes=(), arms=2))
    found = Proof(
        place="<b>set",
        images=300,
        groups=300,
        classes=CLASSES,
        design=ProofDesign(model="small"),
        expected=0.05,
        runs=45,
        arms=[figures(name) for name in ARMS],
        verdicts=verdicts,
        robustness=robustness,
        pairs={name: [0.01, -0.02, 0.03] for name in ARMS[1:]},
        notes=["a note"],
    )
    page = tmp_path_factory.mktemp("page") / "proof.html"
    page.write_text("".join(proof_page(found)), encoding="utf-8")
    return found, page


def test_verdicts_classes_and_notes(written):
    found, page = written
    reader = Reader(page.read_text(encoding="utf-8"))
    shown = "".join(reader.texts)
    assert [name for name, _ in reader.elements].count("script") == 1
    assert "\u202e" not in shown
    assert "<b>set" in shown
    assert found.verdicts[0].outcome == "worse"
    assert found.verdicts[0].got_worse == (CLASSES[1],)
    assert {"it harms", "no difference found", "got worse", "a note"} <= set(reader.texts)
    assert f"Got worse with harmful: {CLASSES[1]}." in shown
    low, high = found.verdicts[0].interval
    assert f"{100 * low:+.1f} to {100 * high:+.1f}" in reader.texts


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
    assert chromium.requests == [page.as_uri()]
    assert chromium.value("document.documentElement.scrollWidth") <= width
    # Two arms, on images as they are and on corrupted ones, with the pairs of the first.
    assert chromium.value("document.querySelectorAll('.differences .point').length") == 4
    assert chromium.value("document.querySelectorAll('.differences .pair').length") == 6
    # Nothing of a chart is cut off by its own frame.
    assert chromium.value(
        "[...document.querySelectorAll('.differences *')].every(t => { if (!t.getBBox) return true;"
        "const b = t.getBBox(), s = t.ownerSVGElement.viewBox.baseVal; "
        "return b.x >= 0 && b.x + b.width <= s.width; })"
    )
