"""Recipes: what is to be made of every image, as YAML or as Python objects.

```yaml
seed: 7
variants:
  subsets:
    - rotate: {angle_degrees: [-30, 30], fit: inside}
    - contrast: {factor: [0.7, 1.4]}
    - flip
output: {format: jpeg, quality: 95}
```

A recipe is data: nothing in it is evaluated, and what it does not know is an error.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from variegate.annotations.rules import LabelRule
from variegate.annotations.sample import Image, Sample, check_image
from variegate.errors import RecipeError, did_you_mean
from variegate.formats.hints import NO_HINTS, Hints
from variegate.recipes.forbidden import NOTHING_FORBIDDEN, Forbidden, known_steps
from variegate.recipes.plan import Variant, draw_variants, execute
from variegate.recipes.policies import POLICIES, Along, Node, count, to_data, transforms_of
from variegate.seeding import check_seed
from variegate.transforms import Transform, all_transforms, find_transform
from variegate.transforms.base import Draw
from variegate.transforms.canvas import Canvas, canvas_size
from variegate.validation import Spec, sentence, shown

M = TypeVar("M", bound=BaseModel)

LISTS = ("sequence", "subsets", "each", "one_of")

# No recipe comes near them; what aliases in YAML can grow into does.
DEEPEST = 50
_MOST_PARTS = 100_000
_MOST_VARIANTS = 2**20


class Output(Spec):
    """How results are stored."""

    format: Literal["same", "jpeg", "png", "webp"] = "same"
    """File format; "same" is that of the source, or PNG where it cannot be written."""
    quality: Annotated[int, Field(ge=1, le=100)] | Literal["same"] = 95
    """Of JPEG and WebP; "same" takes the quantisation tables of a JPEG source, and is 95 for other
    sources."""
    subsampling: Literal["4:4:4", "4:2:2", "4:2:0", "same"] = "4:2:0"
    """Color resolution of JPEG; "same" takes that of a JPEG source, and is 4:2:0 for others."""
    size: Canvas | None = None
    """(height, width) to which every result is brought at the end, or one number for both."""
    alpha: Literal["keep", "white"] = "keep"
    """Keep transparency where the format can, or lay the image over white."""

    @field_validator("quality", mode="before")
    @classmethod
    def _quality(cls, value: Any) -> Any:
        if value == "same":
            return value
        if type(value) not in (int, float) or value % 1:
            raise ValueError(f"expected a whole number or same, got {shown(value)}")
        if not 1 <= value <= 100:
            bound = "at least 1" if value < 1 else "at most 100"
            raise ValueError(f"expected {bound}, got {value}")
        return value


class Recipe(Spec):
    """What is to be made of every image."""

    model_config = ConfigDict(populate_by_name=True)

    policy: Annotated[Node, Field(alias="variants")]
    """A policy, or one transform; in YAML it is called `variants`."""
    description: str = ""
    """In the words of who wrote it."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Random seed."""
    output: Output = Output()
    """How results are stored."""
    labels: LabelRule = LabelRule()
    """What becomes of labels."""
    distinct: bool = False
    """Write one of several variants of an image that come out the same, byte for byte."""
    forbid: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Step -> classes whose images do not get it: a transform's name; mirror for all that mirrors;
    flip.horizontal or flip.vertical."""
    classes: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Only images of these classes, or that show one of them, get variants; others are copied."""
    variants_by_class: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Class -> how many of the variants its images get; those of other classes get all. An image of
    several of these classes gets the most that one of them does."""
    hints: Hints = NO_HINTS
    """What cannot be told from the files of the dataset."""

    @field_validator("forbid", mode="before")
    @classmethod
    def _forbidden_classes(cls, forbid: Any) -> Any:
        if not isinstance(forbid, Mapping):
            return forbid
        return {step: _as_names(names) for step, names in forbid.items()}

    @field_validator("variants_by_class", mode="before")
    @classmethod
    def _numbers_by_class(cls, numbers: Any) -> Any:
        if not isinstance(numbers, Mapping):
            return numbers
        return dict(zip(_as_names([*numbers]), numbers.values(), strict=True))

    @model_validator(mode="after")
    def _forbidden_steps(self) -> Self:
        known = known_steps(self.policy) if self.forbid else []
        for step in self.forbid:
            if step not in known:
                raise ValueError(
                    f"forbid: the recipe has no step {step!r}{did_you_mean(step, known)}; "
                    f"expected {', '.join(known)}"
                )
        return self

    @model_validator(mode="after")
    def _countable(self) -> Self:
        if (variants := self.count()) > _MOST_VARIANTS:
            raise ValueError(
                f"variants: expected at most {_MOST_VARIANTS:,} of an image, "
                f"got {f'{variants:,}' if variants < 10**15 else 'far more'}; "
                "draw some of them with sample"
            )
        for name, number in self.variants_by_class.items():
            if number > variants:
                raise ValueError(
                    f"variants_by_class: {shown(name)}: expected at most {variants:,}, as many as "
                    f"the recipe makes of an image, got {number:,}; the n of sample, for example, "
                    "makes more"
                )
            if self.classes is not None and name not in self.classes:
                raise ValueError(
                    f"variants_by_class: {shown(name)}: its images are copied, since it is not "
                    "among the classes; name it there, too, or leave it out"
                )
        return self

    @classmethod
    def load(cls, source: str | Path) -> Self:
        """Read a recipe file, or a preset by its name.

        Raises:
            RecipeError: there is no such file or preset, or it is not a valid recipe.
        """
        path = Path(source)
        if str(source) in presets():
            return cls.parse(preset_text(str(source)), where=str(source))
        try:
            return cls.parse(path.read_text(encoding="utf-8"), where=str(source))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise RecipeError(
                f"{source}: cannot be read as a recipe ({reason})"
                f"{did_you_mean(path.stem, presets())}"
            ) from error

    @classmethod
    def parse(cls, text: str, *, where: str = "recipe") -> Self:
        """Read a recipe from YAML text; `where` is what errors call it.

        Raises:
            RecipeError: it is not a valid recipe.
        """
        # A worker gets its recipe as JSON, and needs no YAML.
        from variegate.recipes.yaml_text import parse_yaml

        data = parse_yaml(text, where=where)
        return cls.from_data(data, where=where)

    @classmethod
    def from_data(cls, data: object, *, where: str = "recipe") -> Self:
        """Read a recipe from parsed YAML or JSON.

        Raises:
            RecipeError: it is not a valid recipe.
        """
        _check_extent(data, where)
        if not isinstance(data, Mapping):
            raise RecipeError(f"{where}: expected seed, variants and output, got {shown(data)}")
        if "seed" in data:
            try:
                check_seed(data["seed"])
            except RecipeError as error:
                raise RecipeError(f"{where}: {error}") from error
        if "policy" in data:
            raise RecipeError(f"{where}: unknown parameter 'policy'; did you mean 'variants'?")
        fields = dict(data)
        if "variants" in fields:
            fields["variants"] = parse_node(fields["variants"], f"{where}: variants")
        if "classes" in fields:
            fields["classes"] = _as_names(fields["classes"])
        return _validated(cls, fields, where)

    def to_data(self) -> dict[str, Any]:
        """Return the recipe as JSON values, such that `from_data` gives an equal one."""
        fields = self.model_dump(mode="json", exclude_defaults=True, exclude={"policy"})
        return {**fields, "variants": to_data(self.policy)}

    @property
    def digest(self) -> str:
        """Hexadecimal digest of all that decides results, but for the seed."""
        data = {
            "variants": to_data(self.policy),
            "output": self.output.model_dump(mode="json"),
            "labels": self.labels.model_dump(mode="json"),
            **({"distinct": True} if self.distinct else {}),
            **({"forbid": self.forbid} if self.forbid else {}),
            **({"classes": self.classes} if self.classes else {}),
            **({"by_class": self.variants_by_class} if self.variants_by_class else {}),
        }
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]

    def count(self) -> int:
        """Return how many variants every image gets."""
        return self._count

    @cached_property
    def _count(self) -> int:
        return count(self.policy)

    @property
    def finish(self) -> tuple[Draw, ...]:
        """What is done to every variant at its end."""
        if self.output.size is None:
            return ()
        size = list(canvas_size(self.output.size))
        return (Draw("resize", {"size": size}),)

    @property
    def mixes(self) -> bool:
        """Whether some results are made of several images."""
        return any(find_transform(name).partners > 0 for name in transforms_of(self.policy))

    @property
    def mirrors(self) -> bool:
        """Whether some results may be mirror images."""
        return any(find_transform(name).mirrors for name in transforms_of(self.policy))

    def plan(
        self,
        *,
        key: str,
        size: tuple[int, int],
        pool: Sequence[str] = (),
        bare: Collection[str] = (),
        objects: bool = False,
        placed: bool = False,
        mirrors: bool = True,
        forbidden: Forbidden = NOTHING_FORBIDDEN,
    ) -> list[Variant]:
        """Draw the variants of the image `key` of (height, width) `size`.

        Args:
            key, size: of the image.
            pool: keys of others of which results may be made together with it.
            bare: keys of those that have no objects.
            objects: whether its dataset has objects, of which no border may show copies.
            placed: whether it is known where things are in it, which no mixture may move.
            mirrors: without it what makes a mirror image is left out.
            forbidden: steps that the image does not get, and those that it may be mixed with.

        Raises:
            ImageError: others are needed, and there are none.
        """
        return draw_variants(
            self.policy,
            seed=self.seed,
            key=key,
            size=size,
            finish=self.finish,
            pool=pool,
            bare=bare,
            objects=objects,
            placed=placed,
            mirrors=mirrors,
            forbidden=forbidden,
        )

    def variants(self, image: Image, *, key: str) -> Iterator[tuple[Variant, Image]]:
        """Make all variants of one image in memory.

        Args:
            image: (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA, uint8.
            key: names the image; the same key, seed and recipe give the same variants.

        Yields:
            Each variant with its image, in the order in which they appear.

        Raises:
            ShapeError: `image` is none of these.
        """
        sample = Sample(check_image(image))
        planned = self.plan(key=key, size=sample.size)
        for variant, result in execute(
            planned, lambda _: sample, size=sample.size, reducible=False
        ):
            # A copy: others are made of it, or it is the caller's own image.
            yield variant, result.image.copy()


def presets() -> list[str]:
    """Return the names of the recipes that come with variegate."""
    files = resources.files("variegate.recipes.presets").iterdir()
    return sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml"))


def preset_text(name: str) -> str:
    """Return a preset as its YAML file has it."""
    return (resources.files("variegate.recipes.presets") / f"{name}.yaml").read_text(
        encoding="utf-8"
    )


def parse_node(data: object, where: str) -> Node:
    """Read a transform or a policy.

    Args:
        data: "flip", {"rotate": {...}}, {"subsets": [...]} or {"sample": {"steps": [...], ...}}.
        where: its place, for errors.

    Raises:
        RecipeError: it is none of these.
    """
    name, value = _named(data, where)
    if name in POLICIES:
        fields = {"steps": value} if isinstance(value, list) and name in LISTS else value
        if fields is None:
            fields = {}
        if not isinstance(fields, Mapping):
            expected = "a list of steps" if name in LISTS else "parameters"
            raise RecipeError(f"{where}: {name}: expected {expected}, got {shown(value)}")
        fields = dict(fields)
        if "steps" in POLICIES[name].model_fields and "steps" in fields:
            steps = fields["steps"]
            if not isinstance(steps, list):
                raise RecipeError(
                    f"{where}: {name}: steps: expected a list of steps, got {shown(steps)}"
                )
            inner = f"{where}: {name}" if isinstance(value, list) else f"{where}: {name}.steps"
            fields["steps"] = tuple(
                parse_node(step, f"{inner}[{index}]") for index, step in enumerate(steps)
            )
        return _validated(POLICIES[name], fields, f"{where}: {name}")
    try:
        kind: type[Along | Transform] = Along if name == Along.name else find_transform(name)
    except RecipeError as error:
        if "." in name:
            raise RecipeError(f"{where}: {error}") from error
        close = did_you_mean(name, [*POLICIES, Along.name, *all_transforms()])
        raise RecipeError(f"{where}: unknown transform or policy {name!r}{close}") from error
    if value is not None and not isinstance(value, Mapping):
        raise RecipeError(f"{where}: {name}: expected parameters, got {shown(value)}")
    return _validated(kind, dict(value or {}), f"{where}: {name}")


def _as_names(classes: Any) -> Any:
    """Return classes by their names: YAML takes 6 for a number."""
    if not isinstance(classes, list | tuple):
        return classes
    return [str(one) if type(one) is int else one for one in classes]


def _named(data: object, where: str) -> tuple[str, object]:
    """Return the name and the parameters of a step."""
    if isinstance(data, str):
        return data, None
    if isinstance(data, Mapping) and len(data) == 1:
        name, value = next(iter(data.items()))
        if isinstance(name, str):
            return name, value
    if isinstance(data, Mapping) and len(data) > 1:
        names = ", ".join(repr(str(name)) for name in data)
        raise RecipeError(
            f"{where}: expected one name, got {names}; write parameters as name: {{p: 0.5}}"
        )
    raise RecipeError(f"{where}: expected a transform or a policy, got {shown(data)}")


def _validated(model: type[M], fields: dict[str, Any], where: str) -> M:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise RecipeError(f"{where}: {sentence(error, model)}") from error


def _check_extent(data: object, where: str) -> None:
    """Refuse what aliases have blown up, or tied into a knot.

    Raises:
        RecipeError: it is nested too deeply, or has too many parts.
    """
    waiting, parts = [(data, 0)], 0
    while waiting:
        one, depth = waiting.pop()
        if not isinstance(one, list | tuple | Mapping):
            continue
        parts += len(one)
        if depth > DEEPEST:
            raise RecipeError(f"{where}: nested more than {DEEPEST} deep")
        if parts > _MOST_PARTS:
            raise RecipeError(f"{where}: expected at most {_MOST_PARTS:,} parameters and steps")
        inner = one.values() if isinstance(one, Mapping) else one
        waiting += [(part, depth + 1) for part in inner]
