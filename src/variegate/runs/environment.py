"""What decides bytes besides input, recipe and seed: the libraries and the processor."""

import platform
import re
from importlib.metadata import PackageNotFoundError, distribution, version
from typing import Any

import cv2

from variegate.seeding import DRAWS_VERSION

# Another version of one of these may round or read differently.
_LIBRARIES = ("variegate", "opencv-python-headless", "numpy", "simplejpeg", "pillow")
_OPTIONAL_LIBRARIES = ("pillow-heif", "resvg-py")

# The same bytes come out of all of these (tests/conformance/test_processors.py).
_ALIKE = ("AVX512-SKX", "AVX2")


def machine() -> dict[str, Any]:
    """Return what decides bytes besides input, recipe and seed: libraries and processor."""
    return {
        "versions": {
            **{name: _version(name) for name in (*_LIBRARIES, *_OPTIONAL_LIBRARIES)},
            # Not a library's: what is drawn for a seed.
            "random draws": str(DRAWS_VERSION),
        },
        "python": platform.python_version(),
        "processor": _processor(),
    }


def _version(name: str) -> str | None:
    try:
        text = distribution(name).read_text("METADATA") or ""
    except PackageNotFoundError:
        return None
    # Its headers alone: a whole description takes some milliseconds to parse.
    headers = text.partition("\n\n")[0]
    found = re.search(r"^Version:[ \t]*(\S+)", headers, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else version(name)


def _processor() -> str:
    """Return the machine and the widest vector instructions that OpenCV finds on it."""
    # For example "SSE SSE2 SSE3 *SSE4.1 *AVX2 *AVX512-SKX?": a question mark is for those missing.
    features = {name.lstrip("*") for name in cv2.getCPUFeaturesLine().split()}
    levels = ("AVX512-SKX", "AVX2", "AVX", "SSE4.2", "NEON")
    found = next((level for level in levels if level in features), "baseline")
    return f"{platform.machine()} {found}"


def disagreement(there: dict[str, Any], here: dict[str, Any]) -> str | None:
    """Say why another machine would not make the same bytes as this one, None if it would.

    Args:
        there, here: what `machine` gave.
    """
    for name, wanted in here["versions"].items():
        found = there["versions"].get(name)
        if found != wanted:
            return f"{name} {found or 'is missing'} there, {wanted or 'none'} here"
    levels = {tuple(one["processor"].rsplit(" ", 1)) for one in (there, here)}
    if len(levels) > 1 and not all(level in _ALIKE for _, level in levels):
        return f"processor {there['processor']} there, {here['processor']} here"
    return None
