"""What the template tells the function: environment variables, checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, cast
from urllib.parse import urlsplit

from variegate.codecs import Limits
from variegate.deploy.aws.day_limit import DayLimit
from variegate.errors import UsageError
from variegate.recipes.plugins import Plugin, load_plugin
from variegate.recipes.recipe import Recipe, presets
from variegate.runs.events import FORMATS_OF_EVENTS, Naming
from variegate.runs.run import load_recipe
from variegate.storage import open_storage

# What `VARIEGATE deploy augment` packs beside the function's code.
PACKED_RECIPE = "recipe.yaml"
PACKED_PLUGINS = "plugins"

PREFIX = "VARIEGATE_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the function works.

    Attributes:
        input: location of the inputs, such as s3://bucket/prefix.
        output: location of the results, in another bucket.
        recipe: what is made.
        plugins: files with transforms that are packed with the function.
        naming: what keys say.
        limits: larger images are quarantined.
        most_tries: a message that failed so often goes to the dead letters.
        dead_letters: URL of their queue; "" for none.
        delete_variants: whether those of an input that is deleted are deleted.
        day_limit: of variants; None for none.
    """

    input: str
    output: str
    recipe: Recipe
    plugins: tuple[Plugin, ...]
    naming: Naming
    limits: Limits
    most_tries: int
    dead_letters: str
    delete_variants: bool
    day_limit: DayLimit | None

    @classmethod
    def read(cls, environment: Mapping[str, str], folder: Path) -> Self:
        """Read the settings, and the recipe wherever it is.

        Args:
            environment: variables.
            folder: where the function's files are.

        Raises:
            UsageError: one is missing or wrong.
        """

        def value(name: str, default: str | None = None) -> str:
            found = environment.get(PREFIX + name) or default
            if found is None:
                raise UsageError(f"{PREFIX}{name}: expected a value, got none; see the template")
            return found

        source, target = value("INPUT"), value("OUTPUT")
        check_places(source, target)
        plugins = tuple(
            Plugin.read(path) for path in sorted((folder / PACKED_PLUGINS).glob("*.py"))
        )
        for plugin in plugins:
            load_plugin(plugin)
        dataset_format = value("FORMAT", FORMATS_OF_EVENTS[0])
        if dataset_format not in FORMATS_OF_EVENTS:
            raise UsageError(
                f"{PREFIX}FORMAT: expected {' or '.join(FORMATS_OF_EVENTS)}, got {dataset_format!r}"
            )
        seed = value("SEED", "")
        return cls(
            input=source,
            output=target,
            recipe=load_recipe(
                _recipe(value("RECIPE", ""), value("RECIPE_LOCATION", ""), folder),
                int(seed) if seed else None,
            ),
            plugins=plugins,
            naming=Naming(
                format=cast('Literal["unlabelled", "classes"]', dataset_format),
                splits=value("SPLITS", "no") == "yes",
            ),
            limits=Limits(max_pixels=int(value("MAX_PIXELS", str(Limits().max_pixels)))),
            most_tries=int(value("MOST_TRIES", "3")),
            dead_letters=value("DEAD_LETTERS", ""),
            delete_variants=value("DELETE_VARIANTS", "no") == "yes",
            day_limit=_day_limit(value) if int(value("MAX_VARIANTS_PER_DAY", "0")) else None,
        )


def _day_limit(value: Callable[[str], str]) -> DayLimit:
    return DayLimit(
        most=int(value("MAX_VARIANTS_PER_DAY")),
        table=value("DAYS"),
        queue=value("ARRIVALS"),
        mapping=value("MAPPING"),
    )


def check_places(source: str, target: str) -> None:
    """Make sure that what is written can never come back as an input.

    Raises:
        UsageError: both places are in one bucket.
    """
    one, other = urlsplit(source), urlsplit(target)
    if (one.scheme, one.netloc) == (other.scheme, other.netloc):
        raise UsageError(
            f"the results would go to {target}, into the bucket of the inputs, where each would be "
            "an input again; name another bucket"
        )


def _recipe(written: str, location: str, folder: Path) -> Recipe:
    """Return the recipe: from a place in a bucket, else as written, else the one packed in."""
    if location:
        place, _, key = location.rpartition("/")
        text = open_storage(place).read(key).decode("utf-8", "replace")
        return Recipe.parse(text, where=location)
    if written:
        known = written.strip() in presets()
        return Recipe.load(written.strip()) if known else Recipe.parse(written, where="the recipe")
    return Recipe.load(folder / PACKED_RECIPE)
