"""How a run is carried out: light, so that what a run needs can be loaded while its workers start.

What is imported here is imported before anything is started.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from variegate.codecs import Limits
    from variegate.formats import Hints
    from variegate.recipes.recipe import Recipe

# A worker says something after every output; the largest image takes a fraction of this.
SILENCE_LIMIT_S = 300.0


T = TypeVar("T")


class _Late:
    """A field whose default is made when it is first looked at: it takes long to import."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> object:
        if instance is None:
            # The default of the dataclass: not made yet.
            return None
        values = instance.__dict__
        if values[self._name] is None:
            values[self._name] = self._make()
        return values[self._name]

    def __set__(self, instance: object, value: object) -> None:
        instance.__dict__[self._name] = value


def _late(make: Callable[[], T]) -> T:
    """Return such a field, which is taken for its value."""
    return cast("T", _Late(make))


def _no_hints() -> "Hints":
    from variegate.formats import NO_HINTS

    return NO_HINTS


def _usual_limits() -> "Limits":
    from variegate.codecs import Limits

    return Limits()


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a dataset is read and a run is carried out; all have sensible defaults.

    Attributes:
        format: name of the input's format; None to detect it.
        label_pattern: regular expression with a group "label", for labels in file names.
        hints: what cannot be told from the files of the dataset; it goes before the recipe's.
        limit: process at most this many images, sampled evenly.
        workers: processes; 0 for none but this one, None for one a processor.
        shard_size: sources in a shard; None for a sensible number.
        limits: larger images are quarantined.
        raw_labels: write labels into CSV files as they are, though a spreadsheet may take them for
            formulas.
        strict: stop before anything is made at the first fault in an annotation, or note that
            one is lost, changed or guessed.
        update: make a finished output of the same recipe follow its input: make what is new or
            changed, keep the rest.
        prune: with `update`: delete the results of inputs that are gone.
        balance: variants by class: "even", a number of results of each class, or "cap:N"; None
            for all variants of every image.
        silence_limit_s: a worker process that finishes no result for so long is taken to hang.
        backend: where it is run: the name of a back end.
        backend_options: those of that back end, by name.
        plugins: files with transforms of the user's own.
    """

    format: str | None = None
    label_pattern: str | None = None
    hints: "Hints" = _late(_no_hints)  # noqa: RUF009 - a descriptor
    limit: int | None = None
    workers: int | None = None
    shard_size: int | None = None
    limits: "Limits" = _late(_usual_limits)  # noqa: RUF009 - a descriptor
    raw_labels: bool = False
    strict: bool = False
    update: bool = False
    prune: bool = False
    balance: str | None = None
    silence_limit_s: float = SILENCE_LIMIT_S
    backend: str = "local"
    backend_options: Mapping[str, object] = field(default_factory=dict)
    plugins: tuple[str | Path, ...] = ()

    def all_hints(self, recipe: "Recipe") -> "Hints":
        """Return what is said of the dataset, here and in the recipe.

        Raises:
            RecipeError: a value is not right.
        """
        return self.hints.over(recipe.hints)
