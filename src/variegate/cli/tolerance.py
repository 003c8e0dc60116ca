"""variegate tolerance: how much of each transformation a model takes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show, show_json, table
from variegate.cli.models import ModelChoice
from variegate.cli.options import AsJson, FormatChoice, In, option, whole
from variegate.cli.progress import counting
from variegate.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.models.predictors import NamedModel
    from variegate.tolerance.result import AxisTolerance, ThresholdResult, Tolerance
    from variegate.tolerance.run import SearchProgress

_SEARCH = "Search"


@command(
    "tolerance",
    "variegate tolerance val/ --model birds.onnx",
    "variegate tolerance val/ --model birds.onnx --axes rotate+,jpeg --n-max 1000 -o rotate.json",
    'variegate tolerance photos/ --command "node model.js" --task boxes --metamorphic',
    "variegate tolerance photos/ --similarity",
)
def tolerance(
    source: In,
    *,
    models: ModelChoice,
    similarity: Annotated[
        bool,
        option(
            "--similarity",
            "No model: an image is lost where it resembles another one more than itself.",
            "Model",
        ),
    ] = False,
    inputs: FormatChoice,
    result: Annotated[Path, option("--result -o", "File of the result.", metavar="FILE")] = Path(
        "tolerance.json"
    ),
    error: Annotated[
        str | None,
        option(
            "--error --difference",
            "How wrong an answer is: class, confidence, total_variation, iou, dice, oks, or "
            "module:function of your own, of what is expected and predicted, 0 to 1.",
            _SEARCH,
            "NAME",
        ),
    ] = None,
    tau: Annotated[
        float | None,
        option(
            "--tau",
            "An error from here on is a failure. Default: 0.5, or tau of your own function.",
            _SEARCH,
            "ERROR",
            min=0.01,
            max=1,
        ),
    ] = None,
    axes: Annotated[
        str | None,
        option(
            "--axes", "Only these axes. Default: the 24 of the preset tolerance.", _SEARCH, "A,B"
        ),
    ] = None,
    n_max: Annotated[
        int,
        option("--n-max", "Use at most N images for an axis.", _SEARCH, "N", parser=whole(24)),
    ] = 256,
    width: Annotated[
        float | None,
        option(
            "--width",
            "Stop an axis when its intervals are this narrow, as a share of it: 0.05.",
            _SEARCH,
            "SHARE",
            min=0.01,
            max=1,
        ),
    ] = None,
    quantiles: Annotated[
        str,
        option("--quantiles", "Shares of lost images whose levels are searched.", _SEARCH, "Q,Q"),
    ] = "0.05,0.49",
    budget: Annotated[
        int | None,
        option("--budget", "Ask the model about at most N images.", _SEARCH, "N", parser=whole(1)),
    ] = None,
    realism: Annotated[
        bool,
        option("--realism/--no-realism", "Calibrate the realism of whole variants.", _SEARCH),
    ] = True,
    part: Annotated[
        str | None,
        option("--part", "Use only this split: val, test. Default: all.", "Input", "NAME"),
    ] = None,
    limit: Annotated[
        int,
        option(
            "--limit", "Use at most N images, chosen at random.", "Input", "N", parser=whole(24)
        ),
    ] = 2000,
    metamorphic: Annotated[
        bool,
        option(
            "--metamorphic",
            "Compare with what the model says to the image as it is; needs no labels.",
            "Input",
        ),
    ] = False,
    seed: Annotated[int, option("--seed", "Random seed.", _SEARCH, "N", parser=whole(0))] = 0,
    as_json: AsJson = False,
) -> None:
    """Search how much of each transformation the model takes on the images of IN.

    For every axis: from which intensity on 5% of the images that the model got right are lost
    (onset), and from which 49% are (critical), with intervals. Answers are kept beside the result:
    if a search is interrupted, run the same command again to resume.
    """
    from variegate.tolerance.dataset import ImageChoice, search_dataset
    from variegate.tolerance.realism import Composition
    from variegate.tolerance.run import SearchOptions

    options = SearchOptions(
        axes=None if axes is None else tuple(one.strip() for one in axes.split(",")),
        quantiles=_shares(quantiles),
        n_max=n_max,
        width=width,
        tau=tau,
        seed=seed,
        budget=budget,
        composition=Composition() if realism else None,
    )
    choice = ImageChoice(
        inputs.format, inputs.label_pattern, inputs.hints, part, limit, metamorphic
    )
    model = _one(models, similarity=similarity)
    with counting("model calls") as on_progress:

        def told(progress: "SearchProgress") -> None:
            on_progress(progress.calls, progress.expected)

        found = search_dataset(
            source,
            model,
            choice=choice,
            options=options,
            error=error,
            log=log_path(result),
            on_progress=told,
        )
    found.save(result)
    if as_json:
        show_json(found.model_dump(mode="json"))
        return
    _show(found)
    note(f"{result}: {found.calls:,} model calls")


def _one(models: ModelChoice, *, similarity: bool) -> "NamedModel | None":
    """Return the one model; None for that of the images themselves."""
    if not similarity:
        named = models.named()
        if len(named) > 1:
            raise UsageError(f"expected one model, got {len(named)}; search one after the other")
        return named[0]
    if models.model or models.predict or models.url or models.command:
        raise UsageError("--similarity stands for a model: name none beside it")
    return None


def log_path(output: Path) -> Path:
    """Return where answers are kept: `tolerance.answers.jsonl` beside `tolerance.json`."""
    return output.with_suffix(".answers.jsonl")


def _shares(text: str) -> tuple[float, ...]:
    try:
        shares = tuple(sorted(float(one) for one in text.split(",")))
    except ValueError:
        shares = ()
    if not shares or not all(0 < one < 1 for one in shares):
        raise typer.BadParameter(f"--quantiles: expected shares such as 0.05,0.49, got {text!r}")
    return shares


def _show(found: "Tolerance") -> None:
    clean = found.clean
    show(
        f"{found.dataset}: {found.mode}; {clean.wrong:,} of {clean.images:,} images wrong as they "
        f"are: {clean.error.value:.1%} ({clean.error.low:.1%} to {clean.error.high:.1%})"
    )
    for one in found.notes:
        show(f"note: {one}")
    show("")
    show(_axes(found))
    if found.composite is not None:
        show("")
        show("realism of variants (1 to 3 transformations):")
        for level in found.composite.levels:
            reached = "" if level.reached else " (never that many)"
            show(f"  {level.realism:g}: {level.lost:.0%} lost, strain {level.strain:.2f}{reached}")


def _axes(found: "Tolerance") -> "Table":
    """Return the axes, the least tolerated first."""
    titles = [f"{share:.0%} lost" for share in found.quantiles]
    grid = table("axis", *titles, "images", "calls", "", right=(len(titles) + 1, len(titles) + 2))
    for one in sorted(found.axes, key=lambda one: 2.0 if one.onset is None else one.onset):
        if not one.unchanged:
            cells = [_threshold(each) for each in one.thresholds]
            grid.add_row(one.axis, *cells, f"{one.images:,}", f"{one.calls:,}", _remark(one))
    return grid


def _threshold(one: "ThresholdResult") -> str:
    if one.at is None:
        return "never"
    high = "..." if one.high is None else _number(one.high.text)
    return f"{one.at.text} ({_number(one.low.text)} to {high})"


def _number(text: str) -> str:
    return "none" if text.startswith("no ") else text.split(" ")[0]


def _remark(one: "AxisTolerance") -> str:
    remarks = []
    if not one.monotone:
        again = ", ".join(f"{low:.0%} to {high:.0%}" for low, high in one.reentry)
        remarks.append(f"not monotone{f'; right again at {again}' if again else ''}")
    if one.audit is not None and one.audit.biased:
        remarks.append("searched without implication")
    return "; ".join(remarks)
