"""Models that are functions of the user's own: `module:function`."""

import hashlib
import importlib
import importlib.util
import inspect
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from variegate.annotations.sample import Image
from variegate.codecs import encode
from variegate.errors import InputError, did_you_mean
from variegate.models.card import Task
from variegate.models.predictors.answers import AnswerReader
from variegate.models.predictors.base import Prediction, PredictionError, Predictor
from variegate.models.predictors.checks import checked
from variegate.models.preprocessing import as_rgb

Takes = Literal["arrays", "path", "unchanged"]


class FunctionPredictor(Predictor):
    """A function that is given a list of arrays, or the path of one image.

    A function may have attributes that say more: `task`, `classes`, `identity`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        task: Task | None = None,
        classes: Sequence[str] = (),
        takes: Takes = "arrays",
        name: str = "",
    ) -> None:
        """Take a function.

        Args:
            function: is given a list of images, (H, W, 3) RGB, uint8, of any sizes (gray ones have
                three equal channels, what is transparent is white), and returns a list of answers
                (see `answers`); or with `takes` "path" the path of a PNG file of one, as text, and
                returns one; or with "unchanged" a list of the images as they are, gray ones too.
            task: None: what the function says, or classification.
            classes: of its answers; none: what the function says.
            takes: what it is given.
            name: what to call it.
        """
        self._function = function
        self._takes = takes
        self._name = name or getattr(function, "__qualname__", type(function).__name__)
        said: Task = getattr(function, "task", "classification")
        self.task = task or said
        self.classes = tuple(classes) or tuple(getattr(function, "classes", ()))
        self.identity = function_identity(function, self._name, self.task, self.classes)
        self._reader = AnswerReader(self.task, self.classes)

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        if not images:
            return []
        sizes = [(one.shape[0], one.shape[1]) for one in images]
        if self._takes == "path":
            answers = self._by_path(images)
        elif self._takes == "unchanged":
            answers = self._asked(list(images))
        else:
            answers = self._asked([as_rgb(one) for one in images])
        return checked(self._reader.all(answers, sizes), images, self)

    def _by_path(self, images: Sequence[Image]) -> list[Any]:
        with tempfile.TemporaryDirectory(prefix="variegate-") as folder:
            answers = []
            for number, image in enumerate(images):
                path = Path(folder) / f"{number}.png"
                path.write_bytes(encode(as_rgb(image), format="png"))
                answers.append(self._asked(str(path)))
            return answers

    def _asked(self, given: Any) -> Any:
        try:
            return self._function(given)
        except PredictionError:
            raise
        except Exception as error:
            kind, text = type(error).__name__, " ".join(str(error).split())
            raise PredictionError(f"{self._name} failed: {kind}: {text}") from error

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "function": self._name}


def function_identity(
    function: Callable[..., Any], name: str, task: str, classes: Sequence[str]
) -> str:
    """Return a digest of what can be known of a function: its file, or what it says itself."""
    digest = hashlib.sha256(repr(("function", name, task, tuple(classes))).encode())
    if own := getattr(function, "identity", ""):
        digest.update(str(own).encode())
        return digest.hexdigest()
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
        digest.update(Path(file).read_bytes() if file else b"")
    except (TypeError, OSError):
        digest.update(repr(getattr(function, "__code__", None)).encode())
    return digest.hexdigest()


def load_function(text: str, *, flag: str = "--predict") -> Callable[..., Any]:
    """Return the function that `module:function` or `file.py:function` names.

    Modules are found as Python finds them, and in the current folder.

    Args:
        text: names it.
        flag: option that a message is about.

    Raises:
        InputError: there is none.
    """
    place, colon, name = text.rpartition(":")
    if not colon or not place or not name:
        raise InputError(f"{flag}: expected module:function or file.py:function, got {text!r}")
    module = _module(place, flag)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [one for one in dir(found) if not one.startswith("_")]
            raise InputError(f"{flag}: {place} has no {part!r}{did_you_mean(part, known)}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{flag}: {text} is no function, but {type(found).__name__}")
    return found


def _module(place: str, flag: str) -> Any:
    try:
        if place.endswith(".py"):
            path = Path(place)
            if not path.is_file():
                raise InputError(f"{flag}: there is no file {place}")
            spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            # Dataclasses and pickles look their module up.
            sys.modules.setdefault(path.stem, module)
            spec.loader.exec_module(module)
            return module
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(place)
    except InputError:
        raise
    except Exception as error:
        kind, text = type(error).__name__, " ".join(str(error).split())
        raise InputError(f"{flag}: {place} cannot be imported ({kind}: {text})") from error
