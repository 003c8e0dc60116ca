"""WebDataset: tar files (shards) of samples, ``000123.jpg`` with ``000123.cls`` and others.

Read from a folder of shards or from one tar file. The class is in ``.cls``; boxes and the like in
``.json`` (see `schema`); a mask in ``.seg.png`` or ``.mask.png``; a caption in ``.txt``.
Every other member is carried through as it is.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar

from variegate.annotations.annotation import Annotation
from variegate.errors import InputError, LimitError
from variegate.formats.base import DatasetFormat, NotThisFormat, Recognised, Source, named
from variegate.formats.scan import Survey, is_hidden, leave_unsaid, split_above
from variegate.formats.webdataset.schema import (
    CAPTION,
    CLASS,
    JSON,
    MEMBERS,
    TEXT,
    image_of,
    is_image,
    is_soft,
    mask_of,
    read_json,
    split_member,
)
from variegate.formats.webdataset.writer import WebDatasetWriter
from variegate.storage import Entry, OnSkip, Storage, log_skip, printable

_SHARD = ".tar/"
_SIZE_LIMIT = 1 << 24
_MOST_NAMED = 6
_MOST_LABELS = 100_000
# So many of the images must have something beside them.
_ACCOMPANIED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WebDataset(DatasetFormat):
    """Samples in tar files.

    Attributes:
        input: where the members are, for those that are carried through.
        single: what to call the shards of results where the input is one tar file; else "".
    """

    name: ClassVar[str] = "webdataset"
    heading: ClassVar[str] = "WebDataset"

    input: str
    single: str = ""

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        single = storage.is_tar
        sharded = any(part.endswith(".tar") for f in survey.tally.folders for part in f)
        if not (single or sharded or chosen):
            return NotThisFormat("there are no tar files")
        dataset_format = cls(
            input=storage.url,
            single=_single(storage) if single else "",
            said=survey.hints.splits,
        )
        return dataset_format._completed(storage, chosen=chosen)

    def _completed(self, storage: Storage, *, chosen: bool) -> Recognised:
        """Look through the listing: images by split, classes, members of unknown kinds."""
        images: Counter[str] = Counter()
        labels: set[str] = set()
        others: Counter[str] = Counter()
        accompanied = 0
        for sample, entries in _samples(storage, leave_unsaid):
            extensions = [split_member(entry.key)[1] for entry in entries]
            if sample is None or (image := image_of(extensions)) is None:
                continue
            images[self.split(sample) or ""] += 1
            accompanied += len(extensions) > 1
            if CLASS in extensions and len(labels) < _MOST_LABELS:
                text = _read(storage, f"{sample}.{CLASS}", [])
                labels |= {text.strip()} if text and text.strip() else set()
            # Images beside a JSON file may be masks of the objects in it.
            rest = {e for e in extensions if not (JSON in extensions and is_image(e))}
            others.update(rest - {image, mask_of(extensions), CLASS, TEXT, JSON})
        total = images.total()
        if not total or (accompanied < _ACCOMPANIED * total and not chosen):
            return NotThisFormat("the images in the tar files have nothing beside them")
        notes = []
        if others:
            common = named([f".{one}" for one, _ in others.most_common(50)], _MOST_NAMED)
            notes.append(f"carried through as they are, not moved with the pixels: {common}")
        return replace(self, classes=tuple(sorted(labels)), images=images, notes=tuple(notes))

    def split(self, key: str) -> str | None:
        return _split(key, self.said)

    def writer(self) -> WebDatasetWriter:
        return WebDatasetWriter(classes=self.classes, input=self.input, single=self.single)

    def sources(self, storage: Storage, *, on_skip: OnSkip = log_skip) -> Iterator[Source]:
        for sample, entries in _samples(storage, on_skip):
            if sample is None:
                yield from (Source(entry.key, entry.size) for entry in entries)
            else:
                yield from self._sources(storage, sample, list(entries))

    def _sources(self, storage: Storage, sample: str, entries: list[Entry]) -> Iterator[Source]:
        """Yield the files of one sample."""
        extensions = [split_member(entry.key)[1] for entry in entries]
        image = image_of(extensions)
        if image is None:
            shard = _SHARD in sample or self.single
            skip = "a sample without an image" if shard else None
            yield from (Source(entry.key, entry.size, skip=skip) for entry in entries)
            return
        about = _About(storage, sample, extensions, image)
        for entry, extension in zip(entries, extensions, strict=True):
            if extension == image:
                yield Source(
                    *(entry.key, entry.size, self.split(sample), about.label),
                    annotation=about.annotation,
                    problems=tuple(about.problems),
                    unusable=about.unusable,
                )
            else:
                skip = "a mask" if entry.key in about.masks else "a label file"
                converted = extension in about.annotation.extra.get(MEMBERS, ())
                skip = "carried through with its sample" if converted else skip
                yield Source(entry.key, entry.size, skip=skip)


def _samples(storage: Storage, on_skip: OnSkip) -> Iterator[tuple[str | None, Iterator[Entry]]]:
    """Yield the samples with their members; None with hidden files."""
    # A sample's members stand together in the listing: "." comes before all letters.
    return groupby(
        storage.list(on_skip=on_skip),
        key=lambda entry: None if is_hidden(entry.key) else split_member(entry.key)[0],
    )


class _About:
    """What the members of a sample say of its image."""

    def __init__(self, storage: Storage, sample: str, extensions: list[str], image: str) -> None:
        self.problems: list[str] = []
        self.label: str | None = None
        self.annotation = Annotation()
        if CLASS in extensions:
            text = _read(storage, f"{sample}.{CLASS}", self.problems)
            self.label = (text or "").strip() or None
        if JSON in extensions and (text := _read(storage, f"{sample}.{JSON}", self.problems)):
            self.annotation, problems = read_json(text.encode(), sample)
            self.problems += [printable(problem) for problem in problems]
        objects = [one for one in self.annotation.objects if one.mask_file is not None]
        named_masks = {one.mask_file for one in objects if one.mask_file}
        rest = [e for e in extensions if e != image and f"{sample}.{e}" not in named_masks]
        mask = mask_of(rest)
        self.masks = named_masks | ({f"{sample}.{mask}"} if mask else set())
        members = [e for e in rest if e not in (mask, CLASS, TEXT, JSON)]
        extra: dict[str, Any] = dict(self.annotation.extra)
        if TEXT in extensions and (text := _read(storage, f"{sample}.{TEXT}", self.problems)):
            extra[CAPTION] = text
        if members:
            extra[MEMBERS] = members
        self.annotation = self.annotation.changed(
            mask_file=f"{sample}.{mask}" if mask else None,
            soft=self.annotation.soft or (mask is not None and is_soft(mask)),
            extra=extra,
        )
        lost = sorted(named_masks - {f"{sample}.{extension}" for extension in extensions})
        self.unusable = f"its mask {printable(lost[0])} is missing" if lost else None


def _read(storage: Storage, key: str, problems: list[str]) -> str | None:
    """Return the text of a member, or None after noting what is wrong with it."""
    try:
        return storage.read(key, limit=_SIZE_LIMIT).decode("utf-8")
    except UnicodeDecodeError:
        problems.append(f"{printable(key)}: not in UTF-8; left out")
    except (InputError, LimitError) as error:
        problems.append(f"{printable(key)}: {error}; left out")
    return None


def _split(key: str, said: Mapping[str, str]) -> str | None:
    """Return the split that a folder or a shard names: "val/", "imagenet-train-0001.tar"."""
    return split_above(
        key, lambda f: re.split(r"[-_.]", f) if f.endswith(".tar") else [f], said=said
    )


def _single(storage: Storage) -> str:
    """Return what to call the shards of results."""
    name = storage.url.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return re.sub(r"\.(tar|tar\.gz|tgz)$", "", name, flags=re.IGNORECASE) or "shard"
