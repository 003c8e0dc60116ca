"""A dataset into a repository of the Hugging Face Hub, as an image folder that `datasets` loads.

A folder per class, or an image folder with metadata, is uploaded as it is; everything else is
converted to an image folder first. The hub compares files by their digests, so that a call that is
repeated sends only what is missing.
"""

import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from variegate.datasets.convert import convert
from variegate.errors import InputError, OutputError, StoreError, UsageError
from variegate.formats import detect
from variegate.formats.hints import NO_HINTS, Hints
from variegate.formats.scan import seems_image
from variegate.runs.manifest import FOLDER, MANIFEST
from variegate.runs.run import Options
from variegate.storage import LocalStorage, Snapshot, open_storage, printable

_LOADED = frozenset(("classes", "imagefolder"))
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
# Not of the dataset: `datasets` would take the manifest for a table of it.
_LEFT_OUT = [f"{FOLDER}/**", MANIFEST, ".*", "**/.*"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubUpload:
    """What was uploaded.

    Attributes:
        repo: name of the repository.
        url: of the commit.
        images: in it.
        converted: from which format; None where it was uploaded as it is.
    """

    repo: str
    url: str
    images: int
    converted: str | None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        names = ("repo", "url", "images", "converted")
        return {name: getattr(self, name) for name in names}


def upload_to_hub(
    place: str,
    repo: str,
    *,
    format: str | None = None,  # noqa: A002 - as the option is called
    hints: Hints = NO_HINTS,
    private: bool = True,
    allow_loss: bool = False,
    on_note: Callable[[str], None] | None = None,
) -> HubUpload:
    """Upload a dataset; the repository is created where there is none.

    Args:
        place: a folder, zip or tar file, or bucket.
        repo: "user/name".
        format: its name; None to detect it.
        hints: what cannot be told from the files of the dataset.
        private: a new repository can be seen by its owner alone.
        allow_loss: convert even if an image folder cannot represent everything.
        on_note: told what is done, a sentence each.

    Raises:
        UsageError: the dataset or the repository's name is not right, or the hub refuses.
        StoreError: the hub does not answer.
    """
    if not _REPO.fullmatch(repo):
        raise UsageError(f"--repo {printable(repo)}: expected USER/NAME")
    inner = open_storage(place)
    with Snapshot(inner) as storage:
        found = detect(storage, name=format, hints=hints)
    if found.name in _LOADED and type(inner) is LocalStorage and not found.root:
        return _sent(Path(place), repo, private=private, converted=None)
    if on_note:
        on_note(f"converted from {found.name} to an image folder first")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "images"
        options = Options(format=format, hints=hints)
        convert(place, folder, to="imagefolder", allow_loss=allow_loss, options=options)
        return _sent(folder, repo, private=private, converted=found.name)


def _sent(folder: Path, repo: str, *, private: bool, converted: str | None) -> HubUpload:
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise UsageError(
            "this needs huggingface_hub: pip install 'variegate[huggingface]'"
        ) from error
    images = sum(
        seems_image(name)
        for root, _, names in os.walk(folder)
        for name in names
        if FOLDER not in Path(root).parts
    )
    if not images:
        raise InputError(f"{folder}: there are no images")
    api = huggingface_hub.HfApi()
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            repo_type="dataset",
            commit_message="Upload by variegate",
            ignore_patterns=_LEFT_OUT,
        )
    except errors.LocalTokenNotFoundError as error:
        raise UsageError("set HF_TOKEN to a token that may write, or run: hf auth login") from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        words = printable(str(error).splitlines()[0])
        if status in (401, 403):
            raise UsageError(
                f"{repo}: the hub refused: {words}; set HF_TOKEN to a token that may write there"
            ) from error
        raise OutputError(f"{repo}: {words}") from error
    except OSError as error:
        raise StoreError(
            f"the hub cannot be reached ({type(error).__name__}); run the same command again"
        ) from error
    return HubUpload(repo=repo, url=str(commit), images=images, converted=converted)
