"""All results of one source: read, plan, execute, encode, write, and say what became of it."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import cv2

from variegate.annotations.targets import Targets
from variegate.codecs import EXTENSIONS, IMAGE_EXTENSIONS, Header, Limits, kind_of, probe
from variegate.errors import ImageError, InputError, UsageError
from variegate.formats import Item, Source, Writer
from variegate.recipes.recipe import Recipe
from variegate.runs.annotate import AnnotationWriter
from variegate.runs.manifest import Counts, Row, Status
from variegate.runs.render import Rendered, Renderer
from variegate.storage import Storage, key_to_text, open_storage
from variegate.storage.json import dumped
from variegate.transforms.base import Draw

_log = logging.getLogger(__name__)

# So much of a file whose name promises no image is read to see whether it is one all the same.
_HEAD_BYTES = 1 << 20

_INSUFFICIENT_MEMORY = -4  # cv2.error.code


@dataclass(frozen=True, slots=True)
class Worker:
    """A job, made ready to work on sources.

    Attributes:
        recipe: what is made of each.
        input: where they are.
        output: where the results go.
        splits: whether the dataset has splits; then only "train" is augmented.
        limits: larger images are quarantined.
        writer: how results are laid out.
    """

    recipe: Recipe
    input: Storage
    output: Storage
    splits: bool
    limits: Limits
    writer: Writer

    def make(self, number: int, source: Source, tell: Callable[[Counts], None]) -> list[Row]:
        """Work on one source; return its rows.

        Args:
            number: of the source, in the listing.
            source: what to work on.
            tell: told of every output as it is written.

        Raises:
            OutputError: results cannot be written.
            InputError: the input as a whole is gone.
        """
        rows: list[Row] = []
        try:
            if (why := source.skip or _no_image_by_name(source.key)) is not None:
                return [without_output(number, source, "skipped", why)]
            if source.unusable is not None:
                return [without_output(number, source, "quarantined", source.unusable)]
            data = self._read(source)
            if data is None:
                return [without_output(number, source, "skipped", "not an image")]
            for row in self._results(number, source, data):
                rows.append(row)
                tell(Counts(outputs=1, bytes=row.bytes or 0))
            return sorted(rows, key=lambda row: row.variant or 0)
        except (ImageError, InputError) as error:
            if isinstance(error, InputError):
                # If more is gone than this file, the run must not go on without all the others.
                open_storage(self.input.url)
            place = f"{self.input.place(source.key)}: "
            reason = str(error).removeprefix(place)
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a plug-in or decoder raises
            _log.debug("%s", key_to_text(source.key), exc_info=True)
            reason = _reason(error)
        self.discard(source)
        for row in rows:
            self._annotation_writer.delete_sidecars(row.sidecar_digests)
        tell(Counts(outputs=-len(rows), bytes=-sum(row.bytes or 0 for row in rows)))
        return [without_output(number, source, "quarantined", reason)]

    def variants(
        self, source: Source, data: bytes, *, only: int | None = None
    ) -> Iterator[Rendered]:
        """Yield variants, encoded, each as soon as it can be had; nothing is written."""
        yield from self._renderer.variants(source, data, self._format(source, data), only=only)

    def again(self, source: Source, drawn: tuple[Draw, ...], index: int) -> dict[str, bytes]:
        """Make one variant whose draws are known, and its sidecars; return contents by key."""
        data = self.input.read(source.key, limit=self.limits.max_bytes)
        file_format = self._format(source, data)
        done = self._renderer.again(source, data, file_format, drawn, index)
        item = self._item(source, done, self._key(source.key, index, file_format))
        return {item.key: done.encoded, **dict(self._annotation_writer.sidecars(item))}

    def labels_of(self, source: Source, data: bytes) -> Targets | None:
        """Return what is known of a source's image, `data`."""
        header = probe(data, self.limits)
        size = (header.height, header.width)
        return self._annotation_writer.targets(source, size, header.orientation)

    def labels_as_written(self, source: Source, done: Rendered) -> Targets | None:
        """Return what will be known of a result to whoever reads its annotation."""
        item = self._item(source, done, source.key)
        if item.annotation is None:
            return None
        return self._annotation_writer.read_again(
            item.annotation, item.size, item.masks.__getitem__
        )

    @property
    def _annotation_writer(self) -> AnnotationWriter:
        return AnnotationWriter(
            self.recipe.labels, self.writer, self.input, self.output, self.limits
        )

    @property
    def _renderer(self) -> Renderer:
        return Renderer(self.recipe, self.input, self.limits, self._annotation_writer)

    def _format(self, source: Source, data: bytes) -> str:
        """Return the format of a source's results."""
        file_format = output_format(self.recipe.output.format, probe(data, self.limits))
        self._check_name(source.key, file_format)
        return file_format

    def discard(self, source: Source) -> None:
        """Delete whatever was written of a source that is quarantined in the end."""
        if self.splits and source.split != "train":
            self._delete(source, source.key)
            return
        wanted = self.recipe.output.format
        for file_format in EXTENSIONS if wanted == "same" else (wanted,):
            try:
                self._check_name(source.key, file_format)
            except ImageError:
                continue
            for index in range(self.recipe.count()):
                self._delete(source, self._key(source.key, index, file_format))

    def _delete(self, source: Source, key: str) -> None:
        """Delete one result, if it is there, and what belongs to it."""
        for one in (key, *self._annotation_writer.sidecar_keys(source, key)):
            self.output.delete(one)

    def _read(self, source: Source) -> bytes | None:
        """Return the content of an image, however broken; None for what never was one."""
        if not _named_as_image(source.key):
            with self.input.open_read(source.key) as file:
                head = file.read(_HEAD_BYTES)
            if kind_of(head) is None:
                return None
        return self.input.read(source.key, limit=self.limits.max_bytes)

    def _results(self, number: int, source: Source, data: bytes) -> Iterator[Row]:
        if self.splits and source.split != "train":
            yield self._copied(number, source, data)
        else:
            yield from self._made(number, source, data)

    def _copied(self, number: int, source: Source, data: bytes) -> Row:
        """Pass a source through that is not to be augmented."""
        item = self._passed(source, data)
        sidecars = self._annotation_writer.sidecars(item)
        return self._written(number, source, item, data, hashlib.sha256(data).hexdigest(), sidecars)

    def copied_again(self, source: Source) -> dict[str, bytes]:
        """Return the files of a source that passes through, the image first; by key."""
        data = self.input.read(source.key, limit=self.limits.max_bytes)
        return {
            source.key: data,
            **dict(self._annotation_writer.sidecars(self._passed(source, data))),
        }

    def _passed(self, source: Source, data: bytes) -> Item:
        """Return a source that passes through as a writer sees it."""
        header = probe(data, self.limits)
        return Item(
            key=source.key,
            split=source.split,
            label=source.label,
            size=(header.height, header.width),
            annotation=source.annotation,
            masks=self._annotation_writer.unchanged(source),
            source=source.key,
        )

    def _made(self, number: int, source: Source, data: bytes) -> Iterator[Row]:
        """Make, write and record all variants of a source."""
        digest = hashlib.sha256(data).hexdigest()
        file_format = self._format(source, data)
        for done in self._renderer.variants(source, data, file_format):
            variant = done.variant
            item = self._item(source, done, self._key(source.key, variant.index, file_format))
            sidecars = self._annotation_writer.sidecars(item)
            row = self._written(number, source, item, done.encoded, digest, sidecars)
            mixed = done.labels if done.labels != source.shares else None
            yield replace(
                row,
                status="output",
                variant=variant.index,
                name=variant.name,
                operations=json.dumps([one.to_json() for one in variant.drawn]),
                labels=json.dumps(mixed) if mixed else None,
                problems=row.problems if variant.index == 0 else None,
            )

    def _item(self, source: Source, done: Rendered, key: str) -> Item:
        """Return a result as a writer sees it."""
        annotation, masks = self._annotation_writer.result(source, done.targets, done.size, key)
        return Item(
            key=key,
            split=source.split,
            label=source.label,
            size=done.size,
            annotation=annotation,
            masks=masks,
            source=source.key,
        )

    def _written(
        self,
        number: int,
        source: Source,
        item: Item,
        data: bytes,
        digest: str,
        sidecars: Iterable[tuple[str, bytes]],
    ) -> Row:
        """Write one result with what belongs to it.

        Args:
            number, source: what it was made of.
            item: it, as a writer sees it.
            data: its content.
            digest: of the source's content.
            sidecars: key and content of what belongs to it.
        """
        self.output.write_later(item.key, data)
        digests = self._annotation_writer.write_sidecars(sidecars)
        annotation = item.annotation
        return Row(
            source=number,
            key=source.key,
            status="copied",
            source_sha256=digest,
            split=item.split,
            label=item.label,
            annotation=dumped(annotation).decode() if annotation else None,
            problems=json.dumps(source.problems) if source.problems else None,
            output=item.key,
            sha256=hashlib.sha256(data).hexdigest(),
            sidecars=json.dumps(digests) if digests else None,
            bytes=len(data),
            height=item.size[0],
            width=item.size[1],
        )

    def _key(self, key: str, index: int, file_format: str) -> str:
        extensions = EXTENSIONS[file_format]
        suffix = variant_suffix(index, self.recipe.count())
        return self.writer.key(
            key, suffix=suffix, extension=extensions[0], own_extensions=extensions
        )

    def _check_name(self, key: str, file_format: str) -> None:
        """Make sure that no other source has a claim to the results' names.

        Names were compared when the run began, with the formats that they promise. A JPEG that is
        called ``x.png`` becomes ``x.png-v00.jpg``, which may be what ``x.png.jpg`` becomes.

        Raises:
            ImageError: another one has.
        """
        if file_format == format_by_name(self.recipe.output.format, key):
            return
        others = [key + EXTENSIONS[file_format][0]]
        if self.splits:
            count = range(self.recipe.count())
            others += [self._key(key, index, file_format) for index in count]
        for other in others:
            if self.input.exists(other):
                raise ImageError(
                    f"its content is {file_format}, which its name does not say, and its results "
                    f"could be called like those of {key_to_text(other)!r}; rename one of them"
                )


