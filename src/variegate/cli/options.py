"""Arguments and options that several commands share, and what they mean in Python.

Options that belong together are fields of a dataclass. A command takes the dataclass as one
keyword argument; `application.command` makes an option of every field.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from variegate.errors import RecipeError, UsageError, did_you_mean

if TYPE_CHECKING:
    from variegate.formats.hints import Hints
    from variegate.recipes.recipe import Recipe
    from variegate.runs.run import Options

_RECIPE, _INPUT, _RUN = "Recipe", "Input", "Run"
_RAY, _LAMBDA = "Run on a Ray cluster", "Run on AWS Lambda"


def whole(low: int | None = None, high: int | None = None) -> Callable[[object], int]:
    """Return what reads a whole number and says what is wrong with one."""
    bounds = "" if low is None else f" of at least {low}" if high is None else f" {low} to {high}"

    def number(given: object) -> int:
        try:
            value = int(str(given))
        except ValueError:
            value = None
        if (
            value is None
            or (low is not None and value < low)
            or (high is not None and value > high)
        ):
            raise typer.BadParameter(f"expected a whole number{bounds}, got {str(given)!r}")
        return value

    return number


def option(
    flags: str,
    help: str,  # noqa: A002 - as typer calls it
    panel: str | None = None,
    metavar: str | None = None,
    **more: Any,
) -> Any:
    """Return an option: its flags, separated by spaces, what its help says, and where."""
    return typer.Option(*flags.split(), help=help, rich_help_panel=panel, metavar=metavar, **more)


def pairs(texts: list[str] | None, flag: str) -> dict[str, str]:
    """Read texts of the form NAME=VALUE.

    Raises:
        UsageError: one has no "=".
    """
    for text in texts or ():
        if "=" not in text:
            raise UsageError(f"{flag}: expected NAME=VALUE, got {text!r}")
    return {name: value for name, _, value in (one.partition("=") for one in texts or ())}


def _listed_pairs(text: str | None, flag: str) -> list[tuple[str, str]]:
    """Read NAME=VALUE,NAME=VALUE."""
    return [pair for one in (text or "").split(",") if one for pair in pairs([one], flag).items()]


def _window(text: str | None) -> object:
    """Read full, auto or LOW:HIGH.

    Raises:
        UsageError: it is none of them.
    """
    low, colon, high = (text or "").partition(":")
    if not colon and text in (None, "full", "auto"):
        return text
    try:
        return float(low), float(high)
    except ValueError:
        raise UsageError(f"--depth: expected full, auto or LOW:HIGH, got {text!r}") from None


def _loaded(files: list[Path] | None) -> list[Path]:
    if files:
        from variegate.recipes.plugins import load_plugins

        load_plugins(files)
    return files or []


def _reached(url: str | None) -> str | None:
    """Let this process and those that it starts reach S3 at another address."""
    if url is not None:
        from variegate.storage.object_store import is_endpoint

        if not is_endpoint(url):
            # Not what came: it may hold a password.
            raise UsageError("--endpoint: expected a URL such as https://store.example")
        os.environ["AWS_ENDPOINT_URL"] = url
    return url


In = Annotated[
    str, typer.Argument(metavar="IN", help="Folder, zip or tar file, or bucket (s3://...).")
]
Out = Annotated[
    str, typer.Argument(metavar="OUT", help="Folder, zip file or bucket (s3://...) of results.")
]
Endpoint = Annotated[
    str | None,
    option(
        "--endpoint",
        "Endpoint URL of an S3-compatible store. Default: AWS.",
        metavar="URL",
        callback=_reached,
    ),
]
AsJson = Annotated[bool, option("--json", "Print one JSON object to standard output instead.")]
Strict = Annotated[
    bool,
    option(
        "--strict",
        "Stop before anything is written at the first fault in an annotation, or note that one is "
        "lost, changed or guessed; exit with code 3 if any image was quarantined.",
    ),
]
Features = Annotated[
    Path | None,
    option(
        "--features",
        "Model (.onnx, .tflite) with its card beside it: compare what it sees as similar, too.",
        metavar="FILE",
    ),
]
RawLabels = Annotated[
    bool,
    option(
        "--raw-labels",
        "Write labels into CSV files unchanged. Default: an apostrophe before what a spreadsheet "
        "takes for a formula; reading takes it away.",
    ),
]
PluginFiles = Annotated[
    list[Path] | None,
    option(
        "--plugin",
        "Python file with your own transforms. Repeatable.",
        _RECIPE,
        "FILE",
        # Before the recipe is read, which names them.
        callback=_loaded,
    ),
]
Region = Annotated[
    str | None, option("--region", "AWS region. Default: your profile's.", metavar="NAME")
]
Yes = Annotated[bool, option("--yes -y", "Do not ask for confirmation.")]


@dataclass(frozen=True, kw_only=True)
class RecipeChoice:
    """Which recipe."""

    recipe: Annotated[Path | None, option("--recipe -r", "Recipe file.", _RECIPE, "FILE")] = None
    preset: Annotated[
        str | None,
        option(
            "--preset -p",
            "Built-in recipe (list them: variegate recipe presets). Default: light.",
            _RECIPE,
            "NAME",
        ),
    ] = None
    seed: Annotated[
        int | None,
        option("--seed -s", "Random seed. Default: the recipe's.", _RECIPE, "N", parser=whole()),
    ] = None

    def load(self) -> "Recipe":
        """Load the recipe.

        Raises:
            UsageError: both are given, there is no such recipe, or it is not valid.
        """
        from variegate.recipes.recipe import presets
        from variegate.runs.run import load_recipe

        if self.recipe is not None and self.preset is not None:
            raise UsageError("--recipe and --preset: expected one of them, got both")
        if self.preset is not None and self.preset not in presets():
            raise RecipeError(
                f"--preset {self.preset}: expected one of {', '.join(presets())}"
                f"{did_you_mean(self.preset, presets())}"
            )
        return load_recipe(self.recipe or self.preset, self.seed)

    @property
    def name(self) -> str:
        """What to call the recipe."""
        from variegate.runs.run import DEFAULT_PRESET

        return str(self.recipe or self.preset or DEFAULT_PRESET)


@dataclass(frozen=True, kw_only=True)
class PluginRecipe(RecipeChoice):
    """Which recipe, and which transforms of the user's own."""

    plugins: PluginFiles = None


