"""A model that is served: from the bytes of a file to the probabilities of its classes."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from variegate.annotations.sample import Image
from variegate.codecs import Limits, decode, kind_of
from variegate.errors import ImageError, InputError, UsageError
from variegate.models.card import ModelCard, card_path
from variegate.models.predictors.base import Classification, Floats, PredictionError, Predictor
from variegate.models.predictors.onnx import OnnxPredictor
from variegate.serving.faults import RequestError, of_image
from variegate.serving.metrics import Metrics

# Decoded pixels that are held for one call of the model.
_MOST_PIXELS = 16_000_000
_GRAY = 128


@dataclass(frozen=True, slots=True, eq=False)
class Classified:
    """What the model says of an image.

    Attributes:
        height, width: of the image, upright, pixels.
        probabilities: (C,), of the classes.
    """

    height: int
    width: int
    probabilities: Floats


class Classifier:
    """A model with its card.

    Attributes:
        card: what it takes and answers.
        classes: their names.
        name: of the model.
        version: of the model: as given, else the beginning of the digest of all that decides its
            answers.
        most_at_a_time: images that are worth asking about at a time; None: any number.
    """

    def __init__(
        self,
        path: Path,
        *,
        card: Path | None = None,
        version: str = "",
        threads: int = 1,
        limits: Limits | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Load the model and ask it once.

        Args:
            path: of the ONNX file.
            card: of its card. Default: beside it.
            version: what to call it.
            threads: that one image may use while nothing else is going on.
            limits: of images, checked before they are decoded.
            metrics: where calls are counted.

        Raises:
            InputError: the model or its card cannot be used, or they do not fit each other.
            UsageError: the model does not classify.
        """
        place = card or card_path(path)
        if not path.is_file():
            raise InputError(f"{path}: there is no such model file")
        if not place.is_file():
            raise InputError(
                f"{place}: expected the model's card there (size, channels, mean, classes); name "
                "one with --card, or write one as docs/serving.md shows"
            )
        self.card = ModelCard.load(place)
        if self.card.task != "classification":
            raise UsageError(
                f"{place}: expected a model that classifies, this is for {self.card.task}"
            )
        self._narrow = OnnxPredictor(path, self.card)
        # Alone on the machine, one image may use all of it; with others, each has a thread.
        self._wide = (
            OnnxPredictor(path, self.card, threads=threads, yielding=True)
            if threads > 1
            else self._narrow
        )
        self.most_at_a_time = 1 if self._wide.takes_one else None
        self._limits = limits or Limits()
        self._metrics = metrics or Metrics()
        self.name = path.stem
        self.version = version or self._narrow.identity[:12]
        self.classes = self._checked_classes(path)

    @property
    def predictor(self) -> Predictor:
        """What is asked."""
        return self._narrow

    def _checked_classes(self, path: Path) -> tuple[str, ...]:
        """Ask about a gray image, so that what does not fit is known before anybody comes."""
        height, width = self.card.input.size
        shape = (height, width) if self.card.input.channels == "gray" else (height, width, 3)
        image = np.full(shape, _GRAY, np.uint8)
        try:
            (first,) = self._probabilities(self._narrow, [image])
            if self._wide is not self._narrow:
                self._probabilities(self._wide, [image])
        except PredictionError as error:
            raise InputError(f"{path}: does not fit its card: {error}") from error
        names = self.card.classes or tuple(map(str, range(len(first))))
        if len(names) != len(first):
            raise InputError(
                f"{path}: the model answers {len(first):,} numbers, its card names "
                f"{len(names):,} classes"
            )
        return names

    def work(self, items: Sequence[bytes | Image], alone: bool) -> Sequence[Classified | Exception]:
        """Classify files, or images that are decoded already; an error for each that cannot be.

        Args:
            items: content of files, or (H, W), (H, W, 3) or (H, W, 4) uint8.
            alone: whether nothing else is going on.
        """
        found: dict[int, Classified | Exception] = {}
        predictor = self._wide if alone and len(items) == 1 else self._narrow
        for numbers, images in self._decoded(items, found.__setitem__):
            begun = time.perf_counter()
            try:
                answers = self._probabilities(predictor, images)
            except PredictionError as error:
                found |= dict.fromkeys(numbers, error)
                continue
            self._metrics.observe("model_seconds", time.perf_counter() - begun)
            self._metrics.observe("batch_images", len(images))
            for number, image, answer in zip(numbers, images, answers, strict=True):
                found[number] = Classified(image.shape[0], image.shape[1], answer)
        return [found[number] for number in range(len(items))]

    def _decoded(
        self, items: Sequence[bytes | Image], refuse: Callable[[int, Exception], None]
    ) -> Iterator[tuple[list[int], list[Image]]]:
        """Yield images with their numbers, no more at a time than there is room for."""
        numbers: list[int] = []
        images: list[Image] = []
        for number, item in enumerate(items):
            try:
                image = item if isinstance(item, np.ndarray) else self.decode(item)
            except RequestError as error:
                refuse(number, error)
                continue
            numbers.append(number)
            images.append(image)
            if sum(one.shape[0] * one.shape[1] for one in images) > _MOST_PIXELS:
                yield numbers, images
                numbers, images = [], []
        if images:
            yield numbers, images

    def decode(self, data: bytes) -> Image:
        """Decode a file as variegate does everywhere: upright, sRGB or gray, 8 bits.

        Raises:
            RequestError: it is no image, broken, or too large.
        """
        try:
            return decode(data, limits=self._limits)
        except ImageError as error:
            raise of_image(error, data, known=kind_of(data) is not None) from error

    def _probabilities(self, predictor: Predictor, images: Sequence[Image]) -> list[Floats]:
        answers = predictor.predict(images)
        found = [one.probabilities for one in answers if isinstance(one, Classification)]
        if len(found) != len(images):
            raise PredictionError(
                f"expected {len(images):,} classifications, got {len(found):,} of the model"
            )
        if not all(np.isfinite(one).all() for one in found):
            raise PredictionError("the model answered numbers that are not finite")
        return found

    def best(self, probabilities: Floats, count: int) -> list[dict[str, object]]:
        """Return the likeliest classes: [{"class": name, "probability": from 0 to 1}, ...]."""
        least = 0.0
        if count < len(probabilities):
            # Few are wanted of many: the others need no order.
            least = np.partition(probabilities, -count)[-count]
        likely = np.flatnonzero(probabilities >= least)
        order = likely[np.argsort(-probabilities[likely], kind="stable")][:count]
        return [
            {"class": self.classes[number], "probability": round(float(probabilities[number]), 6)}
            for number in order
        ]
