"""Writing images and masks in pairs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from variegate.codecs import encode_mask
from variegate.formats.mask_pairs.pairs import Pairing, split_key
from variegate.formats.output_names import joined, output_key, png_key
from variegate.formats.writer import Content, DatasetInfo, Item, Writer
from variegate.storage import Storage

PALETTE = "palette"
"""In an annotation's `extra`: the palette of its mask, where that is not the set's; "" for none."""

_IMAGES_AND_MASKS = Pairing(folders=(("images", "masks"),))
_SOFT = Pairing(folders=(("images", "mattes"),), soft=True)


@dataclass(frozen=True, kw_only=True)
class MaskPairsWriter(Writer):
    """Writes the mask of each result where the mask of its image would be looked for.

    Attributes:
        pairing, palette, class_files: as `MaskPairs` has them.
    """

    name: ClassVar = "masks"
    holds: ClassVar[frozenset[Content]] = frozenset(("semantic masks", "soft masks", "mask names"))
    own_fields: ClassVar = frozenset((PALETTE,))

    pairing: Pairing = _IMAGES_AND_MASKS
    palette: str = ""
    class_files: Mapping[str, str] = field(default_factory=dict)

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

    def sidecars(self, item: Item) -> Iterator[tuple[str, bytes]]:
        annotation = item.annotation
        if annotation is None or annotation.mask_file is None:
            return
        if annotation.mask_file not in item.masks:
            return
        mask = item.masks[annotation.mask_file]
        palette = bytes.fromhex(annotation.extra.get(PALETTE, self.palette))
        # Only 8 bits can be indices.
        indexed = palette and mask.dtype.itemsize == 1
        yield annotation.mask_file, encode_mask(mask, palette if indexed else None)

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
            "mask_classes": list(self.classes),
        }
        return {name: value for name, value in known.items() if value}
