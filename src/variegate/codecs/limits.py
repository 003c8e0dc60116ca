"""How large an image may be, checked on its header, before any pixel is decoded."""

from dataclasses import dataclass
from typing import Literal

from variegate.errors import DecodeError, LimitError

Depth = Literal["full", "auto"] | tuple[float, float]
"""Of values of more than 8 bits, which become black and white: those of the full scale, the image's
own least and greatest, or these two."""


@dataclass(frozen=True)
class Limits:
    """What is refused unread, so that no file can exhaust the machine; and what is left of depth.

    The defaults exceed every camera, so that only hostile or broken files meet them; a scanned
    map or a whole-slide image may need more.

    Attributes:
        max_pixels: height times width of the image, and of a tile or screen inside the file.
        max_bytes: size of the file.
        max_frames: frames of an animation, or pages.
        depth: what becomes black and white of values of more than 8 bits; all results have 8.
    """

    max_pixels: int = 250_000_000
    max_bytes: int = 512 * 2**20
    max_frames: int = 100_000
    depth: Depth = "full"

    def check_bytes(self, size: int) -> None:
        """Raise LimitError if a file of `size` bytes is too large."""
        if size > self.max_bytes:
            raise LimitError(f"file of {size:,} bytes; the limit is {self.max_bytes:,} (max_bytes)")

    def check_size(self, height: int, width: int, what: str) -> None:
        """Raise LimitError if height times width is too large, DecodeError if there is none.

        Args:
            height: pixels.
            width: pixels.
            what: names it in the message, for example "JPEG" or "TIFF tile".
        """
        if height <= 0 or width <= 0:
            raise DecodeError(f"{what} of {width:,} x {height:,} pixels: there is no image in it")
        if height * width > self.max_pixels:
            raise LimitError(
                f"{what} claims {width:,} x {height:,} pixels;"
                f" the limit is {self.max_pixels:,} pixels in all (max_pixels)"
            )

    def check_frames(self, frames: int, what: str) -> None:
        """Raise LimitError if `frames` are too many."""
        if frames > self.max_frames:
            raise LimitError(
                f"{what} has more than {self.max_frames:,} frames, the limit (max_frames)"
            )


def check_end(data: bytes, end: int, what: str) -> None:
    """Raise DecodeError if a file whose pixels reach to byte `end` is shorter than that."""
    if end > len(data):
        raise DecodeError(f"truncated {what} ({len(data):,} of {end:,} bytes)")


def check_ratio(data: bytes, claimed: int, best: int, what: str) -> None:
    """Raise DecodeError if more is claimed than `best` for each byte of the file."""
    if claimed > best * len(data):
        raise DecodeError(f"truncated {what} ({len(data):,} bytes are too few for its pixels)")
