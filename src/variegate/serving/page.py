"""The page at "/": one document that asks for nothing but the server's own answers."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

_HERE = "variegate.serving"


@cache
def page_text() -> str:
    """Return the page with its style and script inside."""
    text = _resource("page.html")
    return text.replace("/*STYLE*/", _style()).replace("/*SCRIPT*/", _script())


@cache
def page_headers() -> dict[str, str]:
    """Return headers that let the page do what it does, and nothing else."""
    policy = (
        f"default-src 'none'; script-src 'sha256-{_digest(_script())}'; "
        f"style-src 'sha256-{_digest(_style())}'; img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }


def _style() -> str:
    return _resource("page.css")


def _script() -> str:
    return _resource("page.js")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _resource(name: str) -> str:
    return files(_HERE).joinpath(name).read_text(encoding="utf-8")
