"""The strip: one transform from nothing to its strongest, a row for each axis."""

from typing import Any, Literal, get_args, get_origin

from variegate.reports.captions import step_caption, value_text
from variegate.reports.drawing import thumbnail
from variegate.reports.sheet import Cell, Row, contact_sheet
from variegate.sample import Image, Sample, check_image
from variegate.seeding import generator
from variegate.transforms import Axis, Transform
from variegate.transforms.base import Drawn
from variegate.transforms.geometry import Viewed

INTENSITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_DRAWS = 5
_SIDE = 220


def strip(transform: type[Transform], image: Image, *, seed: int = 7) -> Image:
    """Draw a transform along each of its axes; one without axes as it comes, five times.

    Args:
        transform: what to show.
        image: on what; (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8.
        seed: of what the transform leaves to chance; along an axis it stays the same.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    # Parameters are relative to the size, so the small picture shows what happens to a large one.
    small = thumbnail(check_image(image), (_SIDE, _SIDE))
    about = (transform.__doc__ or "").strip().partition("\n")[0]
    if not transform.axes:
        row = _drawn_row(transform, small, seed)
        header = ["source", *(f"draw {number}" for number in range(1, len(row.cells)))]
        return contact_sheet([row], title=transform.name, subtitle=about, header=header)
    rows = [_axis_row(transform, axis, small, seed) for axis in transform.axes]
    header = [f"intensity {intensity:g}" for intensity in INTENSITIES]
    return contact_sheet(rows, title=transform.name, subtitle=about, header=header)


def _axis_row(transform: type[Transform], axis: Axis, image: Image, seed: int) -> Row:
    cells = []
    for intensity in INTENSITIES:
        rng = generator(seed, "strip", axis.name)
        operation = transform.operation_at(axis.name, intensity, rng, image.shape[:2])
        value = value_text(axis.parameter, axis.value(intensity))
        name = f"{axis.name}\n" if intensity == 0 else ""
        result = operation.apply(Sample(image)).image
        cells.append(Cell(result, f"{name}{axis.parameter} {value}"))
    return Row(tuple(cells))


def _drawn_row(transform: type[Transform], image: Image, seed: int) -> Row:
    cells = [Cell(image, "source")]
    for drawn in _different_draws(transform, seed):
        operation = transform.operation(drawn.parameters, image.shape[:2])
        cells.append(Cell(operation.apply(Sample(image)).image, step_caption(drawn)))
    return Row(tuple(cells))


def _different_draws(transform: type[Transform], seed: int) -> list[Drawn]:
    """Return what the transform can do: of every choice it offers, and by chance."""
    choices: list[dict[str, Any]] = [{}]
    for name, field in transform.model_fields.items():
        if get_origin(field.annotation) is Literal and name not in Viewed.model_fields:
            choices += [{name: choice} for choice in get_args(field.annotation)]
    found: list[Drawn] = []
    for number, choice in enumerate(choices * _DRAWS):
        rng = generator(seed, "strip", transform.name, number)
        drawn = Drawn(transform.name, transform.model_validate(choice).parameters(rng))
        if drawn not in found:
            found.append(drawn)
    return found[:_DRAWS]
