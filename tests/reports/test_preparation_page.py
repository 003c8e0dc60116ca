"""The page of a preparation says what its tables say, and nothing in it is markup from names."""

import json
import shutil

import pytest
from typer.testing import CliRunner

import variegate
from browser import browser
from variegate.cli import app
from variegate.reports.prepare import PAGE


@pytest.fixture(scope="module")
def prepared(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    heap = folder / "heap"
    for split in ("train", "test"):
        paths = sorted((data_dir / "clothing_classes" / split).glob("*/*.jpg"))
        for path in paths[:: len(paths) // 6][:6]:
            target = heap / split / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    first = min(heap.glob("train/*/*.jpg"))
    shutil.copy(first, first.with_name("twin.jpg"))
    (heap / "train/<b>hat").mkdir()
    shutil.copy(first, heap / "train/<b>hat/conflict & twin.jpg")
    shutil.copy(first, heap / "train/<b>hat/conflict again.jpg")
    (first.parent / "cut.jpg").write_bytes(first.read_bytes()[:3000])
    arguments = ["prepare", str(heap), str(folder / "clean"), "--workers", "0"]
    run(arguments)
    return folder, arguments


def run(arguments) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output


def page(folder) -> str:
    return (folder / "clean.audit" / PAGE).read_text()


def test_every_file_that_is_set_aside_is_shown_with_its_reason(prepared):
    folder, _ = prepared
    account = json.loads((folder / "clean.audit/prepare.json").read_text())
    text = page(folder)
    section = text.partition('<section id="quarantine">')[2].partition("</section>")[0]
    # The conflict can be seen, what is cut cannot.
    assert account["quarantined"] == section.count("<figure") == 5
    assert section.count("<img") == 4
    assert "truncated JPEG" in section
    assert "none with more than half" in section


def test_names_never_are_markup(prepared):
    text = page(prepared[0])
    assert "<b>hat" not in text
    assert "&lt;b&gt;hat" in text
    assert "conflict &amp; twin.jpg" in text


def test_figures_are_those_of_the_clean_dataset(prepared):
    folder, _ = prepared
    figures = variegate.stats(folder / "clean")
    text = page(folder)
    for value in figures.channels.mean:
        assert f"{value:.4f}" in text
    for name in ("train", "test"):
        assert f'<th scope="col" class="number">{name}</th>' in text
    assert "Nothing stands on two sides" in text
    assert "http" not in text.replace("http-equiv", "")


def test_the_page_is_the_same_again_and_goes_where_it_is_not_wanted(prepared):
    folder, arguments = prepared
    before = page(folder)
    run(arguments)
    assert page(folder) == before
    run([*arguments, "--no-report"])
    assert not (folder / "clean.audit" / PAGE).exists()
    (folder / "clean.audit" / PAGE).write_text(before)


@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_shows_it_without_an_error_or_a_request(prepared, tmp_path, width):
    place = prepared[0] / "clean.audit" / PAGE
    with browser(tmp_path) as chromium:
        chromium.open(place, width=width)
        assert chromium.console == []
        asked = [one for one in chromium.requests if not one.startswith("data:")]
        assert asked == [place.as_uri()]
        assert chromium.value("document.documentElement.scrollWidth") <= width
