"""What can be drawn. Every file of this folder holds one family; a new one is found by itself.

Third parties add transforms by an entry point of the group ``variegate.transforms`` that names a
module; importing it enters its `Transform` classes.
"""

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from variegate.errors import RecipeError, did_you_mean
from variegate.transforms.base import FAMILIES, TRANSFORMS, Axis, Parameters, Transform

__all__ = ["Axis", "Parameters", "Transform", "all_transforms", "find_transform"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def find_transform(name: str) -> type[Transform]:
    """Return the transform class of that name.

    Raises:
        RecipeError: there is none.
    """
    # Built-in ones first: every draw asks for its transform.
    if (kind := TRANSFORMS.get(name)) is not None:
        return kind
    if (family := FAMILIES.get(name.partition(".")[0])) is not None and "." in name:
        return family(name)
    _load_plugins()
    if name not in TRANSFORMS:
        raise RecipeError(f"unknown transform {name!r}{did_you_mean(name, TRANSFORMS)}")
    return TRANSFORMS[name]


def all_transforms() -> dict[str, type[Transform]]:
    """Return every transform by its name, in the order of their names."""
    _load_plugins()
    return dict(sorted(TRANSFORMS.items()))


@cache
def _load_plugins() -> None:
    # Once: to look for entry points takes 2 ms, and every drawn axis asks for its transform.
    for plugin in entry_points(group="variegate.transforms"):
        plugin.load()
