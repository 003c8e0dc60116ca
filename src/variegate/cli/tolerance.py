"""variegate tolerance: how much of each transformation a model takes."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import FAILED, command
from variegate.cli.console import note, show, show_json, table
from variegate.cli.models import ModelChoice, one_of
from variegate.cli.options import AsJson, FormatChoice, In, option, whole
from variegate.cli.progress import counting
from variegate.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.annotations.sample import Image
    from variegate.formats import Hints
    from variegate.models.predictors import NamedModel
    from variegate.tolerance.requirements import CheckedLimit, ToleranceLimits
    from variegate.tolerance.result import AxisTolerance, ThresholdResult, Tolerance
    from variegate.tolerance.run import SearchProgress

_SEARCH = "Search"
_OUTPUT = Path("tolerance.json")


@command(
    "tolerance",
    "variegate tolerance val/ --model birds.onnx",
    "variegate tolerance val/ --model birds.onnx --require limits.yaml --junit limits.xml",
    "variegate tolerance val/ --model birds.onnx --severity corruptions",
    "variegate tolerance val/ --model birds.onnx --axes rotate+,jpeg --n-max 1000 -o rotate.json",
    "variegate tolerance photos/ --similarity",
    'variegate tolerance photos/ --command "node model.js" --task boxes --metamorphic',
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
    result: Annotated[Path, option("--result -o", "File of the result.", metavar="FILE")] = _OUTPUT,
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
    severity: Annotated[
        str | None,
        option(
            "--severity",
            "Instead of a search, measure the error under the 15 common corruptions at five "
            "severities each, and 4 more for validation: corruptions.",
            _SEARCH,
            "NAME",
        ),
    ] = None,
    require: Annotated[
        Path | None,
        option(
            "--require",
            "YAML file of what the model must take (axes: {rotate+: 10 degrees}): exit with code 1 "
            "if it is not shown to. Only its axes are searched, unless --axes names others.",
            "Limits",
            "FILE",
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        option("--junit", "Write the limits as JUnit XML to this file.", "Limits", "FILE"),
    ] = None,
    report: Annotated[
        bool,
        option(
            "--report/--no-report",
            "Write a page with curves and images beside the result: tolerance.html.",
        ),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Search how much of each transformation the model takes on the images of IN.

    For every axis: from which intensity on 5% of the images that the model got right are lost
    (onset), and from which 49% are (critical), with intervals. Answers are kept beside the result:
    if a search is interrupted, run the same command again to resume.
    """
    from variegate.cli.corruptions import measure_corruptions
    from variegate.tolerance.dataset import ImageChoice, search_dataset
    from variegate.tolerance.junit import write_junit
    from variegate.tolerance.realism import Composition
    from variegate.tolerance.requirements import ToleranceLimits, check_limits
    from variegate.tolerance.run import SearchOptions

    choice = ImageChoice(
        inputs.format, inputs.label_pattern, inputs.hints, part, limit, metamorphic
    )
    model = _one(models, similarity=similarity)
    if one_of(severity, "--severity", ("corruptions",)) is not None:
        if axes is not None or require is not None:
            raise typer.BadParameter("--severity: corruptions have no axes, and no limits")
        # Every image is asked about at every severity.
        few = replace(choice, limit=min(limit, n_max))
        measure_corruptions(source, model, few, _beside(result), seed=seed, as_json=as_json)
        return
    if junit is not None and require is None:
        raise typer.BadParameter("--junit: give --require, whose limits are written")
    limits = None if require is None else ToleranceLimits.load(require)
    named = None if axes is None else tuple(one.strip() for one in axes.split(","))
    if limits is not None:
        named = _with_required(named, limits)
    options = SearchOptions(
        axes=named,
        quantiles=tuple(sorted({*_shares(quantiles), *(limits.quantiles() if limits else ())})),
        alpha=round(1 - limits.confidence, 9) if limits else 0.05,
        n_max=n_max,
        width=width,
        tau=tau,
        seed=seed,
        budget=budget,
        composition=Composition() if realism else None,
    )
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
    page = result.with_suffix(".html")
    if report:
        _write_page(found, source, inputs.hints, page)
    checked = None if limits is None else check_limits(found, limits)
    if junit is not None and checked is not None:
        write_junit(junit, checked, suite=f"tolerance on {found.dataset}")
    if as_json:
        whole = found.model_dump(mode="json")
        if checked is not None:
            whole["limits"] = [one.model_dump(mode="json") for one in checked]
        show_json(whole)
    else:
        _show(found)
        _show_limits(checked)
    written = f"{result}, {page.name}" if report else f"{result}"
    if not as_json:
        note(f"{written}: {found.calls:,} model calls")
    if checked is not None and not all(one.kept for one in checked):
        raise typer.Exit(FAILED)


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


def _beside(output: Path) -> Path:
    """Return where errors under corruptions are written: not over a search."""
    return output.with_name("corruptions.json") if output == _OUTPUT else output


def _with_required(named: tuple[str, ...] | None, limits: "ToleranceLimits") -> tuple[str, ...]:
    """Return the axes to search: those that are named, and those that limits are of."""
    return tuple(dict.fromkeys((*(named or ()), *limits.axes)))


def _show_limits(checked: "list[CheckedLimit] | None") -> None:
    if checked is None:
        return
    show("")
    grid = table("limit", "", "found")
    for one in checked:
        grid.add_row(one.required, one.outcome, one.found)
    show(grid)


def _write_page(found: "Tolerance", source: str, hints: "Hints", page: Path) -> None:
    from variegate.codecs import Limits, decode
    from variegate.reports.tolerance import write_tolerance_page
    from variegate.storage import open_storage

    limits = hints.decoding(Limits())
    storage = open_storage(source)

    def load(key: str) -> "Image":
        return decode(storage.read(key, limit=limits.max_bytes), limits=limits)

    with counting("images of the page") as on_made:
        write_tolerance_page(found, page, load=load, on_progress=on_made)


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
