"""variegate transforms: the catalogue."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from variegate.cli.application import command
from variegate.cli.console import show, table
from variegate.cli.files import load_image, save_png
from variegate.cli.options import option
from variegate.errors import UsageError

if TYPE_CHECKING:
    from variegate.annotations.sample import Image
    from variegate.transforms import Transform

# In this order; families of plug-ins come behind.
_FAMILIES = ("geometry", "fields", "canvas", "color", "adaptive", "blur", "resolution", "noise")


@command(
    "transforms",
    "variegate transforms",
    "variegate transforms rotate",
    "variegate transforms rotate --image rotate.png --source photo.jpg",
)
def transforms(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Explain this one; without, list all.")
    ] = None,
    *,
    image: Annotated[
        Path | None, option("--image", "PNG to write: NAME along its axes.", metavar="FILE")
    ] = None,
    source: Annotated[
        Path | None,
        option("--source", "Photo for --image. Default: a drawn image.", metavar="FILE"),
    ] = None,
) -> None:
    """List all transforms, or explain one: parameters, strength axes, and an image of it."""
    from variegate.transforms import find_transform

    if name is None:
        if image is not None or source is not None:
            raise UsageError("--image and --source: expected with the NAME of a transform")
        _list()
        return
    transform = find_transform(name)
    if source is not None and image is None:
        raise UsageError("--source: expected with --image FILE, which is to be drawn of it")
    if image is None:
        _explain(transform)
        return
    from variegate.reports import strip

    save_png(image, strip(transform, _photo(source)))
    show(f"{image}: {name} on {source or 'a drawn image'}")


def _photo(source: Path | None) -> "Image":
    if source is not None:
        return load_image(source)
    from variegate.datasets.samples import draw_image
    from variegate.seeding import generator

    return draw_image(generator(7, "strip"), label="chip", size=(240, 320)).image


def family(transform: type["Transform"]) -> str:
    """Return the name of the file that defines a transform."""
    return transform.__module__.rpartition(".")[2]


def _list() -> None:
    from rich.text import Text

    from variegate.transforms import all_transforms

    found = all_transforms().values()
    names = sorted({family(one) for one in found} - set(_FAMILIES))
    grid = table("transform", "axes", "what it does")
    grid.columns[0].no_wrap = grid.columns[1].no_wrap = True
    for group in (*_FAMILIES, *names):
        members = [one for one in found if family(one) == group]
        if not members:
            continue
        grid.add_row()
        grid.add_row(Text(group, style="bold yellow"))
        for one in members:
            grid.add_row(one.name, _axes(one), about(one))
    show(grid)
    show("")
    show("one of them:  variegate transforms NAME")


def _axes(transform: type["Transform"]) -> str:
    """Return the axes in short: "x+ x-" for shear_x+, shear_x-, and so on."""
    names = [axis.name for axis in transform.axes]
    prefix = transform.name
    short = [name.removeprefix(prefix).removeprefix("_") or "+" for name in names]
    return " ".join(short)


def about(transform: type["Transform"]) -> str:
    """Return the first sentence of a transform's description."""
    return inspect.cleandoc(transform.__doc__ or "").partition("\n")[0]


def _explain(transform: type["Transform"]) -> None:
    show(f"{transform.name}  ({family(transform)})")
    show("")
    for one in inspect.cleandoc(transform.__doc__ or "").splitlines():
        show(one)
    show("")
    grid = table("parameter", "type", "default", "meaning")
    properties = transform.model_json_schema()["properties"]
    # Its own first, then those that it shares with its family, then p.
    own = transform.__annotations__
    for name in sorted(properties, key=lambda one: (one not in own, one == "p")):
        one = properties[name]
        grid.add_row(name, type_text(one), _default(one), one.get("description", ""))
    show(grid)
    show("")
    if transform.axes:
        axes = table("axis", "moves", "from (identity)", "to (strongest)")
        for axis in transform.axes:
            axes.add_row(axis.name, axis.parameter, f"{axis.start:g}", f"{axis.end:g}")
        show(axes)
    else:
        show("no strength axis")
    show("")
    show(f"in a recipe:  {example(transform)}")
    show(f"look at it:   variegate transforms {transform.name} --image {transform.name}.png")


def example(transform: type["Transform"]) -> str:
    """Return one step of a recipe, with the transform's main parameter."""
    schema = transform.model_json_schema()["properties"]
    main = next((a.parameter for a in transform.axes if a.parameter in schema), None)
    return f"- {transform.name}" + (f": {{{main}: {_default(schema[main])}}}" if main else "")


def _default(schema: dict[str, Any]) -> str:
    return plain(schema["default"]) if "default" in schema else "required"


def plain(value: Any) -> str:
    """Return a value as a recipe would have it."""
    if isinstance(value, list | tuple):
        if len(value) == 2 and value[0] == value[1]:
            return plain(value[0])
        return f"[{', '.join(plain(one) for one in value)}]"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def type_text(schema: dict[str, Any]) -> str:
    """Return what values a JSON Schema allows, in a few words."""
    if "enum" in schema:
        return ", ".join(map(plain, schema["enum"]))
    if "const" in schema:
        return plain(schema["const"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(type_text, schema["anyOf"])))
    kind = schema.get("type")
    if kind in ("number", "integer"):
        return _number_text(schema)
    if kind == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})] * schema.get("minItems", 1)
        same = len({type_text(item) for item in items}) == 1
        if same and len(items) == 2:
            return "[low, high]" if "items" in schema else f"[2 of {type_text(items[0])}]"
        return f"[{len(items)} of {type_text(items[0])}]" if same else "list"
    return {"boolean": "true or false", "string": "text", "null": "none"}.get(str(kind), "any")


def _number_text(schema: dict[str, Any]) -> str:
    kind = "whole number" if schema["type"] == "integer" else "number"
    words = {"exclusiveMinimum": "above", "minimum": "from", "maximum": "to"}
    return " ".join(
        [kind, *(f"{w} {plain(schema[key])}" for key, w in words.items() if key in schema)]
    )
