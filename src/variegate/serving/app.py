"""The application: a model's answers over HTTP. FastAPI, with `gate` around it.

`POST /classify` is for programs; `/try` and `/sweep` are what the page's sliders ask.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from variegate.errors import UsageError
from variegate.models.predictors.base import PredictionError
from variegate.serving.classifier import Classifier
from variegate.serving.faults import RequestError
from variegate.serving.gate import BodyGate, KeyGate, RequestObserver, error_body
from variegate.serving.marks import AxisMarks
from variegate.serving.metrics import CONTENT_TYPE, Metrics
from variegate.serving.page import page_headers, page_text
from variegate.serving.service import Service
from variegate.serving.settings import ServerSettings
from variegate.serving.sliders import sliders

if TYPE_CHECKING:
    from fastapi import FastAPI

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
    from fastapi.routing import APIRoute

    class WholeRequestRoute(APIRoute):
        """A route whose function takes the request as it is: nothing is read out of it before."""

        def get_route_handler(self) -> Callable[[Request], Any]:
            return self.endpoint

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
        app.router.add_api_route(
            path,
            answers(work),
            name=name,
            methods=["POST"],
            responses=_ERRORS,
            openapi_extra=_BODY,
            route_class_override=WholeRequestRoute,
        )
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
