"""Single files that commands write."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from variegate.annotations.sample import Image


def save_png(path: Path, image: "Image") -> None:
    """Write an image; the file appears whole.

    Raises:
        OutputError: it cannot be written.
    """
    from variegate.codecs import encode
    from variegate.storage import open_storage

    data = encode(image, format="png", compression=6)
    open_storage(path.parent, create=True).write(path.name, data)


def load_image(path: Path) -> "Image":
    """Read one image.

    Raises:
        InputError: there is none.
        ImageError: it cannot be decoded.
    """
    from variegate.codecs import decode
    from variegate.errors import ImageError
    from variegate.storage import open_storage

    try:
        return decode(open_storage(path.parent).read(path.name), keep_alpha=True)
    except ImageError as error:
        raise type(error)(f"{path}: {error}; name another image") from error
