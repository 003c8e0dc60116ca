"""Writing one mask file for each object."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from variegate.annotations import rle
from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.polygons import rasterised
from variegate.codecs import MASK_EXTENSION, encode_mask
from variegate.formats.mask_pairs.pairs import split_key
from variegate.formats.output_names import joined, output_key, png_key
from variegate.formats.writer import Content, Item, Writer

OBJECT = "object"
"""The class of objects whose files tell none."""


@dataclass(frozen=True, slots=True)
class Case:
    """Where a file stands: ``folder/part/rest``, part being that of images or of masks."""

    folder: str
    part: str
    rest: str

    @classmethod
    def of(cls, key: str, parts: tuple[str, str]) -> Self | None:
        """Find the last folder called like one of `parts` that has another one above it."""
        folders = key.split("/")[:-1]
        for place in range(len(folders) - 1, 0, -1):
            if folders[place] in parts:
                rest = key.split("/", place + 1)[-1]
                return cls("/".join(folders[:place]), folders[place], rest)
        return None


@dataclass(frozen=True, kw_only=True)
class ObjectMasksWriter(Writer):
    """Gives every result a folder of its own: ``7/images/7.png`` -> ``7-v05/images/7-v05.png``.

    Attributes:
        images_folder, masks_folder: what they are called.
        value: of the objects in the masks.
    """

    name: ClassVar = "object-masks"
    holds: ClassVar[frozenset[Content]] = frozenset(("instance masks",))

    images_folder: str = "images"
    masks_folder: str = "masks"
    value: int = 255

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        stem = split_key(key)[1]
        return joined(split, stem, self.images_folder, stem + extension)

    def key(
        self, source: str, *, suffix: str, extension: str, own_extensions: tuple[str, ...]
    ) -> str:
        case = Case.of(source, self._parts)
        name = output_key(
            case.rest if case else source,
            suffix=suffix,
            extension=extension,
            own_extensions=own_extensions,
        )
        if case is None:
            return name
        folder = output_key(case.folder, suffix=suffix, extension="", own_extensions=())
        return f"{folder}/{self.images_folder}/{name}"

    def mask_key(self, mask_file: str, *, source: str, output: str) -> str:
        case, own = Case.of(output, self._parts), Case.of(mask_file, self._parts)
        if case is None:
            return super().mask_key(mask_file, source=source, output=output)
        folder, stem, extension = split_key(own.rest if own else split_key(mask_file)[1])
        return joined(case.folder, self.masks_folder, folder, png_key(stem + extension))

    def sidecar_keys(self, key: str, annotation: Annotation) -> set[str]:
        numbered = enumerate(annotation.objects)
        keys = {self._object_key(one, number, key) for number, one in numbered}
        return super().sidecar_keys(key, annotation) | keys

    def sidecars(self, item: Item) -> Iterator[tuple[str, bytes]]:
        """Yield the masks; objects that come without are drawn from their runs or polygons."""
        if item.annotation is None:
            return
        for number, one in enumerate(item.annotation.objects):
            if (shape := _shape(one, item)) is not None:
                dtype = np.uint8 if self.value < 256 else np.uint16
                values = np.where(shape, dtype(self.value), dtype(0))
                yield self._object_key(one, number, item.key), encode_mask(values)

    def _object_key(self, one: Object, number: int, image: str) -> str:
        if one.mask_file is not None and one.mask_value is None:
            return one.mask_file
        category = one.category if self.classes not in ((), (OBJECT,)) else ""
        safe = category.replace("/", "_").replace("\\", "_").strip(".")
        case = Case.of(image, self._parts)
        folder = case.folder if case else split_key(image)[1]
        return joined(folder, self.masks_folder, safe, f"{number + 1:04}{MASK_EXTENSION}")

    @property
    def _parts(self) -> tuple[str, str]:
        return self.images_folder, self.masks_folder


def _shape(one: Object, item: Item) -> np.ndarray | None:
    """Return (H, W) what is this object; None where nothing but a box is known."""
    if one.mask_file is not None:
        mask = item.masks.get(one.mask_file)
        if mask is None or one.mask_value is None:
            return mask
        return mask == one.mask_value
    if one.rle is not None:
        return rle.decode(one.rle)
    if one.polygons:
        return rasterised([np.array(ring, np.float64) for ring in one.polygons], item.size)
    return None
