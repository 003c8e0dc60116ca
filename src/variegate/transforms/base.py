"""What every transform is: ranges from which one operation is drawn.

A transform is a validated value. `parameters` draws (all randomness is there), `operation` builds
from what was drawn (nothing random is left), and the drawn parameters are what the manifest keeps.
They are relative to the image's size, so the same draw means the same on any image.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from variegate.annotations.sample import Size
from variegate.errors import RecipeError, did_you_mean
from variegate.ops import Identity, Operation
from variegate.seeding import noise_key, uniform
from variegate.validation import Spec, shown

Parameters = Mapping[str, Any]

#: Bounds (low, high) from which a number is drawn; in a recipe one number stands for both.
Range = tuple[float, float]

#: Side of a grain of noise, as a fraction of the shorter side.
GrainSize = Annotated[float, Field(ge=0, le=0.5)]


@dataclass(frozen=True)
class Bounds:
    """The least and the greatest value that a `Range` may hold; use as `Annotated[Range, ...]`.

    Attributes:
        low, high: inclusive.
        above: the range must lie above this, exclusive; for factors that cannot be 0.
        whole: only integers.
        log: drawn so that a factor of 2 is as likely as one of 1/2.
    """

    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    whole: bool = False
    log: bool = False

    @property
    def drawing(self) -> "Callable[[np.random.Generator, Range], float | int]":
        """What draws a number from a range within these bounds."""
        if self.whole:
            return draw_whole
        return draw_log if self.log else draw_from

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(
            self._checked, serialization=core_schema.plain_serializer_function_ser_schema(_shortest)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        del schema, handler
        number: JsonSchemaValue = {"type": "integer" if self.whole else "number"}
        if math.isfinite(self.low):
            number["minimum"] = self.low
        if math.isfinite(self.high):
            number["maximum"] = self.high
        if math.isfinite(self.above):
            number["exclusiveMinimum"] = self.above
        pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
        return {"anyOf": [number, pair]}

    def _checked(self, value: object) -> Range:
        pair = value if isinstance(value, list | tuple) else (value, value)
        if len(pair) != 2 or not all(_is_number(end) for end in pair):
            raise ValueError(f"expected a number or [low, high], got {shown(value)}")
        low, high = float(pair[0]), float(pair[1])
        if low > high:
            raise ValueError(f"expected low <= high, got [{low:g}, {high:g}]")
        if self.whole and not (low.is_integer() and high.is_integer()):
            raise ValueError(f"expected whole numbers, got {value!r}")
        if low < self.low or high > self.high or low <= self.above:
            raise ValueError(f"expected {self._described()}, got {value!r}")
        return low, high

    def _described(self) -> str:
        if math.isfinite(self.above):
            upper = f" and at most {self.high:g}" if math.isfinite(self.high) else ""
            return f"more than {self.above:g}{upper}"
        if not math.isfinite(self.high):
            return f"at least {self.low:g}"
        return f"{self.low:g} to {self.high:g}"


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # A whole number may be too large for a float.
    return -sys.float_info.max <= value <= sys.float_info.max


def _shortest(value: Range) -> float | list[float]:
    return value[0] if value[0] == value[1] else list(value)


_ALONG = ("axis", "version")


@dataclass(frozen=True, slots=True)
class Draw:
    """What was drawn: enough to repeat it, and to read it.

    Attributes:
        transform: its name.
        parameters: exact and relative to the image's size; JSON values.
        along: name and version of the axis that gave them; None where none did.
    """

    transform: str
    parameters: Parameters
    along: tuple[str, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return {"transform": name, parameter: value, ...}.

        With an axis it has "along": {"axis": name, "version": number}, too.
        """
        data = {"transform": self.transform, **self.parameters}
        return data | {"along": dict(zip(_ALONG, self.along, strict=True))} if self.along else data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Draw":
        """Make one from what `to_json` gave, before or after it was text."""
        along = tuple(data["along"][name] for name in _ALONG) if "along" in data else None
        parameters = {k: v for k, v in data.items() if k not in ("transform", "along")}
        return cls(data["transform"], parameters, along)


