"""Steps that fail: which of a recipe's it was, and why, in one sentence.

Built-in steps work on every image. Those of other libraries and of the user's own may not: a crop
larger than the image, a result that is no image.
"""

import re
from collections.abc import Callable

import cv2
import numpy as np

from variegate.annotations.sample import Image, Sample
from variegate.errors import ImageError, StepError, UsageError
from variegate.ops import Combination, Operation

_BEGINNING = re.compile(r"step (.+?): ")
_NO_MEMORY = -4  # cv2.error.code

# The text of these alone does not tell what is wrong: "'size'", "list index out of range".
_TERSE = (LookupError, TypeError, AttributeError, NameError, ArithmeticError, AssertionError)


class naming:  # noqa: N801 - used like a function, in "with" blocks
    """Let whatever a step raises become a `StepError` that names it; except for lack of memory.

    A class, since it is entered several times for every variant: a generator would take three times
    as long.

    Args:
        step: its name, or what tells it when it is asked for.

    Raises:
        StepError: the step failed.
    """

    __slots__ = ("_step",)

    def __init__(self, step: str | Callable[[], str]) -> None:
        self._step = step

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if error is None or not isinstance(error, Exception):
            return
        if isinstance(error, ImageError | UsageError | MemoryError):
            return
        if isinstance(error, cv2.error) and error.code == _NO_MEMORY:
            return
        called = self._step if isinstance(self._step, str) else self._step()
        raise StepError(f"step {called}: {_in_words(error)}") from error


def applied(
    operation: Operation, sample: Sample, partner: Callable[[str], Sample] | None
) -> Sample:
    """Return what an operation makes of a sample.

    Args:
        operation: what is done.
        sample: to which.
        partner: returns another image by its key, for operations on several.

    Raises:
        StepError: it fails, or what it makes is no image of the same kind. It is called by its
            class, since who drew it is not known here.
    """
    name = type(operation).__name__
    if isinstance(operation, Combination):
        assert partner is not None
        partners = tuple(partner(key) for key in operation.partners)
        with naming(name):
            made = operation.combine(sample, partners)
    else:
        with naming(name):
            made = operation.apply(sample)
    if wrong := fault(made.image, sample.image):
        raise StepError(f"step {name}: {wrong}")
    return made


def fault(result: object, image: Image) -> str | None:
    """Say what is wrong with the result of a step that was given `image`, if anything is."""
    if not isinstance(result, np.ndarray):
        return f"it returns no array but {type(result).__name__}; expected {_kind(image)}"
    if result.dtype != np.uint8:
        return f"it returns {result.dtype} values; expected {_kind(image)}"
    if result.ndim not in (2, 3) or result.shape[2:] != image.shape[2:]:
        return f"it returns an array of shape {result.shape}; expected {_kind(image)}"
    if result.size == 0:
        return "it returns an image without pixels"
    return None


def failed_step(reason: str) -> str | None:
    """Return the name of the step that a `StepError`'s message names; None for other reasons."""
    found = _BEGINNING.match(reason)
    return found[1] if found else None


def _kind(image: Image) -> str:
    shape = "(H, W)" if image.ndim == 2 else f"(H, W, {image.shape[2]})"
    return f"{shape} uint8, as it was given"


def _in_words(error: Exception) -> str:
    text = " ".join(str(error).split())
    if not text:
        return type(error).__name__
    return f"{type(error).__name__}: {text}" if isinstance(error, _TERSE) else text
