"""Images carried into a set in another format: what a worker of a conversion does."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from variegate.annotations.alignment import fitted
from variegate.annotations.annotation import Annotation
from variegate.annotations.masks import MaskReader
from variegate.annotations.targets import Mask
from variegate.codecs import Header, decode, encode, probe
from variegate.errors import KeyRefusedError
from variegate.formats import Item, Source
from variegate.formats.conversion.capabilities import Capabilities, Conversion
from variegate.formats.conversion.filenames import (
    KNOWN_EXTENSIONS,
    new_extension,
    new_key,
    own_extension,
)
from variegate.formats.conversion.shapes import ShapeConverter
from variegate.runs.rows import Row
from variegate.runs.worker import Result, Worker


@dataclass(frozen=True, slots=True)
class Converter(Worker):
    """Writes every source once, as it is, with its labels as another format has them.

    The job's options are those of a `Conversion`.
    """

    @property
    def conversion(self) -> Conversion:
        """How labels are told in the new format."""
        return Conversion.from_json(self.options)

    @property
    def capabilities(self) -> Capabilities:
        """What the new format can represent."""
        return Capabilities(self.writer, self.conversion)

    def results(self, source: Source, data: bytes) -> Iterator[Result]:
        yield self._converted(source, data)

    def result_again(self, source: Source, data: bytes, row: Row) -> Result:
        return self._converted(source, data)

    def _converted(self, source: Source, data: bytes) -> Result:
        """Return a source as the new format has it.

        Raises:
            ImageError: it cannot be read, or its annotation is for another image.
        """
        header = probe(data, self.limits)
        extension, content = self._file(source, data, header)
        label = self.capabilities.label(source)
        item = Item(
            key=new_key(self.writer, source, label, extension, self.conversion.naming),
            split=source.split,
            label=label,
            size=(header.height, header.width),
            source=source.key,
        )
        if source.annotation is not None:
            annotation, masks = self._annotation(source, source.annotation, item, header)
            item = replace(item, annotation=annotation, masks=masks)
        return Result(item=item, content=content, sidecars=self.writer.sidecars(item))

    def decodes(self, source: Source, header: Header) -> bool:
        return self.writer.kinds is not None and header.kind not in self.writer.kinds

    def discard(self, source: Source) -> None:
        """Delete whatever was written of a source that is quarantined in the end."""
        label = self.capabilities.label(source)
        extensions = {names[0] for names in KNOWN_EXTENSIONS.values()} | {own_extension(source.key)}
        for extension in sorted(extensions):
            try:
                key = new_key(self.writer, source, label, extension, self.conversion.naming)
            except KeyRefusedError:
                # So it was not written, either.
                return
            for one in (key, *self._beside(source, key)):
                self.output.delete(one)

    def _file(self, source: Source, data: bytes, header: Header) -> tuple[str, bytes]:
        """Return the extension and content of an image's file: its own wherever that will do."""
        if not self.decodes(source, header):
            # Its pixels are looked at all the same: what has lost some is no image of the new set.
            decode(data, limits=self.limits, reduce=8 if header.reducible else 1)
            return new_extension(source.key, header.kind), data
        image = decode(data, limits=self.limits, keep_alpha=True)
        return ".png", encode(image, format="png")

    def _annotation(
        self, source: Source, annotation: Annotation, item: Item, header: Header
    ) -> tuple[Annotation, dict[str, Mask]]:
        """Return what is known about an image as the new format has it, and its masks."""
        known = fitted(annotation, item.size, header.orientation)
        reader = MaskReader(item.size, header.orientation, self.annotations.loader(known))
        shape_converter = ShapeConverter(self.capabilities, reader, source.key, item.key)
        converted_shapes = shape_converter.converted_shapes(self.capabilities.told(source, known))
        return converted_shapes.changed(size=item.size), shape_converter.masks

    def _beside(self, source: Source, key: str) -> set[str]:
        """Return the keys of the files that may have been written beside an image."""
        known = source.annotation or Annotation()
        objects = tuple(one.changed(mask_file=None, mask_value=None) for one in known.objects)
        named = self.writer.mask_key(known.mask_file or key, source=source.key, output=key)
        told = self.capabilities.told(source, known.changed(objects=objects, mask_file=named))
        shared = self.writer.object_mask_key(key)
        return self.writer.sidecar_keys(key, told) | ({shared} if shared else set())
