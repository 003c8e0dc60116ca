"""The loop: steps and epochs, and what is remembered between them.

All that is random in a step follows from the seed, the epoch and the step, nothing from what ran
before. So a checkpoint needs weights, optimizer and numbers alone, and a training that was killed
goes on to the same weights, bit for bit, on the same machine.
"""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from variegate.errors import UsageError
from variegate.seeding import generator
from variegate.training.backbones import head_names, train_mode
from variegate.training.batches import Batches
from variegate.training.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from variegate.training.items import AugmentedItems, PlainItems
from variegate.training.options import Hyperparameters, Phase, TrainingError

State = dict[str, Any]
_TOLD_EVERY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochFigures:
    """What an epoch came to.

    Attributes:
        epoch: from 0 on.
        head_only: whether the head alone was trained.
        rate: learning rate at its end.
        loss, accuracy: over the augmented images of train, while they were learned.
        val_loss, val_accuracy: after it; NaN where there is no validation.
        seconds: it took, without what was done before a kill.
    """

    epoch: int
    head_only: bool
    rate: float
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProgress:
    """How far a training is.

    Attributes:
        epoch, epochs: from 0 on, and how many at most.
        step, steps: done in this epoch, and in each.
        loss, accuracy: of this epoch as far as it is.
        val_accuracy: after the epoch before, or None.
        images_per_second: loaded, augmented and learned.
        seconds_left: at this pace, if it does not stop early.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    val_accuracy: float | None
    images_per_second: float
    seconds_left: float


class TrainingWatcher(Protocol):
    """Is told of what happens."""

    def step(self, number: int, loss: float) -> None:
        """A step was made; `number` counts from the beginning."""

    def epoch(self, figures: EpochFigures) -> None:
        """An epoch is over."""


@dataclass(slots=True, kw_only=True)
class Learned:
    """What a training came to.

    Attributes:
        history: figures of every epoch.
        best: number of the epoch whose weights are kept.
        state: those weights.
        stopped_early: whether validation had not improved any more.
    """

    history: list[EpochFigures] = field(default_factory=list)
    best: int = -1
    state: State = field(default_factory=dict)
    stopped_early: bool = False


class Trainer:
    """Trains one model."""

    def __init__(
        self,
        model: nn.Module,
        chosen: Hyperparameters,
        *,
        items: AugmentedItems,
        validation: PlainItems | None,
        batches: Batches,
        class_weights: np.ndarray | None,
        classes: int,
        output: Path | None,
        identity: dict[str, Any],
        device: str = "cpu",
        workers: int = 0,
        checkpoint_s: float = 600.0,
    ) -> None:
        """Prepare.

        Args:
            model: with the weights that it begins with.
            chosen: how it is trained.
            items: train.
            validation: by which the best epoch is chosen; None to keep the last.
            batches: order of the items.
            class_weights: (C,) of errors, or None.
            classes: how many.
            output: folder of the checkpoint; None to keep none.
            identity: what a checkpoint must be of.
            device: where it computes.
            workers: processes that load images.
            checkpoint_s: between checkpoints within an epoch.
        """
        self.model, self._chosen = model, chosen
        self._items, self._batches = items, batches
        self.device = checked_device(device)
        self._file = None if output is None else output / CHECKPOINT
        self._identity, self._checkpoint_s = identity, checkpoint_s
        self._head = head_names(model, classes)
        self._class_weights = (
            None
            if class_weights is None
            else torch.tensor(class_weights, dtype=torch.float32, device=self.device)
        )
        self._loader = loader(items, workers, batch_sampler=batches)
        self._validation = (
            None if validation is None else PlainBatches(validation, chosen.batch, threads=workers)
        )
        self.learned = Learned()
        self._phase: Phase | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._mixed = chosen.precision == "mixed"
        if self._mixed and self.device.type != "cuda":
            raise UsageError("--precision mixed: it needs a GPU; name it with --device cuda")
        self._scaler = torch.amp.GradScaler(enabled=self._mixed)
        self._saved_at = time.monotonic()

    def train(
        self,
        watcher: TrainingWatcher | None = None,
        on_progress: Callable[[TrainingProgress], None] | None = None,
    ) -> Learned:
        """Train to the end, from where a checkpoint stands.

        Raises:
            TrainingError: the loss is no number any more, or memory is not enough.
            OutputError: a checkpoint cannot be written.
        """
        self.model.to(self.device)
        begin, step, before = self._resume()
        for epoch in range(begin, self._chosen.epochs):
            if self._is_over():
                break
            self._enter(epoch)
            begun, sums = time.monotonic(), before
            for sums in self._epoch(epoch, step, before):
                number = epoch * self._batches.steps + sums.steps - 1
                if watcher:
                    watcher.step(number, sums.last_loss)
                if on_progress and (sums.told or sums.steps == self._batches.steps):
                    on_progress(self._progress(epoch, sums))
            figures = self._judged(epoch, sums, time.monotonic() - begun)
            step, before = 0, _Sums()
            self._save(epoch + 1, step, before)
            if watcher:
                watcher.epoch(figures)
        self.model.load_state_dict(self.learned.state)
        self.model.eval()
        return self.learned

    def _is_over(self) -> bool:
        patience, history = self._chosen.patience, self.learned.history
        self.learned.stopped_early = (
            patience is not None and len(history) - 1 - self.learned.best >= patience
        )
        return self.learned.stopped_early

    def _enter(self, epoch: int) -> None:
        """Make the optimizer of the epoch's phase, unless it is there."""
        phase = next(one for one in self._chosen.phases() if one.begin <= epoch < one.end)
        if phase == self._phase:
            return
        self._phase = phase
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(not phase.head_only or name in self._head)
        learning = [one for one in self.model.parameters() if one.requires_grad]
        if self._chosen.optimizer == "sgd":
            self._optimizer = torch.optim.SGD(
                learning,
                lr=phase.rate,
                momentum=self._chosen.momentum,
                weight_decay=self._chosen.weight_decay,
            )
        else:
            self._optimizer = torch.optim.AdamW(
                learning, lr=phase.rate, weight_decay=self._chosen.weight_decay
            )

    def _rate(self, epoch: int, step: int) -> float:
        phase, steps = self._phase, self._batches.steps
        assert phase is not None
        if self._chosen.decay == "none":
            return phase.rate
        share = ((epoch - phase.begin) * steps + step) / ((phase.end - phase.begin) * steps)
        return phase.rate * 0.5 * (1 + math.cos(math.pi * share))

    def _epoch(self, epoch: int, first: int, sums: "_Sums") -> Iterator["_Sums"]:
        """Yield the sums after each step."""
        phase, optimizer = self._phase, self._optimizer
        assert phase is not None
        assert optimizer is not None
        train_mode(self.model, head_only=phase.head_only)
        self._items.set_epoch(epoch)
        self._batches.epoch, self._batches.first = epoch, first
        step = first
        with enough_memory(self._chosen):
            for images, shares in self._loader:
                rate = self._rate(epoch, step)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                # For dropout, whatever was drawn before.
                seed = generator(self._chosen.seed, "step", epoch, step).integers(2**63 - 1)
                torch.manual_seed(int(seed))
                loss, right = self._step(images, shares)
                step += 1
                sums.add(loss, right, len(images), rate)
                if not math.isfinite(loss):
                    raise self._diverged(epoch, step, rate)
                yield sums
                if time.monotonic() - self._saved_at > self._checkpoint_s:
                    self._save(epoch, step, sums)

    def _step(self, images: torch.Tensor, shares: torch.Tensor) -> tuple[float, float]:
        optimizer = self._optimizer
        assert optimizer is not None
        images, shares = images.to(self.device), shares.to(self.device)
        optimizer.zero_grad()
        with torch.autocast("cuda") if self._mixed else nullcontext():
            logits = self.model(images)
        loss = cross_entropy(
            logits.float(), shares, self._class_weights, self._chosen.label_smoothing
        )
        if self._mixed:
            self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            self._scaler.step(optimizer)
            self._scaler.update()
        else:
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        right = (logits.argmax(dim=1) == shares.argmax(dim=1)).sum()
        return float(loss.detach()), float(right)

    def _judged(self, epoch: int, sums: "_Sums", seconds: float) -> EpochFigures:
        val_loss = val_accuracy = math.nan
        if self._validation is not None:
            with enough_memory(self._chosen):
                logits, labels = answers(self.model, self._validation, self.device)
            losses = -torch.log_softmax(logits, dim=1)[torch.arange(len(labels)), labels]
            val_loss = float(losses.mean())
            val_accuracy = float((logits.argmax(dim=1) == labels).float().mean())
            if not math.isfinite(val_loss):
                raise self._diverged(epoch, sums.steps, sums.rate)
        phase = self._phase
        assert phase is not None
        figures = EpochFigures(
            epoch=epoch,
            head_only=phase.head_only,
            rate=sums.rate,
            loss=sums.loss,
            accuracy=sums.accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=seconds,
        )
        learned = self.learned
        learned.history.append(figures)
        before = learned.history[learned.best] if learned.best >= 0 else None
        last = self._validation is None
        if before is None or last or _merit(figures) > _merit(before):
            learned.best = len(learned.history) - 1
            learned.state = {n: v.detach().cpu().clone() for n, v in _state(self.model)}
        return figures

    def _diverged(self, epoch: int, step: int, rate: float) -> TrainingError:
        kept = "nothing was learned before"
        if self.learned.history:
            kept = f"the weights of epoch {len(self.learned.history)} are kept in {self._file}"
        return TrainingError(
            f"epoch {epoch + 1}, step {step}: the loss is not a finite number any more; train anew "
            f"with a lower --rate (it was {rate:.2g}) and --restart; {kept}"
        )

    def _save(self, epoch: int, step: int, sums: "_Sums") -> None:
        self._saved_at = time.monotonic()
        if self._file is None:
            return
        state = dict(_state(self.model))
        if not all(torch.isfinite(one).all() for one in state.values() if one.is_floating_point()):
            # The next step tells; what is there already is better.
            return
        learned, optimizer = self.learned, self._optimizer
        save_checkpoint(
            self._file,
            {
                "version": 1,
                "identity": self._identity,
                "epoch": epoch,
                "step": step,
                "sums": asdict(sums),
                "model": state,
                "optimizer": None if optimizer is None else optimizer.state_dict(),
                "scaler": self._scaler.state_dict(),
                "history": [asdict(one) for one in learned.history],
                "best": learned.best,
                "best_state": learned.state,
            },
        )

    def _resume(self) -> tuple[int, int, "_Sums"]:
        saved = None if self._file is None else load_checkpoint(self._file)
        if saved is None:
            return 0, 0, _Sums()
        self.model.load_state_dict(saved["model"])
        self.learned.history = [EpochFigures(**one) for one in saved["history"]]
        self.learned.best, self.learned.state = saved["best"], saved["best_state"]
        epoch, step = saved["epoch"], saved["step"]
        # At the end of an epoch the optimizer is of that one, which may have ended a phase.
        last = epoch if step else max(0, epoch - 1)
        self._enter(min(last, self._chosen.epochs - 1))
        if self._optimizer is not None and saved["optimizer"] is not None:
            self._optimizer.load_state_dict(saved["optimizer"])
        self._scaler.load_state_dict(saved["scaler"])
        return epoch, step, _Sums(**saved["sums"])

    def _progress(self, epoch: int, sums: "_Sums") -> TrainingProgress:
        steps, history = self._batches.steps, self.learned.history
        done = epoch * steps + sums.steps
        left = self._chosen.epochs * steps - done
        return TrainingProgress(
            epoch=epoch,
            epochs=self._chosen.epochs,
            step=sums.steps,
            steps=steps,
            loss=sums.loss,
            accuracy=sums.accuracy,
            val_accuracy=history[-1].val_accuracy if history else None,
            images_per_second=sums.pace,
            seconds_left=left * sums.images / max(1, sums.steps) / max(sums.pace, 1e-9),
        )


