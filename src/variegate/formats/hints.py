"""How a dataset is read where its files do not tell: the user's answers to what cannot be known."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator

from variegate.codecs.limits import Depth, Limits
from variegate.errors import RecipeError, UsageError, did_you_mean
from variegate.validation import Spec, sentence

Split = Literal["train", "val", "test"]


class Hints(Spec):
    """What the user says of a dataset; what is left out is found in its files.

    The same in Python, on the command line, and below `hints:` in a recipe.
    """

    format: str | None = None
    """Format of the dataset, for some with what to take labels from: csv-boxes:FILE. It gives way
    to a format that is given by itself (`--format`)."""
    splits: dict[str, Split] = Field(default_factory=dict)
    """Folder, as its name or as its path in the dataset -> the split that its images belong to."""
    classes: tuple[str, ...] | None = None
    """Names of the classes, in the order of their numbers."""
    images: str | None = None
    """Folder of the images that annotation files name."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Of a table: what is wanted ("file", "label", "split", ...) -> name of its column."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Keypoints that a mirror exchanges: left and right."""
    masks: Literal["instances", "classes", "soft"] | None = None
    """What the values of masks are: numbers of objects, numbers of classes, or shares of one."""
    encoding: str | None = None
    """Encoding of text files, as Python calls it."""
    depth: Depth | None = None
    """Which values of images of more than 8 bits become black and white: those of the full scale,
    the image's own least and greatest ("auto"), or two numbers."""

    @field_validator("depth", mode="before")
    @classmethod
    def _window(cls, depth: object) -> object:
        numbers = isinstance(depth, list | tuple) and [type(one) in (int, float) for one in depth]
        if depth in (None, "full", "auto") or (numbers == [True] * 2 and depth[0] < depth[1]):  # type: ignore[index]
            return depth
        raise ValueError(f"expected full, auto or [low, high] with low below high, got {depth!r}")

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                "".encode(name)
            except LookupError as error:
                raise ValueError(
                    f"unknown encoding {name!r}; such as utf-8, gbk, cp1252"
                ) from error
        return name

    @classmethod
    def of(cls, **given: Any) -> Self:
        """Return what was said, checked.

        Raises:
            RecipeError: a value is not right.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            raise RecipeError(f"hints: {sentence(error, cls)}") from error

    def over(self, other: "Hints") -> "Hints":
        """Return this, with what it leaves open taken from another."""
        said = {**other.to_data(), **self.to_data()}
        return Hints.of(**said) if said else self

    def decoding(self, limits: Limits) -> Limits:
        """Return how images are decoded, with the depth that was said."""
        return limits if self.depth is None else replace(limits, depth=self.depth)

    def check_pairs(self, points: Iterable[str]) -> None:
        """Make sure that the pairs are among a dataset's keypoints.

        Raises:
            UsageError: a name is none of them.
        """
        known = {name.lower(): name for name in points}
        for name in chain.from_iterable(self.pairs):
            if name.lower() not in known:
                names = list(known.values())
                listed = ", ".join(names) or "none"
                raise UsageError(
                    f"--pairs: no keypoint is called {name!r}{did_you_mean(name, names)}; the "
                    f"dataset has {listed}"
                )

    def to_data(self) -> dict[str, Any]:
        """Return what was said, as JSON values."""
        return self.model_dump(mode="json", exclude_defaults=True)


# Nothing to be checked, for which all that pydantic needs would have to be built.
NO_HINTS = Hints.model_construct()


def read_class_list(path: Path, encoding: str | None = None) -> tuple[str, ...]:
    """Read names of classes from a text file, one a line.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        text = path.read_text(encoding=encoding or "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not in {encoding or 'UTF-8'}"
        raise UsageError(f"--classes {path}: cannot be read ({reason})") from error
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not names:
        raise UsageError(f"--classes {path}: no names; expected one a line")
    return names
