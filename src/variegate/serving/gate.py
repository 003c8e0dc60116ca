"""What every request passes before the application sees it, in ASGI itself.

`RequestObserver` counts and logs it and gives whatever fails an answer, `KeyGate` asks for the key,
`BodyGate` takes the body: no more bytes and seconds than allowed, whether or not its length is
stated.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import asyncio
import contextlib
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from variegate.serving.faults import RequestError
from variegate.serving.metrics import Metrics
from variegate.serving.settings import KeyRing, ServerSettings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

access_log = logging.getLogger("variegate.serving.access")
log = logging.getLogger("variegate.serving")

#: Paths that are answered without a key: who asks whether the server lives has none.
OPEN_PATHS = frozenset({"/", "/health", "/ready", "/favicon.ico"})

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CLOSED = 499  # what nginx calls a client that did not wait for its answer
_LINGER_S = 2.0


def header(scope: Scope, name: bytes) -> str:
    """Return a header of a request; "" where there is none."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def error_body(status: int, sentence: str, request: str) -> dict[str, object]:
    """Return what every error's JSON looks like."""
    return {"error": {"status": status, "message": sentence, "request": request}}


async def send_error(
    scope: Scope, send: Send, error: RequestError, *, rest: Receive | None = None
) -> None:
    """Answer with an error.

    Args:
        scope: of the request.
        send: by which it is answered.
        error: what is wrong.
        rest: gives what may still come of the body.
    """
    sentence = error_body(error.status, str(error), scope.get("variegate.request", ""))
    content = json.dumps(sentence).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.status in (408, 413, 503):
        # What is still to come of the body is not waited for.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": rest is not None})
    if rest is not None:
        # A connection that is closed with bytes unread is reset, and the client may lose the
        # answer: what it is still sending is thrown away for a moment.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while (await rest()).get("more_body", False):
                    pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class RequestObserver:
    """Counts and logs every request, and answers what fails unexpectedly.

    The log has no query, header or file name: keys and what belongs to clients stay out of it.
    """

    def __init__(self, app: App, *, metrics: Metrics, routes: frozenset[str]) -> None:
        self.app, self.metrics, self.routes = app, metrics, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, given = time.perf_counter(), header(scope, b"x-request-id")
        request = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope["variegate.request"] = request
        told: dict[str, Any] = {"status": _CLOSED, "bytes": 0}

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                told["status"] = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            else:
                told["bytes"] += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except RequestError as error:
            await self._answer(scope, watched, told, error)
        except Exception:
            log.exception("request %s failed", request)
            await self._answer(
                scope, watched, told, RequestError(500, "the server failed; its log says why")
            )
        finally:
            self._tell(scope, told, time.perf_counter() - begun)

    async def _answer(
        self, scope: Scope, send: Send, told: dict[str, Any], error: RequestError
    ) -> None:
        if told["status"] == _CLOSED and error.status != _CLOSED:
            await send_error(scope, send, error)

    def _tell(self, scope: Scope, told: dict[str, Any], seconds: float) -> None:
        path = scope["path"] if scope["path"] in self.routes else "other"
        status = str(told["status"])
        self.metrics.count("requests", method=_known(scope["method"]), path=path, status=status)
        self.metrics.observe("request_seconds", seconds)
        client = scope.get("client")
        line = {
            "event": "request",
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "request": scope["variegate.request"],
            "client": client[0] if client else "",
            "method": _known(scope["method"]),
            "path": path,
            "status": told["status"],
            "seconds": round(seconds, 4),
            "bytes_in": scope.get("variegate.bytes", 0),
            "bytes_out": told["bytes"],
            "images": scope.get("variegate.images", 0),
        }
        access_log.info("%s", json.dumps(line))


def _known(method: str) -> str:
    """Return a method, or one word for all that somebody may invent."""
    return method if method in {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} else "OTHER"


class KeyGate:
    """Lets nobody in without a key, where there are keys."""

    def __init__(self, app: App, *, keys: KeyRing) -> None:
        self.app, self.keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.keys and scope["path"] not in OPEN_PATHS:
            given = header(scope, b"x-api-key")
            kind, _, token = header(scope, b"authorization").partition(" ")
            if not given and kind.lower() == "bearer":
                given = token.strip()
            if not self.keys.accepts(given):
                what = "wrong" if given else "missing"
                error = RequestError(401, f"the API key is {what}; send it as X-API-Key")
                await send_error(scope, send, error)
                return
        await self.app(scope, receive, send)


class BodyGate:
    """Takes the body before the application is asked, within limits of bytes and of time.

    Args:
        app: what comes next. It receives the body in one piece, and after it whether the client
            has left.
        settings: the limits.
        metrics: where what is held is shown.
    """

    def __init__(self, app: App, *, settings: ServerSettings, metrics: Metrics) -> None:
        self.app, self.settings = app, settings
        self._held = 0
        metrics.gauge("held_bytes", lambda: self._held)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        held = _Held(self)
        try:
            body = await self._received(scope, receive, held)
            scope["variegate.bytes"] = len(body)
            await self.app(scope, _replayed(body, receive), send)
        except _BodyRefusedError as refusal:
            await send_error(scope, send, refusal.error, rest=receive)
        except _ClientLeftError:
            return
        finally:
            self._held -= held.bytes

    async def _received(self, scope: Scope, receive: Receive, held: "_Held") -> bytes:
        """Return the body.

        Raises:
            _BodyRefusedError: it is too large, or late, or there is no room for it.
            _ClientLeftError: it is cut off.
        """
        try:
            self._check_length(header(scope, b"content-length"))
            async with asyncio.timeout(self.settings.upload_timeout_s):
                return await self._body(receive, held)
        except TimeoutError:
            seconds = self.settings.upload_timeout_s
            late = RequestError(408, f"the body did not arrive within {seconds:g} seconds")
            raise _BodyRefusedError(late) from None
        except RequestError as error:
            raise _BodyRefusedError(error) from error

    def _check_length(self, stated: str) -> None:
        if stated.isdigit() and int(stated) > self.settings.max_bytes:
            raise self._too_large(f"{int(stated):,} bytes")

    def _too_large(self, what: str) -> RequestError:
        return RequestError(
            413, f"the body has {what}; the limit is {self.settings.max_bytes:,} bytes"
        )

    async def _body(self, receive: Receive, held: "_Held") -> bytes:
        pieces: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _ClientLeftError
            piece = message.get("body", b"")
            held.add(len(piece))
            if held.bytes > self.settings.max_bytes:
                raise self._too_large(f"at least {held.bytes:,} bytes")
            pieces.append(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)

    def hold(self, count: int) -> None:
        """Count bytes that are held.

        Raises:
            RequestError: 503, all requests together hold too much.
        """
        self._held += count
        if self._held > self.settings.max_waiting_bytes:
            raise RequestError(503, "busy: too many uploads at a time", retry_after_s=1)


class _Held:
    """What one request holds."""

    def __init__(self, gate: BodyGate) -> None:
        self._gate, self.bytes = gate, 0

    def add(self, count: int) -> None:
        self.bytes += count
        self._gate.hold(count)


class _BodyRefusedError(Exception):
    """The body is not taken."""

    def __init__(self, error: RequestError) -> None:
        super().__init__(str(error))
        self.error = error


class _ClientLeftError(Exception):
    """The client has gone in the middle of its upload: there is nobody to answer."""


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives the body once, and then what the server says."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
