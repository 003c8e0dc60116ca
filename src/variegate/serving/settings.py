"""How a server works: what it accepts, how much of it at a time, and who may ask."""

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from variegate.codecs import Limits
from variegate.errors import InputError, UsageError

#: Environment variable with keys of the API, separated by commas or line feeds.
KEYS_VARIABLE = "VARIEGATE_API_KEYS"

# Shorter ones can be guessed.
_SHORTEST_KEY = 16
_MEGABYTE = 1 << 20


class KeyRing:
    """The keys of the API: what was given is compared with all of them in constant time.

    Only digests are kept, so that no log, report or traceback can show a key.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = tuple(_digest(key) for key in keys)

    @classmethod
    def read(cls, environment: Mapping[str, str], path: Path | None = None) -> Self:
        """Take keys from the environment, and from a file with one a line; "#" begins a comment.

        Raises:
            InputError: the file cannot be read.
            UsageError: it holds no key, or one is shorter than 16 letters.
        """
        texts = environment.get(KEYS_VARIABLE, "").replace(",", "\n").splitlines()
        where = KEYS_VARIABLE
        if path is not None:
            try:
                texts, where = [*texts, *path.read_text(encoding="utf-8").splitlines()], str(path)
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{path}: cannot be read as a list of keys ({error})") from error
        keys = [one.strip() for one in texts if one.strip() and not one.strip().startswith("#")]
        if path is not None and not keys:
            raise UsageError(f"{path}: expected a key of the API on each line, got none")
        if short := [number for number, key in enumerate(keys, 1) if len(key) < _SHORTEST_KEY]:
            raise UsageError(
                f"{where}: key {short[0]} has fewer than {_SHORTEST_KEY} letters; make one with: "
                'python -c "import secrets; print(secrets.token_urlsafe())"'
            )
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accepts(self, given: str) -> bool:
        """Whether it is one of the keys; it takes as long whichever it is, or none."""
        digest = _digest(given)
        return bool(sum(hmac.compare_digest(digest, one) for one in self._digests))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What a server accepts, and how much of it at a time.

    Attributes:
        top: classes that are answered where a request does not say how many.
        max_bytes: of a request's body; more is refused before it is parsed.
        max_pixels: of an image; more is refused before it is decoded.
        max_files: images of a request.
        max_waiting_bytes: of all bodies that are held at a time.
        upload_timeout_s: seconds in which a body has to arrive.
        workers: threads that decode and ask the model.
        batch: images that the model is asked about at a time, where several wait.
        queue: images that may wait; further requests are refused with 503.
        keys: of the API; none lets everybody in.
        origins: of other sites whose pages may ask, such as https://example.org.
        page: whether there is a page at "/".
    """

    top: int = 5
    max_bytes: int = 20 * _MEGABYTE
    max_pixels: int = 50_000_000
    max_files: int = 16
    max_waiting_bytes: int = 256 * _MEGABYTE
    upload_timeout_s: float = 30.0
    workers: int = field(default_factory=processors)
    batch: int = 8
    queue: int = 64
    keys: KeyRing = field(default_factory=KeyRing)
    origins: tuple[str, ...] = ()
    page: bool = True

    def __post_init__(self) -> None:
        for name in ("top", "max_bytes", "max_pixels", "max_files", "workers", "batch", "queue"):
            if (value := getattr(self, name)) < 1:
                raise UsageError(f"{name}: expected at least 1, got {value}")
        if self.queue < self.max_files:
            raise UsageError(
                f"queue: expected room for the images of one request, {self.max_files}, "
                f"got {self.queue}"
            )
        for origin in self.origins:
            if origin != "*" and not origin.startswith(("http://", "https://")):
                raise UsageError(
                    f"origin {origin!r}: expected a site such as https://example.org, or *"
                )

    @property
    def limits(self) -> Limits:
        """What a codec refuses before it decodes."""
        return Limits(max_pixels=self.max_pixels, max_bytes=self.max_bytes)
