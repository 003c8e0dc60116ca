"""variegate train: a classifier of the images of a dataset, exported and judged."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from variegate.cli.application import command
from variegate.cli.console import note, show, show_json, size_text, table, talk, tell, time_text
from variegate.cli.options import AsJson, LimitedInput, PluginFiles, option, whole
from variegate.cli.progress import bar, counting
from variegate.cli.stats import FoldChoice, SplitsFile

if TYPE_CHECKING:
    from rich.table import Table

    from variegate.training.contents import TrainingImages
    from variegate.training.export import Exported
    from variegate.training.loop import EpochFigures, TrainingProgress
    from variegate.training.options import Hyperparameters
    from variegate.training.scores import HeldOutScores
    from variegate.training.train import Training

_MODEL, _LEARN, _RUN = "Model", "Learning", "Run"
_PLAIN_S = 30
_KINDS_SHOWN = 12
_CLASSES_SHOWN = 40


TrainingSet = Annotated[
    str, typer.Argument(metavar="SET", help="Folder, zip or tar file, or bucket (s3://...).")
]
Groups = Annotated[
    list[str] | None,
    option(
        "--group",
        "What belongs together, and must not be on two sides: a column of a CSV file in SET "
        "(patient) or elsewhere (meta.csv:patient), folder, folder:N, burst:SECONDS (by EXIF), or "
        "a regex with a group. Repeatable.",
        "Input",
        "RULE",
    ),
]
Device = Annotated[
    str, option("--device", "Where it computes: cpu, cuda, cuda:1, mps.", _RUN, "NAME")
]
LoaderWorkers = Annotated[
    int | None,
    option(
        "--workers -w",
        "Processes that load and augment images; 0 for none but this one. Default: one per CPU.",
        _RUN,
        "N",
        parser=whole(),
    ),
]


def number(given: object) -> float:
    """Read a number.

    Raises:
        BadParameter: it is none.
    """
    try:
        return float(str(given))
    except ValueError:
        raise typer.BadParameter(f"expected a number, got {str(given)!r}") from None


@dataclass(frozen=True, kw_only=True)
class BackboneChoice:
    """What is trained, and what it takes."""

    backbone: Annotated[
        str | None,
        option(
            "--backbone",
            "small (learns small images in seconds), or a classifier of torchvision: mobilenet_v2, "
            "resnet18, efficientnet_b0, ... Default: mobilenet_v2.",
            _MODEL,
            "NAME",
        ),
    ] = None
    weights: Annotated[
        str | None,
        option(
            "--weights",
            "Where it begins: hub (downloads torchvision's), none, or a file. Default: hub.",
            _MODEL,
            "WHERE",
        ),
    ] = None
    size: Annotated[
        int | None,
        option(
            "--size",
            "Side of its input, pixels. Default: 224; of small 96.",
            _MODEL,
            "N",
            parser=whole(1),
        ),
    ] = None
    gray: Annotated[bool, option("--gray", "One channel instead of three.", _MODEL)] = False
    fit: Annotated[
        str | None,
        option(
            "--fit",
            "How images become square for validation and use: stretch, pad or crop. Default: "
            "stretch.",
            _MODEL,
            "HOW",
        ),
    ] = None
    normalize: Annotated[
        str | None,
        option(
            "--normalize",
            "Mean and deviation of the training images (set), or of ImageNet (imagenet). Default: "
            "set.",
            _MODEL,
            "WHOSE",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class LearningChoice:
    """How it learns."""

    epochs: Annotated[
        int | None,
        option(
            "--epochs", "How often it sees each image. Default: 20.", _LEARN, "N", parser=whole(1)
        ),
    ] = None
    schedule: Annotated[
        str | None,
        option(
            "--schedule",
            "head-first (the last layer, then all layers at a tenth of the rate), all or head. "
            "Default: head-first where it begins with weights, else all.",
            _LEARN,
            "NAME",
        ),
    ] = None
    head_epochs: Annotated[
        int | None,
        option(
            "--head-epochs",
            "Epochs of the last layer alone. Default: a quarter.",
            _LEARN,
            "N",
            parser=whole(),
        ),
    ] = None
    batch: Annotated[
        int | None,
        option("--batch", "Images in a step. Default: 32.", _LEARN, "N", parser=whole(1)),
    ] = None
    optimizer: Annotated[
        str | None, option("--optimizer", "sgd or adamw. Default: sgd.", _LEARN, "NAME")
    ] = None
    rate: Annotated[
        float | None,
        option(
            "--rate",
            "Learning rate. Default: 0.01 of sgd, 0.001 of adamw.",
            _LEARN,
            "NUMBER",
            parser=number,
        ),
    ] = None
    momentum: Annotated[
        float | None,
        option("--momentum", "Of sgd. Default: 0.9.", _LEARN, "NUMBER", parser=number),
    ] = None
    weight_decay: Annotated[
        float | None,
        option("--weight-decay", "Default: 0.0001.", _LEARN, "NUMBER", parser=number),
    ] = None
    decay: Annotated[
        str | None,
        option("--decay", "How the rate falls: cosine or none. Default: cosine.", _LEARN, "NAME"),
    ] = None
    class_weights: Annotated[
        bool, option("--class-weights", "Weigh errors by how rare the class is.", _LEARN)
    ] = False
    weighted_sampling: Annotated[
        bool, option("--weighted-sampling", "Draw all classes equally often.", _LEARN)
    ] = False
    label_smoothing: Annotated[
        float | None,
        option(
            "--label-smoothing",
            "Share of a label that goes to all classes. Default: 0.",
            _LEARN,
            "SHARE",
            parser=number,
        ),
    ] = None
    patience: Annotated[
        int | None,
        option(
            "--patience",
            "Stop when validation has not improved for N epochs. Default: never.",
            _LEARN,
            "N",
            parser=whole(1),
        ),
    ] = None
    precision: Annotated[
        str | None,
        option("--precision", "full, or mixed on a GPU. Default: full.", _LEARN, "NAME"),
    ] = None
    seed: Annotated[
        int | None, option("--seed -s", "Random seed. Default: 0.", _LEARN, "N", parser=whole())
    ] = None


def hyperparameters(model: BackboneChoice, learning: LearningChoice) -> "Hyperparameters":
    """Return what both say.

    Raises:
        UsageError: a value is not possible.
    """
    from variegate.training.options import Hyperparameters

    return Hyperparameters.of(**vars(model), **vars(learning))


@command(
    "train",
    "variegate train photos/ birds/ --epochs 20",
    "variegate train photos/ birds/ --weights mobilenet_v2-b0353104.pth --int8",
    "variegate train digits/ model/ --splits split.csv --backbone small --gray --optimizer adamw",
)
def train(
    source: TrainingSet,
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder for the model and what is known of it.")
    ],
    *,
    recipe: Annotated[
        str | None,
        option(
            "--recipe -r",
            "Recipe file or preset by which train is augmented on the fly, or none. Default: "
            "classifier.",
            "Recipe",
            "RECIPE",
        ),
    ] = None,
    plugins: PluginFiles = None,  # noqa: ARG001 - its callback loads them
    model: BackboneChoice,
    learning: LearningChoice,
    inputs: LimitedInput,
    splits: SplitsFile = None,
    fold: FoldChoice = None,
    group: Groups = None,
    device: Device = "cpu",
    workers: LoaderWorkers = None,
    checkpoint_minutes: Annotated[
        float | None,
        option(
            "--checkpoint-minutes",
            "Minutes between checkpoints within an epoch; each epoch ends with one. Default: 10.",
            _RUN,
            "N",
            parser=number,
        ),
    ] = None,
    export: Annotated[
        bool, option("--export/--no-export", "Write model.onnx, checked against PyTorch.", _RUN)
    ] = True,
    int8: Annotated[
        bool,
        option("--int8", "Write a quantized model, too, and say what it costs in accuracy.", _RUN),
    ] = False,
    tensorboard: Annotated[
        bool, option("--tensorboard/--no-tensorboard", "Write TensorBoard's event files.", _RUN)
    ] = True,
    report: Annotated[
        bool, option("--report/--no-report", "Write training.html: figures and images.", _RUN)
    ] = True,
    restart: Annotated[bool, option("--restart", "Train anew, whatever OUT has.", _RUN)] = False,
    as_json: AsJson = False,
) -> None:
    """Train a classifier on the dataset SET, with augmentation on the fly, and export it.

    SET needs images of train and val, of one class each; a split that leaks is refused. Validation
    and the figures at the end (of test, where there is one) are of images as they are. OUT gets
    model.onnx with its card, weights.pt, training.json, training.html and event files. If it is
    interrupted, run the same command again to resume: the weights are those of an undisturbed one.
    """
    from variegate.training.options import TrainingRun
    from variegate.training.train import train as run

    chosen, read = hyperparameters(model, learning), inputs.options()
    how = TrainingRun(
        format=read.format,
        label_pattern=read.label_pattern,
        hints=read.hints,
        limits=read.limits,
        group=group or (),
        splits=splits,
        fold=fold,
        device=device,
        workers=workers,
        checkpoint_s=600.0 if checkpoint_minutes is None else 60 * checkpoint_minutes,
        export=export,
        int8=int8,
        tensorboard=tensorboard,
        restart=restart,
    )
    with TrainingBars() as bars:
        done = run(
            source,
            output,
            chosen=chosen,
            recipe=recipe,
            run=how,
            on_images=_tell_images,
            on_look=bars.look,
            on_progress=bars.step,
            on_epoch=bars.epoch,
            on_stage=bars.stage,
        )
        if report:
            from variegate.reports.training import write_training_page

            bars.stage("writing the page")
            write_training_page(done, output, limits=read.hints.decoding(read.limits))
    if as_json:
        show_json(done.to_json())
        return
    _show(done)
    files = ["model.onnx", "model.card.json"] if export else []
    files += ["weights.pt", "training.json"]
    files += ["training.html"] if report else []
    files += ["events/"] if tensorboard else []
    note(f"{output}: {', '.join(files)}; {time_text(done.elapsed_s)}")


class TrainingBars:
    """Shows what a training does, one bar at a time."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._name = ""
        self._show: Any = None
        self._told_at = 0.0

    def __enter__(self) -> "TrainingBars":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def look(self, what: str, done: int, total: int) -> None:
        """Images are read."""
        self._enter(what, counting(what))
        self._show(done, total)

    def step(self, one: "TrainingProgress") -> None:
        """A step was made."""
        if talk().is_terminal:
            self._enter("steps", bar("steps"))
            self._show(one.epoch * one.steps + one.step, one.epochs * one.steps, _words(one))
        elif time.monotonic() - self._told_at >= _PLAIN_S:
            self._told_at = time.monotonic()
            note(f"step {one.step:,} of {one.steps:,}, {_words(one)}")

    def epoch(self, one: "EpochFigures") -> None:
        """An epoch is over."""
        head = ", head only" if one.head_only else ""
        note(
            f"epoch {one.epoch + 1}: loss {one.loss:.3f}, accuracy {one.accuracy:.1%}; val loss "
            f"{one.val_loss:.3f}, val accuracy {one.val_accuracy:.1%}; {time_text(one.seconds)}"
            f"{head}"
        )

    def stage(self, what: str) -> None:
        """Something that has no steps begins."""
        self._stack.close()
        self._name = ""
        note(what)

    def _enter(self, name: str, shown: Any) -> None:
        if name != self._name:
            self._stack.close()
            self._name = name
            self._show = self._stack.enter_context(shown)


