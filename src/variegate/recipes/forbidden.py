"""Steps that images of some classes do not get: half a turn makes a 9 of a 6.

```yaml
forbid:
  mirror: [left, right]      # flips, and whatever else makes a mirror image
  flip.vertical: [bird]
  rotate: ["6", "9"]
```

A step is named like its transform; `flip.horizontal` and `flip.vertical` are those of one axis, of
which "both" is each. Random numbers are drawn for such a step as for all others and it is then left
out, so that the other variants stay what they are.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from variegate.recipes.policies import Node, transforms_of
from variegate.transforms import find_transform
from variegate.transforms.base import Draw

MIRROR = "mirror"
_AXES = ("horizontal", "vertical")

Forbidden = Mapping[str, Collection[str]]
"""Key of an image -> the names of the steps that it does not get."""
NOTHING_FORBIDDEN: Forbidden = MappingProxyType({})


def known_steps(policy: Node) -> list[str]:
    """Return all names by which steps of a recipe can be forbidden."""
    names = transforms_of(policy)
    mirrors = any(find_transform(name).mirrors for name in names)
    axes = [f"flip.{axis}" for axis in _AXES] if "flip" in names else []
    return sorted({*names, *axes, *([MIRROR] if mirrors else [])})


def steps_for(forbid: Mapping[str, Collection[str]], classes: Collection[str]) -> frozenset[str]:
    """Return the steps that an image of these classes does not get."""
    return frozenset(step for step, names in forbid.items() if not {*names}.isdisjoint(classes))


def allowed(drawn: Iterable[Draw], key: str, forbidden: Forbidden) -> tuple[tuple[Draw, ...], bool]:
    """Return what was drawn without what the image, or one mixed with it, does not get.

    Returns:
        What is left, and whether it may mirror.
    """
    kept = tuple(drawn)
    if not forbidden:
        return kept, True
    mixed = (other for one in kept for other in one.parameters.get("partners", ()))
    steps = frozenset[str]().union(*(forbidden.get(one, ()) for one in (key, *mixed)))
    return tuple(one for one in kept if steps.isdisjoint(_names(one))), MIRROR not in steps


def _names(one: Draw) -> Iterator[str]:
    yield one.transform
    if one.transform == "flip":
        axis = one.parameters["axis"]
        yield from (f"flip.{each}" for each in (_AXES if axis == "both" else (axis,)))
