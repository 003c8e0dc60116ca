"""The images of a dataset: what is there, can be used, and is an image by name or content."""

from collections.abc import Iterator

from variegate.codecs import kind_of
from variegate.errors import InputError
from variegate.formats import DatasetFormat, Source
from variegate.storage import OnSkip, Storage, log_skip

_HEAD_BYTES = 1 << 16


def members(
    dataset_format: DatasetFormat, storage: Storage, *, on_skip: OnSkip = log_skip
) -> Iterator[Source]:
    """Yield the images that a run would work on, in the order of the listing."""
    for source in dataset_format.sources(storage, on_skip=on_skip):
        if source.seems_usable and _is_image(source, storage):
            yield source


def _is_image(source: Source, storage: Storage) -> bool:
    """Say whether a file promises an image; one without an extension has to be one."""
    if "." in source.key.rpartition("/")[2] or source.annotation is not None:
        return True
    try:
        with storage.open_read(source.key) as file:
            return kind_of(file.read(_HEAD_BYTES)) is not None
    except InputError:
        return False
