"""variegate synthesize: data that a model takes to a chosen degree."""

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from variegate.cli import summaries
from variegate.cli.application import FAILED, QUARANTINED, command
from variegate.cli.console import Interrupted, note, show, show_json, tell
from variegate.cli.models import ModelChoice
from variegate.cli.options import (
    AsJson,
    BackendChoice,
    In,
    Out,
    RawLabels,
    RunInput,
    Strict,
    option,
    pairs,
    whole,
)
from variegate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from variegate.models.predictors import NamedModel
    from variegate.runs.run import Prepared, Progress, Summary
    from variegate.tolerance.synthesis import Synthesis, SynthesisSummary

_REALISM, _FILTER, _COUNT = "Realism", "Filter", "How many"
_GB = 1_000_000_000

Texts = list[str] | None


@dataclass(frozen=True, kw_only=True)
class RealismChoice:
    """How strong variants are, and what they are made of."""

    realism: Annotated[
        str,
        option(
            "--realism -r",
            "1 changes nothing; at 0.5 the model fails on 5% of results, at 0 on 50%; below 0 on "
            "more. LOW:HIGH draws it for each result.",
            _REALISM,
            "N",
        ),
    ] = "0.5"
    axes: Annotated[
        str | None,
        option("--axes", "Only these axes. Default: all of the tolerance.", _REALISM, "A,B"),
    ] = None
    axis_realism: Annotated[
        Texts,
        option("--axis-realism", "Realism of one axis. Repeatable.", _REALISM, "AXIS=N"),
    ] = None
    axis_min: Annotated[
        Texts,
        option("--axis-min", "Least intensity of one, 0 to 1. Repeatable.", _REALISM, "AXIS=N"),
    ] = None
    axis_max: Annotated[
        Texts,
        option("--axis-max", "Greatest intensity of one. Repeatable.", _REALISM, "AXIS=N"),
    ] = None
    multiplier: Annotated[
        Texts,
        option("--multiplier", "Factor on the intensity of one. Repeatable.", _REALISM, "AXIS=N"),
    ] = None
    weight: Annotated[
        Texts,
        option(
            "--weight",
            "How often one axis is chosen, relative to others. Repeatable.",
            _REALISM,
            "AXIS=N",
        ),
    ] = None
    least: Annotated[
        int | None,
        option(
            "--min-transforms",
            "Least number of transformations of a result. Default: as calibrated, 1.",
            _REALISM,
            "N",
            parser=whole(0),
        ),
    ] = None
    most: Annotated[
        int | None,
        option(
            "--max-transforms",
            "Greatest number of them. Default: as calibrated, 3.",
            _REALISM,
            "N",
            parser=whole(1),
        ),
    ] = None
    group: Annotated[
        Texts,
        option(
            "--group",
            "Axes, without + and -, of which a result has at most one. Repeatable; replaces the "
            "built-in groups.",
            _REALISM,
            "A,B,...",
        ),
    ] = None
    seed: Annotated[int, option("--seed -s", "Random seed.", _REALISM, "N", parser=whole(0))] = 0

    def synthesis(self, **more: Any) -> "Synthesis":
        """Return what is to be made.

        Raises:
            UsageError: a value is not right.
        """
        from variegate.tolerance.synthesis import Synthesis

        groups = None if self.group is None else [_names(one) for one in self.group]
        return Synthesis(
            realism=_realism(self.realism),
            axes=self._axes(),
            only=None if self.axes is None else _names(self.axes),
            k_min=self.least,
            k_max=self.most,
            groups=groups,
            seed=self.seed,
            **more,
        )

    def _axes(self) -> dict[str, dict[str, float]] | None:
        """Return what is wanted on some axes.

        Raises:
            UsageError: a value is no number, or an axis is left out and wanted.
        """
        wanted: dict[str, dict[str, float]] = {}
        for field, flag in (
            ("axis_realism", "--axis-realism"),
            ("axis_min", "--axis-min"),
            ("axis_max", "--axis-max"),
            ("multiplier", "--multiplier"),
            ("weight", "--weight"),
        ):
            for axis, text in pairs(getattr(self, field), flag).items():
                wanted.setdefault(axis, {})[field.removeprefix("axis_")] = _number(text, flag)
        if self.axes is None:
            return wanted or None
        for axis in wanted:
            if axis not in _names(self.axes):
                raise UsageError(f"--axes: {axis!r} is none of them, but something is asked of it")
        return wanted or None


