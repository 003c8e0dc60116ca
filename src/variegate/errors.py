"""The exceptions that variegate raises.

```
VariegateError
├── UsageError              the user can correct it: one sentence, exit code 2
│   ├── RecipeError         a recipe, policy or transform parameter
│   ├── InputError          the dataset that was named
│   │   └── UnavailableError  one of its files, just now: it may be there again
│   ├── OutputError         the place where results should go
│   │   ├── KeyRefusedError one name that it does not take, while others may be written
│   │   └── LateRefusalError the same, of a file that was written behind others
│   └── StoreError          an object store as a whole: it denies, cannot be reached, or fails
├── ShapeError              an array or argument of the wrong shape or kind (a caller's mistake)
└── ImageError              one image; the run goes on without it
    ├── DecodeError         its bytes are not an image that can be read
    ├── LimitError          it is larger than the limits allow
    ├── StepError           a step of the recipe cannot work on it
    └── UnsupportedError    it is an image, of a kind this installation cannot read
```

Every message says what was expected, what came, where, and what to do about it.
"""

import difflib
import re
from collections.abc import Iterable

# Between "://" and "@": a name and a password, which no key of a bucket has before its first slash.
_PASSWORD = re.compile(r"(?<=://)[^\s/@]*@")


def without_password(text: str) -> str:
    """Return a text without what stands before the host in URLs: "http://***@host"."""
    return _PASSWORD.sub("***@", text)


class VariegateError(Exception):
    """Base of all exceptions raised on purpose by variegate. No message shows a password."""

    def __init__(self, *told: object) -> None:
        super().__init__(*(without_password(one) if isinstance(one, str) else one for one in told))


class UsageError(VariegateError):
    """The call, the input or the output is not right, and the user can correct it."""


class RecipeError(UsageError):
    """A recipe, a policy or a transform's parameter is wrong."""


class InputError(UsageError):
    """The named dataset cannot be read or understood as a whole."""


class OutputError(UsageError):
    """The results cannot be written where they should go."""


class UnavailableError(InputError):
    """A file of the dataset cannot be read just now; later it perhaps can."""


class KeyRefusedError(OutputError):
    """No file of this name can be written there; others can."""


class LateRefusalError(OutputError):
    """A file that was to be written later has a name that is not taken; which is not known here."""


class StoreError(UsageError):
    """An object store cannot be used: what it was asked for may well be there."""


class ShapeError(VariegateError, ValueError):
    """An array has the wrong shape or element type."""


class ImageError(VariegateError):
    """One image cannot be used. The run goes on; the manifest has the reason."""


class DecodeError(ImageError):
    """The bytes are not an image, or a broken one."""


class LimitError(ImageError):
    """The image is larger than the limits allow."""


class StepError(ImageError):
    """A step of the recipe cannot work on the image; the message begins with "step NAME: "."""


class UnsupportedError(ImageError):
    """An image of a kind that this installation cannot read."""


def raised_elsewhere(kind: str, message: str) -> UsageError | None:
    """Return the error of the user's that another process told of; None if it was none.

    Args:
        kind: name of its class.
        message: what it said.
    """
    found = globals().get(kind)
    if isinstance(found, type) and issubclass(found, UsageError):
        return found(message)
    return None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the closest known word, or an empty string."""
    words = list(known)
    # A name without its unit (angle for angle_degrees) is a likely slip, too.
    longer = [name for name in words if len(word) > 2 and name.startswith(word)]
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6) or longer
    return f"; did you mean {close[0]!r}?" if close else ""
