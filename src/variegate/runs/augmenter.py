"""Augmentation: what a worker makes of each source, by the recipe."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from variegate.annotations.annotation import Annotation
from variegate.annotations.sample import Size
from variegate.annotations.targets import Mask, Targets
from variegate.codecs import EXTENSIONS, Header, probe
from variegate.errors import ImageError
from variegate.formats import Item, Source
from variegate.recipes.forbidden import steps_for
from variegate.runs.job import Job
from variegate.runs.render import Rendered, Renderer
from variegate.runs.rows import Row
from variegate.runs.variant_choice import classes_of, is_chosen, variants_of
from variegate.runs.worker import Result, Worker, worker_of
from variegate.storage import key_to_text
from variegate.storage.json import dumped
from variegate.transforms.base import Draw


@dataclass(frozen=True, slots=True)
class Augmenter(Worker):
    """Makes the variants of every training image, or of some classes; others are copied."""

    def _notes(self, source: Source, data: bytes) -> Iterator[str]:
        yield from Worker._notes(self, source, data)
        steps = steps_for(self.recipe.forbid, classes_of(source))
        if steps and not self._is_copied(source):
            yield f"forbidden for its classes: {', '.join(sorted(steps))}"

    def results(self, source: Source, data: bytes) -> Iterator[Result]:
        if self._is_copied(source):
            yield self._copied(source, data)
            return
        file_format = self._format(source, data)
        only = variants_of(self.options, self.recipe, source)
        # A source's faults are told once.
        first = min(only, default=0) if only is not None else 0
        for done in self.renderer.variants(source, data, file_format, only=only):
            tells = done.variant.index == first
            yield self._made(source, done, file_format, tells=tells)

    def result_again(self, source: Source, data: bytes, row: Row) -> Result:
        if row.status == "copied":
            return self._copied(source, data)
        file_format = self._format(source, data)
        drawn = tuple(Draw.from_json(one) for one in json.loads(row.operations or "[]"))
        done = self.renderer.again(source, data, file_format, drawn, row.variant or 0)
        return self._made(source, done, file_format)

    def decodes(self, source: Source, header: Header) -> bool:
        return not self._is_copied(source)

    def discard(self, source: Source) -> None:
        if self._is_copied(source):
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

    def variants(
        self, source: Source, data: bytes, *, only: int | None = None
    ) -> Iterator[Rendered]:
        """Yield variants, encoded, each as soon as it can be had; nothing is written."""
        chosen = variants_of(self.options, self.recipe, source) if only is None else (only,)
        yield from self.renderer.variants(source, data, self._format(source, data), only=chosen)

    def targets_as_written(self, source: Source, done: Rendered) -> Targets | None:
        """Return what will be known of a result to whoever reads its annotation."""
        annotation, masks = self.annotations.result(source, done.targets, done.size, source.key)
        written = replace(source, annotation=annotation)
        return self.annotations.targets(written, done.size, load_mask=masks.__getitem__)

    @property
    def renderer(self) -> Renderer:
        """What makes results in memory."""
        objects = bool(self.options.get("objects"))
        return Renderer(self.recipe, self.input, self.limits, self.annotations, objects)

    def _is_copied(self, source: Source) -> bool:
        return (self.splits and source.split != "train") or not is_chosen(self.recipe, source)

    def _copied(self, source: Source, data: bytes) -> Result:
        header = probe(data, self.limits)
        size, masks = (header.height, header.width), self.annotations.unchanged(source)
        item = _item(source, source.key, size, source.annotation, masks)
        return Result(item=item, content=data, sidecars=self.annotations.sidecars(item))

    def _made(
        self, source: Source, done: Rendered, file_format: str, *, tells: bool = True
    ) -> Result:
        variant = done.variant
        key = self._key(source.key, variant.index, file_format)
        known = self.annotations.result(source, done.targets, done.size, key)
        item = _item(source, key, done.size, *known)
        columns = {
            "variant": variant.index,
            "name": variant.name,
            "operations": _as_text([one.to_json() for one in variant.drawn]),
        }
        if done.labels and done.labels != source.shares:
            columns["labels"] = json.dumps(done.labels)
        if not tells:
            columns["problems"] = None
        return Result(
            item=item,
            content=done.encoded,
            sidecars=self.annotations.sidecars(item),
            status="output",
            columns=columns,
        )

    def _format(self, source: Source, data: bytes) -> str:
        """Return the format of a source's results: for "same" the source's, or PNG."""
        kind, wanted = probe(data, self.limits).kind, self.recipe.output.format
        own = kind if kind in EXTENSIONS else "png"
        file_format = own if wanted == "same" else wanted
        self._check_name(source.key, file_format)
        return file_format

    def _delete(self, source: Source, key: str) -> None:
        """Delete one result, if it is there, and what belongs to it."""
        for one in (key, *self.annotations.sidecar_keys(source, key)):
            self.output.delete(one)

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
        if self.splits or self.recipe.classes:
            count = range(self.recipe.count())
            others += [self._key(key, index, file_format) for index in count]
        for other in others:
            if self.input.exists(other):
                raise ImageError(
                    f"its content is {file_format}, which its name does not say, and its results "
                    f"could be called like those of {key_to_text(other)!r}; rename one of them"
                )


def _item(
    source: Source, key: str, size: Size, annotation: Annotation | None, masks: Mapping[str, Mask]
) -> Item:
    """Return a result as a writer sees it."""
    return Item(
        key=key,
        split=source.split,
        label=source.label,
        size=size,
        annotation=annotation,
        masks=masks,
        source=source.key,
    )


def variant_suffix(index: int, count: int) -> str:
    """Return what tells a variant's file name from its siblings': "-v05"."""
    return f"-v{index:0{max(2, len(str(count - 1)))}d}"


def format_by_name(wanted: str, key: str) -> str:
    """Return the format of a source's results, if the source is what its name says."""
    if wanted != "same":
        return wanted
    name = key.lower()
    return next(
        (kind for kind, extensions in EXTENSIONS.items() if name.endswith(extensions)), "png"
    )


def make_variants(job: Job, source: Source, *, only: int | None = None) -> Iterator[Rendered]:
    """Make all results of a source, or one, in memory: nothing is written.

    Raises:
        ImageError: the source cannot be read as an image.
    """
    augmenter = _augmenter(job)
    data = augmenter.input.read(source.key, limit=job.limits.max_bytes)
    yield from augmenter.variants(source, data, only=only)


def targets_of(job: Job, source: Source, made: Rendered | None = None) -> Targets | None:
    """Return what is known of a source, or what its result `made` will be said to show.

    Raises:
        ImageError: the source's annotation does not fit it.
    """
    augmenter = _augmenter(job)
    if made is not None:
        return augmenter.targets_as_written(source, made)
    header = probe(augmenter.input.read(source.key, limit=job.limits.max_bytes), job.limits)
    size = (header.height, header.width)
    return augmenter.annotations.targets(source, size, header.orientation)


def _augmenter(job: Job) -> Augmenter:
    worker = worker_of(job)
    assert isinstance(worker, Augmenter)
    return worker


def _as_text(drawn: list[dict[str, Any]]) -> str:
    """Return what was drawn as JSON."""
    try:
        return dumped(drawn).decode()
    except TypeError:
        # numpy's numbers, of a plug-in, are floats to the standard library alone.
        return json.dumps(drawn)
