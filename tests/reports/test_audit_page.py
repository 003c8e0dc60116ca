"""The page of an audit: its figures, its names, and how a browser takes it."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from browser import browser
from markup_reader import Reader
from variegate import Options
from variegate.cli import app
from variegate.datasets.prepare.audit import audit
from variegate.reports import audit as audit_page
from variegate.reports.audit import PAGE, write_audit_page

# A folder and a file in it make "</script>"; the rest is what breaks pages and terminals.
NAMES = (
    "<script>window.planted=1<",
    '"><img src=x onerror=window.planted=1>.jpg',
    "\x1b[31mred\x1b[0m & 'quoted'.jpg",
    "\u202egpj.exe.jpg",
)
WIDTHS = (1280, 400)


@pytest.fixture(scope="module")
def heap(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("heap")
    paths = sorted((data_dir / "clothing_classes").glob("*/*/*.jpg"))[::40]
    for number, label in enumerate(("shirt", NAMES[0])):
        (folder / label).mkdir()
        shutil.copy(paths[number], folder / label / "script>.jpg")
    photo = cv2.imread(str(paths[2]))
    height, width = photo.shape[:2]
    _, flipped = cv2.imencode(".jpg", cv2.flip(photo, 1))
    _, part = cv2.imencode(".png", photo[height // 8 : height * 7 // 8, width // 6 : width])
    _, small = cv2.imencode(".jpg", cv2.resize(photo, None, fx=0.5, fy=0.5))
    (folder / "shirt" / NAMES[1]).write_bytes(paths[2].read_bytes())
    (folder / NAMES[0] / NAMES[2]).write_bytes(flipped.tobytes())
    (folder / NAMES[0] / NAMES[3]).write_bytes(part.tobytes())
    (folder / "shirt" / "small.jpg").write_bytes(small.tobytes())
    (folder / "shirt" / "same.jpg").write_bytes(small.tobytes())
    for value in range(30):
        image = np.full((40 + value, 40, 3), value, np.uint8)
        cv2.imwrite(str(folder / "shirt" / f"dark {value:02}.png"), image)
    (folder / "shirt" / "<b>cut.jpg").write_bytes(paths[2].read_bytes()[:3_000])
    (folder / "shirt" / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture(scope="module")
def audited(heap, tmp_path_factory):
    output = tmp_path_factory.mktemp("audited") / "out"
    found = audit(heap, output, options=Options(workers=0))
    write_audit_page(found, heap, output)
    return found, output


@pytest.fixture(scope="module")
def reader(audited):
    return Reader((audited[1] / PAGE).read_text(encoding="utf-8"))


def test_the_account_adds_up(heap, audited, reader):
    found, _ = audited
    texts = [text for text in reader.texts if text.strip()]
    names = ("without a remark", "flagged", "duplicates of another image", "quarantined")
    counts = [int(texts[texts.index(name) + 1]) for name in (*names, "skipped: not images")]
    files = sum(1 for path in heap.rglob("*") if path.is_file())
    assert sum(counts) == files == int(texts[texts.index("files") + 1])
    assert counts[3:] == [found.quarantined, found.skipped] == [1, 1]
    same = sum(one.images for grade, one in found.duplicates.items() if grade != "again")
    assert counts[2] == same


def test_names_are_shown_and_never_are_markup(reader):
    assert [name for name, _ in reader.elements].count("script") == 1
    assert not [found for _, found in reader.elements if any(key[:2] == "on" for key in found)]
    titles = {found.get("title") for _, found in reader.elements}
    assert f"shirt/{NAMES[1]}" in titles
    assert f"{NAMES[0]}/\\x1b[31mred\\x1b[0m & 'quoted'.jpg" in titles
    assert f"{NAMES[0]}/\\u202egpj.exe.jpg" in titles
    assert "shirt/<b>cut.jpg" in reader.texts
    assert NAMES[0] in reader.texts, "the class"
    whole = "".join(reader.texts) + str(titles)
    assert "\x1b" not in whole
    assert "\u202e" not in whole


def test_nothing_is_asked_of_another_place(reader):
    for name, found in reader.elements:
        for key in {"src", "href", "srcset", "action", "data", "poster"} & found.keys():
            assert found[key].startswith(("data:", "#")), (name, found[key])
    (policy,) = [found["content"] for _, found in reader.elements if "http-equiv" in found]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "url(" not in "".join(reader.texts)


def test_a_part_is_drawn_where_the_table_says(audited, reader):
    _, output = audited
    lines = [json.loads(line) for line in (output / "groups.jsonl").read_text().splitlines()]
    parts = [one["part"] for line in lines for one in line["members"] if one["part"]]
    assert parts, "the planted part is not found"
    frames = [
        [int(found[key]) for key in ("x", "y", "width", "height")]
        for name, found in reader.elements
        if name == "rect" and "y" in found and "class" not in found
    ]
    assert frames == parts


def test_more_images_than_are_shown_are_counted(audited, reader):
    found, _ = audited
    assert found.flags["blank"] == 30
    more = 30 - audit_page.MOST_FLAGGED
    assert any(text.startswith(f"and {more} more of them") for text in reader.texts)


def test_a_class_that_differs_within_a_group_is_told(reader):
    assert "classes differ" in reader.texts


def test_the_same_audit_gives_the_same_page(heap, audited, tmp_path):
    _, output = audited
    found = audit(heap, tmp_path / "out", options=Options(workers=2, shard_size=5))
    write_audit_page(found, heap, tmp_path / "out")
    assert (tmp_path / "out" / PAGE).read_bytes() == (output / PAGE).read_bytes()


def test_thumbnails_are_bounded_and_images_that_are_gone_are_told(heap, audited, monkeypatch):
    found, output = audited
    made = []
    monkeypatch.setattr(audit_page, "MOST_THUMBNAILS", 5)
    page = output.with_name("other")
    shutil.copytree(output, page)
    moved = shutil.copytree(heap, output.with_name("moved"))
    shutil.rmtree(moved / NAMES[0])
    write_audit_page(found, moved, page, on_progress=lambda done, total: made.append((done, total)))
    text = (page / PAGE).read_text()
    assert text.count("<img") == 5 == made[-1][0]
    assert "no thumbnail: the page has as many as it may" in text
    assert "no thumbnail: it cannot be read" in text


def test_the_command_writes_the_page_or_leaves_none(heap, audited, tmp_path):
    _, output = audited
    copied = shutil.copytree(output, tmp_path / "out")
    (copied / PAGE).write_text("old")
    run = CliRunner().invoke(app, ["audit", str(heap), str(copied), "--workers", "0"])
    assert run.exit_code == 0, run.output
    assert b"Audit of" in (copied / PAGE).read_bytes()
    run = CliRunner().invoke(
        app, ["audit", str(heap), str(copied), "--workers", "0", "--no-report"]
    )
    assert run.exit_code == 0, run.output
    assert not (copied / PAGE).exists()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_browser_shows_it_without_an_error_or_a_request(chromium, audited, width, dark):
    page = audited[1] / PAGE
    chromium.open(page, width=width, dark=dark)
    assert chromium.value("window.planted") is None
    assert chromium.console == []
    assert [one for one in chromium.requests if not one.startswith("data:")] == [page.as_uri()]
    assert chromium.value("document.documentElement.scrollWidth") <= width
    assert chromium.value("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    ground, text = (
        chromium.value(f"getComputedStyle(document.{name}).{value}")
        for name, value in (("body", "backgroundColor"), ("querySelector('main p')", "color"))
    )
    assert shade(ground) < 60 if dark else shade(ground) > 200
    assert abs(shade(text) - shade(ground)) > 80


def shade(color):
    """Return the mean of red, green and blue of rgb(...)."""
    return np.mean([int(number) for number in re.findall(r"\d+", color)[:3]])


def test_images_of_a_flag_can_be_sorted(chromium, audited):
    chromium.open(audited[1] / PAGE, width=1280)
    strengths = "[...document.querySelectorAll('#flag-1 figure')].map(f => +f.dataset.strength)"
    first = chromium.value(strengths)
    assert first == sorted(first, reverse=True)
    assert len(set(first)) > 3
    chromium.value(
        "{ const s = document.querySelector('[data-sorts=flag-1]'); s.value = 'weak'; "
        "s.dispatchEvent(new Event('change')); }"
    )
    assert chromium.value(strengths) == sorted(first)


def test_the_theme_is_set_by_keyboard(chromium, audited):
    chromium.open(audited[1] / PAGE, width=1280)
    chromium.key("Tab")
    assert chromium.value("document.activeElement.className") == "skip"
    chromium.key("Tab")
    assert chromium.value("document.activeElement.id") == "theme"
    chromium.key("Enter")
    chromium.key("Enter")
    assert chromium.value("document.documentElement.dataset.theme") == "dark"
    assert shade(chromium.value("getComputedStyle(document.body).backgroundColor")) < 60
    chromium.key("Enter")
    assert chromium.value("document.documentElement.dataset.theme") is None
    assert chromium.console == []
