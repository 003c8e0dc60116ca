"""What was found of a model's tolerance: `tolerance.json`, and the recipe that follows from it."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, ValidationError

from variegate.errors import InputError, OutputError, UsageError, did_you_mean
from variegate.recipes.policies import AxisStrain, Realistic, all_axes
from variegate.recipes.policies.realistic import CONTRADICTIONS
from variegate.recipes.recipe import Recipe, parse_node
from variegate.validation import Spec, sentence

if TYPE_CHECKING:
    from variegate.models.predictors.base import Predictor
    from variegate.runs.run import Options
    from variegate.tolerance.synthesis import SynthesisSummary

_ID = "urn:variegate:tolerance"

# Where a model says what it is called.
_NAMES = ("name", "file", "function", "url")

Mode = Literal["correctness preserved", "prediction preserved"]

Share = Annotated[float, Field(ge=0, le=1)]


class Interval(Spec):
    """A share with its interval."""

    value: Share
    low: Share
    high: Share


class CleanResult(Spec):
    """How the model did on images as they are."""

    images: int
    """How many were asked."""
    wrong: int
    """How many of them it got wrong."""
    error: Interval
    """Share of those, with its Wilson interval."""
    units: int
    """How many it got right: only these can be lost."""
    asked_twice: int = 0
    """How many were asked again."""
    changed: int = 0
    """How many of these got another answer."""


class IntensityQuantity(Spec):
    """An intensity, as a share of the axis and in units that people know."""

    intensity: Share
    value: float | None
    """In the unit; none where it is infinite."""
    unit: str
    text: str


class Witness(Spec):
    """What the model said to one image."""

    image: str
    """Its key."""
    expected: str
    intensity: Share
    says: str


class ThresholdResult(Spec):
    """The intensity at which a share of the images is lost."""

    quantile: Share
    at: IntensityQuantity | None
    """None where fewer are lost at the end of the axis."""
    low: IntensityQuantity
    """Where its interval begins."""
    high: IntensityQuantity | None
    """Where its interval ends; none where it is open."""
    last_success: Witness | None = None
    first_failure: Witness | None = None
    """The same image, a little stronger."""


class CurvePoint(Spec):
    """The share of images that is lost at an intensity."""

    intensity: Share
    lost: Share
    low: Share
    high: Share


class EvaluatedPoint(Spec):
    """How many images were really asked at an intensity."""

    intensity: Share
    asked: int
    lost: int


class DropResult(Spec):
    """A fall of the loss that fresh images confirmed: the axis is not monotone."""

    peak: Share
    dip: Share
    lost_at_peak: Share
    lost_at_dip: Share
    p: Share


class AuditResult(Spec):
    """Answers that were implied by others, and then really asked."""

    asked: int
    lost_instead: int
    kept_instead: int
    biased: bool
    """Whether they were wrong to one side, so that the search was repeated without implication."""


class ClassTolerance(Spec):
    """Where half of a class is lost."""

    images: int
    half_lost: Share | None
    low: Share
    high: Share | None


class AxisTolerance(Spec):
    """What was found on one axis."""

    axis: str
    version: int
    unchanged: bool = False
    """Whether it changes nothing on these images, and was not asked."""
    monotone: bool = True
    drop: DropResult | None = None
    unconfirmed: bool = False
    """Whether a fall was seen that there were too few fresh images to confirm."""
    reentry: tuple[tuple[Share, Share], ...] = ()
    """Ranges of intensity behind the critical level at which more images are right again."""
    thresholds: tuple[ThresholdResult, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    points: tuple[EvaluatedPoint, ...] = ()
    classes: Annotated[dict[str, ClassTolerance], Field(default_factory=dict)]
    images: int = 0
    calls: int = 0
    audit: AuditResult | None = None
    unusable: int = 0
    """Answers that could not be used, and count as errors."""
    instability: Share = 0.0
    """Share of answers that changed when asked again, by which intervals are wider."""
    stopped: str = ""
    """"width", "n_max", "images" or "calls"."""
    more: str = ""
    """What more images would buy."""

    @property
    def onset(self) -> float | None:
        """Intensity of the first threshold."""
        found = self.thresholds[0].at if self.thresholds else None
        return found.intensity if found else None

    @property
    def critical(self) -> float | None:
        """Intensity of the last threshold."""
        found = self.thresholds[-1].at if self.thresholds else None
        return found.intensity if found else None


class CompositeLevel(Spec):
    """The strain at which a share of whole variants is lost."""

    realism: float
    lost: Share
    strain: float
    low: float
    high: float
    reached: bool
    """Whether this share is lost at all."""


class CompositeTolerance(Spec):
    """Realism of whole variants: how much strain they take together."""

    k_min: int
    k_max: int
    groups: tuple[tuple[str, ...], ...]
    levels: tuple[CompositeLevel, ...]
    curve: tuple[tuple[float, float], ...]
    """(strain, share lost)."""
    images: int
    calls: int
    monotone: bool


class Tolerance(Spec):
    """How much of each transformation a model takes."""

    version: Literal[1] = 1
    """Of this format."""
    model: dict[str, Any]
    """What the model says of itself; its `identity` tells it from others."""
    dataset: str = ""
    mode: Mode
    """Whether errors are against labels, or against what the model says to the image as it is."""
    error: str
    """How errors are measured."""
    tau: float
    """An error from here on is a failure."""
    seed: int
    quantiles: tuple[float, ...]
    n_max: int
    width: float | None = None
    alpha: float = 0.05
    clean: CleanResult
    axes: tuple[AxisTolerance, ...]
    composite: CompositeTolerance | None = None
    calls: int
    """Images that the model was asked about, in all; answers of an earlier, killed run included."""
    notes: tuple[str, ...] = ()

    @classmethod
    def search(
        cls,
        predict: "Callable[[list[Any]], Any] | Predictor",
        images: Sequence[Any],
        labels: Sequence[Any] | None = None,
        **options: Any,
    ) -> Self:
        """Search the tolerance of a model. See `variegate.tolerance.memory.search_arrays`."""
        from variegate.tolerance.memory import search_arrays

        return cls.model_validate(search_arrays(predict, images, labels, **options).model_dump())

    @classmethod
    def load(cls, path: str | Path, *, model: "Predictor | None" = None) -> Self:
        """Read a file that `save` wrote.

        Args:
            path: of the file.
            model: if given, the file must be of this one.

        Raises:
            InputError: it cannot be read, or is not valid.
            UsageError: it is of another model, or of another version of an axis.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise InputError(f"{path}: not a JSON file ({error})") from error
        try:
            found = cls.model_validate(data)
        except ValidationError as error:
            raise InputError(f"{path}: {sentence(error, cls)}") from error
        found.check(model, where=str(path))
        return found

    def check(self, model: "Predictor | None" = None, *, where: str = "tolerance") -> None:
        """Refuse what is not of this model, or of these axes.

        Raises:
            UsageError: it is of others; the message names them.
        """
        known = all_axes()
        for one in self.axes:
            if one.axis not in known:
                raise UsageError(
                    f"{where}: unknown axis {one.axis!r}{did_you_mean(one.axis, known)}; "
                    "search the tolerance again"
                )
            if known[one.axis][1].version != one.version:
                raise UsageError(
                    f"{where}: {one.axis} was searched at version {one.version} of this axis, and "
                    f"here it has version {known[one.axis][1].version}: its intensities mean "
                    "something else now; search the tolerance again"
                )
        if model is not None and model.identity != self.model.get("identity"):
            raise UsageError(
                f"{where}: of another model ({_called(self.model)}), not of "
                f"{_called(model.to_json())}; search the tolerance of this one"
            )

    def save(self, path: str | Path) -> None:
        """Write the file.

        Raises:
            OutputError: it cannot be written.
        """
        text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)
        try:
            Path(path).write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error

    def axis(self, name: str) -> AxisTolerance:
        """Return what was found on an axis.

        Raises:
            UsageError: it was not searched.
        """
        found = {one.axis: one for one in self.axes}
        if name not in found:
            raise UsageError(f"axis {name!r} was not searched{did_you_mean(name, found)}")
        return found[name]

    def recipe(
        self,
        *,
        realism: float | tuple[float, float] = 0.5,
        n: int = 1,
        axes: Mapping[str, Mapping[str, float]] | Sequence[str] | None = None,
        only: Sequence[str] | None = None,
        k_min: int | None = None,
        k_max: int | None = None,
        groups: Sequence[Sequence[str]] | None = None,
        seed: int = 0,
    ) -> Recipe:
        """Return a recipe of variants that this model takes to a chosen degree.

        Args:
            realism: 1 changes nothing; at 0.5 the model fails on 5% of variants, at 0 on every
                other one; below 0 further; or (low, high), drawn for each variant.
            n: variants of each image.
            axes: the only ones to use, or for some of all what is wanted there: realism, min, max,
                multiplier, weight.
            only: axes to use, where `axes` says what is wanted on some; all where none are given.
            k_min, k_max: operations of a variant; what was calibrated where none are given.
            groups: of axes of which at most one is used; what was calibrated where none are given.
            seed: of the recipe.

        Raises:
            UsageError: an axis was not searched, or what is wanted is not possible.
        """
        self.check()
        strains = self.strains()
        wanted = axes if isinstance(axes, Mapping) else {}
        chosen = only if axes is None or isinstance(axes, Mapping) else axes
        for name in (*wanted, *(chosen or ())):
            if name not in strains:
                changes = "changes nothing on these images" if name in self._still() else ""
                known = did_you_mean(name, strains)
                raise UsageError(f"axis {name!r} {changes or f'was not searched{known}'}")
        if chosen is not None:
            strains = {name: one for name, one in strains.items() if name in chosen}
        composite = self.composite
        values: dict[str, Any] = {
            "axes": {
                name: {**one.model_dump(exclude_defaults=True), **wanted.get(name, {})}
                for name, one in strains.items()
            },
            "realism": list(realism) if isinstance(realism, tuple) else realism,
            "n": n,
            "k_min": k_min if k_min is not None else composite.k_min if composite else 1,
            "k_max": k_max if k_max is not None else composite.k_max if composite else 3,
            "groups": groups if groups is not None else self._groups(),
        }
        if composite is not None:
            values["composite"] = [one.strain for one in composite.levels]
        policy = parse_node({Realistic.name: values}, "recipe")
        return Recipe(
            policy=policy,
            seed=seed,
            description=f"Realism {realism} of {_called(self.model)}, calibrated.",
        )

    def synthesize(
        self,
        source: str | Path,
        output: str | Path,
        *,
        options: "Options | None" = None,
        allow_leaks: bool = False,
        **wanted: Any,
    ) -> "SynthesisSummary":
        """Make a dataset that this model takes to a chosen degree.

        See `variegate.tolerance.synthesis.synthesize`.

        Args:
            source: a folder, zip or tar file, or bucket.
            output: where the results go.
            options: how to read and run.
            allow_leaks: go on though the same image stands in two splits.
            wanted: what is to be made: realism, count, axes, k_min, k_max, groups, seed, model,
                filter; see `variegate.tolerance.synthesis.Synthesis`.
        """
        from variegate.tolerance.synthesis import Synthesis, synthesize

        return synthesize(
            source,
            output,
            self,
            synthesis=Synthesis(**wanted),
            options=options,
            allow_leaks=allow_leaks,
        )

    def strains(self) -> dict[str, AxisStrain]:
        """Return what strain means on each axis that changes something."""
        return {
            one.axis: AxisStrain(
                onset=one.onset and max(one.onset, 1e-6),
                critical=one.critical and max(one.critical, one.onset or 0, 1e-6),
                version=one.version,
            )
            for one in self.axes
            if not one.unchanged
        }

    def _still(self) -> set[str]:
        return {one.axis for one in self.axes if one.unchanged}

    def _groups(self) -> tuple[tuple[str, ...], ...]:
        return self.composite.groups if self.composite else CONTRADICTIONS


def tolerance_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `tolerance.json`."""
    return {
        "$id": _ID,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Tolerance.model_json_schema(mode="serialization"),
        "title": "variegate tolerance",
    }


def _called(model: Mapping[str, Any]) -> str:
    """Return what a message calls a model: its name, and how its identity begins."""
    identity = str(model.get("identity", ""))[:12]
    return ", ".join(one for one in (name_of(model), identity) if one) or "unknown"


def name_of(model: Mapping[str, Any]) -> str:
    """Return the name of a model as it was given, a command's without folders; or nothing."""
    if (command := model.get("command")) and not any(model.get(one) for one in _NAMES):
        return " ".join(one.rpartition("/")[2] or one for one in shlex.split(str(command)))
    return next((str(model[one]) for one in _NAMES if model.get(one)), "")