def without_output(number: int, source: Source, status: Status, reason: str) -> Row:
    """Return the row of a source that gave nothing."""
    return Row(
        source=number,
        key=source.key,
        status=status,
        # Names that are not text may be part of it.
        reason=reason.encode("utf-8", "backslashreplace").decode("utf-8"),
        split=source.split,
        label=source.label,
    )


def variant_suffix(index: int, count: int) -> str:
    """Return what tells a variant's file name from its siblings': "-v05"."""
    return f"-v{index:0{max(2, len(str(count - 1)))}d}"


def output_format(wanted: str, header: Header) -> str:
    """Return the format of a result: the wanted one; for "same" the source's, or PNG."""
    if wanted != "same":
        return wanted
    return header.kind if header.kind in EXTENSIONS else "png"


def format_by_name(wanted: str, key: str) -> str:
    """Return what `output_format` will be, if the source is what its name says."""
    if wanted != "same":
        return wanted
    name = key.lower()
    return next(
        (kind for kind, extensions in EXTENSIONS.items() if name.endswith(extensions)), "png"
    )


def _reason(error: Exception) -> str:
    """Return in words what nobody foresaw."""
    if isinstance(error, MemoryError) or (
        isinstance(error, cv2.error) and error.code == _INSUFFICIENT_MEMORY
    ):
        return "not enough memory for this image"
    text = " ".join(str(error).split())
    return f"unexpected {type(error).__name__}: {text}" if text else type(error).__name__


def _named_as_image(key: str) -> bool:
    dot = key.rfind(".", key.rfind("/") + 1)
    return dot >= 0 and key[dot:].lower() in IMAGE_EXTENSIONS


def _no_image_by_name(key: str) -> str | None:
    """Return why a file is passed over unread, or None."""
    folders, _, name = key.rpartition("/")
    if name.startswith("._") or "__MACOSX" in folders.split("/"):
        return "a side file of macOS"
    if name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        return "a side file of the operating system"
    return None
