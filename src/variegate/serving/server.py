"""A server of one model: its application in uvicorn, until it is told to stop."""

import logging
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from variegate.errors import UsageError
from variegate.serving.app import create_app
from variegate.serving.classifier import Classifier
from variegate.serving.marks import AxisMarks, read_marks
from variegate.serving.metrics import Metrics
from variegate.serving.service import Service
from variegate.serving.settings import ServerSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

# Connections beyond these get uvicorn's own 503; each costs some kilobytes.
_MOST_CONNECTIONS = 1_000
_IDLE_S = 15
_GRACE_S = 30


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What is served.

    Attributes:
        classifier: the model.
        app: its application.
        marks: of tolerance, by axis.
    """

    classifier: Classifier
    app: "FastAPI"
    marks: Mapping[str, AxisMarks]

    @property
    def service(self) -> Service:
        """What the application's routes do."""
        service: Service = self.app.state.service
        return service


def load(
    model: Path,
    settings: ServerSettings,
    *,
    card: Path | None = None,
    version: str = "",
    tolerance: Path | None = None,
) -> LoadedModel:
    """Load a model and make its application.

    Raises:
        UsageError: a file is missing or wrong, or a package is not installed.
    """
    metrics = Metrics()
    classifier = Classifier(
        model,
        card=card,
        version=version,
        threads=settings.workers,
        limits=settings.limits,
        metrics=metrics,
    )
    marks = {} if tolerance is None else read_marks(tolerance, classifier.predictor)
    return LoadedModel(
        classifier, create_app(classifier, settings, metrics=metrics, marks=marks), marks
    )


def serve(loaded: LoadedModel, *, host: str, port: int, on_start: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; then finish what has begun, and return.

    Args:
        loaded: what is served.
        host: address to listen on.
        port: 0 for any that is free.
        on_start: is told the URL once it can be asked.

    Raises:
        UsageError: the address cannot be used, or uvicorn is not installed.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise UsageError("this needs uvicorn: pip install 'variegate[serve]'") from error
    config: Any = uvicorn.Config(
        loaded.app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_GRACE_S,
        lifespan="off",
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    try:
        bound = config.bind_socket()
    except (SystemExit, OSError):
        raise UsageError(
            f"{host}:{port}: cannot be listened on; is another server there? Choose a --port"
        ) from None
    bound = _prompt(bound)
    # Whoever is told the URL may come at once; the first answer is given a moment later.
    bound.listen(_MOST_CONNECTIONS)
    named = f"[{host}]" if ":" in host else host
    on_start(f"http://{named}:{bound.getsockname()[1]}/")
    # uvicorn raises a signal again after its work; here it has done all that it should.
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    for one in before:
        signal.signal(one, lambda *_: None)
    try:
        uvicorn.Server(config).run(sockets=[bound])
    finally:
        loaded.service.batcher.close()
        for number, handler in before.items():
            signal.signal(number, handler)
        bound.close()


def _prompt(bound: socket.socket) -> socket.socket:
    """Return a socket whose connections send at once what is written to them.

    An answer is written in two pieces. asyncio lets none wait for the client's acknowledgement of
    the one before, which takes 40 ms, but only where a socket says that it is TCP's; uvicorn's does
    not.
    """
    tcp = socket.socket(bound.family, bound.type, socket.IPPROTO_TCP, fileno=bound.detach())
    # Connections inherit it on most systems; asyncio sets it wherever they do not.
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tcp