@dataclass(frozen=True)
class Axis:
    """One way of making a transform stronger, from 0 (the identity) to 1.

    Attributes:
        name: as in reports and recipes, for example "brightness+".
        parameter: the parameter that moves along.
        start: its value at intensity 0, where the transform changes nothing.
        end: its value at intensity 1, the strongest sensible one.
        scale: "linear"; "log" for factors.
        fixed: other parameters, where the axis needs them to have a certain value.
        version: counts changes of what an intensity means. Manifests record it, so that results
            of two versions are not taken for the same.
    """

    name: str
    parameter: str
    start: float
    end: float
    scale: Literal["linear", "log"] = "linear"
    fixed: tuple[tuple[str, Any], ...] = ()
    version: int = 1

    def value(self, intensity: float) -> float:
        """Return the parameter's value at an intensity from 0 to 1.

        Raises:
            RecipeError: the intensity lies outside.
        """
        if not 0 <= intensity <= 1:
            raise RecipeError(f"{self.name}: intensity: expected 0 to 1, got {intensity:g}")
        if self.scale == "log":
            return self.start * (self.end / self.start) ** intensity
        return self.start + (self.end - self.start) * intensity


def both_ways(
    name: str,
    parameter: str,
    start: float,
    *,
    up: float,
    down: float,
    scale: Literal["linear", "log"] = "linear",
    fixed: tuple[tuple[str, Any], ...] = (),
    version: int = 1,
) -> tuple[Axis, ...]:
    """Return the axes `name+` and `name-`."""
    return (
        Axis(f"{name}+", parameter, start, up, scale, fixed, version),
        Axis(f"{name}-", parameter, start, down, scale, fixed, version),
    )


#: Every transform by its name; a class that has a `name` enters itself.
TRANSFORMS: "dict[str, type[Transform]]" = {}


#: Transforms of other libraries: what stands before the dot of their names -> how to find one.
FAMILIES: "dict[str, Callable[[str], type[Transform]]]" = {}


