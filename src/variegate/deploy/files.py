"""Where the files that are deployed stand."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
"""The folder of the package itself."""


def deployment_files(kind: str) -> Path:
    """Return the folder of one kind of files: in the package, or beside its source."""
    inside = PACKAGE / "deployment" / kind
    return inside if inside.is_dir() else PACKAGE.parents[1] / "deploy" / kind
