"""variegate prove: does a recipe help, and how sure is that?"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show, show_json, table, tell, time_text
from variegate.cli.options import AsJson, LimitedInput, PluginFiles, option, whole
from variegate.cli.progress import counting
from variegate.cli.train import Groups, TrainingSet
from variegate.errors import UsageError

if TYPE_CHECKING:
    from variegate.training.prove import Proof, ProofDesign

_DESIGN, _MODEL = "Design", "Model"


@dataclass(frozen=True, kw_only=True)
class DesignChoice:
    """How it is found out."""

    folds: Annotated[
        int, option("--folds", "Equal parts, each held out once.", _DESIGN, "N", parser=whole(3))
    ] = 5
    seeds: Annotated[
        int, option("--seeds", "Runs in each fold.", _DESIGN, "N", parser=whole(1))
    ] = 2
    draws: Annotated[
        int, option("--draws", "Variants of each image.", _DESIGN, "N", parser=whole(1))
    ] = 4
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
            "Search the regularization, the same values for every arm, on the first fold.",
            _DESIGN,
        ),
    ] = True
    backbone: Annotated[
        str,
        option(
            "--backbone",
            "What makes features: a classifier of torchvision, an ONNX file with its card, or "
            "small (random filters: no weights needed, weakest evidence).",
            _MODEL,
            "NAME",
        ),
    ] = "mobilenet_v2"
    weights: Annotated[
        str, option("--weights", "Of the backbone: hub or a file.", _MODEL, "WHERE")
    ] = "hub"
    size: Annotated[
        int, option("--size", "Side of its input, pixels.", _MODEL, "N", parser=whole(8))
    ] = 96
    gray: Annotated[bool, option("--gray", "One channel instead of three.", _MODEL)] = False
    seed: Annotated[
        int, option("--seed -s", "Random seed of the folds.", _DESIGN, "N", parser=whole())
    ] = 0

    def design(self) -> "ProofDesign":
        """Return it."""
        from variegate.training.prove import ProofDesign

        given = dict(vars(self))
        return ProofDesign(model=given.pop("backbone"), **given)


@command(
    "prove",
    "variegate prove photos/ proof/ --quick --recipe classifier",
    "variegate prove parts.zip proof/ --quick --recipe workshop --audit audited/ --backbone small",
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
            "Recipe file or preset. Repeatable. TrivialAugment is always compared, too. Default: "
            "classifier.",
            "Recipe",
            "RECIPE",
        ),
    ] = None,
    plugins: PluginFiles = None,  # noqa: ARG001 - its callback loads them
    quick: Annotated[
        bool,
        option(
            "--quick",
            "Frozen features and a logistic head: a minute or so, and weaker evidence. The only "
            "way so far.",
            _DESIGN,
        ),
    ] = False,
    design: DesignChoice,
    inputs: LimitedInput,
    group: Groups = None,
    as_json: AsJson = False,
) -> None:
    """Find out whether training on SET with a recipe beats training without.

    Folds divide the images by groups; every arm is trained on the same folds with the same seeds,
    and asked about the same images as they are. The difference that the design can find is told
    before it is run. A difference is believed only where the interval over images and the test
    over runs agree. If it is interrupted, run the same command again to resume.
    """
    from variegate.recipes.recipe import Recipe
    from variegate.training.options import TrainingRun
    from variegate.training.prove import prove_quickly

    if not quick:
        raise UsageError("variegate prove: name how, which for now is --quick")
    read = inputs.options()
    how = TrainingRun(
        format=read.format,
        label_pattern=read.label_pattern,
        hints=read.hints,
        limits=read.limits,
        group=group or (),
    )
    names = recipe or ["classifier"]
    recipes = {Path(name).stem: Recipe.load(name) for name in names}
    if len(recipes) < len(names):
        raise UsageError("--recipe: two have one name; expected each once")
    with counting("runs") as on_progress:
        proof = prove_quickly(
            source,
            output,
            recipes,
            design=design.design(),
            run=how,
            on_design=_tell_design,
            on_progress=on_progress,
        )
    if as_json:
        show_json(proof.to_json())
        return
    _show(proof)
    note(f"{output}: proof.json, runs.jsonl, folds.csv; {time_text(proof.elapsed_s)}")


def _tell_design(proof: "Proof") -> None:
    design = proof.design
    tell(
        f"{proof.images:,} images in {proof.groups:,} groups, {len(proof.classes)} classes; "
        f"{design.folds} folds x {design.seeds} seeds; expected to find a difference of "
        f"{100 * proof.expected:.1f} points four times in five"
    )
    for sentence in proof.notes:
        tell(f"note: {sentence}")
    for kind, fault in proof.left_out.items():
        tell(f"left out: {fault.count:,} x {kind}, such as {fault.examples[0]}")


def _show(proof: "Proof") -> None:
    grid = table("arm", "accuracy", "difference", "interval", "p", right=(1, 2, 3, 4))
    first = proof.verdicts[0]
    grid.add_row("none", f"{first.baseline:.1%}")
    for one in proof.verdicts:
        low, high = one.interval
        grid.add_row(
            one.name,
            f"{one.arm:.1%}",
            f"{100 * one.difference:+.1f}",
            f"{100 * low:+.1f} to {100 * high:+.1f}",
            f"{one.p:.3f}",
        )
    show(grid)
    show("")
    for one in proof.verdicts:
        show(one.sentence)
        if one.got_worse:
            show(f"    classes that got worse: {', '.join(one.got_worse)}")
    show("")
    tuned = "" if proof.design.tune else "; untuned: any augmentation looks good beside that"
    show(f"frozen features and a logistic head: weaker evidence than whole trainings{tuned}")
