"""The application: a model's answers over HTTP. FastAPI, with `gate` around it.

`POST /classify` is for programs; `/try` and `/sweep` are what the page's sliders ask.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from variegate.annotations.sample import Image
from variegate.errors import UsageError
from variegate.models.predictors.base import PredictionError
from variegate.serving.batches import Batcher
from variegate.serving.classifier import Classified, Classifier
from variegate.serving.faults import RequestError
from variegate.serving.gate import BodyGate, KeyGate, RequestObserver, error_body, header
from variegate.serving.marks import AxisMarks
from variegate.serving.metrics import CONTENT_TYPE, Metrics
from variegate.serving.page import page_headers, page_text
from variegate.serving.settings import ServerSettings
from variegate.serving.sliders import (
    SWEEP,
    SliderStep,
    as_data_url,
    check_axis,
    read_steps,
    sliders,
    small,
    transformed,
)
from variegate.serving.uploads import Upload, UploadedImage, read_upload

if TYPE_CHECKING:
    from concurrent.futures import Future

    from fastapi import FastAPI, Request

Result = TypeVar("Result")

ROUTES = frozenset(
    {"/", "/classify", "/health", "/ready", "/model", "/metrics", "/axes", "/try", "/sweep"}
    | {"/openapi.json"}
)

_FILE = {"type": "string", "format": "binary"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "array", "items": _FILE}},
                }
            },
            "application/octet-stream": {"schema": _FILE},
            "image/*": {"schema": _FILE},
        },
    }
}
_ERROR = {
    "description": "An error",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "error": {
                        "type": "object",
                        "properties": {
                            "status": {"type": "integer"},
                            "message": {"type": "string"},
                            "request": {"type": "string"},
                        },
                    }
                },
            }
        }
    },
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {**_ERROR, "description": text}
    for status, text in {
        400: "Nothing usable was sent",
        401: "The API key is missing or wrong",
        408: "The body did not arrive in time",
        413: "Too many bytes, pixels or files",
        415: "Not an image, or of a kind that is not supported",
        503: "Too much waits; see Retry-After",
    }.items()
}


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
        return await read_upload(kind, body, max_files=self.settings.max_files)

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
    waited = [asyncio.wrap_future(future) for future in futures]
    found = await asyncio.gather(*waited, return_exceptions=True)
    return [one if isinstance(one, Classified | Exception) else _lost(one) for one in found]


def _lost(error: BaseException) -> Exception:
    return PredictionError(f"the work was lost ({type(error).__name__})")


async def _gone(request: "Request") -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def create_app(
    classifier: Classifier,
    settings: ServerSettings | None = None,
    *,
    metrics: Metrics | None = None,
    marks: Mapping[str, AxisMarks] | None = None,
) -> "FastAPI":
    """Return the application.

    Args:
        classifier: the model.
        settings: what is accepted.
        metrics: where it is counted; the classifier's own.
        marks: of tolerance, by axis.

    Raises:
        UsageError: FastAPI is not installed.
    """
    try:
        from fastapi import FastAPI
        from starlette.middleware.cors import CORSMiddleware
    except ImportError as error:
        raise UsageError("this needs FastAPI: pip install 'variegate[serve]'") from error
    settings, metrics = settings or ServerSettings(), metrics or Metrics()
    service = Service(classifier, settings, metrics, marks or {})
    app = FastAPI(
        title=f"variegate: {classifier.name}",
        version=version("variegate"),
        description="Classes of images.",
        # Their pages come from other sites: they work neither offline nor under our policy.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    _add_routes(app, service)
    _add_error_handlers(app)
    # The last one that is added is the first that is asked.
    app.add_middleware(partial(BodyGate, settings=settings, metrics=metrics))
    app.add_middleware(partial(KeyGate, keys=settings.keys))
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["X-API-Key", "Authorization", "Content-Type", "X-Request-Id"],
        )
    app.add_middleware(partial(RequestObserver, metrics=metrics, routes=ROUTES))
    return app


def _add_routes(app: "FastAPI", service: Service) -> None:
    from fastapi import Request, Response
    from fastapi.responses import JSONResponse

    def answers(
        work: Callable[[Request], Awaitable[dict[str, Any]]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def route(request: Request) -> Response:
            return JSONResponse(await work(request))

        route.__doc__ = work.__doc__
        return route

    for path, name, work in (
        ("/classify", "classify", service.classify),
        ("/try", "try", service.try_steps),
        ("/sweep", "sweep", service.sweep),
    ):
        app.post(path, name=name, responses=_ERRORS, openapi_extra=_BODY)(answers(work))
    _add_readings(app, service)
    if service.settings.page:

        @app.get("/", include_in_schema=False)
        async def page() -> Response:
            return Response(page_text(), headers=page_headers())


def _add_readings(app: "FastAPI", service: Service) -> None:
    from fastapi import Response

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the server lives."""
        return {"status": "alive"}

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        """Whether it can be asked: 503 while the queue is full."""
        if service.batcher.depth >= service.settings.queue:
            raise RequestError(503, "the queue is full", retry_after_s=1)
        return {"status": "ready"}

    @app.get("/model")
    async def model() -> dict[str, Any]:
        """What is served."""
        return service.model()

    @app.get("/axes")
    async def axes() -> list[dict[str, Any]]:
        """The transformations that /try and /sweep know."""
        return sliders(service.marks)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Counts and times for Prometheus."""
        return Response(service.metrics.text(), headers={"content-type": CONTENT_TYPE})

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return Response(status_code=204)


def _add_error_handlers(app: "FastAPI") -> None:
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from starlette.exceptions import HTTPException

    def answer(
        request: Request, status: int, sentence: str, headers: Mapping[str, str] | None = None
    ) -> JSONResponse:
        body = error_body(status, sentence, request.scope.get("variegate.request", ""))
        return JSONResponse(body, status_code=status, headers=headers)

    @app.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> JSONResponse:
        later = error.retry_after_s
        headers = {} if later is None else {"retry-after": str(later)}
        return answer(request, error.status, str(error), headers)

    @app.exception_handler(PredictionError)
    async def failed(request: Request, _: PredictionError) -> JSONResponse:
        service: Service = request.app.state.service
        service.metrics.count("model_failures")
        return answer(request, 500, "the model failed on this image")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return answer(request, error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return answer(request, 400, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
