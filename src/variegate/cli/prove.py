"""variegate prove: does a recipe help, and how sure is that?"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show, show_json, table, tell, time_text
from variegate.cli.options import AsJson, LimitedInput, PluginFiles, option, whole
from variegate.cli.progress import counting
from variegate.cli.train import Device, Groups, TrainingSet
from variegate.errors import UsageError

if TYPE_CHECKING:
    from variegate.training.proof import Arm, Proof, ProofDesign

_DESIGN, _MODEL, _RUN = "Design", "Model", "Run"
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class DesignChoice:
    """How it is found out."""

    quick: Annotated[
        bool,
        option(
            "--quick",
            "Frozen features and a logistic head instead of whole trainings: a minute or so, and "
            "weaker evidence.",
            _DESIGN,
        ),
    ] = False
    folds: Annotated[
        int, option("--folds", "Equal parts, each held out once.", _DESIGN, "N", parser=whole(3))
    ] = 5
    seeds: Annotated[
        int, option("--seeds", "Runs in each fold.", _DESIGN, "N", parser=whole(1))
    ] = 2
    audit: Annotated[
        Path | None,
        option(
            "--audit",
            "Folder of variegate audit: images of a group stay in one fold.",
            _DESIGN,
            "DIR",
        ),
    ] = None
    tune: Annotated[
        bool,
        option(
            "--tune/--no-tune",
            "Search learning rate and weight decay (with --quick: the decay alone), the same few "
            "settings for every arm, on the first fold's validation part.",
            _DESIGN,
        ),
    ] = True
    corruptions: Annotated[
        bool,
        option(
            "--corruptions/--no-corruptions",
            "Ask every model about corrupted images, too. --quick does not.",
            _DESIGN,
        ),
    ] = True
    steps: Annotated[
        int | None,
        option(
            "--steps",
            "Steps of each training, the same for every arm; at least three epochs. Default: 200.",
            _DESIGN,
            "N",
            parser=whole(1),
        ),
    ] = None
    batch: Annotated[int, option("--batch", "Images in a step.", _DESIGN, "N", parser=whole(2))] = (
        16
    )
    draws: Annotated[
        int,
        option("--draws", "Of --quick: variants of each image.", _DESIGN, "N", parser=whole(1)),
    ] = 4
    seed: Annotated[
        int, option("--seed -s", "Random seed of folds and runs.", _DESIGN, "N", parser=whole())
    ] = 0
    backbone: Annotated[
        str,
        option(
            "--backbone",
            "A classifier of torchvision, or small; with --quick also an ONNX file with its card, "
            "and small has random filters (no weights needed, weakest evidence).",
            _MODEL,
            "NAME",
        ),
    ] = "mobilenet_v2"
    weights: Annotated[
        str,
        option("--weights", "Of the backbone: hub, a file, or none.", _MODEL, "WHERE"),
    ] = "hub"
    size: Annotated[
        int | None,
        option(
            "--size",
            "Side of its input, pixels. Default: 224; 96 of small and with --quick.",
            _MODEL,
            "N",
            parser=whole(8),
        ),
    ] = None
    gray: Annotated[bool, option("--gray", "One channel instead of three.", _MODEL)] = False

    def design(self) -> "ProofDesign":
        """Return it."""
        from variegate.training.proof import ProofDesign

        given = dict(vars(self))
        return ProofDesign(model=given.pop("backbone"), **given)


@command(
    "prove",
    "variegate prove photos/ proof/ --recipe classifier --audit audited/",
    "variegate prove parts.zip proof/ --recipe workshop --written light --backbone small --gray",
    "variegate prove photos/ proof/ --quick --recipe classifier",
)
def prove(
    source: TrainingSet,
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder for folds, runs and the proof.")
    ],
    *,
    recipe: Annotated[
        list[str] | None,
        option(
            "--recipe -r",
            "Recipe file or preset, drawn anew in each epoch. Repeatable. TrivialAugment is always "
            "compared, too. Default: classifier.",
            "Recipe",
            "RECIPE",
        ),
    ] = None,
    written: Annotated[
        list[str] | None,
        option(
            "--written",
            "Recipe file or preset whose variants are drawn once, as augment writes them. "
            "Repeatable.",
            "Recipe",
            "RECIPE",
        ),
    ] = None,
    plugins: PluginFiles = None,  # noqa: ARG001 - its callback loads them
    design: DesignChoice,
    inputs: LimitedInput,
    group: Groups = None,
    device: Device = "cpu",
    workers: Annotated[
        int | None,
        option(
            "--workers -w",
            "Trainings at a time; 0 for one, in this process. Default: one per CPU.",
            _RUN,
            "N",
            parser=whole(),
        ),
    ] = None,
    report: Annotated[
        bool, option("--report/--no-report", "Write proof.html: tables and plots.", _RUN)
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Find out whether training on SET with a recipe beats training without.

    Folds divide the images by groups; every arm is trained on the same folds with the same seeds
    and as many steps, and asked about the same images as they are. The difference that the design
    can find, and the time, are told before it is run. A difference is believed only where the
    interval over images and the test over runs agree. OUT gets proof.json, proof.html, runs.jsonl
    and folds.csv. If it is interrupted, run the same command again to resume.
    """
    from variegate.training.options import TrainingRun
    from variegate.training.prove import prove as run

    read = inputs.options()
    how = TrainingRun(
        format=read.format,
        label_pattern=read.label_pattern,
        hints=read.hints,
        limits=read.limits,
        group=group or (),
        device=device,
        workers=workers,
    )
    arms = _arms(recipe, written)
    with counting("runs") as on_progress:
        proof = run(
            source,
            output,
            arms,
            design=design.design(),
            run=how,
            on_design=_tell_design,
            on_progress=on_progress,
        )
    if report:
        from variegate.reports.proof import write_proof_page

        write_proof_page(proof, output)
    if as_json:
        show_json(proof.to_json())
        return
    _show(proof)
    page = "proof.html, " if report else ""
    note(f"{output}: {page}proof.json, runs.jsonl, folds.csv; {time_text(proof.elapsed_s)}")