@dataclass(slots=True)
class _Sums:
    """Over the steps of an epoch."""

    losses: float = 0.0
    right: float = 0.0
    images: int = 0
    steps: int = 0
    rate: float = 0.0
    last_loss: float = 0.0
    begun: float = 0.0
    new: int = 0
    told_at: float = 0.0
    told: bool = False

    def __post_init__(self) -> None:
        # Another process has another clock.
        self.begun, self.new, self.told_at = time.monotonic(), 0, 0.0

    def add(self, loss: float, right: float, images: int, rate: float) -> None:
        self.losses += loss * images
        self.right += right
        self.images += images
        self.new += images
        self.steps += 1
        self.rate, self.last_loss = rate, loss
        now = time.monotonic()
        self.told = now - self.told_at > _TOLD_EVERY_S
        if self.told:
            self.told_at = now

    @property
    def loss(self) -> float:
        return self.losses / max(1, self.images)

    @property
    def accuracy(self) -> float:
        return self.right / max(1, self.images)

    @property
    def pace(self) -> float:
        return self.new / max(1e-9, time.monotonic() - self.begun)


def _merit(figures: EpochFigures) -> tuple[float, float]:
    """By what epochs are compared: accuracy, and the loss between equals."""
    return figures.val_accuracy, -figures.val_loss


