"""Keys: what is refused, and how the odd ones are written down."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from variegate.errors import InputError, OutputError
from variegate.storage import check_key, key_from_text, key_to_text, printable

names = st.binary(min_size=1, max_size=20).filter(lambda b: b"\0" not in b).map(os.fsdecode)


@pytest.mark.parametrize(
    "key",
    [
        *("", "/etc/passwd", "..", "../a", "a/../b", "a/..", "a//b", "a/", "./a"),
        *("a\0b", "\ud800", "a/.variegate-tmp-1/b"),
    ],
)
def test_keys_that_climb_or_mean_nothing_are_refused(key):
    with pytest.raises(InputError, match="relative path"):
        check_key(key)
    with pytest.raises(OutputError):
        check_key(key, OutputError)


@pytest.mark.parametrize(
    "key",
    ["cats/7.jpg", "früh_süß_写真.jpg", "..a", "a..", " ", "C:x", "a\\b", os.fsdecode(b"\xff")],
)
def test_ordinary_and_odd_names_are_keys(key):
    assert check_key(key) == key


@given(names)
def test_any_file_name_survives_as_text(name):
    text = key_to_text(name)
    assert json.loads(json.dumps(text, ensure_ascii=False).encode("utf-8")) == text
    assert key_from_text(text) == name


@given(names, names)
def test_different_names_have_different_texts(one, other):
    assert (one == other) == (key_to_text(one) == key_to_text(other))


def test_a_valid_name_is_its_own_text():
    assert key_to_text("früh/写真 (1).jpg") == "früh/写真 (1).jpg"
    assert key_to_text(os.fsdecode(b"caf\xe9.jpg")) == "caf\\xe9.jpg"


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", os.fsdecode(b"\xff"), "写真"])
def test_no_name_can_disturb_a_message(name):
    shown = printable(name)
    assert shown.isprintable()
    assert (shown == name) == name.isprintable()
