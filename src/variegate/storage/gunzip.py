"""Compressed tar files are unpacked once, to a temporary file, for there is no other quick way in.

The process that unpacks one removes it when it ends; the processes that it starts find it by an
environment variable, and others unpack it for themselves.
"""

import atexit
import gzip
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from variegate.errors import LimitError

_VARIABLE = "VARIEGATE_UNPACKED"
_PIECE = 1 << 20
# Images hardly shrink, and masks by less than this; a bomb does by 1,000.
_RATIO = 200
_ALLOWANCE = 1 << 28


def unpacked(path: str, place: str) -> str:
    """Return the path of the unpacked content of a file; the file itself if it is no gzip file.

    Args:
        path: of the file.
        place: how to call it in a message.

    Raises:
        LimitError: it grows beyond what images do.
        EOFError, zlib.error, OSError: it is damaged or cannot be read, or there is no room for it.
    """
    with Path(path).open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return path
    status = os.stat(path)  # noqa: PTH116 - one call, no object
    identity = f"{path}|{status.st_size}|{status.st_mtime_ns}"
    known = json.loads(os.environ.get(_VARIABLE, "{}"))
    if identity in known and Path(known[identity]).is_file():
        return str(known[identity])
    descriptor, target = tempfile.mkstemp(prefix="variegate-", suffix=".tar")
    try:
        with os.fdopen(descriptor, "wb") as sink, gzip.open(path) as source:
            left = _ALLOWANCE + _RATIO * status.st_size
            while piece := source.read(_PIECE):
                left -= len(piece)
                if left < 0:
                    raise LimitError(
                        f"{place}: unpacks to more than {_RATIO} times its size; if that is "
                        "right, unpack it and name the .tar file"
                    )
                sink.write(piece)
    except BaseException:
        Path(target).unlink()
        raise
    atexit.register(_remove, target, os.getpid())
    os.environ[_VARIABLE] = json.dumps({**known, identity: target})
    return target


def _remove(path: str, process: int) -> None:
    if os.getpid() == process:
        with suppress(OSError):
            Path(path).unlink()
