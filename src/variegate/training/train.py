"""From a dataset with splits to a classifier: read, learn, judge, export."""

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from variegate.errors import UsageError
from variegate.models.card import ModelCard, ModelOutput
from variegate.models.preprocessing import Preprocessing
from variegate.recipes.recipe import Recipe
from variegate.storage import printable
from variegate.training.backbones import check_backbone, make_model
from variegate.training.batches import Batches
from variegate.training.boards import EventFiles
from variegate.training.checkpoint import (
    CHECKPOINT,
    load_checkpoint,
    save_checkpoint,
    write_whole,
)
from variegate.training.contents import TRAIN, VALIDATION, TrainingImages, training_images
from variegate.training.export import INT8_MODEL, MODEL, Exported, export_onnx, quantize
from variegate.training.items import AugmentedItems, PlainItems
from variegate.training.loop import (
    EpochFigures,
    PlainBatches,
    Trainer,
    TrainingProgress,
    answers,
    checked_device,
)
from variegate.training.options import DEFAULT_RECIPE, Hyperparameters, TrainingRun
from variegate.training.output_folder import output_folder
from variegate.training.scores import HeldOutScores, held_out_scores
from variegate.training.weights import load_weights

#: In the output's folder.
FIGURES, WEIGHTS = "training.json", "weights.pt"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

_COMPARED = 200
_CALIBRATED = 128
_EXAMPLES = 16


@dataclass(slots=True, kw_only=True)
class Training:
    """What came of a training.

    Attributes:
        output: where the files are.
        place: of the dataset.
        classes: of the model.
        images: by split.
        left_out: images that cannot be used, by reason.
        skipped: images that the recipe cannot work on, and how often another took their place.
        notes: what should be known.
        chosen: how it was trained.
        recipe: by which train was augmented.
        begun_from: what weights.
        history: figures by epoch.
        best: the epoch whose weights are kept, from 0 on.
        stopped_early: before all epochs were done.
        held_out: the split that the figures are of.
        scores: on it.
        exported: the ONNX file, or None.
        int8: the quantized one, or None.
        elapsed_s: of this run.
        resumed: whether some was done before.
    """

    output: str
    place: str
    classes: tuple[str, ...]
    images: dict[str, int]
    left_out: dict[str, Any]
    skipped: dict[str, int]
    notes: list[str]
    chosen: Hyperparameters
    recipe: dict[str, Any]
    begun_from: str
    history: list[EpochFigures]
    best: int
    stopped_early: bool
    held_out: str
    scores: HeldOutScores
    exported: Exported | None = None
    int8: Exported | None = None
    elapsed_s: float = 0.0
    resumed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        data = {name: getattr(self, name) for name in self.__slots__}
        data |= {
            "chosen": self.chosen.model_dump(mode="json"),
            "left_out": {kind: asdict(one) for kind, one in self.left_out.items()},
            "history": [asdict(one) for one in self.history],
            "scores": asdict(self.scores),
            "exported": None if self.exported is None else asdict(self.exported),
            "int8": None if self.int8 is None else asdict(self.int8),
        }
        return data


@dataclass(slots=True)
class _Watchers:
    """What a training tells, to several."""

    files: EventFiles | None = None
    on_epoch: Callable[[EpochFigures], None] | None = None
    seen: list[EpochFigures] = field(default_factory=list)

    def step(self, number: int, loss: float) -> None:
        if self.files:
            self.files.step(number, loss)

    def epoch(self, figures: EpochFigures) -> None:
        if self.files:
            self.files.epoch(figures)
        if self.on_epoch:
            self.on_epoch(figures)