@dataclass(frozen=True, kw_only=True)
class FilterChoice:
    """Which results are kept, by what a model says to them."""

    min_error: Annotated[
        float | None,
        option(
            "--min-error",
            "Keep results on which the model is at least so wrong, 0 to 1.",
            _FILTER,
            "N",
        ),
    ] = None
    max_error: Annotated[
        float | None,
        option("--max-error", "Keep results on which it is at most so wrong.", _FILTER, "N"),
    ] = None
    retries: Annotated[
        int,
        option(
            "--retries",
            "Further draws for a result that is refused, before it is left out.",
            _FILTER,
            "N",
            parser=whole(0, 1000),
        ),
    ] = 10
    difference: Annotated[
        str | None,
        option(
            "--difference",
            "How wrong an answer is: class, confidence, total_variation, iou, dice, oks, or "
            "module:function of your own. Default: class, iou, dice or oks, by the task.",
            _FILTER,
            "NAME",
        ),
    ] = None

    def options(self) -> dict[str, Any]:
        """Return what `ErrorFilter` takes."""
        return asdict(self)


@command(
    "synthesize",
    "variegate synthesize photos/ more/ --tolerance tolerance.json --realism 0.5",
    "variegate synthesize photos/ more/ --tolerance tolerance.json --count 10000",
    "variegate synthesize photos/ hard/ --tolerance tolerance.json -r 0 --model bird.onnx "
    "--min-error 0.5",
    "variegate synthesize photos/ stream/ --tolerance tolerance.json --forever --disk-limit 50",
)
def synthesize(
    source: In,
    destination: Out,
    *,
    tolerance: Annotated[
        Path,
        option("--tolerance -t", "File that variegate tolerance wrote.", _REALISM, "FILE"),
    ],
    realism: RealismChoice,
    count: Annotated[
        int | None,
        option(
            "--count -n",
            "Make exactly N results; exit with code 1 if a filter lets through fewer. Default: one "
            "of each image.",
            _COUNT,
            "N",
            parser=whole(1),
        ),
    ] = None,
    forever: Annotated[
        bool,
        option(
            "--forever",
            "Make one set after the other, OUT/000001, OUT/000002, ..., until stopped.",
            _COUNT,
        ),
    ] = False,
    disk_limit: Annotated[
        float | None,
        option("--disk-limit", "With --forever: stop at N GB in OUT.", _COUNT, "N"),
    ] = None,
    filters: FilterChoice,
    models: ModelChoice,
    inputs: RunInput,
    backend: BackendChoice,
    strict: Strict = False,
    raw_labels: RawLabels = False,
    allow_leaks: Annotated[
        bool,
        option("--allow-leaks", "Go on though the same image stands in two splits of IN."),
    ] = False,
    page: Annotated[
        Path | None,
        option(
            "--report",
            "Write a page of some results beside their sources to this file.",
            metavar="FILE",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make variants of the images of IN that a model takes to a chosen degree.

    How strong they are follows from what variegate tolerance found. With a model, each result is
    shown to it and its error against the moved labels recorded; --min-error and --max-error keep
    some of them. If a run is interrupted, run the same command again to resume. IN is never
    changed.
    """
    from variegate.tolerance.synthesis import synthesize as run
    from variegate.tolerance.synthesizer import ErrorFilter

    wanted = realism.synthesis(
        count=count, model=_model(models), filter=ErrorFilter(**filters.options())
    )
    options = inputs.options(
        strict=strict,
        raw_labels=raw_labels,
        backend=backend.backend,
        backend_options=backend.chosen,
    )
    heading = _Heading(source, destination, realism.realism)
    given: dict[str, Any] = {
        "synthesis": wanted,
        "options": options,
        "allow_leaks": allow_leaks,
        "on_start": heading.start,
    }
    if forever:
        _run_forever(source, destination, tolerance, given, disk_limit, as_json=as_json)
        return
    if disk_limit is not None:
        raise UsageError("--disk-limit: only with --forever")
    found: list[SynthesisSummary] = []

    def carry_out(show_progress: "Callable[[Progress], None]") -> "Summary":
        def on_progress(progress: "Progress") -> None:
            heading.say()
            show_progress(progress)

        found.append(run(source, destination, tolerance, on_progress=on_progress, **given))
        return found[0].run

    summary, figures = summaries.run_shown(carry_out)
    made = found[0]
    if page is not None:
        from variegate.reports.synthesis import write_synthesis_page

        write_synthesis_page(made, page, source=source)
    if as_json:
        show_json(_as_data(made))
    else:
        counts = summary.counts
        rows = [
            ("synthesized", counts.augmented, f"{made.made:,} files"),
            ("copied unchanged", counts.copied, "validation and test images"),
            (summaries.QUARANTINE, counts.quarantined, summaries.UNREADABLE),
            ("skipped", counts.skipped, "see the manifest for reasons"),
        ]
        summaries.show_summary(summary, figures, rows, what="files")
        for line in _about(made):
            show(line)
        show("")
        if page is not None:
            show(f"page: {page}")
        show(f"look at them:  variegate preview {shlex.quote(summary.output)}")
        show(f"check them:    variegate verify {shlex.quote(summary.output)}")
    if count is not None and made.made < count:
        note(f"--count: {made.made:,} of {count:,} results were made")
        raise typer.Exit(FAILED)
    if summary.counts.quarantined and (strict or not summary.counts.outputs):
        raise typer.Exit(QUARANTINED)


@dataclass
class _Heading:
    """What is said at the beginning, once it is certain that the output may be written."""

    source: str
    output: str
    realism: str

    def __post_init__(self) -> None:
        self._lines = list[str]()

    def start(self, prepared: "Prepared") -> None:
        found = prepared.dataset_format
        self._lines = [f"input:   {self.source}: {found.description}"]
        self._lines += [f"         {one}" for one in found.notes]
        self._lines.append(
            f"realism: {self.realism}, seed {prepared.recipe.seed}: {prepared.outputs:,} files "
            f"into {self.output}"
        )
        self._lines += summaries.about_problems(prepared.listing)

    def say(self) -> None:
        while self._lines:
            tell(self._lines.pop(0))


def _run_forever(
    source: str,
    output: str,
    tolerance: Path,
    given: dict[str, Any],
    disk_limit: float | None,
    *,
    as_json: bool,
) -> None:
    """Make sets until the user or the disk stops it."""
    from variegate.cli.progress import run_progress
    from variegate.tolerance.endless import DiskLimitReached, synthesize_endlessly

    if disk_limit is not None and disk_limit <= 0:
        raise UsageError(f"--disk-limit: expected more than 0, got {disk_limit:g}")
    limit = None if disk_limit is None else int(disk_limit * _GB)
    del given["on_start"]
    sets = files = 0
    with run_progress() as (_, on_progress):
        try:
            for made in synthesize_endlessly(
                source, output, tolerance, limit_bytes=limit, on_progress=on_progress, **given
            ):
                sets, files = sets + 1, files + made.made
                if as_json:
                    show_json(_as_data(made))
                else:
                    tell(f"{made.run.output}: {made.made:,} files, digest {made.run.digest}")
        except DiskLimitReached as reached:
            note(f"{reached}; {files:,} files in {sets:,} sets were finished")
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped: {files:,} files in {sets:,} finished sets; run the same command again "
                "to go on"
            ) from None


def _about(made: "SynthesisSummary") -> list[str]:
    """Return lines about what a filter refused."""
    from variegate.formats.base import counted

    lines = []
    if made.rejected:
        lines.append(f"rejected by the filter: {made.rejected:,} draws; see the manifest")
    if made.made < made.wanted:
        none = f"; {counted(made.empty, 'image has', 'images have')} none" if made.empty else ""
        lines.append(
            f"{made.made:,} of {made.wanted:,} results: for the others no draw passed{none}; allow "
            "more --retries, another --realism, or wider bounds"
        )
    return lines


def _as_data(made: "SynthesisSummary") -> dict[str, Any]:
    data = summaries.as_data(made.run)
    more = {name: getattr(made, name) for name in ("wanted", "made", "rejected", "empty")}
    return {**data, **more}


def _model(models: ModelChoice) -> "NamedModel | None":
    """Return the model to ask, if one is named.

    Raises:
        UsageError: there are several.
    """
    if not (models.model or models.predict or models.url or models.command):
        return None
    named = models.named()
    if len(named) > 1:
        raise UsageError(f"expected one model, got {len(named)}")
    return named[0]


def _realism(text: str) -> float | tuple[float, float]:
    low, colon, high = text.partition(":")
    found = (_number(low, "--realism"), _number(high if colon else low, "--realism"))
    if max(found) > 1 or found[0] > found[1]:
        raise UsageError(
            f"--realism: expected a number of at most 1, or LOW:HIGH, got {text!r}; 1 changes "
            "nothing"
        )
    return found if colon else found[0]


def _number(text: str, flag: str) -> float:
    from math import isfinite

    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise UsageError(f"{flag}: expected a number, got {text!r}")
    return value


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
