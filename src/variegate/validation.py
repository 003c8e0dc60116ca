"""Values that users write: validated, and refused in one sentence."""

import ast
import inspect
import itertools
import textwrap
import types
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from variegate.errors import did_you_mean

_KINDS = {
    frozenset({int}): "a whole number",
    frozenset({bool}): "true or false",
    frozenset({str}): "text",
}

#: What pydantic's sentences become; the others stay as they are.
_SENTENCES = {
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
    "finite_number": "expected a finite number",
    "too_short": "expected at least {min_length} of them",
    "too_long": "expected at most {max_length} of them",
    "tuple_type": "expected a list",
    "int_from_float": "expected a whole number",
    "model_type": "expected parameters",
    "invalid_key": "expected a name",
}


class Spec(BaseModel):
    """A frozen value that knows all its fields, and takes no kind of value for another.

    YAML reads `yes` as true and pydantic true as 1: without this, `n: yes` would mean one.
    """

    # Built when it is needed: a run uses few of all transforms.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe fields by the strings below them.

        pydantic's `use_attribute_docstrings` reads the source of every class as it is imported: a
        fifth of the time that a worker takes to start.
        """
        made = handler(schema)
        properties = handler.resolve_ref_schema(made).get("properties", {})
        for name, text in descriptions(cls).items():
            field = cls.model_fields.get(name)
            written = properties.get(field.alias or name) if field else None
            if written is not None:
                written.setdefault("description", text)
        return made

    @model_validator(mode="before")
    @classmethod
    def _of_their_kind(cls, data: object) -> object:
        if isinstance(data, Mapping):
            for name, kinds in _plain_fields(cls).items():
                value = data.get(name)
                if value is not None and not _is_of(value, kinds):
                    expected = _KINDS.get(kinds - {type(None)}, "a number")
                    raise ValueError(f"{name}: expected {expected}, got {shown(value)}")
        return data


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return what stands below the fields of a class, those of its bases included."""
    texts: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, Spec) or kind is Spec:
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        assert isinstance(definition, ast.ClassDef)
        for field, below in itertools.pairwise(definition.body):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    texts[name] = inspect.cleandoc(text)
    return texts


@cache
def _plain_fields(model: type[BaseModel]) -> dict[str, frozenset[type]]:
    """Return, for fields made of numbers, text and booleans alone, of which."""
    plain = {int, float, bool, str, type(None)}
    kinds = {
        name: frozenset(_leaves(field.annotation)) for name, field in model.model_fields.items()
    }
    return {name: found for name, found in kinds.items() if found <= plain}


def _leaves(annotation: Any) -> set[type]:
    """Return the types that a nested annotation ends in; those of a Literal by their values."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        # Any text is fit to be compared with the right ones; so are the slips that YAML makes.
        return {object}
    if origin is Annotated:
        return _leaves(inner[0])
    if origin in (Union, types.UnionType, tuple, list):
        return set[type]().union(*(_leaves(one) for one in inner if one is not ...))
    return {annotation} if isinstance(annotation, type) else {object}


def _is_of(value: object, kinds: frozenset[type]) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_of(one, kinds) for one in value)
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, int | float):
        return bool(kinds & {int, float})
    return str in kinds if isinstance(value, str) else True


def shown(value: object) -> str:
    """Return what an error shows for a value: short, whatever was written."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """Return what is wrong with a `model`, in one sentence: the first thing."""
    # A misspelt name explains why the right one is missing: it comes first.
    found = error.errors(include_url=False)
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        for part in first["loc"][:-1]:
            # A name that is no field is a key of a mapping.
            if (field := model.model_fields.get(str(part))) is not None:
                inner = [field.annotation, *get_args(field.annotation)]
                kinds = (
                    one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)
                )
                model = next(kinds, model)
        return unknown_parameter(str(first["loc"][-1]), model)
    if first["type"] == "missing":
        return f"{place}: expected, but missing"
    if first["type"] == "literal_error":
        choices = str(first["ctx"]["expected"])
        close = did_you_mean(str(first["input"]), choices.replace(" or ", ", ")[1:-1].split("', '"))
        return f"{place}: expected {choices}, got {shown(first['input'])}{close}"
    if first["type"] == "value_error":
        message = str(first["msg"]).removeprefix("Value error, ")
        return f"{place}: {message}" if place else message
    message = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    if first["type"] in _SENTENCES:
        bounds = {name: _number(bound) for name, bound in first.get("ctx", {}).items()}
        message = _SENTENCES[first["type"]].format(**bounds)
    return f"{place}: {message}, got {shown(first['input'])}"


def _number(value: object) -> str:
    """Return a bound as one would write it: 1, not 1.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def unknown_parameter(name: str, model: type[BaseModel]) -> str:
    """Return that `model` has no field of that name, and which was likely meant."""
    known = [field.alias or key for key, field in model.model_fields.items()]
    have = f"; it knows {', '.join(known)}" if known else "; it has none"
    return f"unknown parameter {name!r}{did_you_mean(name, known) or have}"
