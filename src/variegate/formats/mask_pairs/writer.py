"""Writing images and masks in pairs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from variegate.annotations.annotation import Annotation
from variegate.codecs import MASK_EXTENSION, encode_mask
from variegate.formats.mask_pairs.pairs import Pairing, split_key
from variegate.formats.output_names import joined, output_key, png_key
from variegate.formats.writer import Content, DatasetInfo, Item, Writer
from variegate.storage import Storage

PALETTE = "palette"
"""In an annotation's `extra`: the palette of its mask, where that is not the set's; "" for none."""

MASK = "mask"
"""In an annotation's `extra`: the mask that numbers its objects, if there are any."""

_IMAGES_AND_MASKS = Pairing(folders=(("images", "masks"),))
_SOFT = Pairing(folders=(("images", "mattes"),), soft=True)
_NUMBERED = Pairing(folders=(("images", "instances"),))


@dataclass(frozen=True, kw_only=True)
class MaskPairsWriter(Writer):
    """Writes the mask of each result where the mask of its image would be looked for.

    Attributes:
        pairing, palette, class_files, instances: as `MaskPairs` has them.
    """

    name: ClassVar = "masks"
    holds: ClassVar[frozenset[Content]] = frozenset(
        ("semantic masks", "soft masks", "mask names", "instance masks")
    )
    own_fields: ClassVar = frozenset((PALETTE, MASK))

    pairing: Pairing = _IMAGES_AND_MASKS
    palette: str = ""
    class_files: Mapping[str, str] = field(default_factory=dict)
    instances: bool = False

    @classmethod
    def fresh(cls, dataset: DatasetInfo) -> Self:
        """Make one for a set that was read in another format.

        `extra` may hold "palette" (hexadecimal digits), "soft" (all masks are), and
        "mask_classes": the names of the masks' values, where they are not those of objects.
        """
        extra = dataset.extra
        classes = tuple(extra.get("mask_classes", dataset.classes))
        return cls(
            classes=classes,
            pairing=_SOFT if extra.get("soft") else _IMAGES_AND_MASKS,
            palette=extra.get(PALETTE, ""),
            class_files={"classes.txt": "".join(f"{one}\n" for one in classes)} if classes else {},
        )

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        return joined(self.pairing.folders[0][0], split, split_key(key)[1] + extension)

    def key(
        self, source: str, *, suffix: str, extension: str, own_extensions: tuple[str, ...]
    ) -> str:
        """Return the key of one result: ``7_sat.jpg`` becomes ``7-v05_sat.jpg``."""
        folder, stem, own = split_key(source)
        addition = self.pairing.image[1]
        if addition and stem.endswith(addition) and stem != addition:
            bare = f"{folder}/{stem.removesuffix(addition)}{own}".lstrip("/")
            suffix += addition
        else:
            bare = source
        return output_key(bare, suffix=suffix, extension=extension, own_extensions=own_extensions)

    def mask_key(self, mask_file: str, *, source: str, output: str) -> str:
        stem = self.pairing.mask_stem(output)
        if stem is None:
            return super().mask_key(mask_file, source=source, output=output)
        return png_key(stem + split_key(mask_file)[2])

    @property
    def held(self) -> frozenset[Content]:
        if self.instances:
            return frozenset(("boxes", "instance masks"))
        return self.holds - {"instance masks"}

    def object_mask_key(self, output: str) -> str | None:
        stem = self.pairing.mask_stem(output) if self.instances else None
        return None if stem is None else stem + MASK_EXTENSION

    def sidecar_keys(self, key: str, annotation: Annotation) -> set[str]:
        mask = annotation.extra.get(MASK)
        own = {self.mask_key(mask, source="", output=key)} if mask else set()
        return super().sidecar_keys(key, annotation) | own

    def sidecars(self, item: Item) -> Iterator[tuple[str, bytes]]:
        annotation = item.annotation
        if annotation is None:
            return
        key = self._mask_of(annotation, item.key) if self.instances else annotation.mask_file
        # Without objects there is a mask all the same: it says that there are none.
        mask = np.zeros(item.size, np.uint8) if self.instances and key else None
        if key is None or (mask := item.masks.get(key, mask)) is None:
            return
        palette = bytes.fromhex(annotation.extra.get(PALETTE, self.palette))
        # Only 8 bits can be indices.
        indexed = palette and mask.dtype.itemsize == 1
        yield key, encode_mask(mask, palette if indexed else None)

    def _mask_of(self, annotation: Annotation, output: str) -> str | None:
        """Return the key of the mask that numbers the objects of a result."""
        named = (one.mask_file for one in annotation.objects if one.mask_file is not None)
        mask = annotation.extra.get(MASK)
        return next(named, self.mask_key(mask, source="", output=output) if mask else None)

    def write_index(self, storage: Storage, items: Iterable[Item]) -> Iterable[str]:
        """Write the files of class names, as they were; return their keys."""
        for key, text in self.class_files.items():
            storage.write(key, text.encode())
        return self.class_files

    @property
    def set_extra(self) -> Mapping[str, Any]:
        known = {
            PALETTE: self.palette,
            "soft": self.pairing.soft,
            "mask_classes": [] if self.instances else list(self.classes),
        }
        return {name: value for name, value in known.items() if value}


@dataclass(frozen=True, kw_only=True)
class InstanceMasksWriter(MaskPairsWriter):
    """Writes a new set of masks whose values number the objects of each image.

    Where objects overlap, the later one is on top.
    """

    name: ClassVar = "instance-masks"
    one_class: ClassVar = True

    pairing: Pairing = _NUMBERED
    instances: bool = True

    @classmethod
    def fresh(cls, dataset: DatasetInfo) -> Self:
        if len(dataset.classes) != 1:
            return cls(classes=dataset.classes)
        return cls(classes=dataset.classes, class_files={"classes.txt": f"{dataset.classes[0]}\n"})

    def sidecar_keys(self, key: str, annotation: Annotation) -> set[str]:
        own = self.object_mask_key(key)
        return super().sidecar_keys(key, annotation) | ({own} if own else set())

    def sidecars(self, item: Item) -> Iterator[tuple[str, bytes]]:
        yield from super().sidecars(item)
        own = self.object_mask_key(item.key)
        if own and item.annotation is not None and not item.annotation.objects:
            yield own, encode_mask(np.zeros(item.size, np.uint8))
