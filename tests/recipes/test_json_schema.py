"""The JSON Schema of recipes: current, strict, and of one mind with the parser."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import RecipeError
from variegate.recipes.json_schema import recipe_schema
from variegate.recipes.policies import POLICIES
from variegate.recipes.recipe import Recipe, preset_text, presets
from variegate.transforms import all_transforms

FILE = Path(__file__).parents[2] / "docs/recipe.schema.json"
SCHEMA = json.loads(json.dumps(recipe_schema()))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def schema_accepts(data: Any) -> bool:
    return bool(VALIDATOR.is_valid(data))


def parser_accepts(data: Any) -> bool:
    try:
        Recipe.from_data(data)
    except RecipeError:
        return False
    return True


def test_schema_is_a_valid_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_committed_schema_is_current():
    assert json.loads(FILE.read_text(encoding="utf-8")) == SCHEMA, (
        "run: variegate recipe schema > docs/recipe.schema.json"
    )


@pytest.mark.parametrize("name", presets())
def test_presets_are_valid(name):
    VALIDATOR.validate(yaml.safe_load(preset_text(name)))
    VALIDATOR.validate(Recipe.load(name).to_data())


@pytest.mark.parametrize("name", [*POLICIES, *all_transforms(), "along"])
def test_everything_is_described_for_editors(name):
    part = SCHEMA["$defs"][name]
    assert part["description"]
    assert part["additionalProperties"] is False
    for field, described in part["properties"].items():
        assert described.get("description"), f"{name}.{field}"


GOOD = [
    {"variants": "flip"},
    {"variants": "trivial"},
    {"variants": "source"},
    {"variants": {"flip": None}},
    {"variants": {"rotate": {}}},
    {"variants": {"rotate": {"angle_degrees": 30, "p": 0.5}}},
    {"variants": {"rotate": {"angle_degrees": [-30, 30.5], "fit": "inside"}}},
    {"variants": {"resize": {"size": 100}}},
    {"variants": {"resize": {"size": [100, 50]}}},
    {"variants": {"pad": {"size": [9, 9], "fill": [1, 2, 3]}}},
    {"variants": {"sequence": ["flip", {"rotate": {}}]}},
    {"variants": {"sequence": {"steps": ["flip"], "p": 0.5}}},
    {"variants": {"subsets": ["flip", {"one_of": ["fog", "rain"]}]}},
    {"variants": {"each": {"steps": ["flip"], "draws": 3}}},
    {"variants": {"sample": {"n": 3, "steps": ["flip", "fog"], "weights": [1, 2]}}},
    {"variants": {"sample": {"n": 3, "k_max": 1, "steps": ["flip"], "groups": [["flip"]]}}},
    {"variants": {"one_of": {"steps": ["flip", "fog"]}}},
    {"variants": {"trivial": {"n": 4, "bins": 11, "fill": [9, 9, 9]}}},
    {"variants": {"rand": {"k": 3, "magnitude": 0, "interpolation": "linear"}}},
    {"variants": {"auto_augment": {"n": 2, "policy": "cifar10"}}},
    {"variants": {"aug_mix": {"width": 2, "depth": [1, 2], "geometry": "never"}}},
    {"variants": "aug_mix"},
    {"variants": {"axes": {"n": 4, "transforms": ["rotate", "brightness+"], "strength": 0.3}}},
    {"variants": {"rand": None}},
    {"variants": {"along": {"axis": "fog", "intensity": [0.1, 1]}}},
    {"variants": "flip", "seed": 2**63 - 1, "description": "mirrored"},
    {"variants": "flip", "output": {"format": "webp", "quality": 1, "size": [10, 10]}},
    {"variants": "flip", "labels": {"box": "ellipse", "min_visible": 0.5}},
    {"variants": {"mixup": {"share": 0.5}}},
    {"variants": "flip", "output": {"size": None, "alpha": "white", "subsampling": "4:4:4"}},
]

BAD = [
    None,
    [],
    "flip",
    {},
    {"seed": 1},
    {"variants": None},
    {"variants": []},
    {"variants": {}},
    {"variants": 3},
    {"variants": "flipp"},
    {"variants": {"flipp": {}}},
    {"variants": {"flip": {}, "rotate": {}}},
    {"variants": {"flip": []}},
    {"variants": {"flip": {"axis": "diagonal"}}},
    {"variants": {"rotate": {"angle": 3}}},
    {"variants": {"rotate": {"angle_degrees": "3 degrees"}}},
    {"variants": {"rotate": {"angle_degrees": [1, 2, 3]}}},
    {"variants": {"rotate": {"angle_degrees": 361}}},
    {"variants": {"rotate": {"p": 1.1}}},
    {"variants": {"rotate90": {"k": 1.5}}},
    {"variants": {"gamma": {"exponent": 0}}},
    {"variants": {"resize": {"size": 0}}},
    {"variants": {"resize": {"size": [1, 2, 3]}}},
    {"variants": {"pad": {"fill": [1, 2]}}},
    {"variants": {"pad": {"fill": [1, 2, 256]}}},
    {"variants": "subsets"},
    {"variants": "along"},
    {"variants": {"subsets": None}},
    {"variants": {"subsets": []}},
    {"variants": {"subsets": "flip"}},
    {"variants": {"subsets": {"steps": []}}},
    {"variants": {"subsets": ["flip", "flipp"]}},
    {"variants": {"subsets": {"steps": ["flip"], "n": 3}}},
    {"variants": {"sample": ["flip"]}},
    {"variants": {"sample": {"steps": ["flip"]}}},
    {"variants": {"sample": {"n": 0, "steps": ["flip"]}}},
    {"variants": {"each": {"steps": ["flip"], "draws": 0}}},
    {"variants": "axes"},
    {"variants": {"axes": {"transforms": []}}},
    {"variants": {"axes": {"transforms": ["flip"]}}},
    {"variants": {"axes": {"transforms": ["fog"], "strength": 2}}},
    {"variants": {"trivial": {"transforms": ["rotate"]}}},
    {"variants": {"rand": {"strength": 0.3}}},
    {"variants": {"rand": {"magnitude": -1}}},
    {"variants": {"auto_augment": {"policy": "svhn"}}},
    {"variants": {"aug_mix": {"severity": 11}}},
    {"variants": {"along": {"axis": "fogg"}}},
    {"variants": {"along": {"intensity": 1}}},
    {"variants": {"along": {"axis": "fog", "intensity": 1.5}}},
    {"variants": "flip", "seed": -1},
    {"variants": "flip", "seed": 1.5},
    {"variants": "flip", "seed": "7"},
    {"variants": "flip", "output": {"format": "gif"}},
    {"variants": "flip", "output": {"quality": 0}},
    {"variants": "flip", "output": {"qualty": 90}},
    {"variants": "flip", "outputs": {}},
    {"variants": "flip", "labels": {"boxes": "ellipse"}},
    {"variants": "flip", "labels": {"min_visible": 2}},
    {"policy": "flip"},
]


@pytest.mark.parametrize("data", GOOD, ids=repr)
def test_good_recipe_pleases_both(data):
    VALIDATOR.validate(data)
    Recipe.from_data(data)


@pytest.mark.parametrize("data", BAD, ids=repr)
def test_bad_recipe_pleases_neither(data):
    assert not schema_accepts(data)
    assert not parser_accepts(data)


def numbers(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Numbers inside the bounds, on them, and just outside."""
    low, high = schema.get("minimum", -10), schema.get("maximum", 10)
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"]
    ends = [low, high, low - 1, high + 1]
    inside = st.floats(low, high, allow_nan=False)
    return st.one_of(st.sampled_from(ends), inside, st.integers(int(low), int(high)))


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of the right kind, not all of them right."""
    if "enum" in schema:
        return st.sampled_from([*schema["enum"], "nonsense"])
    if "anyOf" in schema:
        return st.one_of(*map(values, schema["anyOf"]))
    kind = schema.get("type")
    if kind in ("number", "integer"):
        return numbers(schema)
    if kind == "array" and "steps" not in schema:
        items = schema.get("items") or schema.get("prefixItems", [{}])[0]
        return st.lists(values(items), min_size=1, max_size=4).map(ordered)
    if kind == "boolean":
        return st.booleans()
    return st.just(schema.get("default"))


def ordered(items: list[Any]) -> list[Any]:
    # low <= high is what no schema can say; the parser's own tests are for that.
    return sorted(items) if all(isinstance(one, int | float) for one in items) else items


@st.composite
def steps(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(list(all_transforms())))
    fields = SCHEMA["$defs"][name]["properties"]
    chosen = draw(st.lists(st.sampled_from(list(fields)), max_size=3, unique=True))
    return {name: {field: draw(values(fields[field])) for field in chosen}}


@settings(max_examples=300)
@given(steps())
def test_schema_and_parser_agree_on_every_transform(step):
    data = {"variants": step}
    assert schema_accepts(data) == parser_accepts(data)
