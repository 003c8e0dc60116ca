"""variegate serve: a model behind a URL, with a page."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from variegate.cli.application import command
from variegate.cli.console import clean, note, show, size_text
from variegate.cli.options import option, whole

_LIMITS, _ACCESS, _SPEED = "Limits", "Access", "Speed"


@command(
    "serve",
    "variegate serve birds.onnx",
    "curl -F image=@robin.jpg http://127.0.0.1:8000/classify",
    "variegate serve birds.onnx --host 0.0.0.0 --keys keys.txt --tolerance tolerance.json",
)
def serve(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file of a classifier.")],
    *,
    card: Annotated[
        Path | None,
        option("--card", "The model's card. Default: MODEL.card.json beside it.", metavar="FILE"),
    ] = None,
    host: Annotated[
        str, option("--host", "Address to listen on; 0.0.0.0 for all.", metavar="ADDRESS")
    ] = "127.0.0.1",
    port: Annotated[
        int, option("--port", "Port to listen on.", metavar="N", parser=whole(0, 65535))
    ] = 8000,
    top: Annotated[
        int, option("--top -k", "Classes in an answer.", metavar="N", parser=whole(1))
    ] = 5,
    model_version: Annotated[
        str, option("--model-version", "Default: digest of model and card.", metavar="TEXT")
    ] = "",
    tolerance: Annotated[
        Path | None,
        option("--tolerance", "tolerance.json, for marks on the page's sliders.", metavar="FILE"),
    ] = None,
    page: Annotated[bool, option("--page/--no-page", "Serve the page at /.")] = True,
    keys: Annotated[
        Path | None,
        option(
            "--keys",
            "File of API keys, one a line; also from VARIEGATE_API_KEYS. Default: no key is asked.",
            _ACCESS,
            "FILE",
        ),
    ] = None,
    origins: Annotated[
        list[str] | None,
        option(
            "--allow-origin",
            "Site whose pages may call this server (CORS). Repeatable. Default: none.",
            _ACCESS,
            "URL",
        ),
    ] = None,
    max_megabytes: Annotated[
        int, option("--max-megabytes", "Size of a request.", _LIMITS, "N", parser=whole(1))
    ] = 20,
    max_megapixels: Annotated[
        int, option("--max-megapixels", "Size of an image.", _LIMITS, "N", parser=whole(1))
    ] = 50,
    max_files: Annotated[
        int, option("--max-files", "Images of a request.", _LIMITS, "N", parser=whole(1))
    ] = 16,
    queue: Annotated[
        int,
        option("--queue", "Images that may wait; more get 503.", _LIMITS, "N", parser=whole(1)),
    ] = 64,
    upload_timeout: Annotated[
        float,
        option("--upload-timeout", "Seconds that an upload may take.", _LIMITS, "S", min=0.1),
    ] = 30.0,
    workers: Annotated[
        int | None,
        option(
            "--workers -w",
            "Threads that decode and ask the model. Default: one per CPU.",
            _SPEED,
            "N",
            parser=whole(1),
        ),
    ] = None,
    batch: Annotated[
        int,
        option("--batch", "Images asked about at a time at most.", _SPEED, "N", parser=whole(1)),
    ] = 8,
) -> None:
    """Serve a classifier over HTTP until you press Ctrl-C, with a page to try it.

    POST /classify answers with the likeliest classes of one or several images; /health, /ready,
    /model, /metrics and /openapi.json say what else there is. Requests are logged to standard
    error, a line of JSON each.
    """
    from variegate.serving.server import load
    from variegate.serving.server import serve as run
    from variegate.serving.settings import KeyRing, ServerSettings, processors

    settings = ServerSettings(
        top=top,
        max_bytes=max_megabytes << 20,
        max_pixels=max_megapixels * 1_000_000,
        max_files=max_files,
        max_waiting_bytes=max(256, 4 * max_megabytes) << 20,
        upload_timeout_s=upload_timeout,
        workers=workers or processors(),
        batch=batch,
        queue=queue,
        keys=KeyRing.read(os.environ, keys),
        origins=tuple(origins or ()),
        page=page,
    )
    loaded = load(model, settings, card=card, version=model_version, tolerance=tolerance)
    _log_requests()
    named = loaded.classifier
    what = f"{named.name} {named.version}: {len(named.classes):,} classes"
    note(
        f"requests of {size_text(settings.max_bytes)} at most, {settings.workers} workers; "
        "press Ctrl-C to stop"
    )
    if not settings.keys and host not in ("127.0.0.1", "localhost", "::1"):
        note("no API key is asked: whoever reaches this address can use it (see --keys)")
    run(loaded, host=host, port=port, on_start=lambda url: show(f"{what}, at {url}"))
    note("stopped")


def _log_requests() -> None:
    """Have requests logged as they are: each is a line of JSON."""
    log = logging.getLogger("variegate.serving.access")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [_Lines()]


class _Lines(logging.Handler):
    """Writes what is logged to standard error, a line each."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{clean(record.getMessage())}\n")
        sys.stderr.flush()
