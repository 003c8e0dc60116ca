"""A client of Edge Impulse: its ingestion takes files, its studio tells what became of them.

Failures may come inside HTTP 200: the answer as a whole and that of each file have a field
`success`. What may pass is repeated with growing pauses, at random within them, or after the time
that the service asks for; all threads wait together. A request that is cut off may have been
carried out, so it is repeated with `x-disallow-duplicates`, and "already exists" is no failure.
"""

import email.utils
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from variegate.datasets.upload.payload import Payload, header_text
from variegate.errors import OutputError, StoreError, UsageError
from variegate.storage import printable

if TYPE_CHECKING:
    import httpx

INGESTION, STUDIO = "https://ingestion.edgeimpulse.com", "https://studio.edgeimpulse.com/v1"

_TRIES = 8
# Samples that the studio is asked for at a time.
_PAGE = 200
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_LONGEST_ASKED_S = 600.0
_TIMEOUT_S, _CONNECT_S = 300.0, 15.0
# 16 kB of headers are all that a request may have: longer boxes go into a file beside the image.
_LONGEST_HEADER = 8_000
# What one file may be the cause of, every time.
_FAULTY = "HTTP 500"
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
_REFUSED = frozenset((401, 403))
_EXISTS = re.compile("already exists", re.IGNORECASE)
_IDS = re.compile(r"ids?:?\s*(\d+)", re.IGNORECASE)
_BAD_KEY = re.compile(r"api.?key", re.IGNORECASE)
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


class ApiKey:
    """A key that no message, log or traceback shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str, name: str = "EI_API_KEY") -> None:
        self._text = text.strip()
        if not re.fullmatch(r"[\x21-\x7e]+", self._text):
            # Not what came.
            raise UsageError(f"{name}: expected a key such as ei_..., got none or odd characters")

    def __repr__(self) -> str:
        return "ApiKey(***)"

    def reveal(self) -> str:
        """Return the key, for a header."""
        return self._text

    def hidden(self, text: str) -> str:
        """Return a text without the key."""
        return text.replace(self._text, "***")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the services are.

    Attributes:
        ingestion: takes files.
        studio: tells of samples; None where only the other one was named.
    """

    ingestion: str
    studio: str | None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Endpoints":
        """Read them as the service's own SDK and its blocks do.

        Raises:
            UsageError: one is no URL, or would send the key in the clear.
        """
        host = environment.get("EI_INGESTION_HOST")
        ingestion = environment.get("EI_INGESTION_ENDPOINT")
        studio = environment.get("EI_API_ENDPOINT")
        if not ingestion and host and "://" not in host:
            # A domain has both services.
            ingestion = f"https://ingestion.{host}"
            studio = studio or f"https://studio.{host}/v1"
        ingestion = ingestion or host
        if not studio and not ingestion:
            # A key is never sent to the public studio when another service was named.
            studio = STUDIO
        return cls(
            _checked("EI_INGESTION_ENDPOINT", ingestion or INGESTION),
            _checked("EI_API_ENDPOINT", studio) if studio else None,
        )


def _checked(name: str, url: str) -> str:
    parts = urlsplit(url)
    local = parts.hostname in _LOOPBACK and parts.scheme == "http"
    if not parts.hostname or (parts.scheme != "https" and not local):
        raise UsageError(f"{name}: expected a URL that begins with https://")
    return url.rstrip("/")


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """What became of one file.

    Attributes:
        state: "stored"; "present", where its bytes are in the project already; or "failed".
        sample: its number at the service, where that tells.
        reason: why it failed.
    """

    state: str
    sample: int | None = None
    reason: str | None = None


class NotAnswered(Exception):  # noqa: N818 - it is caught by who sends the files one by one
    """A request failed as a whole, in a way that may be due to one of its files."""


