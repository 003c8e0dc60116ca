"""Strength axes: where they end, and that results of two versions of one can be told apart."""

import json

import numpy as np
import pytest

import jobs
from variegate import Options, augment, rebuild
from variegate.recipes.policies import Along, all_axes, find_axis
from variegate.runs import manifest
from variegate.seeding import generator
from variegate.storage import open_storage
from variegate.transforms.base import Draw

RAMP = np.arange(256, dtype=np.uint8)[np.newaxis]


def test_a_draw_along_an_axis_tells_its_version():
    drawn = Along(axis="brightness-", intensity=(1, 1)).drawn(generator(1))
    assert drawn.along == ("brightness-", 2)
    assert drawn.parameters["amount"] == -0.5
    again = Draw.from_json(json.loads(json.dumps(drawn.to_json())))
    assert again == drawn
    assert "along" not in again.parameters


def test_what_no_axis_gave_names_none():
    drawn = find_axis("brightness+")[0]().drawn(generator(1))
    assert drawn.along is None
    assert "along" not in drawn.to_json()


def test_the_manifest_has_the_version_of_every_axis(tmp_path):
    source = jobs.draw_set(tmp_path / "in", 2)
    recipe = jobs.recipe(
        "variants: {each: [{along: {axis: posterize}}, {along: {axis: rotate+}}, posterize]}"
    )
    augment(source, tmp_path / "out", recipe=recipe, options=Options(workers=0))
    found = list(manifest.rows(open_storage(tmp_path / "out")))
    told = [json.loads(row.operations)[0].get("along") for row in found]
    posterize, rotate = ({"axis": "posterize", "version": 2}, {"axis": "rotate+", "version": 1})
    assert told == [posterize, rotate, None] * 2
    for row in found:
        written = (tmp_path / "out" / row.output).read_bytes()
        assert rebuild(tmp_path / "out", row.output, write=False) == written


def test_posterize_loses_as_many_bits_at_every_step():
    bits = [find_axis("posterize")[1].value(step / 7) for step in range(8)]
    assert np.allclose(bits, [8, 7, 6, 5, 4, 3, 2, 1])


@pytest.mark.parametrize(("axis", "levels"), [("invert", 256), ("solarize", 192)])
def test_what_is_inverted_only_grows(axis, levels):
    kind, _ = find_axis(axis)
    inverted = np.zeros(256, bool)
    for step in range(1, 41):
        result = kind.operation_at(axis, step / 40, generator(1), (1, 256)).apply_image(RAMP)
        now = (result == 255 - RAMP)[0]
        assert ((result == RAMP)[0] | now).all()
        assert (now | ~inverted).all()
        inverted = now
    assert inverted.sum() == levels


def test_every_axis_has_a_version():
    assert all(axis.version >= 1 for _, axis in all_axes().values())