def train(
    source: str | Path,
    output: str | Path,
    *,
    chosen: Hyperparameters | None = None,
    recipe: Recipe | str | Path | None = None,
    run: TrainingRun | None = None,
    on_images: Callable[[TrainingImages, str], None] | None = None,
    on_look: Callable[[str, int, int], None] | None = None,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    on_epoch: Callable[[EpochFigures], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
) -> Training:
    """Train a classifier on the images of a dataset, and export it.

    Args:
        source: a folder, zip or tar file, or bucket, of images with classes.
        output: folder for the model, its card, checkpoint and figures. What is there of the same
            training goes on.
        chosen: what decides the weights.
        recipe: by which train is augmented on the fly; "none" for none.
        run: how it is read and carried out.
        on_images: told what is learned from, and what it begins with.
        on_look: told what is looked at before, how many of how many.
        on_progress: told of the training some times a second.
        on_epoch: told of each epoch.
        on_stage: told what is done after it.

    Raises:
        UsageError: input, output or an option is not right.
        TrainingError: the loss is no number any more, or memory is not enough.
    """
    began = time.monotonic()
    chosen, run = chosen or Hyperparameters(), run or TrainingRun()
    check_backbone(chosen.backbone)
    checked_device(run.device)
    made = training_recipe(recipe, chosen.seed)
    run = replace(run, hints=run.hints.over(made.hints))
    folder = output_folder(output)
    images = training_images(source, run, gray=chosen.gray, on_progress=on_look)
    input_ = input_of(images, chosen)
    # Of what torch draws: the head's first weights.
    torch.manual_seed(chosen.seed)
    model = make_model(chosen.backbone, len(images.classes), gray=chosen.gray, side=chosen.side)
    begun_from, digest = load_weights(
        model,
        chosen.starts_from,
        backbone=chosen.backbone,
        classes=len(images.classes),
        gray=chosen.gray,
    )
    identity = {
        "images": images.digest,
        "recipe": made.digest,
        "weights": digest or chosen.starts_from,
        **chosen.model_dump(mode="json", exclude={"weights"}),
    }
    first = _first_epoch(folder, identity, restart=run.restart)
    if on_images:
        on_images(images, begun_from)
    limits = run.hints.decoding(run.limits)
    workers = min(os.cpu_count() or 1, 8) if run.workers is None else run.workers
    items = AugmentedItems.of(images, made, input_, limits)
    batches = Batches(
        images.labels(TRAIN),
        variants=made.count(),
        batch=chosen.batch,
        seed=chosen.seed,
        weighted=chosen.weighted_sampling,
    )
    trainer = Trainer(
        model,
        chosen,
        items=items,
        validation=plain(images, VALIDATION, input_, limits=limits),
        batches=batches,
        class_weights=class_weights(images) if chosen.class_weights else None,
        classes=len(images.classes),
        output=folder,
        identity=identity,
        device=run.device,
        workers=workers,
        checkpoint_s=run.checkpoint_s,
    )
    watchers = _Watchers(on_epoch=on_epoch)
    with ExitStack() as stack:
        if run.tensorboard:
            watchers.files = EventFiles(folder, first_step=first * batches.steps)
            stack.callback(watchers.files.close)
            if not first:
                _show_batches(watchers.files, images, items, batches, input_, limits)
        learned = trainer.train(watchers, on_progress)
        if on_stage:
            on_stage(f"asking the model about {images.held_out}")
        scores = _judged(trainer, images, input_, limits, chosen, threads=workers)
        if watchers.files:
            watchers.files.confusion(np.array(scores.confusion), len(learned.history))
    model.cpu()
    save_checkpoint(folder / WEIGHTS, {"state": learned.state, "classes": list(images.classes)})
    exported = int8 = None
    if run.export:
        if on_stage:
            on_stage("exporting to ONNX, and comparing")
        card = _card(images, input_, chosen, made, scores, begun_from)
        exported, int8 = _exported(model, card, folder, images, input_, limits, int8=run.int8)
    done = Training(
        output=str(output),
        place=str(source),
        classes=images.classes,
        images={part: len(found) for part, found in images.sources.items() if found},
        left_out=images.left_out,
        skipped=items.skipped,
        notes=images.notes,
        chosen=chosen,
        recipe=made.to_data(),
        begun_from=begun_from,
        history=learned.history,
        best=learned.best,
        stopped_early=learned.stopped_early,
        held_out=images.held_out,
        scores=scores,
        exported=exported,
        int8=int8,
        elapsed_s=time.monotonic() - began,
        resumed=bool(first),
    )
    text = json.dumps(done.to_json(), indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / FIGURES, text.encode("utf-8", "surrogateescape"))
    return done


def training_recipe(recipe: Recipe | str | Path | None, seed: int) -> Recipe:
    """Return the recipe by which train is augmented, with the training's seed."""
    if recipe == "none":
        loaded = Recipe.from_data({"variants": "source"})
    elif isinstance(recipe, Recipe):
        loaded = recipe
    else:
        loaded = Recipe.load(recipe or DEFAULT_RECIPE)
    return loaded.model_copy(update={"seed": seed})


def input_of(images: TrainingImages, chosen: Hyperparameters) -> Preprocessing:
    """Return how an image becomes what the model takes."""
    count = 1 if chosen.gray else 3
    if chosen.normalize == "set":
        mean, std = images.mean[:count], images.std[:count]
    else:
        mean, std = IMAGENET
    return Preprocessing(
        size=(chosen.side, chosen.side),
        fit=chosen.fit,
        channels="gray" if chosen.gray else "rgb",
        mean=mean,
        std=std,
    )


def class_weights(images: TrainingImages) -> np.ndarray:
    """Return (C,) weights: the rarer a class in train, the more; their mean over images is 1."""
    counts = np.bincount(images.labels(TRAIN), minlength=len(images.classes))
    return counts.sum() / (len(counts) * counts)


def plain(
    images: TrainingImages,
    part: str,
    input_: Preprocessing,
    *,
    limits: Any,
    most: int | None = None,
) -> PlainItems:
    """Return the images of a split as they are; at most some of them, evenly spread."""
    found: Sequence[Any] = images.sources[part]
    if most is not None and len(found) > most:
        found = [found[int(one)] for one in np.linspace(0, len(found) - 1, most)]
    return PlainItems(images.place, found, images.numbers, input_, limits)


def _first_epoch(folder: Path, identity: dict[str, Any], *, restart: bool) -> int:
    """Return the epoch to go on with.

    Raises:
        UsageError: what is there is of another training.
    """
    path = folder / CHECKPOINT
    if restart:
        path.unlink(missing_ok=True)
    saved = load_checkpoint(path)
    if saved is None:
        return 0
    other = [name for name, value in identity.items() if saved["identity"].get(name) != value]
    if other:
        there, here = saved["identity"].get(other[0]), identity[other[0]]
        raise UsageError(
            f"{printable(str(folder))}: it has a training of other {', '.join(other)} "
            f"({other[0]}: {there}, and now {here}); choose another folder, or train anew with "
            "--restart"
        )
    return int(saved["epoch"])


def _judged(
    trainer: Trainer,
    images: TrainingImages,
    input_: Preprocessing,
    limits: Any,
    chosen: Hyperparameters,
    *,
    threads: int,
) -> HeldOutScores:
    part = images.held_out
    items = plain(images, part, input_, limits=limits)
    logits, labels = answers(
        trainer.model, PlainBatches(items, chosen.batch, threads=threads), trainer.device
    )
    keys = [one.key for one in images.sources[part]]
    return held_out_scores(logits.numpy(), labels.numpy(), classes=images.classes, keys=keys)


def _card(
    images: TrainingImages,
    input_: Preprocessing,
    chosen: Hyperparameters,
    recipe: Recipe,
    scores: HeldOutScores,
    begun_from: str,
) -> ModelCard:
    return ModelCard(
        input=input_,
        output=ModelOutput(name="logits", kind="logits"),
        classes=images.classes,
        description=f"{chosen.backbone}, trained by variegate",
        made_with={
            "data": images.digest,
            "recipe": recipe.to_data(),
            "hyperparameters": chosen.model_dump(mode="json", exclude={"weights"}),
            "weights": begun_from,
            "images": {part: len(found) for part, found in images.sources.items() if found},
            images.held_out: {"accuracy": scores.accuracy, "images": scores.images},
        },
    )


def _exported(
    model: torch.nn.Module,
    card: ModelCard,
    folder: Path,
    images: TrainingImages,
    input_: Preprocessing,
    limits: Any,
    *,
    int8: bool,
) -> tuple[Exported, Exported | None]:
    held_out = plain(images, images.held_out, input_, limits=limits, most=_COMPARED)
    values, labels = _stacked(held_out)
    exported = export_onnx(model, card, folder / MODEL, values, labels)
    if not int8:
        for one in (folder / INT8_MODEL, (folder / INT8_MODEL).with_suffix(".card.json")):
            one.unlink(missing_ok=True)
        return exported, None
    calibration, _ = _stacked(plain(images, TRAIN, input_, limits=limits, most=_CALIBRATED))
    small = quantize(
        model,
        card,
        folder / MODEL,
        folder / INT8_MODEL,
        calibration=calibration,
        images=values,
        labels=labels,
    )
    return exported, small


def _stacked(items: PlainItems) -> tuple[np.ndarray, np.ndarray]:
    loaded = [items[number] for number in range(len(items))]
    labels = np.array([label for _, label in loaded], np.int64)
    return np.stack([image.numpy() for image, _ in loaded]), labels


def _show_batches(
    files: EventFiles,
    images: TrainingImages,
    items: AugmentedItems,
    batches: Batches,
    input_: Preprocessing,
    limits: Any,
) -> None:
    """Write the first images that are learned from, as they are and as they are augmented."""
    numbers = batches.items(0)[:_EXAMPLES].tolist()
    before = plain(images, TRAIN, input_, limits=limits)
    variants = items.recipe.count()
    plain_ones = [before[number // variants][0] for number in numbers]
    files.batch("batch/before", torch.stack(plain_ones), input_)
    files.batch("batch/after", torch.stack([items[one][0] for one in numbers]), input_)