def _words(one: "TrainingProgress") -> str:
    val = "" if one.val_accuracy is None else f", val accuracy {one.val_accuracy:.1%}"
    return (
        f"epoch {one.epoch + 1} of {one.epochs}, loss {one.loss:.3f}, accuracy {one.accuracy:.1%}"
        f"{val}, {one.images_per_second:,.0f} images/s, {time_text(one.seconds_left)} left"
    )


def _tell_images(images: "TrainingImages", begun_from: str) -> None:
    parts = ", ".join(f"{part} {len(found):,}" for part, found in images.sources.items() if found)
    tell(f"images: {parts}, of {len(images.classes)} classes; {begun_from}")
    for sentence in images.notes:
        tell(f"note: {sentence}")
    for kind, fault in list(images.left_out.items())[:_KINDS_SHOWN]:
        tell(f"left out: {fault.count:,} x {kind}, such as {fault.examples[0]}")


def _show(done: "Training") -> None:
    scores = done.scores
    show(f"{done.held_out}: {accuracy_text(scores)}")
    if done.held_out == "val":
        show("      there is no test part: val chose the epoch, so this is a little too good")
    if done.skipped:
        key, count = next(iter(done.skipped.items()))
        tell(
            f"the recipe could not work on {len(done.skipped):,} images, such as {key} ({count:,} "
            "times another one took its place)"
        )
    show("")
    show(class_table(scores))
    show("")
    best = done.history[done.best]
    early = ", stopped early" if done.stopped_early else ""
    show(
        f"weights of epoch {best.epoch + 1} of {len(done.history)}{early} (val accuracy "
        f"{best.val_accuracy:.1%})"
    )
    show(
        f"calibration: confidence and accuracy differ by {scores.calibration_error:.3f} on average"
    )
    if scores.worst:
        show(f"lowest recall: {', '.join(scores.worst)}")
    for one in (done.exported, done.int8):
        if one is not None:
            show(_exported_text(one))


