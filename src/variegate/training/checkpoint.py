"""Where a training is: one file, whole or not there, from which it goes on to the same weights."""

import errno
import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from variegate.errors import OutputError
from variegate.storage import printable

#: In the output's folder.
CHECKPOINT = "checkpoint.pt"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; the one before stays until it is whole.

    Raises:
        OutputError: it cannot be written.
    """
    # In memory first: torch turns a full disk into an error of another kind.
    memory = io.BytesIO()
    torch.save(state, memory)
    write_whole(path, memory.getbuffer())


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a file that appears when it is whole.

    Raises:
        OutputError: it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space and run" if full else "correct that and run"
        raise OutputError(
            f"{printable(str(path))}: cannot be written ({error.strerror}); what was there before "
            f"is whole: {remedy} the same command again to resume"
        ) from error


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return a checkpoint, or None where there is none.

    Raises:
        OutputError: it is damaged.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise OutputError(
            f"{printable(str(path))}: not a checkpoint that can be loaded; train anew with "
            "--restart, or into another folder"
        ) from error
    return state
