"""Arguments and options that several commands share, and what they mean in Python."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.errors import RecipeError, UsageError, did_you_mean

if TYPE_CHECKING:
    from variegate.codecs import Limits
    from variegate.recipes.recipe import Recipe
    from variegate.runs.run import Options

_RECIPE, _INPUT, _RUN, _RAY = "Recipe", "Input", "Run", "Run on a Ray cluster"
_LAMBDA = "Run on AWS Lambda"


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


def _loaded(files: list[Path] | None) -> list[Path]:
    if files:
        from variegate.recipes.plugins import load_plugins

        load_plugins(files)
    return files or []


In = Annotated[
    str, typer.Argument(metavar="IN", help="Folder, zip file or bucket (s3://...) of images.")
]
Out = Annotated[
    str, typer.Argument(metavar="OUT", help="Folder, zip file or bucket (s3://...) of results.")
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint", metavar="URL", help="Address of a store that speaks S3; AWS's if none."
    ),
]


def use_endpoint(url: str | None) -> None:
    """Let this process and those that it starts reach S3 at another address."""
    if url is None:
        return
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--endpoint {url}: expected an address such as https://store.example")
    os.environ["AWS_ENDPOINT_URL"] = url


RecipeFile = Annotated[
    Path | None,
    typer.Option("--recipe", "-r", metavar="FILE", help="Recipe file.", rich_help_panel=_RECIPE),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        "-p",
        metavar="NAME",
        help="Recipe that comes with variegate (see: variegate recipe presets); light if none.",
        rich_help_panel=_RECIPE,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        "-s",
        metavar="N",
        parser=whole(),
        help="Where all randomness begins, instead of the recipe's.",
        rich_help_panel=_RECIPE,
    ),
]
PluginFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        help="Python file with transforms of your own; may be given several times.",
        # Before the recipe is read, which names them.
        callback=_loaded,
        rich_help_panel=_RECIPE,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Stop at the first fault in an annotation, before anything is written; end with exit "
        "code 3 if anything was quarantined.",
    ),
]
FormatName = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="Layout of IN, where it should not be guessed, such as classes, csv or yolo:FOLDER.",
        rich_help_panel=_INPUT,
    ),
]
LabelPattern = Annotated[
    str | None,
    typer.Option(
        "--label-pattern",
        metavar="REGEX",
        help="Where labels stand in file names, with a group called label.",
        rich_help_panel=_INPUT,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        metavar="N",
        parser=whole(),
        help="Only so many images, evenly spread: try it on a few first.",
        rich_help_panel=_INPUT,
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        metavar="N",
        parser=whole(1),
        help="Quarantine images of more pixels unread; 250 million if none.",
        rich_help_panel=_INPUT,
    ),
]
MaxMegabytes = Annotated[
    int | None,
    typer.Option(
        "--max-megabytes",
        metavar="N",
        parser=whole(1),
        help="Quarantine files that are larger unread; 512 if none.",
        rich_help_panel=_INPUT,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-w",
        metavar="N",
        parser=whole(),
        help="Worker processes; one a processor if none; 0 to work in this process.",
        rich_help_panel=_RUN,
    ),
]
BackendName = Annotated[
    str,
    typer.Option(
        "--backend",
        "-b",
        metavar="NAME",
        help="Where the work is done: local (this machine), ray or lambda.",
        rich_help_panel=_RUN,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Ray: the cluster; auto for one on this machine; if none, one is started.",
        rich_help_panel=_RAY,
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        metavar="N",
        parser=whole(1),
        help="Ray: tasks at a time; as many as fit if none. Lambda: calls at a time; 20 if none.",
        rich_help_panel=_RAY,
    ),
]
FunctionName = Annotated[
    str | None,
    typer.Option(
        "--function",
        metavar="NAME",
        help="Lambda: the function that variegate deploy augment made.",
        rich_help_panel=_LAMBDA,
    ),
]
CpusPerTask = Annotated[
    float | None,
    typer.Option(
        "--cpus-per-task",
        metavar="N",
        help="Ray: processors a task is reckoned with; 1 if none.",
        rich_help_panel=_RAY,
    ),
]
MemoryPerTask = Annotated[
    int | None,
    typer.Option(
        "--memory-per-task",
        metavar="MB",
        parser=whole(1),
        help="Ray: memory a task is reckoned with.",
        rich_help_panel=_RAY,
    ),
]
SharedFolder = Annotated[
    bool | None,
    typer.Option(
        "--shared-folder",
        help="Ray: IN and OUT are the same folders on all machines.",
        rich_help_panel=_RAY,
        show_default=False,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output instead.")
]


def chosen_recipe(file: Path | None, preset: str | None, seed: int | None) -> "Recipe":
    """Load the recipe that the options name."""
    from variegate.recipes.recipe import presets
    from variegate.runs.run import load_recipe

    if file is not None and preset is not None:
        raise UsageError("--recipe and --preset: expected one of them, got both; leave one out")
    if preset is not None and preset not in presets():
        raise RecipeError(
            f"--preset {preset}: expected one of {', '.join(presets())}"
            f"{did_you_mean(preset, presets())}"
        )
    return load_recipe(file or preset, seed)


def recipe_name(file: Path | None, preset: str | None) -> str:
    """Return what to call the recipe that the options name."""
    from variegate.runs.run import DEFAULT_PRESET

    return str(file) if file is not None else preset or DEFAULT_PRESET


def chosen_limits(max_pixels: int | None, max_megabytes: int | None) -> "Limits":
    """Return the limits that the options name."""
    from variegate.codecs import Limits

    default = Limits()
    return Limits(
        max_pixels=default.max_pixels if max_pixels is None else max_pixels,
        max_bytes=default.max_bytes if max_megabytes is None else max_megabytes << 20,
    )


def chosen_options(
    *,
    dataset_format: str | None = None,
    label_pattern: str | None = None,
    limit: int | None = None,
    workers: int | None = None,
    shard_size: int | None = None,
    strict: bool = False,
    max_pixels: int | None = None,
    max_megabytes: int | None = None,
    backend: str = "local",
    backend_options: Mapping[str, object] | None = None,
    plugins: Sequence[Path] | None = None,
) -> "Options":
    """Return what the options say about how to read and run."""
    from variegate.runs.run import Options

    return Options(
        format=dataset_format,
        label_pattern=label_pattern,
        limit=limit,
        workers=workers,
        shard_size=shard_size,
        strict=strict,
        limits=chosen_limits(max_pixels, max_megabytes),
        backend=backend,
        backend_options=backend_options or {},
        plugins=tuple(plugins or ()),
    )
