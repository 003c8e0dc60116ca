"""Who took an image, and when, as its file says."""

import datetime as dt
import io
from dataclasses import dataclass

from PIL import Image

_CAMERA, _TIME, _BLOCK = (0x010F, 0x0110), 0x0132, 0x8769
_TAKEN, _FRACTION, _SERIAL = 0x9003, 0x9291, 0xA431
_FORM = "%Y:%m:%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Shot:
    """What EXIF says of the moment.

    Attributes:
        camera: make and model; None where they are not given.
        taken: when, as it stands there: "2024:05:17 10:11:12".
        fraction: digits behind the seconds.
        serial: of the camera's body.
    """

    camera: str | None = None
    taken: str | None = None
    fraction: str | None = None
    serial: str | None = None

    @property
    def seconds(self) -> float | None:
        """When, in seconds from some moment that is the same for all; None if not to be read."""
        if self.taken is None:
            return None
        try:
            moment = dt.datetime.strptime(self.taken[:19], _FORM).replace(tzinfo=dt.UTC)
        except ValueError:
            return None
        digits = self.fraction if self.fraction and self.fraction.isascii() else None
        return moment.timestamp() + (float(f"0.{digits}") if digits and digits.isdigit() else 0.0)


def shot_of(data: bytes) -> Shot:
    """Return what EXIF in a file, or in its beginning, says; nothing where it cannot be read."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            tags = image.getexif()
            block = tags.get_ifd(_BLOCK)
            camera = " ".join(_text(tags[tag]) for tag in _CAMERA if tag in tags)
            taken = block.get(_TAKEN) or tags.get(_TIME)
            others = (_text(block[tag]) if tag in block else None for tag in (_FRACTION, _SERIAL))
            return Shot(camera or None, _text(taken) if taken else None, *others)
    except Exception:  # noqa: BLE001 - whatever is wrong with a block that only adds
        return Shot()


def _text(value: object) -> str:
    return str(value).strip("\0 ")
