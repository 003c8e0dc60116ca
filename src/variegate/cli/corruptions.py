"""The part of `variegate tolerance` that measures errors under the common corruptions."""

from pathlib import Path
from typing import TYPE_CHECKING

from variegate.cli.console import note, show, show_json, table
from variegate.cli.progress import counting

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.models.predictors import NamedModel
    from variegate.tolerance.corruptions import CorruptionErrors
    from variegate.tolerance.dataset import ImageChoice
    from variegate.tolerance.result import Interval
    from variegate.tolerance.run import SearchProgress


def measure_corruptions(
    source: str,
    model: "NamedModel | None",
    choice: "ImageChoice",
    output: Path,
    *,
    seed: int,
    as_json: bool,
) -> None:
    """Measure, write and show the errors; what was interrupted continues.

    Args:
        source: the dataset.
        model: which.
        choice: which images.
        output: file of the result.
        seed: of the corruptions.
        as_json: show the result as JSON.
    """
    from variegate.tolerance.corruptions import corruption_errors

    with counting("model calls") as on_progress:

        def told(progress: "SearchProgress") -> None:
            on_progress(progress.calls, progress.expected)

        found = corruption_errors(
            source,
            model,
            choice=choice,
            seed=seed,
            log=output.with_suffix(".answers.jsonl"),
            on_progress=told,
        )
    found.save(output)
    if as_json:
        show_json(found.model_dump(mode="json"))
        return
    _show(found)
    note(f"{output}: {found.calls:,} model calls")


def _show(found: "CorruptionErrors") -> None:
    show(f"{found.dataset}: {found.images:,} images, {_text(found.clean)} wrong as they are")
    for one in found.notes:
        show(f"note: {one}")
    show("")
    show(_errors(found))
    show("")
    show(f"mean corruption error: {_text(found.mean_corruption_error)}")
    show(f"of the four for validation: {_text(found.validation_error)}")


def _errors(found: "CorruptionErrors") -> "Table":
    titles = [str(one.severity) for one in found.corruptions[0].severities]
    grid = table(
        "corruption", *titles, "mean", "more than clean", "", right=range(1, len(titles) + 3)
    )
    for one in found.corruptions:
        cells = [f"{each.error.value:.1%}" for each in one.severities]
        remark = "validation" if one.validation else ""
        if one.unchanged:
            remark = ", ".join(filter(None, (remark, "changes nothing")))
        more = f"{100 * one.relative:+.1f}"
        grid.add_row(one.corruption, *cells, f"{one.mean:.1%}", more, remark)
    return grid


def _text(one: "Interval") -> str:
    return f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"
