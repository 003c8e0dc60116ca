"""The page, in a real browser: an image dropped, classes shown, sliders moved, a phone's width."""

import base64
from collections.abc import Iterator

import pytest

import served
from browser import ROOT, Browser, browser
from served import ask, form
from variegate.models.card import ModelCard, card_path
from variegate.models.predictors.onnx import OnnxPredictor

AXE = ROOT / ".venv" / "browser" / "node_modules" / "axe-core" / "axe.min.js"

TOLERANCE = {
    "rotate+": ((0.09, 0.12, 0.16), (0.41, 0.41, 0.41)),
    "hue+": ((0.2, 0.2, 0.2), (0.7, 0.7, 0.7)),
}

DROP = """(() => {
  const bytes = Uint8Array.from(atob("%s"), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "%s", {type: "image/jpeg"}));
  const dropped = {bubbles: true, cancelable: true, dataTransfer: data};
  at("drop").dispatchEvent(new DragEvent("drop", dropped));
})()"""
CLASSES = "[...document.querySelectorAll('#classes li')].map((one) => one.innerText)"


@pytest.fixture(scope="module")
def photo(data_dir):
    return sorted(data_dir.glob("coco_mini/images/val2017/*.jpg"))[1].read_bytes()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture(scope="module")
def address(squeezenet, tmp_path_factory) -> Iterator[str]:
    marks = tmp_path_factory.mktemp("marks") / "tolerance.json"
    model = OnnxPredictor(squeezenet, ModelCard.load(card_path(squeezenet)))
    served.tolerance(marks, model.identity, TOLERANCE)
    with served.server(squeezenet, "--tolerance", marks) as (url, _):
        yield url


def drop(page, data, name="photo.jpg"):
    page.value(DROP % (base64.b64encode(data).decode(), name))


def move(page, axis, intensity):
    page.value(
        f"(() => {{ const one = sliders.get('{axis}').input; one.value = {intensity}; "
        "one.dispatchEvent(new Event('input')); })()"
    )


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_drop_see_and_move(chromium, address, photo, width, dark):
    page = chromium
    page.open(address, width=width, dark=dark)
    page.wait_for("sliders.size > 0")
    assert page.value("sliders.get('hue+').input.disabled")
    drop(page, photo)
    page.wait_for("baseline !== null")
    expected = ask(address, "/classify", *form(("a", photo))).json["results"][0]["classes"]
    shown = page.value(CLASSES)
    assert [text.splitlines()[0] for text in shown] == [one["class"] for one in expected]
    assert f"{expected[0]['probability']:.1%}" in shown[0]
    move(page, "hue+", 0.9)
    page.wait_for("document.querySelector('.curve') !== null")
    assert page.value("at('status').textContent").startswith("Changed: racket")
    assert page.value("sliders.get('hue+').input.getAttribute('aria-valuetext')").startswith("0.90")
    moved = page.value(CLASSES)
    assert moved != shown
    assert any("(+" in text for text in moved)
    assert page.value("at('after').naturalWidth") > 100
    # The marks of the file stand where it says, and the legend with them.
    ticks = "[...sliders.get('rotate+').row.querySelectorAll('.tick')]"
    places = page.value(f"{ticks}.map((one) => one.style.getPropertyValue('--at')).sort()")
    assert places == ["0.12", "0.41"]
    text = page.value("sliders.get('rotate+').row.innerText")
    assert "onset 0.12 (0.09 to 0.16)" in text
    assert not page.value("at('legend').hidden")
    assert page.value("document.documentElement.scrollWidth") <= width
    page.value("at('reset').click()")
    page.wait_for("at('after-shot').hidden")
    assert page.value(CLASSES) == shown
    assert page.console == []
    origin = address.rstrip("/")
    assert all(one.startswith((origin, "blob:", "data:")) for one in page.requests)


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (400, False)])
def test_axe_finds_nothing(chromium, address, photo, width, dark):
    if not AXE.is_file():
        pytest.skip("no axe-core; `make .venv/.browser` sets it up")
    page = chromium
    page.open(address, width=width, dark=dark)
    page.wait_for("sliders.size > 0")
    drop(page, photo)
    page.wait_for("baseline !== null")
    move(page, "hue+", 0.9)
    page.wait_for("document.querySelector('.curve') !== null")
    page.value("at('more').open = true")
    page.ask("Runtime.evaluate", expression=AXE.read_text())
    page.value(
        "(axe.run().then((found) => { window.found = found.violations.map("
        "(one) => [one.id, one.nodes.length, one.nodes[0].html]); }), 0)"
    )
    page.wait_for("window.found !== undefined")
    assert page.value("window.found") == []


def test_the_keyboard_is_enough(chromium, address, photo):
    page = chromium
    page.open(address, width=1280)
    page.wait_for("sliders.size > 0")
    drop(page, photo)
    page.wait_for("baseline !== null")
    page.value("document.body.focus()")
    reached = []
    for _ in range(9):
        page.key("Tab")
        reached.append(page.value("document.activeElement.id"))
        if reached[-1] == "axis-0":
            break
    # "Reset all" cannot be used yet, and is left out.
    assert reached[-3:] == ["file", "camera", "axis-0"]
    for _ in range(5):
        page.key("ArrowRight")
    assert page.value("document.activeElement.value") == "0.05"
    page.wait_for("at('status').className !== ''")


def test_what_is_wrong_is_said(chromium, address):
    page = chromium
    page.open(address, width=400)
    page.wait_for("sliders.size > 0")
    drop(page, b"no image at all", "<img src=x onerror=alert(1)>.jpg")
    page.wait_for("at('status').className === 'bad'")
    assert "not an image" in page.value("at('status').textContent")
    assert "<img" in page.value("at('before-text').textContent")
    assert page.value("document.querySelectorAll('figcaption img').length") == 0
    assert page.value("sliders.get('hue+').input.disabled")


def test_the_key_is_asked_for_in_the_page(chromium, mnist, photo):
    key = "a-key-for-this-test"
    with served.server(mnist, VARIEGATE_API_KEYS=key) as (url, _):
        page = chromium
        page.open(url, width=400)
        page.wait_for("!at('access').hidden")
        page.value(f"(at('key').value = '{key}', at('access').requestSubmit())")
        page.wait_for("sliders.size > 0")
        drop(page, photo)
        page.wait_for("baseline !== null")
        assert len(page.value(CLASSES)) == 5