def _exported_text(one: "Exported") -> str:
    name, cost = Path(one.path).name, ""
    if one.accuracy_cost:
        cost = f", accuracy {100 * -one.accuracy_cost:+.1f} points"
    return (
        f"{name}: {size_text(one.bytes)}, {one.lambda_share:.1%} of what a Lambda function may be; "
        f"on {one.images} images its probabilities differ from PyTorch's by at most "
        f"{one.difference:.2g}, {one.same_answers:.1%} same answers{cost}"
    )


def accuracy_text(scores: "HeldOutScores") -> str:
    """Return the accuracy in words."""
    low, high = scores.interval
    return (
        f"accuracy {scores.accuracy:.1%} of {scores.images:,} images (95% interval {low:.1%} to "
        f"{high:.1%}), macro F1 {scores.macro_f1:.2f}"
    )


def class_table(scores: "HeldOutScores") -> "Table":
    """Return a row for each class."""
    grid = table("class", "precision", "recall", "F1", "images", right=range(1, 5))
    for one in scores.classes[:_CLASSES_SHOWN]:
        grid.add_row(
            one.name, _share(one.precision), _share(one.recall), f"{one.f1:.2f}", f"{one.support:,}"
        )
    if (more := len(scores.classes) - _CLASSES_SHOWN) > 0:
        grid.add_row(f"and {more:,} more; --json names all")
    return grid


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
