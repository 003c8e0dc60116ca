"""The folder that a training or a proof writes to."""

from pathlib import Path

from variegate.errors import OutputError
from variegate.storage import printable


def output_folder(output: str | Path) -> Path:
    """Return the output's folder, made if need be.

    Raises:
        OutputError: it is none of this machine, or cannot be made.
    """
    if "://" in str(output):
        raise OutputError(f"{printable(str(output))}: expected a folder of this machine")
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{printable(str(output))}: no folder can be made there ({error.strerror})"
        ) from error
    return folder
