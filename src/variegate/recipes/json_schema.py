"""The JSON Schema of recipes: what editors complete, explain and check them by.

It is generated from the transforms and policies themselves, and describes every form that
`recipe.parse_node` reads. A few rules that a schema cannot say (low <= high, weights for each step,
`k_max` against groups) are left to the parser.
"""

import inspect
from typing import Any

from pydantic import BaseModel

from variegate.recipes.policies import POLICIES, Along, Policy, Realistic, all_axes, axes_by_name
from variegate.recipes.recipe import LISTS, Recipe
from variegate.transforms import Transform, all_transforms

Schema = dict[str, Any]

_ID = "urn:variegate:recipe"


def recipe_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of a recipe file."""
    recipe = _fields(Recipe)
    # Its policy is parsed as a node, whatever pydantic would make of it.
    about_variants = recipe["properties"]["variants"]["description"]
    recipe["properties"]["variants"] = {"$ref": "#/$defs/node", "description": about_variants}
    nodes = {Transform.__name__, Along.__name__, Policy.__name__}
    parts = {name: part for name, part in recipe["$defs"].items() if name not in nodes}
    return {
        "$id": _ID,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "variegate recipe",
        **recipe,
        "$defs": {"node": _node(), **parts, **_parts(nodes), **_parameters()},
    }


def _node() -> Schema:
    """What may stand where a step is expected: a bare name, or one name with its parameters."""
    every: dict[str, type[BaseModel]] = {Along.name: Along, **POLICIES, **all_transforms()}
    bare = [
        {"const": name, "description": about(kind)} for name, kind in every.items() if _alone(kind)
    ]
    properties: Schema = {}
    for name, kind in every.items():
        accepted: list[Schema] = [{"$ref": f"#/$defs/{name}"}]
        if name in LISTS:
            accepted.append({**_steps(), "description": "The steps, without other parameters."})
        if _alone(kind):
            accepted.append({"type": "null"})
        properties[name] = {"description": about(kind), "anyOf": accepted}
    return {
        "description": "A transform or a policy: its name alone, or its name with parameters.",
        "anyOf": [
            {"type": "string", "anyOf": bare},
            {
                "type": "object",
                "properties": properties,
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": False,
            },
        ],
    }


def _alone(kind: type[BaseModel]) -> bool:
    """Whether a name may stand without parameters: it needs none."""
    return not any(field.is_required() for field in kind.model_fields.values())


def about(kind: type[BaseModel]) -> str:
    """Return the first line of a class's description."""
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def _steps() -> Schema:
    return {"type": "array", "items": {"$ref": "#/$defs/node"}, "minItems": 1}


def _parameters() -> dict[str, Schema]:
    """The parameters of every transform and policy, by its name."""
    along = _fields(Along)
    along["properties"]["axis"]["enum"] = list(all_axes())
    return {
        **{name: _fields(kind) for name, kind in all_transforms().items()},
        **{name: _policy_fields(policy) for name, policy in POLICIES.items()},
        Along.name: along,
    }


def _parts(nodes: set[str]) -> dict[str, Schema]:
    """The classes that parameters of policies are made of."""
    found: dict[str, Schema] = {}
    for policy in POLICIES.values():
        found |= _fields(policy).get("$defs", {})
    return {name: part for name, part in found.items() if name not in nodes}


def _policy_fields(policy: type[BaseModel]) -> Schema:
    # Its steps are parsed as nodes, whatever pydantic would make of them.
    schema = _fields(policy)
    schema.pop("$defs", None)
    properties = schema["properties"]
    if "steps" in properties:
        properties["steps"] = {**_steps(), "description": properties["steps"]["description"]}
    if "transforms" in properties:
        properties["transforms"]["items"] = {"enum": list(axes_by_name())}
    if policy is Realistic:
        properties["axes"]["propertyNames"] = {"enum": list(all_axes())}
    return schema


def _fields(kind: type[BaseModel]) -> Schema:
    """Return the schema of a class's fields."""
    schema = _without_titles(kind.model_json_schema())
    schema["description"] = inspect.cleandoc(kind.__doc__ or "")
    return schema


def _without_titles(schema: Any) -> Any:
    """Drop the titles of classes and fields: they only repeat the names."""
    if isinstance(schema, list):
        return [_without_titles(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    # A field that is called "title" is no title: it is described by a schema, not by a word.
    kept = ((key, one) for key, one in schema.items() if key != "title" or isinstance(one, dict))
    return {key: _without_titles(one) for key, one in kept}
