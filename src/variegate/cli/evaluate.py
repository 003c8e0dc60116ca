"""variegate evaluate: what models are worth on a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from variegate.cli.application import command
from variegate.cli.console import show, show_json, table
from variegate.cli.models import ModelChoice, one_of
from variegate.cli.options import AsJson, In, LimitedInput, option, whole
from variegate.cli.progress import counting

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.models.evaluate import Evaluation, ModelComparison, ModelEvaluation
    from variegate.models.examples import Part

_CLASSES_SHOWN = 40
_WORST_SHOWN = 8


@command(
    "evaluate",
    "variegate evaluate photos/ --model bird.onnx",
    "variegate evaluate photos/ --model old.onnx --model new.onnx --report compared.html",
    "variegate evaluate photos/ --predict my_model:predict --part all --json > figures.json",
)
def evaluate(
    source: In,
    *,
    models: ModelChoice,
    inputs: LimitedInput,
    part: Annotated[
        str | None,
        option(
            "--part",
            "Split to ask about: test, val, train or all. Default: test, or else val, or else all.",
            "Input",
            "NAME",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        option(
            "--limit", "Ask about at most N images, sampled evenly.", "Run", "N", parser=whole(1)
        ),
    ] = None,
    difference: Annotated[
        str | None,
        option(
            "--difference",
            "How wrong an answer is, for the worst images and comparisons: class, confidence, "
            "total_variation, iou, dice, oks, or module:function of your own.",
            "Run",
            "NAME",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        option(
            "--workers -w",
            "Threads that decode; 0 decodes in the main one. Default: one per CPU.",
            "Run",
            "N",
            parser=whole(),
        ),
    ] = None,
    report: Annotated[
        Path | None,
        option(
            "--report", "Write a page with charts and the worst images to this file.", "Run", "FILE"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask models about the images of IN and compare their answers with its labels.

    Gives accuracy, average precision (boxes, masks), IoU or OKS with intervals, classes one by one,
    and the images that a model is most wrong about. Further models are compared with the first on
    the same images. Nothing is written but the page, if it is asked for.
    """
    from variegate.models.evaluate import evaluate as run

    options = inputs.options()
    chosen = one_of(part, "--part", ("test", "val", "train", "all"))
    with counting("images") as on_progress:
        found = run(
            source,
            models.named(),
            format=options.format,
            label_pattern=options.label_pattern,
            hints=options.hints,
            limits=options.limits,
            part=cast("Part | None", chosen),
            limit=limit,
            error=difference,
            workers=workers,
            on_progress=on_progress,
        )
    if report is not None:
        from variegate.reports.evaluation import write_evaluation_page

        with counting("thumbnails") as on_made:
            write_evaluation_page(found, source, report, options=options, on_progress=on_made)
    if as_json:
        show_json(found.to_json())
    else:
        _show(found)
    if report is not None and not as_json:
        show("")
        show(f"page: {report}")


def _show(found: "Evaluation") -> None:
    show(f"{found.place}: {found.description}")
    for one in found.notes:
        show(f"note: {one}")
    for model in found.models:
        for one in model.notes:
            show(f"note: {model.name}: {one}")
    left = [f"{found.images:,} images asked about"]
    left += [f"{found.unlabelled:,} without a label"] if found.unlabelled else []
    left += [f"{found.unusable:,} that cannot be used"] if found.unusable else []
    show(", ".join(left))
    for one in found.unusable_examples:
        show(f"      {one}")
    show("")
    show(_figures(found.models))
    for comparison in found.comparisons:
        show("")
        show(comparison_text(comparison))
    for model in found.models:
        if model.classes:
            show("")
            show(_classes(model))
        if model.failed:
            show("")
            show(f"{model.name}: {model.failed:,} images without an answer; they count as wrong:")
            for reason in model.failures:
                show(f"      {reason}")
        if model.worst:
            show("")
            show(_worst(model))


def _figures(models: "list[ModelEvaluation]") -> "Table":
    grid = table("", *(one.name for one in models), right=range(1, len(models) + 1))
    for name in models[0].figures:
        cells = [_text(one.figures.get(name)) for one in models]
        if any(cells):
            grid.add_row(name.replace("_", " "), *cells)
    return grid


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _classes(model: "ModelEvaluation") -> "Table":
    names = [name for name in model.classes[0] if name != "class"]
    grid = table(
        f"class ({model.name})",
        *(name.replace("_", " ") for name in names),
        right=range(1, len(names) + 1),
    )
    for one in model.classes[:_CLASSES_SHOWN]:
        grid.add_row(str(one["class"]), *(_text(one[name]) for name in names))
    if (more := len(model.classes) - _CLASSES_SHOWN) > 0:
        grid.add_row(f"and {more:,} more; --json names all")
    return grid


def _worst(model: "ModelEvaluation") -> "Table":
    grid = table(f"most wrong ({model.name})", "expected", "predicted", "difference", right=(3,))
    for one in model.worst[:_WORST_SHOWN]:
        grid.add_row(one.key, one.expected, one.predicted, f"{one.difference:.2f}")
    return grid


def comparison_text(one: "ModelComparison") -> str:
    """Return a comparison in a sentence."""
    told = (
        f"{one.second} is {one.verdict}"
        if one.verdict != "undecided"
        else f"undecided whether {one.second} is better or worse"
    )
    p = f", p = {one.p:.2g}" if one.p is not None else ""
    alone = (
        f"; right alone: {one.only_second:,} and {one.only_first:,}"
        if one.only_first is not None
        else ""
    )
    return (
        f"{told} than {one.first}: {one.measure} {one.change:+.3f} ({one.low:+.3f} to "
        f"{one.high:+.3f}{p}{alone})"
    )
