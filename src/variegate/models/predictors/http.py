"""Models behind a URL, asked as TensorFlow Serving and KServe are.

A batch is one request: `{"instances": [{"b64": PNG}, ...]}`; the reply is `{"predictions": [...]}`
with one answer (see `answers`) for each image.
"""

import base64
import email.utils
import hashlib
import http.client
import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from variegate.annotations.sample import Image
from variegate.codecs import encode
from variegate.errors import UsageError, without_password
from variegate.models.card import Task
from variegate.models.predictors.answers import AnswerReader
from variegate.models.predictors.base import Prediction, PredictionError, Predictor
from variegate.models.predictors.checks import checked
from variegate.models.preprocessing import as_rgb

# Worth asking again: too many requests, and what a server says that starts or is overloaded.
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_FIRST_WAIT_S, _MOST_WAIT_S = 0.5, 60.0
_MOST_REPLY_BYTES = 256 << 20


class UrlPredictor(Predictor):
    """A model behind a URL."""

    def __init__(
        self,
        url: str,
        *,
        task: Task = "classification",
        classes: Sequence[str] = (),
        version: str = "",
        headers: Mapping[str, str] | None = None,
        batch: int = 16,
        timeout_s: float = 60.0,
        attempts: int = 5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take a URL; nothing is asked yet.

        Args:
            url: http or https.
            task: of the model.
            classes: of its answers.
            version: of the model, as far as the user knows it; part of the identity, as what runs
                behind a URL cannot be seen.
            headers: to be sent, such as Authorization.
            batch: images in a request.
            timeout_s: for each reply.
            attempts: for each request, before it counts as failed.
            sleep: waits between them.

        Raises:
            UsageError: it is no such URL.
        """
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"--url: expected https://host/path or http://..., got {without_password(url)!r}"
            )
        self._url, self._place = url, without_password(url)
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._batch, self._timeout_s, self._attempts = batch, timeout_s, attempts
        self._sleep = sleep
        self.task, self.classes = task, tuple(classes)
        named = repr(("url", self._place, version, task, self.classes))
        self.identity = hashlib.sha256(named.encode()).hexdigest()
        self._reader = AnswerReader(task, self.classes)

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        found: list[Prediction] = []
        for start in range(0, len(images), self._batch):
            part = images[start : start + self._batch]
            sizes = [(one.shape[0], one.shape[1]) for one in part]
            found += self._reader.all(self._asked(part), sizes)
        return checked(found, images, self)

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "url": self._place}

    def _asked(self, images: Sequence[Image]) -> Any:
        encoded = [base64.b64encode(encode(as_rgb(one), format="png")).decode() for one in images]
        body = json.dumps({"instances": [{"b64": one} for one in encoded]}).encode()
        reply = self._reply(body)
        try:
            return json.loads(reply)["predictions"]
        except (ValueError, KeyError, TypeError) as error:
            start = reply[:80].decode(errors="backslashreplace")
            raise PredictionError(
                f'{self._place}: expected JSON {{"predictions": [...]}}, got {start!r}'
            ) from error

    def _reply(self, body: bytes) -> bytes:
        """Return the reply, asking again where that may help."""
        for attempt in range(1, self._attempts + 1):
            wait = min(_MOST_WAIT_S, _FIRST_WAIT_S * 2 ** (attempt - 1))
            try:
                return self._once(body)
            except urllib.error.HTTPError as error:
                with error:
                    said = error.read(200).decode(errors="backslashreplace")
                    reason = f"HTTP {error.code} {error.reason}: {' '.join(said.split())}"
                    asked = _retry_after(error.headers.get("Retry-After"))
                if error.code not in _AGAIN:
                    raise PredictionError(f"{self._place}: {reason}") from error
                wait = wait if asked is None else min(_MOST_WAIT_S, asked)
            except (OSError, http.client.HTTPException) as error:
                told = getattr(error, "reason", None) or error
                reason = f"{type(error).__name__}: {told}"
            if attempt < self._attempts:
                self._sleep(wait)
        raise PredictionError(f"{self._place}: {reason} ({self._attempts} attempts)")

    def _once(self, body: bytes) -> bytes:
        # The scheme was looked at: nothing but http and https comes here.
        request = urllib.request.Request(self._url, body, self._headers, method="POST")  # noqa: S310
        with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310
            reply: bytes = answer.read(_MOST_REPLY_BYTES + 1)
        if len(reply) > _MOST_REPLY_BYTES:
            raise PredictionError(f"{self._place}: a reply of more than 256 MB")
        return reply


def _retry_after(text: str | None) -> float | None:
    """Return the seconds that a server asks to wait for: a number, or a date."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            until = email.utils.parsedate_to_datetime(text).timestamp()
        except ValueError:
            return None
        seconds = until - time.time()
    return max(0.0, seconds) if math.isfinite(seconds) else None
