"""What a recipe asks for that shows copies of objects without labels: borders that mirror, and
mixtures with moved copies of the image."""

from variegate.recipes.policies import Node, steps_of
from variegate.transforms.chain_mix import ChainMix
from variegate.transforms.geometry import Viewed

_COPYING = ("reflect", "wrap")
# cv2.BORDER_REFLECT, BORDER_WRAP and BORDER_REFLECT_101, as Albumentations takes them.
_COPYING_MODES = (2, 3, 4)


def border_notes(policy: Node) -> tuple[str, ...]:
    """Return what the user of a dataset with objects should know of a recipe's borders, and of
    its mixtures."""
    steps = list(steps_of(policy))
    insisting = dict.fromkeys(name for step in steps if (name := _insisting(step)))
    notes = []
    if insisting:
        notes.append(
            "the recipe asks for borders that show copies of objects without labels: "
            f"{', '.join(insisting)}; leave border out, or use constant or edge"
        )
    if any(isinstance(step, ChainMix) and step.geometry == "always" for step in steps):
        notes.append(
            "the recipe mixes images with moved copies of themselves, whose objects have no "
            "labels (geometry: always); use geometry: auto, which leaves the moves out"
        )
    return tuple(notes)


def _insisting(step: object) -> str | None:
    """Return the name and the border of a step that asks for such a one, or None."""
    if isinstance(step, Viewed):
        return f"{step.name} ({step.border})" if step.border in _COPYING else None
    mode = (getattr(step, "model_extra", None) or {}).get("border_mode")
    return f"{getattr(step, 'name', '')} (border_mode {mode})" if mode in _COPYING_MODES else None