@dataclass(frozen=True, kw_only=True)
class FormatChoice:
    """How the input is read."""

    format: Annotated[
        str | None,
        option(
            "--format",
            "Format of IN, such as coco, classes or yolo:FOLDER. Default: detected.",
            _INPUT,
            "NAME",
        ),
    ] = None
    label_pattern: Annotated[
        str | None,
        option("--label-pattern", "Regex with a group named label.", _INPUT, "REGEX"),
    ] = None
    split: Annotated[
        list[str] | None,
        option(
            "--split",
            "Folder of a split that is called otherwise: train=training_set. Repeatable.",
            _INPUT,
            "NAME=FOLDER",
        ),
    ] = None
    classes: Annotated[
        Path | None,
        option("--classes", "Text file of class names, one a line.", _INPUT, "FILE"),
    ] = None
    images_in: Annotated[
        str | None,
        option("--images", "Folder in IN of the images that annotation files name.", _INPUT, "DIR"),
    ] = None
    columns: Annotated[
        str | None,
        option("--columns", "Columns of a table: file=id,label=breed.", _INPUT, "WHAT=NAME,..."),
    ] = None
    pairs: Annotated[
        str | None,
        option(
            "--pairs",
            "Keypoints that a mirror exchanges: l_eye=r_eye,l_ear=r_ear.",
            _INPUT,
            "LEFT=RIGHT,...",
        ),
    ] = None
    masks: Annotated[
        str | None,
        option(
            "--masks",
            "What the values of masks number or measure: instances, classes or soft.",
            _INPUT,
            "KIND",
        ),
    ] = None
    encoding: Annotated[
        str | None,
        option(
            "--encoding", "Encoding of text files: gbk, cp1252. Default: UTF-8.", _INPUT, "NAME"
        ),
    ] = None
    depth: Annotated[
        str | None,
        option(
            "--depth",
            "What becomes black and white in images deeper than 8 bits: full (scale), auto (their "
            "own range) or LOW:HIGH. Default: full.",
            _INPUT,
            "WINDOW",
        ),
    ] = None
    endpoint: Endpoint = None

    @property
    def hints(self) -> "Hints":
        """What the options say of the dataset.

        Raises:
            UsageError: a value is not right.
        """
        from variegate.formats.hints import Hints, read_class_list

        given = {
            "splits": {
                folder.strip("/"): name
                for text in self.split or ()
                for name, folder in pairs([text], "--split").items()
            },
            "classes": read_class_list(self.classes, self.encoding) if self.classes else None,
            "images": None if self.images_in is None else self.images_in.strip("/"),
            "columns": dict(_listed_pairs(self.columns, "--columns")),
            "pairs": tuple(_listed_pairs(self.pairs, "--pairs")),
            "masks": self.masks,
            "encoding": self.encoding,
            "depth": _window(self.depth),
        }
        return Hints.of(**{name: value for name, value in given.items() if value})


