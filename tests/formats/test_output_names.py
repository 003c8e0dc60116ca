"""Names of outputs: readable, within limits, and never shared."""

import itertools
import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from variegate.errors import OutputError
from variegate.formats import CollisionCheck, output_key

JPEG = {"extension": ".jpg", "own_extensions": (".jpg", ".jpeg", ".jpe")}
SUFFIXES = ["", "-v5", "-v05", "-v06"]

letters = st.sampled_from("aA.-_~ v05é\U0001f600\udcff")
extensions = st.sampled_from(["", ".jpg", ".JPG", ".jpeg", ".png", ".png.jpg", "-v05.jpg", "-v5"])
short = st.builds(
    lambda stem, end: stem + end, st.text(letters, min_size=1, max_size=3), extensions
)
long = st.builds(
    lambda unit, length, end: unit * length + end,
    st.sampled_from(["a", "é", "\U0001f600", "\udcff"]),
    st.integers(55, 255),
    extensions,
).filter(lambda name: len(os.fsencode(name)) <= 255)
names = short | long


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("a/b.c.jpg", "a/b.c-v05.jpg"),
        ("IMG.JPG", "IMG-v05.JPG"),
        ("x.y/IMG.Jpeg", "x.y/IMG-v05.Jpeg"),
        ("a.png", "a.png-v05.jpg"),
        ("no_extension", "no_extension-v05.jpg"),
        (".jpg", ".jpg-v05.jpg"),
        ("früh_süß_写真 (1).jpg", "früh_süß_写真 (1)-v05.jpg"),
        ("resistor.fd3c38e8.png", "resistor.fd3c38e8.png-v05.jpg"),
    ],
)
def test_names_are_as_promised(source, output):
    assert output_key(source, suffix="-v05", **JPEG) == output


@given(st.lists(names, min_size=2, max_size=2, unique=True), st.sampled_from(SUFFIXES))
@example(["a" * 252 + ".a", "a" * 252 + ".b"], "-v05")
@settings(max_examples=500)
def test_two_sources_share_an_output_only_where_it_is_known(pair, suffix):
    one, other = sorted(pair)
    outputs = {output_key(name, suffix=suffix, **JPEG) for name in pair}
    # "a.png" and "a.png.jpg" are the only kind of pair that meets.
    known = other == one + ".jpg" and not one.lower().endswith((".jpg", ".jpeg", ".jpe"))
    known |= other == one + ".jpg" and one.lower() in (".jpg", ".jpeg", ".jpe")
    assert (len(outputs) == 1) == known


@given(names)
@settings(max_examples=300)
def test_every_name_fits_and_tells_its_variants_apart(name):
    outputs = [output_key(f"folder/{name}", suffix=suffix, **JPEG) for suffix in SUFFIXES]
    assert len(set(outputs)) == len(SUFFIXES)
    for output, suffix in zip(outputs, SUFFIXES, strict=True):
        folder, _, last = output.partition("/")
        assert folder == "folder"
        assert len(last.encode("utf-8", "surrogateescape")) <= 255
        stem, dot, extension = last.rpartition(".")
        assert stem.endswith(suffix)
        assert dot + extension.lower() in JPEG["own_extensions"]


def first_collision(keys, suffixes):
    check = CollisionCheck(suffixes=suffixes, exists=set(keys).__contains__, **JPEG)
    for key in sorted(keys):
        try:
            check.add(key)
        except OutputError as error:
            return str(error)
    return None


@given(st.sets(names, max_size=6), st.sets(st.sampled_from(SUFFIXES), min_size=1))
@example({"a.jpg", "a-v5.jpg"}, {"", "-v5"})
@example({"a.png", "a.png-v5.jpg", "a.png-x"}, {"", "-v5"})
@example({"a" * 251 + ".jpg", "a" * 248 + "-v5.jpg"}, {"", "-v5"})
@settings(max_examples=1000)
def test_collisions_are_found_exactly_where_outputs_meet(keys, suffixes):
    outputs = [
        {output_key(key, suffix=suffix, **JPEG) for suffix in suffixes} for key in sorted(keys)
    ]
    meet = any(one & other for one, other in itertools.combinations(outputs, 2))
    assert (first_collision(keys, suffixes) is not None) == meet


def test_both_names_are_told():
    keys = {"b/a.png", "b/a.png.jpg", "a.png", "b/c.jpg"}
    assert first_collision(keys, {"-v5"}) == (
        "'b/a.png' and 'b/a.png.jpg' would share an output's name; rename one of them"
    )


def test_a_shortened_name_cannot_be_forged():
    long_name = "a" * 250 + ".png"
    shortened = output_key(long_name, suffix="", **JPEG)
    assert len(shortened) == 255
    assert first_collision({long_name, shortened}, SUFFIXES) is None


def test_the_check_keeps_only_a_few_keys():
    check = CollisionCheck(suffixes=SUFFIXES, exists=lambda key: pytest.fail(key), **JPEG)
    for number in range(10_000):
        check.add(f"a/{number:05}.png")
    assert len(check._beginnings) == 1
