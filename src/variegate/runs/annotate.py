"""What a worker does about labels: read them for a source, write them for a result."""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from variegate.annotations import conversion as labels
from variegate.annotations.annotation import Annotation, Skeleton
from variegate.annotations.rules import LabelRule
from variegate.annotations.sample import Size
from variegate.annotations.targets import Mask, Targets
from variegate.codecs import Limits, decode_mask
from variegate.errors import ImageError, InputError, UnavailableError
from variegate.formats import Item, Source, Writer
from variegate.formats.base import named
from variegate.formats.notes import Information
from variegate.storage import Storage, key_from_text, key_to_text


def unpaired(skeletons: Mapping[str, Skeleton]) -> list[str]:
    """Return the categories of whose keypoints it is not known which a mirror exchanges."""
    return [name for name, skeleton in skeletons.items() if not skeleton.mirrors]


def mirror_notes(
    rule: LabelRule, skeletons: Mapping[str, Skeleton], *, mirrors: bool
) -> Iterator[str]:
    """Yield what the user should know of a recipe, which `mirrors` images, for such categories."""
    names = unpaired(skeletons)
    if not names or not mirrors:
        return
    which = f"keypoints of {named(names)}: it is not known which are left and right"
    if rule.mirror == "insist":
        said = f"{which}, and none are exchanged in mirror images, as the recipe insists"
        yield Information(said)
    else:
        points = named(skeletons[names[0]].names)
        yield Information(
            f"{which} ({points}), so flips and other mirror images are left out; say it with "
            "--pairs LEFT=RIGHT (or flip_idx in data.yaml), or insist with mirror: insist below "
            "labels: in the recipe"
        )


@dataclass(frozen=True, slots=True)
class AnnotationWriter:
    """Labels of one job.

    Attributes:
        rule: what becomes of labels.
        writer: how results are written.
        input: where masks are read.
        output: where sidecars are written.
        limits: for masks.
    """

    rule: LabelRule
    writer: Writer
    input: Storage
    output: Storage
    limits: Limits

    @property
    def mirrors(self) -> bool:
        """Whether images may be mirrored: it is known which keypoints are left and right."""
        return self.rule.mirror == "insist" or not unpaired(self.writer.skeletons)

    def targets(
        self,
        source: Source,
        size: Size,
        orientation: int = 1,
        *,
        load_mask: Callable[[str], Mask] | None = None,
    ) -> Targets | None:
        """Return what is known about a source, ready to be moved.

        Args:
            source: whose image it is.
            size: (height, width), upright.
            orientation: EXIF's, by which it was turned upright.
            load_mask: returns the mask (H, W) that a key names; None to read it from the input.

        Raises:
            ImageError: its annotation does not fit it, or a mask cannot be read.
        """
        if source.annotation is None:
            return None
        return labels.read(
            source.annotation,
            size,
            rule=self.rule,
            skeletons=self.writer.skeletons,
            load_mask=load_mask or self.loader(source.annotation),
            orientation=orientation,
            key=source.key,
        )

    def result(
        self, source: Source, targets: Targets | None, size: Size, key: str
    ) -> tuple[Annotation | None, Mapping[str, Mask]]:
        """Return the annotation of a result, and the masks that it names.

        Args:
            source: of the result.
            targets: as they came out.
            size: the result's (height, width).
            key: the result's.
        """
        if source.annotation is None or targets is None:
            return source.annotation, {}

        def mask_key(mask_file: str, image: str) -> str:
            return self.writer.mask_key(mask_file, source=image, output=key)

        return labels.written(source.annotation, targets, size, rule=self.rule, mask_key=mask_key)

    def unchanged(self, source: Source) -> Mapping[str, Mask]:
        """Return the masks of a source that is copied unchanged."""
        annotation = source.annotation
        if annotation is None:
            return {}
        named = [one.mask_file for one in annotation.objects] + [annotation.mask_file]
        load = self.loader(annotation)
        return {key: load(key) for key in dict.fromkeys(named) if key is not None}

    def sidecars(self, item: Item) -> Iterator[tuple[str, bytes]]:
        """Yield (key, content) of the files that belong to one image.

        The masks of an image that is copied unchanged are those of the input, byte for byte.
        """
        through = item.source == item.key
        for key, content in self.writer.sidecars(item):
            if through and key in item.masks:
                yield key, self.input.read(key, limit=self.limits.max_bytes)
            else:
                yield key, content

    def write_sidecars(self, sidecars: Iterable[tuple[str, bytes]]) -> dict[str, str]:
        """Write (key, content) of what belongs to one result; return digests by key, as text."""
        digests: dict[str, str] = {}
        try:
            for key, content in sidecars:
                digests[key_to_text(key)] = hashlib.sha256(content).hexdigest()
                self.output.write_later(key, content)
        except Exception:
            self.delete_sidecars(digests)
            raise
        return digests

    def delete_sidecars(self, keys: Iterable[str]) -> None:
        """Delete files that belong to a result that will not be; keys as text."""
        for key in keys:
            self.output.delete(key_from_text(key))

    def sidecar_keys(self, source: Source, key: str) -> set[str]:
        """Return the keys of all files that may have been written beside the result `key`."""

        def renamed(mask_file: str | None) -> str | None:
            if mask_file is None:
                return None
            return self.writer.mask_key(mask_file, source=source.key, output=key)

        known = source.annotation or Annotation()
        objects = tuple(one.changed(mask_file=renamed(one.mask_file)) for one in known.objects)
        moved = known.changed(objects=objects, mask_file=renamed(known.mask_file))
        return self.writer.sidecar_keys(key, moved)

    def loader(self, annotation: Annotation) -> Callable[[str], Mask]:
        """Return what reads a mask that an annotation names; it raises ImageError."""
        return functools.partial(self._mask, soft=annotation.soft)

    def _mask(self, key: str, *, soft: bool) -> Mask:
        try:
            data = self.input.read(key, limit=self.limits.max_bytes)
            return decode_mask(data, self.limits, soft=soft)
        except UnavailableError as error:
            raise UnavailableError(f"its mask {key_to_text(key)}: {error}") from error
        except (ImageError, InputError) as error:
            raise ImageError(f"its mask {key_to_text(key)}: {error}") from error