class Transform(Spec):
    """Ranges from which one operation is drawn. See the module's docstring.

    A transform that hands what is drawn to one operation names the operation (`acts`); others
    define `operation`. What is drawn is a number from each of its ranges, and what `further` adds;
    `parameters` is defined anew only where drawing is more than that.
    """

    name: ClassVar[str]
    axes: ClassVar[tuple[Axis, ...]] = ()
    partners: ClassVar[int] = 0
    """How many other images it needs."""
    partners_have_objects: ClassVar[bool] = False
    """Whether it can make nothing of other images without objects."""
    acts: ClassVar[Callable[..., Operation] | None] = None
    """What makes the operation of the drawn parameters, each by its name; lists are tuples."""
    of_shorter_side: ClassVar[tuple[str, ...]] = ()
    """Parameters that are fractions of the shorter side, and that `acts` takes in pixels."""
    mirrors: ClassVar[bool] = False
    """Whether it may make a mirror image."""
    noisy: ClassVar[bool] = False
    """Whether a key is drawn for noise, after all else."""
    undrawn: ClassVar[frozenset[str]] = frozenset({"p"})
    """Fields that are no parameters; `further` may draw from them."""

    p: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Probability that the transform is applied where a policy picks it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            own = any("operation" in one.__dict__ for one in cls.__mro__ if one is not Transform)
            if cls.acts is None and not own:
                raise TypeError(f"{cls.__name__}: define `operation`, or name one in `acts`")
            TRANSFORMS[cls.name] = cls

    def parameters(self, rng: np.random.Generator) -> Parameters:
        """Draw exact parameters: JSON values, relative to the image's size.

        Here a number from each range, in the order of the fields, other fields as they are, and
        then what `further` draws.
        """
        drawn = {name: draw(rng, getattr(self, name)) for name, draw in _draws(type(self))}
        drawn.update(self.further(rng))
        return drawn

    def further(self, rng: np.random.Generator) -> Parameters:
        """Draw what comes after the ranges: the key of noise, and which other images.

        Those are numbers from 0 to 1; `recipes.plan` puts keys in their place.
        """
        drawn: dict[str, Any] = {"noise_key": noise_key(rng)} if self.noisy else {}
        if self.partners:
            drawn["partners"] = [float(rng.random()) for _ in range(self.partners)]
        return drawn

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        """Build the operation that drawn `parameters` mean on an image of (height, width) `size`.

        It depends on nothing else, so that a manifest's row is enough to repeat it.
        """
        assert cls.acts is not None
        values = {
            name: tuple(one) if isinstance(one, list) else one for name, one in parameters.items()
        }
        for name in cls.of_shorter_side:
            if name in values:
                values[name] *= min(size)
        return cls.acts(**values)

    def drawn(self, rng: np.random.Generator) -> Draw | None:
        """Draw; None where the transform's own probability `p` leaves it out."""
        if self.p < 1 and rng.random() >= self.p:
            return None
        return Draw(self.name, self.parameters(rng))

    def draw(self, rng: np.random.Generator, size: Size) -> Operation:
        """Draw an operation for an image of (height, width) `size`."""
        drawn = self.drawn(rng)
        return self.operation(drawn.parameters, size) if drawn else Identity()

    @classmethod
    def find_axis(cls, name: str) -> Axis:
        """Return the axis of that name.

        Raises:
            RecipeError: the transform has no such axis.
        """
        for axis in cls.axes:
            if axis.name == name:
                return axis
        known = [axis.name for axis in cls.axes]
        raise RecipeError(
            f"{cls.name}: unknown axis {name!r}{did_you_mean(name, known)}; "
            f"it has {', '.join(known) or 'none'}"
        )

    @classmethod
    def at(cls, axis: str, intensity: float, rng: np.random.Generator) -> Parameters:
        """Return the parameters at one intensity of an axis; what else is random comes from `rng`.

        The same generator state at two intensities gives the same direction, place and noise, only
        weaker or stronger.
        """
        chosen = cls.find_axis(axis)
        ranges = {chosen.parameter: chosen.value(intensity), **dict(chosen.fixed)}
        return cls.model_validate(ranges).parameters(rng)

    @classmethod
    def operation_at(
        cls, axis: str, intensity: float, rng: np.random.Generator, size: Size
    ) -> Operation:
        """Return the operation at one intensity of an axis; the identity at 0.

        Raises:
            RecipeError: there is no such axis, or the intensity is not 0 to 1.
        """
        parameters = cls.at(axis, intensity, rng)
        return cls.operation(parameters, size) if intensity > 0 else Identity()


@cache
def _draws(kind: type[Transform]) -> tuple[tuple[str, Callable[..., Any]], ...]:
    """Return the fields that become parameters, and how each is drawn."""

    def how(metadata: Sequence[object]) -> Callable[..., Any]:
        bounds = next((one for one in metadata if isinstance(one, Bounds)), None)
        return bounds.drawing if bounds else lambda _, value: value

    fields = kind.model_fields.items()
    return tuple((name, how(field.metadata)) for name, field in fields if name not in kind.undrawn)


def draw_from(rng: np.random.Generator, bounds: Range) -> float:
    """Draw uniformly from [low, high]."""
    low, high = bounds
    return low + (high - low) * float(rng.random())


def draw_log(rng: np.random.Generator, bounds: Range) -> float:
    """Draw from [low, high] so that a factor of 2 is as likely as one of 1/2."""
    if bounds[0] <= 0:
        return uniform(rng, *bounds)
    low, high = _logarithms(bounds)
    return math.exp(low + (high - low) * float(rng.random()))


@lru_cache(maxsize=1024)
def _logarithms(bounds: Range) -> Range:
    return math.log(bounds[0]), math.log(bounds[1])


def draw_whole(rng: np.random.Generator, bounds: Range) -> int:
    """Draw an integer from low to high, both included."""
    return int(rng.integers(int(bounds[0]), int(bounds[1]) + 1))