def _state(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.state_dict().items()


def cross_entropy(
    logits: torch.Tensor,
    shares: torch.Tensor,
    weights: torch.Tensor | None,
    smoothing: float,
) -> torch.Tensor:
    """Return the mean cross entropy of (N, C) logits and shares of classes.

    Args:
        logits: of the model.
        shares: (N, C), sums of 1; mixtures have several.
        weights: (C,) of the classes, by which the mean is weighted; or None.
        smoothing: the part of each label that goes to all classes.
    """
    logs = torch.log_softmax(logits, dim=1)
    targets = shares * (1 - smoothing) + smoothing / shares.shape[1]
    losses = -(targets * logs).sum(dim=1)
    if weights is None:
        return losses.mean()
    own = shares @ weights
    return (losses * own).sum() / own.sum()


class PlainBatches:
    """Images as they are, loaded by threads: decoders leave Python's lock."""

    def __init__(self, items: PlainItems, batch: int, *, threads: int) -> None:
        self._items, self._batch, self._threads = items, batch, threads

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        with ThreadPoolExecutor(max(1, self._threads)) as pool:
            for begin in range(0, len(self._items), self._batch):
                numbers = range(begin, min(begin + self._batch, len(self._items)))
                loaded = list(pool.map(self._items.__getitem__, numbers))
                labels = torch.tensor([label for _, label in loaded])
                yield torch.stack([image for image, _ in loaded]), labels


def answers(
    model: nn.Module, items: PlainBatches, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (N, C) logits and (N,) numbers of classes of all images."""
    model.eval()
    logits, labels = [], []
    with torch.no_grad():
        for images, numbers in items:
            logits.append(model(images.to(device)).float().cpu())
            labels.append(numbers)
    return torch.cat(logits), torch.cat(labels)


def loader(items: Any, workers: int, **more: Any) -> Any:
    """Return a loader of items; processes are started afresh, and stay."""
    if workers:
        # Connections and threads of this process would not live in a fork.
        more |= {"persistent_workers": True, "multiprocessing_context": "spawn"}
    return DataLoader(items, num_workers=workers, **more)


def checked_device(name: str) -> torch.device:
    """Return a device that is there.

    Raises:
        UsageError: it is not.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"--device {name}: not there ({' '.join(str(error).split())[:120]}); expected cpu, or "
            "cuda where torch sees a GPU"
        ) from error
    return device


@contextmanager
def enough_memory(chosen: Hyperparameters) -> Iterator[None]:
    """Say what can be done where memory is not enough.

    Raises:
        TrainingError: it is not.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        words = str(error).lower()
        asked = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if asked or "out of memory" in words or "can't allocate memory" in words:
            raise TrainingError(
                f"memory is not enough for {chosen.batch} images of {chosen.side} x {chosen.side} "
                "in a step; choose a smaller --batch or --size, then run it again"
            ) from error
        if "dataloader worker" in words and "killed" in words:
            raise TrainingError(
                "a process that loads images was killed, which is what happens where memory is "
                "not enough; choose fewer --workers and run the same command again to resume"
            ) from error
        raise
