"""Writing YOLO."""

import posixpath
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import yaml

from variegate.annotations.annotation import Annotation, Skeleton
from variegate.errors import OutputError
from variegate.formats.paired import PairedWriter
from variegate.formats.pairing import flattened
from variegate.formats.writer import Content, DatasetInfo, Item
from variegate.formats.yolo.lines import Task
from variegate.formats.yolo.text import write_line
from variegate.storage import Storage


def flip_of(skeletons: Mapping[str, Skeleton]) -> tuple[int, ...]:
    """Return for each keypoint the one that takes its place in a mirror image; () if not known."""
    if not all(one.mirrors for one in skeletons.values()):
        return ()
    flip = list(range(max((len(one.names) for one in skeletons.values()), default=0)))
    for one in skeletons.values():
        for left, right in one.pairs:
            flip[left], flip[right] = right, left
    return tuple(flip)


@dataclass(frozen=True, kw_only=True)
class YoloWriter(PairedWriter):
    """Writes a label file for each image, data.yaml or its older relatives, and lists.

    Attributes:
        task: what the lines hold; None lets each object be a polygon, an oriented box or a box.
        numbers: of the classes, in their order; empty for 0, 1, 2, ...
        keypoints: number and dimensions of keypoints.
        flip: for each keypoint the one that takes its place in a mirror image.
        config: key of data.yaml or obj.data; empty without one.
        class_lists: keys of the lists of classes that are files of their own.
        splits: split -> places of its images, as the configuration names them.
        lists: key of a list of images -> [split, what stands before each key].
        extra: other fields of the configuration.
    """

    name: ClassVar[str] = "yolo"
    extension: ClassVar[str] = ".txt"
    role: ClassVar[str | None] = "labels"
    holds: ClassVar[frozenset[Content]] = frozenset(
        ("boxes", "oriented boxes", "polygons", "keypoints")
    )
    one_shape: ClassVar = True
    own_fields: ClassVar = frozenset(("no_file", "header"))

    task: Task | None = None
    numbers: tuple[int, ...] = ()
    keypoints: tuple[int, int] | None = None
    flip: tuple[int, ...] = ()
    folders: Mapping[str, str] = field(default_factory=dict)
    config: str = ""
    class_lists: tuple[str, ...] = ()
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def fresh(cls, dataset: DatasetInfo) -> Self:
        count = max((len(one.names) for one in dataset.skeletons.values()), default=0)
        return cls(
            classes=dataset.classes,
            skeletons=dataset.skeletons,
            task="pose" if count else None,
            keypoints=(count, 3) if count else None,
            flip=flip_of(dataset.skeletons),
            config="data.yaml",
            splits={split: (f"images/{split}",) for split in dataset.splits}
            or {"train": ("images",)},
        )

    @property
    def held(self) -> frozenset[Content]:
        if self.task == "pose":
            return frozenset(("boxes", "keypoints"))
        return self.holds - {"keypoints"}

    def number(self, category: str) -> int:
        """Return the number of a class.

        Raises:
            OutputError: it is none of the set's.
        """
        if category not in self._numbers:
            raise OutputError(f"class {category!r}: expected one of the {len(self.classes)} known")
        return self._numbers[category]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return dict(zip(self.classes, self.numbers or range(len(self.classes)), strict=False))

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        name = flattened(key, extension, splits=not split)
        return "/".join(part for part in ("images", split, name) if part)

    def text(self, item: Item, annotation: Annotation) -> str:
        lines = [str(line) for line in annotation.extra.get("header", ())]
        for one in annotation.objects:
            number = 0 if self.task == "dota" else self.number(one.category)
            line = write_line(
                one, task=self.task, number=number, keypoints=self.keypoints, size=item.size
            )
            if line is not None:
                lines.append(line)
        return "".join(f"{line}\n" for line in lines)

    def write_index(self, storage: Storage, items: Iterable[Item]) -> Iterable[str]:
        with ExitStack() as stack:
            files = {key: stack.enter_context(storage.open_write(key)) for key in self.lists}
            for item in items:
                for key, (split, before) in self.lists.items():
                    if item.split == split:
                        inside = posixpath.relpath(item.key, posixpath.dirname(key) or ".")
                        name = item.key if before.startswith("=") else inside
                        line = f"{before.removeprefix('=')}{name}\n"
                        files[key].write(line.encode("utf-8", "surrogateescape"))
        for key in self.class_lists:
            storage.write(key, self._names_file())
        if self.config.endswith(".data"):
            fields = {**{split: places[0] for split, places in self.splits.items()}, **self.extra}
            text = "".join(f"{name} = {value}\n" for name, value in fields.items())
            storage.write(self.config, text.encode())
        elif self.config:
            storage.write(self.config, self._yaml())
        return filter(None, (*self.lists, *self.class_lists, self.config))

    def _numbered(self) -> dict[int, str]:
        return {number: name for name, number in self._numbers.items()}

    def _names_file(self) -> bytes:
        numbered = self._numbered()
        count = max(numbered, default=-1) + 1
        return "".join(f"{numbered.get(i, '')}\n" for i in range(count)).encode("utf-8", "replace")

    def _yaml(self) -> bytes:
        # No "path": it would be another machine's, and without one places start here.
        places = {
            split: names[0] if len(names) == 1 else list(names)
            for split, names in self.splits.items()
        }
        numbered = dict(sorted(self._numbered().items()))
        data: dict[str, Any] = {**places, "nc": len(numbered), "names": numbered}
        if self.keypoints:
            data["kpt_shape"] = list(self.keypoints)
            if self.flip:
                data["flip_idx"] = list(self.flip)
        data.update(self.extra)
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode("utf-8")
