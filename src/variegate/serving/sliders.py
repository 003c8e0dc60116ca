"""The transformations that a page has sliders for, and what becomes of an image under them."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from variegate.annotations.sample import Image, Sample
from variegate.codecs import encode
from variegate.errors import VariegateError
from variegate.models.preprocessing import resized
from variegate.recipes.policies import Along, steps_of
from variegate.recipes.policies.along import all_axes
from variegate.recipes.recipe import Recipe
from variegate.seeding import generator
from variegate.serving.faults import RequestError
from variegate.serving.marks import AxisMarks

#: Intensities of a sweep.
SWEEP = tuple(step / 10 for step in range(11))

# What a slider is moved for has to be seen at once: larger images are made smaller first.
_MOST_PIXELS = 1_000_000
_MOST_STEPS = 8
_SHOWN_SIDE = 640
_SHOWN_QUALITY = 85
_SEED = 7


@dataclass(frozen=True, slots=True)
class SliderStep:
    """A slider that is moved.

    Attributes:
        axis: its name.
        intensity: from 0 to 1.
    """

    axis: str
    intensity: float


def sliders(marks: Mapping[str, AxisMarks]) -> list[dict[str, Any]]:
    """Return all axes of transformations of one image, those first that a search begins with.

    Returns:
        [{"axis", "transform", "parameter", "start", "end", "scale", "usual", "marks"}, ...]:
        parameter values at 0 and 1, whether it is one of the usual ones, and marks, if any.
    """
    usual = [name for name in marks if name in all_axes()] or _usual()
    found = [
        {
            "axis": name,
            "transform": kind.name,
            "parameter": axis.parameter,
            "start": axis.start,
            "end": axis.end,
            "scale": axis.scale,
            "usual": name in usual,
            "marks": marks[name].to_json() if name in marks else None,
        }
        for name, (kind, axis) in all_axes().items()
        if kind.partners == 0
    ]
    return sorted(found, key=lambda one: usual.index(one["axis"]) if one["usual"] else len(usual))


def _usual() -> list[str]:
    """Return the axes of the tolerance search."""
    steps = steps_of(Recipe.load("tolerance").policy)
    return [step.axis for step in steps if isinstance(step, Along)]


def read_steps(text: str) -> tuple[SliderStep, ...]:
    """Read [{"axis": "rotate+", "intensity": 0.2}, ...].

    Raises:
        RequestError: it is something else.
    """
    wanted = 'steps: expected JSON such as [{"axis": "rotate+", "intensity": 0.2}]'
    try:
        data = json.loads(text or "[]")
    except ValueError as error:
        raise RequestError(400, f"{wanted} ({error})") from error
    if not isinstance(data, list) or len(data) > _MOST_STEPS:
        raise RequestError(400, f"{wanted}, {_MOST_STEPS} steps at most")
    return tuple(_step(one, wanted) for one in data)


def _step(given: object, wanted: str) -> SliderStep:
    axis = given.get("axis") if isinstance(given, dict) else None
    intensity = given.get("intensity") if isinstance(given, dict) else None
    if not isinstance(axis, str) or isinstance(intensity, bool):
        raise RequestError(400, wanted)
    if not isinstance(intensity, int | float) or not 0 <= intensity <= 1:
        raise RequestError(400, f"steps: {axis}: intensity: expected 0 to 1")
    check_axis(axis)
    return SliderStep(axis, float(intensity))


def check_axis(name: str) -> str:
    """Return the name of an axis.

    Raises:
        RequestError: there is no such axis, or it needs other images.
    """
    axes = all_axes()
    if name not in axes or axes[name][0].partners:
        raise RequestError(400, f"unknown axis {name[:64]!r}; GET /axes lists them")
    return name


def small(image: Image) -> Image:
    """Return an image of at most a million pixels, in which a slider is seen at once."""
    height, width = image.shape[:2]
    times = (_MOST_PIXELS / (height * width)) ** 0.5
    if times >= 1:
        return image
    return resized(image, (max(1, round(height * times)), max(1, round(width * times))))


def transformed(image: Image, steps: Sequence[SliderStep]) -> Image:
    """Return an image with each step applied; the same steps give the same pixels.

    Raises:
        RequestError: a step cannot work on this image.
    """
    for step in steps:
        kind, _ = all_axes()[step.axis]
        # The same direction, place and noise at every intensity, only weaker or stronger.
        rng = generator(_SEED, "slider", step.axis)
        try:
            size = (image.shape[0], image.shape[1])
            operation = kind.operation_at(step.axis, step.intensity, rng, size)
            with np.errstate(all="ignore"):
                image = operation.apply(Sample(image)).image
        except VariegateError as error:
            raise RequestError(400, f"{step.axis}: {error}") from error
    return image


def as_data_url(image: Image) -> str:
    """Return an image as a page shows it: a JPEG of at most 640 pixels a side."""
    height, width = image.shape[:2]
    times = min(1.0, _SHOWN_SIDE / max(height, width))
    shown = resized(image, (max(1, round(height * times)), max(1, round(width * times))))
    data = encode(shown, format="jpeg", quality=_SHOWN_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
