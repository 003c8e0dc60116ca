"""Options that say which model, for all commands that ask one."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from variegate.cli.options import option, pairs, whole
from variegate.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from variegate.models.predictors import NamedModel

_MODEL = "Model"
_TASKS = ("classification", "boxes", "semantic", "instances", "keypoints")
_FITS, _CHANNELS = ("stretch", "pad", "crop"), ("rgb", "bgr", "gray")

Files = list[Path] | None
Texts = list[str] | None


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which models, and what is known of them."""

    model: Annotated[
        Files,
        option("--model -m", "Model file, ONNX or TFLite. Repeatable.", _MODEL, "FILE"),
    ] = None
    predict: Annotated[
        Texts,
        option(
            "--predict",
            "Function that takes a list of RGB arrays: module:function or file.py:function. "
            "Repeatable.",
            _MODEL,
            "WHERE:NAME",
        ),
    ] = None
    url: Annotated[
        Texts,
        option(
            "--url",
            "Server that takes and gives JSON as KServe and TensorFlow Serving do. The variable "
            "VARIEGATE_URL_TOKEN is sent as Authorization. Repeatable.",
            _MODEL,
            "URL",
        ),
    ] = None
    command: Annotated[
        Texts,
        option(
            "--command",
            "Program that reads and writes lines of JSON. Repeatable.",
            _MODEL,
            "TEXT",
        ),
    ] = None
    card: Annotated[
        Path | None,
        option(
            "--card",
            "Card of the model: what it takes and answers. Default: bird.card.json beside "
            "bird.onnx; without one it is guessed and checked on labelled images.",
            _MODEL,
            "FILE",
        ),
    ] = None
    model_classes: Annotated[
        Path | None,
        option(
            "--model-classes",
            "Text file of the model's class names, one a line in the order of its answers.",
            _MODEL,
            "FILE",
        ),
    ] = None
    map_class: Annotated[
        Texts,
        option(
            "--map-class",
            "Class of IN that the model calls otherwise, by name or number: shoes=sandal. "
            "Repeatable, also for one class; shoes= leaves its images out.",
            _MODEL,
            "CLASS=MODEL_CLASS",
        ),
    ] = None
    task: Annotated[
        str | None, option("--task", f"What the model does: {', '.join(_TASKS)}.", _MODEL, "NAME")
    ] = None
    output: Annotated[
        str | None,
        option(
            "--output",
            "How its answers are read: logits, probabilities, yolo, torchvision, ...",
            _MODEL,
            "KIND",
        ),
    ] = None
    input_size: Annotated[
        str | None,
        option("--input-size", "Size of what it takes, pixels.", _MODEL, "HEIGHT,WIDTH"),
    ] = None
    fit: Annotated[
        str | None,
        option("--fit", "How images are brought to it: stretch, pad or crop.", _MODEL, "HOW"),
    ] = None
    channels: Annotated[
        str | None, option("--channels", "Their order: rgb, bgr or gray.", _MODEL, "ORDER")
    ] = None
    mean: Annotated[
        str | None,
        option(
            "--mean",
            "Subtracted from each channel, in their order: of values from 0 to 1, or, above 1, "
            "from 0 to 255. One number is that of all.",
            _MODEL,
            "N,N,N",
        ),
    ] = None
    std: Annotated[
        str | None,
        option(
            "--std", "Each channel is divided by it. One number is that of all.", _MODEL, "N,N,N"
        ),
    ] = None
    scale: Annotated[
        float | None,
        option("--scale", "Values from 0 to 255 are multiplied by it before --mean.", _MODEL, "N"),
    ] = None
    model_version: Annotated[
        str,
        option(
            "--model-version",
            "Version of what runs behind --url or --command: old answers are not used for another.",
            _MODEL,
            "TEXT",
        ),
    ] = ""
    paths: Annotated[
        bool,
        option(
            "--paths", "--predict and --command are given paths of PNG files, not pixels.", _MODEL
        ),
    ] = False
    threads: Annotated[
        int,
        option(
            "--model-threads",
            "Threads that a model file runs on.",
            _MODEL,
            "N",
            parser=whole(1),
        ),
    ] = 1
    timeout_s: Annotated[
        float | None,
        option(
            "--timeout",
            "Seconds to wait for a reply of --url or --command. Default: 60 and 120.",
            _MODEL,
            "N",
        ),
    ] = None

    def named(self) -> "list[NamedModel]":
        """Return the models in the order of the options' kinds.

        Raises:
            UsageError: none is named, or a value is not right.
        """
        from variegate.models.predictors import NamedModel

        more = self._more()
        found = [NamedModel(model=one, **more) for one in self.model or ()]
        for name in ("predict", "url", "command"):
            found += [NamedModel(**{name: one}, **more) for one in getattr(self, name) or ()]
        if not found:
            raise UsageError("expected a model: --model, --predict, --url or --command")
        return found

    def _more(self) -> dict[str, Any]:
        from variegate.models.guess import KnownScaling

        mapped: dict[str, list[str]] = {}
        for text in self.map_class or ():
            for name, value in pairs([text], "--map-class").items():
                mapped.setdefault(name, []).extend([value] if value else [])
        height_width = _numbers(self.input_size, "--input-size", {2})
        known: dict[str, Any] = {
            "task": one_of(self.task, "--task", _TASKS),
            "size": tuple(map(int, height_width)) if height_width else None,
            "channels": one_of(self.channels, "--channels", _CHANNELS),
            "scale": self.scale,
            "mean": _numbers(self.mean, "--mean", {1, 3}),
            "std": _numbers(self.std, "--std", {1, 3}),
            "output": self.output,
            "fit": one_of(self.fit, "--fit", _FITS),
        }
        return {
            "card": self.card,
            "classes": self.model_classes,
            "map_class": mapped,
            "version": self.model_version,
            "paths": self.paths,
            "known": KnownScaling(**known),
            "threads": self.threads,
            "timeout_s": self.timeout_s,
        }


def one_of(text: str | None, flag: str, known: tuple[str, ...]) -> str | None:
    """Return a text that is one of those known, or None.

    Raises:
        UsageError: it is another one.
    """
    if text is not None and text not in known:
        raise UsageError(
            f"{flag}: expected one of {', '.join(known)}, got {text!r}{did_you_mean(text, known)}"
        )
    return text


def _numbers(text: str | None, flag: str, counts: set[int]) -> tuple[float, ...]:
    if text is None:
        return ()
    try:
        found = tuple(float(one) for one in text.split(","))
    except ValueError:
        found = ()
    if len(found) not in counts:
        wanted = " or ".join(map(str, sorted(counts)))
        raise UsageError(f"{flag}: expected {wanted} numbers with commas between, got {text!r}")
    return found
