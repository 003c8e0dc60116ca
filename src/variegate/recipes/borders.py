"""What a recipe asks for that shows copies of objects without labels: borders that mirror."""

from variegate.recipes.policies import Node, steps_of
from variegate.transforms.geometry import Viewed

_COPYING = ("reflect", "wrap")
# cv2.BORDER_REFLECT, BORDER_WRAP and BORDER_REFLECT_101, as Albumentations takes them.
_COPYING_MODES = (2, 3, 4)


def border_notes(policy: Node) -> tuple[str, ...]:
    """Return what the user of a dataset with objects should know of a recipe's borders."""
    insisting = dict.fromkeys(name for step in steps_of(policy) if (name := _insisting(step)))
    note = (
        "the recipe asks for borders that show copies of objects without labels: "
        f"{', '.join(insisting)}; leave border out, or use constant or edge"
    )
    return (note,) if insisting else ()


def _insisting(step: object) -> str | None:
    """Return the name and the border of a step that asks for such a one, or None."""
    if isinstance(step, Viewed):
        return f"{step.name} ({step.border})" if step.border in _COPYING else None
    mode = (getattr(step, "model_extra", None) or {}).get("border_mode")
    return f"{getattr(step, 'name', '')} (border_mode {mode})" if mode in _COPYING_MODES else None
