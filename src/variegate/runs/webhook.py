"""What somebody else is told at the end of a run: a JSON object, posted to a URL.

Such URLs hold their own secret, so none is ever shown but for its host. A message that is not
taken costs the run nothing.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from variegate.errors import UsageError

_TIMEOUT_S = 10.0
_PAUSES_S = (1.0, 3.0)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A POST that is led elsewhere becomes a GET, and its message is lost unseen."""

    def redirect_request(self, *_: object) -> None:
        return None


@dataclass(frozen=True, slots=True, repr=False)
class Webhook:
    """A URL that takes JSON by POST.

    Raises:
        UsageError: it is none.
    """

    url: str

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            known = None
        if not known or any(letter <= " " or letter > "~" for letter in self.url):
            # Not what came: it holds a secret.
            raise UsageError("--notify: expected a URL such as https://hooks.example/path")

    @property
    def host(self) -> str:
        """What of it may be shown."""
        return str(urlsplit(self.url).hostname)

    def post(self, message: Mapping[str, Any], *, hurried: bool = False) -> str | None:
        """Tell it something.

        Args:
            message: JSON values.
            hurried: try once, for a second: somebody waits for the end.

        Returns:
            Why it was not taken, one sentence; None where it was.
        """
        reason = ""
        for pause in (None,) if hurried else (*_PAUSES_S, None):
            reason = self._tried(message, 1.0 if hurried else _TIMEOUT_S)
            if not reason:
                return None
            if pause is not None:
                time.sleep(pause)
        return (
            f"the message to {self.host} (--notify) was not taken: {reason}; "
            "the results are not affected"
        )

    def _tried(self, message: Mapping[str, Any], timeout_s: float) -> str:
        """Post once; return why it failed, "" where it did not."""
        request = urllib.request.Request(  # noqa: S310 - http or https, see above
            self.url,
            json.dumps(message).encode(),
            {"Content-Type": "application/json", "User-Agent": "variegate"},
        )
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            with opener.open(request, timeout=timeout_s):
                return ""
        except urllib.error.HTTPError as error:
            with error:
                return f"it answered {error.code}"
        except urllib.error.URLError as error:
            return _words(error.reason)
        except (OSError, HTTPException, ValueError) as error:
            return _words(error)


def _words(error: object) -> str:
    """Return why, without what other libraries quote of the URL."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or type(error).__name__)
