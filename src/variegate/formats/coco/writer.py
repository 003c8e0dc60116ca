"""Writing COCO files, entry by entry; nothing but counters and categories is held in memory."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from variegate.annotations.annotation import Skeleton
from variegate.codecs import encode_mask
from variegate.formats.coco.locate import image_key
from variegate.formats.coco.objects import COCO, records
from variegate.formats.coco.read import named_categories
from variegate.formats.coco.write import CocoOutputs, ImageEntries, OutputFile
from variegate.formats.writer import Content, DatasetInfo, Item, Writer
from variegate.storage import Storage


@dataclass(frozen=True, kw_only=True)
class CocoWriter(Writer):
    """Writes the files of a set again, or new ones: "instances", and "captions" and "labels" where
    there are any, for each split.

    Ids of images that are copied unchanged stay; everything new is counted on from the largest id.

    Attributes:
        files: of the set that was read; empty for a new one.
        next_image, next_annotation: the first free ids.
        head: info, licenses and categories for new files.
    """

    name: ClassVar[str] = "coco"
    holds: ClassVar[frozenset[Content]] = frozenset(
        (
            *("label", "labels", "boxes", "polygons", "instance masks", "keypoints", "captions"),
            *("keypoint names", "other fields"),
        )
    )
    captions: ClassVar = "captions"
    own_fields: ClassVar = frozenset((COCO,))

    files: tuple[OutputFile, ...] = ()
    next_image: int = 1
    next_annotation: int = 1
    head: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def fresh(cls, dataset: DatasetInfo) -> Self:
        # Files are begun when the first image of a split comes.
        head = dict(dataset.extra.get(COCO, {}))
        known = {one["name"]: one for one in head.pop("categories", ())}
        taken = [one["id"] for one in known.values() if isinstance(one["id"], int)]
        number = max(taken, default=0)
        categories = []
        for name in dataset.classes:
            if name not in known:
                number += 1
                known[name] = {"id": number, "name": name, "supercategory": ""}
            categories.append(known[name] | _keypoint_names(dataset.skeletons.get(name)))
        head["categories"] = categories
        return cls(classes=dataset.classes, skeletons=dataset.skeletons, head=head)

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        return image_key(key, split=split, extension=extension)

    def sidecars(self, item: Item) -> Iterator[tuple[str, bytes]]:
        objects = item.annotation.objects if item.annotation and item.masks else ()
        wanted = {one.mask_file for one in objects if any(map(self._is_panoptic, records(one)))}
        for key, ids in item.masks.items():
            if key in wanted:
                # R + 256 G + 65536 B, whatever the numbers are.
                yield key, encode_mask(ids.astype(np.uint32))

    def _is_panoptic(self, record: Mapping[str, Any]) -> bool:
        number = record.get("file", 0)
        return number < len(self.files) and self.files[number].kind == "panoptic"

    def write_index(self, storage: Storage, items: Iterable[Item]) -> Iterable[str]:
        with ExitStack() as stack:
            outputs = CocoOutputs(
                self.files,
                self.head,
                storage=storage,
                stack=stack,
                next_ids=(self.next_image, self.next_annotation),
            )
            for item in items:
                ImageEntries(outputs, item).write()
            return outputs.close()

    @property
    def set_extra(self) -> Mapping[str, Any]:
        """Info, licences and categories, those of the first file that has them."""
        found: dict[str, Any] = {}
        categories: dict[str, Any] = {}
        for file in self.files:
            for name, value in file.head.items():
                found.setdefault(name, value)
            for one in named_categories(file.head):
                if "id" in one:
                    categories.setdefault(one["name"], one)
        distinct = len({repr(one["id"]) for one in categories.values()}) == len(categories)
        return {COCO: found | {"categories": list(categories.values()) if distinct else []}}


def _keypoint_names(skeleton: Skeleton | None) -> dict[str, Any]:
    if skeleton is None:
        return {}
    edges = [[start + 1, end + 1] for start, end in skeleton.edges]
    return {"keypoints": list(skeleton.names), "skeleton": edges}
