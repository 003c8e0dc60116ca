"""The strip: one transform from nothing to its strongest, a row for each axis."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Literal, Self, get_args, get_origin

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.conversion import read
from variegate.annotations.rules import LabelRule
from variegate.annotations.sample import Image, Sample, check_image
from variegate.annotations.targets import Mask
from variegate.datasets.samples import KINDS, DrawnPart, draw_image
from variegate.ops import Combination, Operation
from variegate.reports.canvas import thumbnail
from variegate.reports.captions import step_caption, value_text
from variegate.reports.sheet import Cell, SheetRow, contact_sheet
from variegate.seeding import generator
from variegate.transforms import Axis, Transform
from variegate.transforms.base import Draw
from variegate.transforms.geometry import Viewed

INTENSITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_DRAWS = 5
_SIDE = 220
_PARTNER_SIZE = (165, 220)


def strip(transform: type[Transform], image: Image, *, seed: int = 7) -> Image:
    """Draw a transform along each of its axes; one without axes as it comes, five times.

    Args:
        transform: what to show.
        image: on what; (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8.
        seed: of what the transform leaves to chance; along an axis it stays the same.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    # Parameters are relative to the size, so the small image shows what happens to a large one.
    small = thumbnail(check_image(image), (_SIDE, _SIDE))
    scene = _Scene.of(small, transform.partners)
    about = (transform.__doc__ or "").strip().partition("\n")[0]
    if not transform.axes:
        row = _drawn_row(transform, scene, seed)
        header = ["source", *(f"draw {number}" for number in range(1, len(row.cells)))]
        return contact_sheet([row], title=transform.name, subtitle=about, header=header)
    rows = [_axis_row(transform, axis, scene, seed) for axis in transform.axes]
    header = [f"intensity {intensity:g}" for intensity in INTENSITIES]
    return contact_sheet(rows, title=transform.name, subtitle=about, header=header)


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a transform is shown on.

    Attributes:
        sample: the image.
        partners: drawn specimens, for transforms that make one image of several.
    """

    sample: Sample
    partners: tuple[Sample, ...]

    @classmethod
    def of(cls, image: Image, partners: int) -> Self:
        # One partner shows several objects, so that some of them can be taken.
        objects = 3 if partners == 1 else 1
        drawn = (
            draw_image(
                generator(number, "partner"), label=label, size=_PARTNER_SIZE, objects=objects
            )
            for number, label in zip(range(partners), cycle(KINDS), strict=False)
        )
        others = tuple(_with_objects(one.image, one.objects) for one in drawn)
        return cls(_with_objects(image, ()), others)

    def after(self, operation: Operation) -> Image:
        """Return the image after an operation."""
        if isinstance(operation, Combination):
            return operation.combine(self.sample, self.partners).image
        return operation.apply(self.sample).image


def _with_objects(image: Image, parts: Iterable[DrawnPart]) -> Sample:
    """Return an image whose objects can be cut out."""
    objects = (
        Object(
            category=part.label, polygons=(tuple((float(x), float(y)) for x, y in part.polygon),)
        )
        for part in parts
    )
    size = (image.shape[0], image.shape[1])
    annotation = Annotation(size=size, objects=tuple(objects))
    targets = read(
        annotation, size, rule=LabelRule(), skeletons={}, load_mask=dict[str, Mask]().__getitem__
    )
    return Sample(image, targets=targets)


def _axis_row(transform: type[Transform], axis: Axis, scene: _Scene, seed: int) -> SheetRow:
    cells = []
    for intensity in INTENSITIES:
        rng = generator(seed, "strip", axis.name)
        operation = transform.operation_at(axis.name, intensity, rng, scene.sample.size)
        value = value_text(axis.parameter, axis.value(intensity))
        name = f"{axis.name}\n" if intensity == 0 else ""
        cells.append(Cell(scene.after(operation), f"{name}{axis.parameter} {value}"))
    return SheetRow(tuple(cells))


def _drawn_row(transform: type[Transform], scene: _Scene, seed: int) -> SheetRow:
    cells = [Cell(scene.sample.image, "source")]
    for drawn in _different_draws(transform, seed):
        operation = transform.operation(drawn.parameters, scene.sample.size)
        cells.append(Cell(scene.after(operation), step_caption(drawn)))
    return SheetRow(tuple(cells))


def _different_draws(transform: type[Transform], seed: int) -> list[Draw]:
    """Return what the transform can do: of every choice it offers, and by chance."""
    choices: list[dict[str, Any]] = [{}]
    for name, field in transform.model_fields.items():
        if get_origin(field.annotation) is Literal and name not in Viewed.model_fields:
            choices += [{name: choice} for choice in get_args(field.annotation)]
    found: list[Draw] = []
    for number, choice in enumerate(choices * _DRAWS):
        rng = generator(seed, "strip", transform.name, number)
        drawn = Draw(transform.name, transform.model_validate(choice).parameters(rng))
        if drawn not in found:
            found.append(drawn)
    return found[:_DRAWS]
