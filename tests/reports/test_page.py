"""The parts that pages are made of: markup, charts, the document."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markup_reader import Reader
from variegate.reports.charts import Histogram, bars, chart, linear, powers, stacked
from variegate.reports.markup import Html, plain, tag
from variegate.reports.page import Section, page


@given(st.text(), st.text())
def test_text_and_attributes_come_back_as_they_were_given(text, attribute):
    reader = Reader(tag("p", text, title=attribute))
    (element,) = reader.elements
    assert element[0] == "p"
    shown = "".join(reader.texts)
    assert shown.isprintable()
    assert element[1]["title"].isprintable()
    if text.isprintable():
        assert shown == text
    if attribute.isprintable():
        assert element[1]["title"] == attribute


def test_control_characters_are_spelled_out():
    assert plain("\x1b[31m") == r"\x1b[31m"
    assert plain("a\u202egpj.exe") == r"a\u202egpj.exe"
    assert plain("\udce9.jpg") == r"\udce9.jpg"
    assert plain("früh_写真 it's") == "früh_写真 it&#x27;s"


def test_attributes_without_a_value_and_those_left_out():
    found = tag("label", "a", hidden=True, title=None, tabindex=0, class_="b", aria_label="c")
    assert found == '<label hidden tabindex="0" class="b" aria-label="c">a</label>'


@given(st.lists(st.floats(-2, 3, allow_nan=False)))
def test_a_histogram_counts_like_numpy_with_values_beyond_it_at_the_ends(values):
    shown = Histogram(linear(0, 1, 8))
    for value in values:
        shown.add(value)
    inside = np.clip(values, 0, 1 - 1e-12)
    assert shown.counts == np.histogram(inside, bins=shown.edges)[0].tolist()
    assert shown.trimmed().total == shown.total == len(values)


def test_trimming_keeps_edges_and_counts_together():
    shown = Histogram(powers(1, 1024, 2))
    for value in (20, 33, 35):
        shown.add(value)
    small = shown.trimmed(4)
    assert list(small.edges) == [8, 16, 32, 64, 128]
    assert small.counts == [0, 1, 2, 0]
    assert small.median() == pytest.approx((32 + 35) / 2)


def test_a_chart_draws_a_bar_for_every_bin_that_is_not_empty_in_proportion():
    shown = Histogram(linear(0, 1, 4))
    for value in [0.1] * 2 + [0.6] * 8 + [0.9] * 4:
        shown.add(value)
    drawn = ET.fromstring(chart(shown, "Values", marks={"limit": 0.5}))
    heights = [float(one.get("height")) for one in drawn.iter("rect") if one.get("class")[0] == "f"]
    assert np.allclose(np.array(heights) / max(heights), [0.25, 1, 0.5], atol=0.01)
    titles = [one.text for one in drawn.iter("title")]
    assert titles[2] == "0.5 to 0.75: 8 images"
    (mark,) = [one for one in drawn.iter("line") if one.get("class") == "mark"]
    assert float(mark.get("x1")) == pytest.approx(160, abs=0.1)


def test_a_chart_says_in_words_what_it_shows():
    shown = Histogram(powers(8, 1024, 2))
    shown.add(96)
    shown.add(96)
    assert "all 96" in chart(shown, "Size")
    shown.add(640)
    assert "96 to 640, median about 112" in chart(shown, "Size")
    assert "none" in chart(Histogram(linear(0, 1, 2)), "Size")


def test_bars_and_parts_are_as_long_as_their_share():
    table = ET.fromstring(bars([("<a>", 30), ("b", 10)], 60))
    assert [one.get("width") for one in table.iter("rect")] == ["100.00", "33.33"]
    assert [one.text for one in table.iter("th")] == ["<a>", "b"]
    line = ET.fromstring(stacked([("a", 1, "good"), ("b", 3, "bad")], "both"))
    assert [one.get("x") for one in line.iter("rect")] == ["0.000", "25.000"]
    assert sum(float(one.get("width")) for one in line.iter("rect")) == pytest.approx(100)


def test_a_page_is_whole_and_names_its_sections():
    sections = [Section("one", "First", [tag("p", "<b>")]), Section("two", "Second", [Html("")])]
    reader = Reader("".join(page("A & B", "</title>", sections)))
    links = [found["href"] for name, found in reader.elements if name == "a"]
    identifiers = {found.get("id") for _, found in reader.elements}
    assert links == ["#content", "#one", "#two"]
    assert {link[1:] for link in links} <= identifiers
    assert "<b>" in reader.texts
    assert reader.texts.count("A & B") == 2