def _arms(recipes: list[str] | None, written: list[str] | None) -> dict[str, "Arm"]:
    from variegate.recipes.recipe import Recipe
    from variegate.training.proof import Arm

    drawn = recipes or ([] if written else ["classifier"])
    named = [(Path(one).stem, one, False) for one in drawn]
    named += [(f"{Path(one).stem} (written)", one, True) for one in written or ()]
    arms = {name: Arm(recipe=Recipe.load(one), written=once) for name, one, once in named}
    if len(arms) < len(named):
        raise UsageError("--recipe and --written: two have one name; expected each once")
    return arms


def _tell_design(proof: "Proof") -> None:
    design = proof.design
    tell(
        f"{proof.images:,} images in {proof.groups:,} groups, {len(proof.classes)} classes; "
        f"{design.folds} folds x {design.seeds} seeds; expected to find a difference of "
        f"{100 * proof.expected:.1f} points four times in five"
    )
    known = f", {proof.resumed:,} of them done before" if proof.resumed else ""
    tell(f"{proof.runs:,} runs{known}; about {time_text(proof.expected_s)}")
    for sentence in proof.notes:
        tell(f"note: {sentence}")
    for kind, fault in proof.left_out.items():
        tell(f"left out: {fault.count:,} x {kind}, such as {fault.examples[0]}")


def _show(proof: "Proof") -> None:
    grid = table(
        *("arm", "accuracy", "difference", "interval", "p", "corrupted", "calibration error"),
        right=range(1, 7),
    )
    verdicts = {one.name: one for one in proof.verdicts}
    for arm in proof.arms:
        corrupted = "" if arm.corrupted is None else f"{arm.corrupted:.1%}"
        told = ("", "", "")
        if one := verdicts.get(arm.name):
            low, high = one.interval
            points = f"{100 * low:+.1f} to {100 * high:+.1f}"
            told = (f"{100 * one.difference:+.1f}", points, f"{one.p:.3f}")
        grid.add_row(
            arm.name, f"{arm.accuracy:.1%}", *told, corrupted, f"{arm.calibration_error:.3f}"
        )
    show(grid)
    show("")
    for one in proof.verdicts:
        show(one.sentence)
        if one.got_worse:
            names = ", ".join(one.got_worse[:_SHOWN])
            more = len(one.got_worse) - _SHOWN
            show(f"    classes that got worse: {names}" + (f" and {more:,} more" * (more > 0)))
    if proof.robustness:
        show("")
        show("on corrupted images:")
        for one in proof.robustness:
            show(one.sentence)
    show("")
    show(proof.evidence)