@dataclass(frozen=True, kw_only=True)
class LimitedInput(FormatChoice):
    """How the input is read, and what of it is too large."""

    max_pixels: Annotated[
        int | None,
        option(
            "--max-pixels",
            "Quarantine images of more than N pixels without decoding them. Default: 250 million.",
            _INPUT,
            "N",
            parser=whole(1),
        ),
    ] = None
    max_megabytes: Annotated[
        int | None,
        option(
            "--max-megabytes",
            "Quarantine files larger than N MB without decoding them. Default: 512.",
            _INPUT,
            "N",
            parser=whole(1),
        ),
    ] = None

    def options(self, **more: Any) -> "Options":
        """Return how to read and run, with what else is chosen."""
        from variegate.codecs import Limits
        from variegate.runs.run import Options

        default = Limits()
        limits = Limits(
            max_pixels=self.max_pixels or default.max_pixels,
            max_bytes=self.max_megabytes << 20 if self.max_megabytes else default.max_bytes,
        )
        return Options(
            format=self.format,
            label_pattern=self.label_pattern,
            hints=self.hints,
            limits=limits,
            **more,
        )


@dataclass(frozen=True, kw_only=True)
class RunInput(LimitedInput):
    """How the input is read, how much of it, and by how many."""

    limit: Annotated[
        int | None,
        option(
            "--limit",
            "Process at most N images, sampled evenly: try it on a few first.",
            _INPUT,
            "N",
            parser=whole(),
        ),
    ] = None
    workers: Annotated[
        int | None,
        option(
            "--workers -w",
            "Worker processes; 0 works in this process. Default: one per CPU.",
            _RUN,
            "N",
            parser=whole(),
        ),
    ] = None

    def options(self, **more: Any) -> "Options":
        return super().options(limit=self.limit, workers=self.workers, **more)


@dataclass(frozen=True, kw_only=True)
class BackendChoice:
    """Where a run is carried out."""

    backend: Annotated[
        str,
        option("--backend -b", "Where to run: local, ray or lambda.", _RUN, "NAME"),
    ] = "local"
    address: Annotated[
        str | None,
        option(
            "--address",
            "Address of the Ray cluster; auto for one on this machine. Default: start one here.",
            _RAY,
            "HOST:PORT",
        ),
    ] = None
    concurrency: Annotated[
        int | None,
        option(
            "--concurrency",
            "Ray: tasks at a time (default: as many as fit). Lambda: calls at a time (default: "
            "20).",
            _RAY,
            "N",
            parser=whole(1),
        ),
    ] = None
    cpus_per_task: Annotated[
        float | None, option("--cpus-per-task", "CPUs that a task reserves. Default: 1.", _RAY, "N")
    ] = None
    memory_per_task: Annotated[
        int | None,
        option("--memory-per-task", "Memory that a task reserves.", _RAY, "MB", parser=whole(1)),
    ] = None
    shared_folder: Annotated[
        bool | None,
        option(
            "--shared-folder",
            "IN and OUT are folders that all machines share.",
            _RAY,
            show_default=False,
        ),
    ] = None
    function: Annotated[
        str | None,
        option("--function", "Function that variegate deploy augment created.", _LAMBDA, "NAME"),
    ] = None

    @property
    def chosen(self) -> dict[str, object]:
        """The options of the back end, by name."""
        return {name: value for name, value in vars(self).items() if name != "backend"}