class Pace:
    """The pauses of all threads together; they end at once when the upload does.

    Args:
        rng: draws the pauses, so that many clients do not come back at one moment.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.stop = threading.Event()
        self._rng = rng
        self._lock = threading.Lock()
        self._not_before = 0.0

    def wait(self) -> None:
        """Wait while the service wants to be left alone.

        Raises:
            StoreError: the upload ends.
        """
        while (left := self._not_before - time.monotonic()) > 0:
            self.stop.wait(left)
            self.check()
        self.check()

    def check(self) -> None:
        """Raise StoreError where the upload ends."""
        if self.stop.is_set():
            raise StoreError("the upload was stopped")

    def back_off(self, tries: int, asked_s: float | None) -> None:
        """Wait after a try that failed: all threads where the service asks for it, else this one.

        Args:
            tries: how many failed so far, from 1.
            asked_s: seconds that the service asks for.
        """
        with self._lock:
            longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (tries - 1))
            pause = longest * (0.5 + 0.5 * float(self._rng.random()))
            if asked_s is not None:
                pause = min(asked_s, _LONGEST_ASKED_S) + 0.1 * pause
                self._not_before = max(self._not_before, time.monotonic() + pause)
        self.stop.wait(pause)
        self.check()


class EdgeImpulse:
    """The service, for one project, which its key tells.

    Args:
        key: of the project.
        endpoints: of the services.
        pace: of all threads.
        job: number of a job that makes synthetic data: the studio shows its uploads live.
    """

    def __init__(
        self, key: ApiKey, endpoints: Endpoints, pace: Pace, *, job: str | None = None
    ) -> None:
        try:
            import httpx
        except ImportError as error:
            raise UsageError(
                "uploading needs httpx: pip install 'variegate[edge-impulse]'"
            ) from error
        self._key = key
        self._endpoints = endpoints
        self._pace = pace
        self._job = job
        # Redirects are not followed: the key goes to no other host.
        self._client = httpx.Client(
            timeout=httpx.Timeout(_TIMEOUT_S, connect=_CONNECT_S), follow_redirects=False
        )
        self._transport_error = httpx.TransportError

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def halt(self) -> None:
        """End all pauses: no request is repeated any more."""
        self._pace.stop.set()

    @property
    def place(self) -> str:
        """Where files are sent to."""
        return self._endpoints.ingestion

    def project(self, known: str | None = None) -> str | None:
        """Return the number of the key's project; None where the studio does not tell.

        Raises:
            UsageError: the key is refused.
            StoreError: the studio does not answer.
        """
        if known or self._endpoints.studio is None:
            return known
        body = self._studio("GET", "/api/projects")
        if body.get("success") is not True:
            return None
        projects = body.get("projects")
        if not isinstance(projects, list) or len(projects) != 1:
            return None
        return str(projects[0].get("id"))

    def boxes(self, project: str, sample: int) -> list[dict[str, Any]] | None:
        """Return the boxes that the project has for a sample; None while it is being worked on.

        Raises:
            OutputError: it does not tell.
        """
        body = self._studio("GET", f"/api/{project}/raw-data/{sample}")
        found = body.get("sample")
        if body.get("success") is not True or not isinstance(found, dict):
            raise OutputError(
                f"sample {sample} cannot be read back, to see whether its boxes are there: "
                f"{self._said(body)}; the key needs to be of the role admin"
            )
        if found.get("isProcessing") is True:
            return None
        return list(found.get("boundingBoxes") or ())

    def samples(self, project: str, category: str) -> Iterator[dict[str, Any]]:
        """Yield what the project tells of each sample of a category.

        Raises:
            UsageError: the studio is not known.
            OutputError: it does not tell.
        """
        self._require_studio()
        start = 0
        while True:
            query = f"category={category}&limit={_PAGE}&offset={start}&excludeSensors=true"
            body = self._studio("GET", f"/api/{project}/raw-data?{query}")
            some = body.get("samples")
            if body.get("success") is not True or not isinstance(some, list):
                raise OutputError(f"the samples of project {project}: {self._said(body)}")
            yield from some
            start += len(some)
            if not some:
                return

    def image(self, project: str, sample: int) -> bytes:
        """Return the file of a sample.

        Raises:
            OutputError: it cannot be had.
        """
        url = f"{self._endpoints.studio}/api/{project}/raw-data/{sample}/image"
        response, _ = self._answered("GET", url, headers={"x-api-key": self._key.reveal()})
        if response.status_code != 200:
            raise OutputError(f"sample {sample} cannot be had: HTTP {response.status_code}")
        return response.content

    @property
    def has_studio(self) -> bool:
        """Whether samples can be read back."""
        return self._endpoints.studio is not None

    def _studio(self, method: str, path: str) -> dict[str, Any]:
        headers = {"x-api-key": self._key.reveal()}
        try:
            response, _ = self._answered(method, f"{self._endpoints.studio}{path}", headers=headers)
        except NotAnswered as error:
            raise StoreError(
                f"{self._endpoints.studio}: {error}; run the same command again to resume"
            ) from error
        if response.status_code in _REFUSED:
            # The key may be one that is for sending alone.
            return {"success": False, "error": f"HTTP {response.status_code}"}
        return _json(response)

    def _require_studio(self) -> None:
        if not self.has_studio:
            raise UsageError("the studio is not known: set EI_API_ENDPOINT to its URL")

    def send(self, payloads: Sequence[Payload]) -> list[ServiceAnswer]:
        """Send images that share category, label and metadata, or one with boxes.

        Returns:
            One answer for each, in their order.

        Raises:
            NotAnswered: the request failed as a whole, and no repetition helps.
            UsageError: the key is refused.
            StoreError: the service does not answer.
        """
        files = [("data", (one.name, one.data, one.content_type)) for one in payloads]
        headers = self._headers(payloads[0])
        boxes = payloads[0].boxes
        if boxes is not None:
            told = json.dumps(boxes)
            if len(told) <= _LONGEST_HEADER:
                headers["x-bounding-boxes"] = told
            else:
                files.append(_boxes_file(payloads[0].name, boxes))
        url = f"{self._endpoints.ingestion}/api/{payloads[0].part.category}/files"
        response, tries = self._answered("POST", url, headers=headers, files=files)
        body = _json(response)
        if response.status_code in _REFUSED or _BAD_KEY.search(str(body.get("error") or "")):
            raise UsageError(
                f"{self.place}: the key was refused: {self._said(body)}; take one of the project's "
                "Dashboard > Keys"
            )
        answers = self._answers(body, response.status_code, len(payloads))
        if tries > 1:
            # An earlier try got through, and its answer did not.
            return [replace(a, state="stored") if a.state == "present" else a for a in answers]
        return answers

    def _headers(self, first: Payload) -> dict[str, str]:
        part = first.part
        headers = {"x-api-key": self._key.reveal(), "x-disallow-duplicates": "1"}
        if part.label is not None:
            headers["x-label"] = header_text(part.label)
        else:
            # Or the beginning of the file's name would be taken for one.
            headers["x-no-label"] = "1"
        if part.metadata:
            headers["x-metadata"] = json.dumps(dict(part.metadata))
        if self._job is not None:
            headers["x-synthetic-data-job-id"] = self._job
        return headers

    def _answers(self, body: dict[str, Any], status: int, count: int) -> list[ServiceAnswer]:
        found = body.get("files")
        items = [
            one
            for one in found or ()
            if isinstance(one, dict) and not str(one.get("fileName", "")).endswith(".labels")
        ]
        if len(items) != count:
            reason = self._said(body) if body else f"HTTP {status}, and no answer for its files"
            if _EXISTS.search(reason) and count == 1:
                return [ServiceAnswer("present", _sample_in(reason))]
            raise NotAnswered(reason)
        answers = [self._answer(one) for one in items]
        if body.get("success") is not True and all(one.state == "stored" for one in answers):
            # One of the two is wrong: a request that failed is not taken for one that did not.
            raise NotAnswered(self._said(body))
        return answers

    def _answer(self, item: dict[str, Any]) -> ServiceAnswer:
        sample = item.get("sampleId")
        number = sample if isinstance(sample, int) else None
        if item.get("success") is True:
            return ServiceAnswer("stored", number)
        reason = self._said(item)
        if _EXISTS.search(reason):
            return ServiceAnswer("present", number or _sample_in(reason))
        return ServiceAnswer("failed", None, reason)

    def _said(self, body: Mapping[str, Any]) -> str:
        return printable(self._key.hidden(str(body.get("error") or "no reason given")))[:500]

    def _answered(self, method: str, url: str, **request: Any) -> "tuple[httpx.Response, int]":
        """Send a request until it is answered with more than "later"; say how often."""
        last = ""
        for tries in range(1, _TRIES + 1):
            self._pace.wait()
            asked = None
            try:
                response = self._client.request(method, url, **request)
            except self._transport_error as error:
                last = f"{type(error).__name__}: {self._key.hidden(str(error))}"
            else:
                if response.status_code not in _PASSING:
                    return response, tries
                last, asked = f"HTTP {response.status_code}", _retry_after(response)
            if last == _FAULTY and tries >= _TRIES // 2:
                raise NotAnswered(f"{last}: the service failed {tries} times")
            if tries < _TRIES:
                self._pace.back_off(tries, asked)
        raise StoreError(
            f"{urlsplit(url).hostname}: no answer after {_TRIES} tries ({printable(last)}); "
            "run the same command again to resume"
        )


def endpoints() -> Endpoints:
    """Return where the services are, as this process's environment says."""
    return Endpoints.of(os.environ)


def _boxes_file(
    name: str, boxes: Sequence[Mapping[str, Any]]
) -> tuple[str, tuple[str, bytes, str]]:
    told = {"version": 1, "type": "bounding-box-labels", "boundingBoxes": {name: list(boxes)}}
    data = json.dumps(told).encode()
    return ("data", ("bounding_boxes.labels", data, "application/json"))


def _json(response: "httpx.Response") -> dict[str, Any]:
    if response.is_redirect:
        where = urlsplit(response.headers["location"])
        return {
            "success": False,
            "error": f"HTTP {response.status_code}: it redirects to {where.scheme}://"
            f"{where.netloc}, and a key goes to no address but the one that was named",
        }
    try:
        body = response.json()
    except ValueError:
        text = response.text.strip()[:300]
        return {"success": False, "error": f"HTTP {response.status_code}: {text}"}
    return body if isinstance(body, dict) else {"success": False, "error": "an odd answer"}


def _sample_in(reason: str) -> int | None:
    found = _IDS.search(reason)
    return int(found[1]) if found else None


def _retry_after(response: "httpx.Response") -> float | None:
    """Return the seconds that an answer asks for: a number, or until a date."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
