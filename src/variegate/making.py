"""All results of one source: read, plan, execute, encode, write, and say what became of it."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2

from variegate.codecs import (
    EXTENSIONS,
    IMAGE_ENDINGS,
    Header,
    Limits,
    decode,
    encode,
    kind_of,
    probe,
)
from variegate.errors import InputError, PictureError, ShapeError, UsageError
from variegate.formats import Source, output_key
from variegate.manifest import Counts, Row, Status
from variegate.plan import Variant, execute
from variegate.recipes import Recipe
from variegate.sample import Sample
from variegate.storage import Storage, key_to_text, open_storage

_log = logging.getLogger(__name__)

_ALPHA_FORMATS = ("png", "webp")

# So much of a file whose name promises no picture is read to see whether it is one all the same.
_HEAD_BYTES = 1 << 20

_INSUFFICIENT_MEMORY = -4  # cv2.error.code


@dataclass(frozen=True, slots=True)
class Maker:
    """A job, made ready to work on sources.

    Attributes:
        recipe: what is made of each.
        input: where they are.
        output: where the results go.
        splits: whether the data set has splits; then only "train" is augmented.
        limits: larger pictures are quarantined.
    """

    recipe: Recipe
    input: Storage
    output: Storage
    splits: bool
    limits: Limits

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
            if (why := source.skip or _no_picture_by_name(source.key)) is not None:
                return [without_output(number, source, "skipped", why)]
            if source.unusable is not None:
                return [without_output(number, source, "quarantined", source.unusable)]
            data = self._read(source)
            if data is None:
                return [without_output(number, source, "skipped", "not a picture")]
            for row in self._results(number, source, data):
                rows.append(row)
                tell(Counts(outputs=1, bytes=row.bytes or 0))
            return sorted(rows, key=lambda row: row.variant or 0)
        except (PictureError, InputError) as error:
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
        tell(Counts(outputs=-len(rows), bytes=-sum(row.bytes or 0 for row in rows)))
        return [without_output(number, source, "quarantined", reason)]

    def variants(
        self, source: Source, data: bytes, *, only: int | None = None
    ) -> Iterator[tuple[Variant, bytes, str]]:
        """Yield variants, encoded, with their format, each as soon as it can be had."""
        header = probe(data, self.limits)
        size = (header.height, header.width)
        output = self.recipe.output
        file_format = output_format(output.format, header)
        self._check_name(source.key, file_format)
        keep_alpha = output.alpha == "keep" and file_format in _ALPHA_FORMATS

        def load(times: int) -> Sample:
            image = decode(data, limits=self.limits, keep_alpha=keep_alpha, reduce=times)
            return Sample(image, source.label)

        planned = self.recipe.plan(key=source.key, size=size)
        if only is not None:
            planned = [variant for variant in planned if variant.index == only]
        for variant, sample in execute(planned, load, size=size, reducible=header.reducible):
            try:
                encoded = encode(
                    sample.image,
                    format=file_format,
                    quality=output.quality,
                    subsampling=output.subsampling,
                )
            except ShapeError as error:
                raise PictureError(f"variant {variant.index}: {error}") from error
            # While the next one is made, this one's pixels are not needed any more.
            del sample
            yield variant, encoded, file_format

    def discard(self, source: Source) -> None:
        """Delete whatever was written of a source that is quarantined in the end."""
        if self.splits and source.split != "train":
            self.output.delete(source.key)
            return
        wanted = self.recipe.output.format
        for file_format in EXTENSIONS if wanted == "same" else (wanted,):
            try:
                self._check_name(source.key, file_format)
            except PictureError:
                continue
            for index in range(self.recipe.count()):
                self.output.delete(self._key(source.key, index, file_format))

    def _read(self, source: Source) -> bytes | None:
        """Return the content of a picture, however broken; None for what never was one."""
        if not _named_as_picture(source.key):
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
        header = probe(data, self.limits)
        self.output.write(source.key, data)
        digest = hashlib.sha256(data).hexdigest()
        return Row(
            source=number,
            key=source.key,
            status="copied",
            source_sha256=digest,
            split=source.split,
            label=source.label,
            output=source.key,
            sha256=digest,
            bytes=len(data),
            height=header.height,
            width=header.width,
        )

    def _made(self, number: int, source: Source, data: bytes) -> Iterator[Row]:
        """Make, write and record all variants of a source."""
        digest = hashlib.sha256(data).hexdigest()
        for variant, encoded, file_format in self.variants(source, data):
            key = self._key(source.key, variant.index, file_format)
            self.output.write(key, encoded)
            yield Row(
                source=number,
                key=source.key,
                status="output",
                source_sha256=digest,
                split=source.split,
                label=source.label,
                variant=variant.index,
                name=variant.name,
                operations=json.dumps([one.to_json() for one in variant.drawn]),
                output=key,
                sha256=hashlib.sha256(encoded).hexdigest(),
                bytes=len(encoded),
                height=variant.size[0],
                width=variant.size[1],
            )

    def _key(self, key: str, index: int, file_format: str) -> str:
        endings = EXTENSIONS[file_format]
        suffix = variant_suffix(index, self.recipe.count())
        return output_key(key, suffix=suffix, ending=endings[0], own_endings=endings)

    def _check_name(self, key: str, file_format: str) -> None:
        """Make sure that no other source has a claim to the results' names.

        Names were compared when the run began, with the formats that they promise. A JPEG that is
        called ``x.png`` becomes ``x.png-v00.jpg``, which may be what ``x.png.jpg`` becomes.

        Raises:
            PictureError: another one has.
        """
        if file_format == format_by_name(self.recipe.output.format, key):
            return
        others = [key + EXTENSIONS[file_format][0]]
        if self.splits:
            count = range(self.recipe.count())
            others += [self._key(key, index, file_format) for index in count]
        for other in others:
            if self.input.exists(other):
                raise PictureError(
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
    return next((kind for kind, endings in EXTENSIONS.items() if name.endswith(endings)), "png")


def _reason(error: Exception) -> str:
    """Return in words what nobody foresaw."""
    if isinstance(error, MemoryError) or (
        isinstance(error, cv2.error) and error.code == _INSUFFICIENT_MEMORY
    ):
        return "not enough memory for this picture"
    text = " ".join(str(error).split())
    return f"unexpected {type(error).__name__}: {text}" if text else type(error).__name__


def _named_as_picture(key: str) -> bool:
    dot = key.rfind(".", key.rfind("/") + 1)
    return dot >= 0 and key[dot:].lower() in IMAGE_ENDINGS


def _no_picture_by_name(key: str) -> str | None:
    """Return why a file is passed over unread, or None."""
    folders, _, name = key.rpartition("/")
    if name.startswith("._") or "__MACOSX" in folders.split("/"):
        return "a side file of macOS"
    if name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        return "a side file of the operating system"
    return None
