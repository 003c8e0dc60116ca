"""Writing WebDataset shards.

Results are written as loose files in folders that are called like shards, and folded into tar
files at the end. All results of one variant of one shard make a shard of their own, so that shards
become about as large as those of the input: ``a-0007.tar`` gives ``a-0007-v05.tar``.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Self

from variegate.annotations.annotation import Annotation
from variegate.codecs import MASK_EXTENSION, encode_mask
from variegate.formats.output_names import png_key
from variegate.formats.webdataset.schema import (
    CAPTION,
    CLASS,
    FIELDS,
    JSON,
    MEMBERS,
    TEXT,
    split_member,
    write_json,
)
from variegate.formats.writer import Content, DatasetInfo, Item, Writer
from variegate.storage import Storage, fold_shards, open_storage

_TAR = ".tar"
_MEMBER_LIMIT = 1 << 26
_SAMPLES_A_SHARD = 2_000
_SHARDS = 16


@dataclass(frozen=True, kw_only=True)
class WebDatasetWriter(Writer):
    """Writes every result as a sample.

    Attributes:
        input: where members that are carried through are read; "" for none.
        single: what to call the shards, where the input is one tar file.
        shards: into how many the images of a set in another format are dealt.
    """

    name: ClassVar = "webdataset"
    holds: ClassVar[frozenset[Content]] = frozenset(
        (
            *("label", "labels", "boxes", "oriented boxes", "polygons", "instance masks"),
            *("semantic masks", "soft masks", "keypoints", "captions", "other fields"),
        )
    )
    folds: ClassVar = True
    kinds: ClassVar = frozenset(("jpeg", "png", "webp", "ppm"))
    captions: ClassVar = CAPTION
    own_fields: ClassVar = frozenset((MEMBERS,))
    nested: ClassVar = FIELDS

    input: str = ""
    single: str = ""
    shards: int = _SHARDS

    @classmethod
    def fresh(cls, dataset: DatasetInfo) -> Self:
        """Make one for a set that was read in another format; `extra` may count "images"."""
        images = dataset.extra.get("images")
        shards = math.ceil(images / _SAMPLES_A_SHARD) if images else _SHARDS
        return cls(classes=dataset.classes, skeletons=dataset.skeletons, shards=shards)

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        # By the key alone, so that it does not depend on what else there is.
        digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        number = int.from_bytes(digest, "big") % self.shards
        folder, slash, name = key.rpartition("/")
        stem = (name.rpartition(".")[0] or name).replace(".", "-")
        sample = re.sub(r"\.tar(?=/)", "", folder + slash) + stem
        return f"{split or 'shard'}-{number:06}{_TAR}/{sample}{extension}"

    def key(
        self, source: str, *, suffix: str, extension: str, own_extensions: tuple[str, ...]
    ) -> str:
        """Return the key of one result: ``a.tar/7.jpg`` becomes ``a-v05.tar/7-v05.jpg``."""
        sample, own = split_member(source)
        last = f".{own.rpartition('.')[2]}"
        kept = (
            own
            if last.lower() in own_extensions
            else own[: len(own) + 1 - len(last)] + extension[1:]
        )
        at = sample.find(f"{_TAR}/")
        if at >= 0:
            return f"{sample[:at]}{suffix}{sample[at:]}{suffix}.{kept}"
        shard = f"{self.single}{suffix}{_TAR}/" if self.single else ""
        return f"{shard}{sample}{suffix}.{kept}"

    def mask_key(self, mask_file: str, *, source: str, output: str) -> str:
        sample, extension = split_member(mask_file)
        if sample != split_member(source)[0] or "." not in extension:
            # Of another format: the folder tells masks of one image apart.
            folder = mask_file.rpartition("/")[0].rpartition("/")[2]
            stem = mask_file.rpartition("/")[2].rpartition(".")[0]
            alike = stem == source.rpartition("/")[2].rpartition(".")[0]
            words = [folder] if alike and folder else [folder, stem] if folder else [stem]
            name = "-".join(words).replace(".", "-")
            extension = f"{name}.seg{MASK_EXTENSION}"
        return png_key(f"{split_member(output)[0]}.{extension}")

    def sidecar_keys(self, key: str, annotation: Annotation) -> set[str]:
        sample = split_member(key)[0]
        members = (CLASS, TEXT, JSON, *annotation.extra.get(MEMBERS, ()))
        return super().sidecar_keys(key, annotation) | {f"{sample}.{one}" for one in members}

    def sidecars(self, item: Item) -> Iterator[tuple[str, bytes]]:
        sample = split_member(item.key)[0]
        annotation = item.annotation or Annotation()
        if item.label is not None:
            yield f"{sample}.{CLASS}", item.label.encode("utf-8", "surrogateescape")
        if isinstance(caption := annotation.extra.get(CAPTION), str):
            yield f"{sample}.{TEXT}", caption.encode("utf-8", "surrogatepass")
        if (text := write_json(annotation)) is not None:
            yield f"{sample}.{JSON}", text
        for key, mask in item.masks.items():
            yield key, encode_mask(mask)
        if self.input and item.source is not None:
            storage, origin = _opened(self.input), split_member(item.source)[0]
            for extension in annotation.extra.get(MEMBERS, ()):
                data = storage.read(f"{origin}.{extension}", limit=_MEMBER_LIMIT)
                yield f"{sample}.{extension}", data

    def write_index(self, storage: Storage, items: Iterable[Item]) -> Iterable[str]:
        """Fold the folders of results into tar files, unless an archive is to be made of them."""
        # Whoever packs results into an archive collects them in such a folder first.
        if not storage.url.endswith(".unpacked"):
            fold_shards(open_storage(storage.url))
        return ()


@lru_cache(maxsize=4)
def _opened(url: str) -> Storage:
    return open_storage(url)
