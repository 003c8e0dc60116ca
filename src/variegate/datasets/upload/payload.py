"""What is sent for an image: bytes that the service takes, a name, and boxes in whole pixels."""

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from variegate.annotations.annotation import Object
from variegate.annotations.boxes import around
from variegate.codecs import Limits, decode, encode, is_plain, probe
from variegate.datasets.upload.selection import UploadImage
from variegate.errors import ImageError
from variegate.storage import key_to_text

MOST_FILES = 1_000
MOST_BYTES = 100_000_000

_TAKEN = {"jpeg": (".jpg", "image/jpeg"), "png": (".png", "image/png")}
# Kinds of photos: kept as JPEG where they have to be encoded again. All others become PNG.
_LOSSY = frozenset(("jpeg", "webp", "avif", "heif"))
_QUALITY = 95
_LONGEST_NAME = 120
_ODD = re.compile(r'[\x00-\x1f\x7f"\\<>:|?*]')
# Percent and all that a header cannot hold is escaped; the rest stays readable.
_PLAIN = " !#$&'()*+,-./:;<=>?@[]^_`{|}~"


@dataclass(frozen=True, slots=True)
class Payload:
    """One image, ready to be sent.

    Attributes:
        part: what it is.
        name: of its file at the service.
        data: of its file.
        content_type: of its file.
        boxes: as the service takes them; None where the dataset has no objects.
        converted: why it was encoded anew; None where the file is sent as it is.
    """

    part: UploadImage
    name: str
    data: bytes
    content_type: str
    boxes: tuple[dict[str, Any], ...] | None
    converted: str | None

    @property
    def digest(self) -> bytes:
        """SHA-256 of what is sent."""
        return hashlib.sha256(self.data).digest()

    @property
    def meaning(self) -> str:
        """A digest of where it goes, and of its label and boxes."""
        told = json.dumps([self.part.category, self.part.label, self.boxes])
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def batch(self) -> tuple[str, str | None, str] | None:
        """What images that may share a request have in common; None where it goes alone."""
        if self.boxes is not None:
            return None
        return self.part.category, self.part.label, json.dumps(dict(self.part.metadata))


def prepared(part: UploadImage, data: bytes, limits: Limits, notes: Counter[str]) -> Payload:
    """Return what is sent for an image.

    Args:
        part: the image.
        data: the content of its file.
        limits: of decoding.
        notes: counts what is changed or left out on the way.

    Raises:
        ImageError: it cannot be decoded, or is too large for the service.
    """
    header = probe(data, limits)
    kind, converted = header.kind, None
    if kind not in _TAKEN:
        converted = f"{kind} is not taken"
    elif not is_plain(data, limits):
        converted = "it is not stored upright, in 8 bits and in sRGB"
    if converted is not None:
        kind = "jpeg" if kind in _LOSSY else "png"
        pixels = decode(data, limits=limits, keep_alpha=kind == "png")
        data = encode(pixels, format=kind, quality=_QUALITY)
        notes[f"encoded anew as {kind.upper()}: {converted}"] += 1
    if len(data) > MOST_BYTES:
        raise ImageError(f"{len(data):,} bytes; the service takes {MOST_BYTES:,} a file")
    extension, content_type = _TAKEN[kind]
    boxes = None
    if part.objects is not None:
        boxes = boxes_of(part.objects, (header.height, header.width), notes)
    name = file_name(part.key, extension)
    return Payload(part, name, data, content_type, boxes, converted)


def file_name(key: str, extension: str) -> str:
    """Return a name of one file for a key: folders are joined by "__"."""
    text = _ODD.sub("_", key_to_text(key).replace("/", "__"))
    stem = text.rpartition(".")[0] or text
    if len(stem) > _LONGEST_NAME:
        told = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        stem = f"{told}-{stem[-_LONGEST_NAME:]}"
    return stem + extension


def boxes_of(
    objects: tuple[Object, ...], size: tuple[int, int], notes: Counter[str]
) -> tuple[dict[str, Any], ...]:
    """Return the boxes of objects in whole pixels, at least one wide and high, inside the image.

    Args:
        objects: of the image.
        size: (height, width) of the image.
        notes: counts objects without a box, and those beyond the edges.
    """
    height, width = size
    boxes = []
    for one in objects:
        box = one.box or around(one)
        if box is None:
            notes["objects without a box: left out (variegate convert --to coco makes some)"] += 1
            continue
        if one.box is None:
            notes["objects with an outline alone: the box around it is sent"] += 1
        x1, y1 = max(0, round(box[0])), max(0, round(box[1]))
        x2, y2 = min(width, max(x1 + 1, round(box[2]))), min(height, max(y1 + 1, round(box[3])))
        if x1 >= x2 or y1 >= y2:
            notes["objects beyond the edges of their image: left out"] += 1
            continue
        label = key_to_text(one.category)
        boxes.append({"label": label, "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1})
    return tuple(boxes)


def header_text(text: str) -> str:
    """Return text as a header can hold it: other characters percent-encoded, as the service's own
    programs do.
    """
    return quote(text.encode("utf-8", "surrogatepass"), safe=_PLAIN)
