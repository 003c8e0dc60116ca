"""What the routes of a server do: images in, classes out, through the queue before the model."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from variegate.annotations.sample import Image
from variegate.models.predictors.base import PredictionError
from variegate.serving.batches import Batcher
from variegate.serving.classifier import Classified, Classifier
from variegate.serving.faults import RequestError
from variegate.serving.gate import header
from variegate.serving.marks import AxisMarks
from variegate.serving.metrics import Metrics
from variegate.serving.settings import ServerSettings
from variegate.serving.sliders import (
    SWEEP,
    SliderStep,
    as_data_url,
    check_axis,
    read_steps,
    small,
    transformed,
)
from variegate.serving.uploads import Upload, UploadedImage, read_upload

if TYPE_CHECKING:
    from concurrent.futures import Future

    from fastapi import Request

Result = TypeVar("Result")


class Service:
    """What the routes do.

    Attributes:
        metrics: what is counted.
        batcher: the queue before the model.
    """

    def __init__(
        self,
        classifier: Classifier,
        settings: ServerSettings,
        metrics: Metrics,
        marks: Mapping[str, AxisMarks],
    ) -> None:
        self.classifier, self.settings, self.metrics = classifier, settings, metrics
        self.marks = marks
        self.batcher: Batcher[bytes | Image, Classified] = Batcher(
            classifier.work,
            workers=settings.workers,
            batch=classifier.most_at_a_time or settings.batch,
            limit=settings.queue,
        )
        self._playing = asyncio.Semaphore(settings.workers)
        metrics.gauge("queue_images", lambda: self.batcher.depth)
        metrics.gauge("dropped_images", lambda: self.batcher.dropped)

    async def classify(self, request: "Request") -> dict[str, Any]:
        """Answer with the likeliest classes of every image that was sent."""
        begun = time.perf_counter()
        upload = await self._upload(request)
        top = self._top(request, upload)
        futures = self.batcher.submit([one.data for one in upload.images])
        answers = await self._unless_gone(request, _all(futures))
        results = [
            self._result(one, answer, top)
            for one, answer in zip(upload.images, answers, strict=True)
        ]
        faults = [one for one in answers if isinstance(one, Exception)]
        for fault in faults:
            status = fault.status if isinstance(fault, RequestError) else 500
            self.metrics.count("refused_images", status=str(status))
        if len(faults) == len(answers):
            # Nothing that was sent could be used.
            raise faults[0]
        request.scope["variegate.images"] = len(answers) - len(faults)
        self.metrics.count("images", len(answers) - len(faults))
        return {
            "model": {"name": self.classifier.name, "version": self.classifier.version},
            "results": results,
            "seconds": round(time.perf_counter() - begun, 4),
        }

    async def _upload(self, request: "Request") -> Upload:
        body = await request.body()
        kind = header(request.scope, b"content-type")
        return read_upload(kind, body, max_files=self.settings.max_files)

    def _top(self, request: "Request", upload: Upload) -> int:
        given = request.query_params.get("top", upload.fields.get("top", str(self.settings.top)))
        if not (given.isascii() and given.isdigit() and len(given) < 10 and int(given) > 0):
            raise RequestError(400, f"top: expected a whole number from 1, got {given[:20]!r}")
        return int(given)

    def _result(
        self, sent: UploadedImage, answer: Classified | Exception, top: int
    ) -> dict[str, Any]:
        if isinstance(answer, RequestError):
            fault = {"status": answer.status, "message": str(answer)}
            return {"file": sent.name, "error": fault}
        if isinstance(answer, Exception):
            return {"file": sent.name, "error": {"status": 500, "message": "the model failed"}}
        return {
            "file": sent.name,
            "width": answer.width,
            "height": answer.height,
            "classes": self.classifier.best(answer.probabilities, top),
        }

    async def _unless_gone(self, request: "Request", work: Awaitable[Result]) -> Result:
        """Wait for work; drop it if the client leaves.

        Raises:
            RequestError: it has left. Nobody sees it but the log.
        """
        working = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise RequestError(499, "the client has left")
        finally:
            for one in (working, leaving):
                one.cancel()

    async def _image(self, request: "Request") -> tuple[Upload, Image]:
        upload = await self._upload(request)
        if len(upload.images) != 1:
            raise RequestError(400, f"expected one image, got {len(upload.images)}")
        data = upload.images[0].data
        async with self._playing:
            image = await asyncio.to_thread(lambda: small(self.classifier.decode(data)))
        return upload, image

    async def _moved(self, image: Image, steps: Sequence[SliderStep]) -> Image:
        async with self._playing:
            return await asyncio.to_thread(transformed, image, steps)

    async def try_steps(self, request: "Request") -> dict[str, Any]:
        """Answer with an image as the sliders make it, and its classes."""
        upload, image = await self._image(request)
        steps, top = read_steps(upload.fields.get("steps", "")), self._top(request, upload)
        moved = await self._moved(image, steps)
        (answer,) = await self._unless_gone(request, _all(self.batcher.submit([moved])))
        if isinstance(answer, Exception):
            raise answer
        shown = await asyncio.to_thread(as_data_url, moved)
        return {
            "image": shown,
            "width": moved.shape[1],
            "height": moved.shape[0],
            "classes": self.classifier.best(answer.probabilities, top),
        }

    async def sweep(self, request: "Request") -> dict[str, Any]:
        """Answer with the probability of the first answer's class all along an axis."""
        upload, image = await self._image(request)
        steps = read_steps(upload.fields.get("steps", ""))
        axis = check_axis(upload.fields.get("axis", ""))
        others = tuple(one for one in steps if one.axis != axis)
        points = [(*others, SliderStep(axis, intensity)) for intensity in SWEEP]
        moved = [await self._moved(image, one) for one in points]
        answers = await self._unless_gone(request, self._all_in_turn(moved))
        first = int(answers[0].probabilities.argmax())
        return {
            "axis": axis,
            "class": self.classifier.classes[first],
            "intensities": list(SWEEP),
            "probabilities": [round(float(one.probabilities[first]), 6) for one in answers],
            "kept": [int(one.probabilities.argmax()) == first for one in answers],
        }

    async def _all_in_turn(self, images: Sequence[Image]) -> list[Classified]:
        """Ask about images one by one, so that others get their turn between them."""
        found: list[Classified] = []
        for image in images:
            (answer,) = await _all(self.batcher.submit([image]))
            if isinstance(answer, Exception):
                raise answer
            found.append(answer)
        return found

    def model(self) -> dict[str, Any]:
        """Say what is served."""
        return {
            "name": self.classifier.name,
            "version": self.classifier.version,
            "classes": list(self.classifier.classes),
            "input": self.classifier.card.input.model_dump(mode="json", exclude_none=True),
            "description": self.classifier.card.description,
            "limits": {
                "bytes": self.settings.max_bytes,
                "pixels": self.settings.max_pixels,
                "files": self.settings.max_files,
            },
        }


async def _all(futures: Sequence["Future[Classified]"]) -> list[Classified | Exception]:
    """Wait for all; whoever cancels this cancels them."""
    loop = asyncio.get_running_loop()
    settled, left = loop.create_future(), len(futures)

    def settle() -> None:
        nonlocal left
        left -= 1
        if not left and not settled.done():
            settled.set_result(None)

    def tell(_: object) -> None:
        # The loop is closed where the server ends before its work does.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle)

    for future in futures:
        future.add_done_callback(tell)
    try:
        await settled
    finally:
        for future in futures:
            future.cancel()
    return [_outcome(one) for one in futures]


def _outcome(future: "Future[Classified]") -> Classified | Exception:
    if future.cancelled():
        return PredictionError("the work was lost")
    error = future.exception()
    if error is None:
        return future.result()
    return error if isinstance(error, Exception) else _lost(error)


def _lost(error: BaseException) -> Exception:
    return PredictionError(f"the work was lost ({type(error).__name__})")


async def _gone(request: "Request") -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
