"""Writing Pascal VOC."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.boxes import clipped
from variegate.formats.paired import PairedWriter
from variegate.formats.pairing import flattened, parts_of
from variegate.formats.voc.masks import (
    BORDER,
    CLASSES,
    labelmap_of,
    painted,
    renumbered,
    write_mask,
)
from variegate.formats.voc.objects import content, outer_objects
from variegate.formats.voc.sets import Member, lists_for, write_sets
from variegate.formats.voc.xml import write
from variegate.formats.writer import Content, DatasetInfo, Item
from variegate.storage import Storage, key_to_text


@dataclass(frozen=True, kw_only=True)
class VocWriter(PairedWriter):
    """Writes an XML file for each image, its masks, and the lists of images.

    Attributes:
        origin: number of the first pixel; see `variegate.formats.voc.objects`.
        lists: names of the lists that there are, of images, classes and actions.
        palette: of the masks, in hexadecimal; empty for the devkit's.
        labelmap: key and content of "labelmap.txt", if there is one.
        mask_classes: names of the values of semantic masks.
        complete: fields that readers of the original expect are filled in where they are missing.
    """

    name: ClassVar[str] = "voc"
    extension: ClassVar[str] = ".xml"
    role: ClassVar[str | None] = "Annotations"
    holds: ClassVar[frozenset[Content]] = frozenset(
        ("boxes", "instance masks", "semantic masks", "mask names", "other fields")
    )
    own_fields: ClassVar = frozenset(("no_file", "image_sets", "folder", "segmented", "depth"))

    origin: int = 1
    folders: Mapping[str, str] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    palette: str = ""
    labelmap: tuple[str, str] | None = None
    mask_classes: tuple[str, ...] = ()
    complete: bool = False

    @classmethod
    def fresh(cls, dataset: DatasetInfo) -> Self:
        named = tuple(dataset.extra.get("mask_classes", ()))
        return cls(
            classes=dataset.classes,
            skeletons=dataset.skeletons,
            lists=tuple(f"ImageSets/Main/{split}" for split in dataset.splits or ("trainval",)),
            labelmap=("labelmap.txt", labelmap_of(named)) if named not in ((), CLASSES) else None,
            mask_classes=named,
            complete=True,
        )

    @property
    def set_extra(self) -> Mapping[str, Any]:
        return {"mask_classes": list(self.mask_classes)} if self.mask_classes else {}

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        return f"JPEGImages/{flattened(key, extension, splits=False)}"

    def mask_key(self, mask_file: str, *, source: str, output: str) -> str:
        if self.complete:
            # Of a set in another format, whose folders are not kept.
            return f"SegmentationClass/{parts_of(output)[1]}.png"
        key = super().mask_key(mask_file, source=source, output=output)
        folder, stem, _ = parts_of(key)
        return f"{folder}{stem}.png"

    def object_mask_key(self, output: str) -> str | None:
        return f"SegmentationObject/{parts_of(output)[1]}.png"

    def sidecars(self, item: Item) -> Iterator[tuple[str, bytes]]:
        files = list(super().sidecars(item))
        yield from files
        yield from self._masks(item, renumber=bool(files))

    def text(self, item: Item, annotation: Annotation) -> str:
        values = content(
            _completed(annotation, item.size) if self.complete else annotation,
            filename=key_to_text(item.key.rpartition("/")[2]),
            size=item.size,
            origin=self.origin,
        )
        return "\n".join((*write("annotation", values), ""))

    def _masks(self, item: Item, *, renumber: bool) -> Iterator[tuple[str, bytes]]:
        """Write the masks. In those of objects the n-th object has the value n, as VOC has it.

        Objects have the borders that classes have.
        """
        objects = outer_objects(item.annotation) if item.annotation and renumber else []
        numbers = {(one.mask_file, one.mask_value): n for n, one in enumerate(objects, 1)}
        palette = bytes.fromhex(self.palette)
        classes = item.masks.get((item.annotation and item.annotation.mask_file) or "")
        for key, mask in item.masks.items():
            wanted = {
                value: painted(number, palette) if mask.dtype == np.uint32 else number
                for (file, value), number in numbers.items()
                if file == key and value
            }
            values = renumbered(mask, wanted)
            if classes is not None and classes.dtype == values.dtype == np.uint8:
                values = np.where((values == 0) & (classes == BORDER), BORDER, values)
            yield key, write_mask(values, palette)

    def write_index(self, storage: Storage, items: Iterable[Item]) -> Iterable[str]:
        keys = write_sets(storage, map(self._member, items), self.lists)
        if self.labelmap is not None:
            storage.write(self.labelmap[0], self.labelmap[1].encode("utf-8", "surrogateescape"))
            keys.append(self.labelmap[0])
        return keys

    def _member(self, item: Item) -> Member:
        annotation = item.annotation or Annotation()
        own = annotation.extra.get("image_sets")
        if own is None:
            fallback = [name for name in self.lists if name.endswith("Main/trainval")]
            own = [] if item.split else fallback
        objects = outer_objects(annotation)
        classes: dict[str, int] = {}
        for one in objects:
            easy = 0 if one.extra.get("difficult") == 1 else 1
            classes[one.category] = max(easy, classes.get(one.category, 0))
        return Member(
            name=self._list_name(item.key),
            lists=lists_for(own, item.split, self.lists),
            classes=classes,
            objects=[row for n, one in enumerate(objects, 1) for row in _object_rows(n, one)],
        )

    def _list_name(self, key: str) -> str:
        """Return an image's name in lists: its path below the folder of images."""
        folder, stem, _ = parts_of(key)
        root = next((name.partition("ImageSets/")[0] for name in self.lists), "")
        inside = folder.removeprefix(root)
        return inside.partition("/")[2] + stem


def _completed(annotation: Annotation, size: tuple[int, int]) -> Annotation:
    masks = annotation.mask_file or any(one.mask_file for one in annotation.objects)
    whole = {"folder": "JPEGImages", "segmented": 1 if masks else 0, "depth": 3}
    own = {"pose": "Unspecified", "truncated": 0, "difficult": 0}
    # A box that begins before the first pixel would say of the whole set that it counts from 0.
    objects = tuple(
        one.changed(box=one.box and clipped(one.box, size), extra={**own, **one.extra})
        for one in annotation.objects
    )
    return annotation.changed(objects=objects, extra={**whole, **annotation.extra})


def _object_rows(number: int, one: Object) -> Iterator[tuple[str, int, Mapping[str, int]]]:
    actions = one.extra.get("actions")
    for name in one.extra.get("image_sets", ()):
        yield name, number, actions if isinstance(actions, Mapping) else {}
