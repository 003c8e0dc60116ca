"""Normal files as a kind of job: upright, sRGB, 8 bits, JPEG or PNG, without metadata.

A file that is so already is not compressed again: its pixels are checked, its metadata is cut out.
Annotations move along as in every run. Status "copied" in the manifest says that a file kept its
coded pixels, "output" that it was encoded.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from variegate.codecs import EXTENSIONS, Header, decode, probe, with_exif, without_metadata
from variegate.datasets.prepare.names import without_extension
from variegate.errors import ImageError
from variegate.formats import Item, Source
from variegate.recipes.recipe import Recipe
from variegate.runs.render import Rendered, Renderer
from variegate.runs.rows import Row
from variegate.runs.worker import Result, Worker

KINDS_WRITTEN = ("auto", "jpeg", "png")
# Of these most files are photos that have been compressed with loss already.
_LOSSY = frozenset(("jpeg", "webp", "heif", "avif", "jp2"))


@dataclass(frozen=True, slots=True)
class Cleaner(Worker):
    """Writes every image that was decided to be kept, under the name that it was given.

    The job's options: `kind`, one of `KINDS_WRITTEN`; `longest_side`, 0 for any; `keep_metadata`.
    """

    def results(self, source: Source, data: bytes) -> Iterator[Result]:
        yield self._cleaned(source, data)

    def result_again(self, source: Source, data: bytes, row: Row) -> Result:
        assert row.output is not None
        target = without_extension(row.output)
        return self._cleaned(replace(source, label=row.label, target=target), data)

    def discard(self, source: Source) -> None:
        if source.target is None:
            return
        for kind in KINDS_WRITTEN[1:]:
            key = source.target + EXTENSIONS[kind][0]
            for one in (key, *self.annotations.sidecar_keys(source, key)):
                self.output.delete(one)

    def _notes(self, source: Source, data: bytes) -> Iterator[str]:
        yield from Worker._notes(self, source, data)
        frames = probe(data, self.limits).frames
        if frames > 1:
            yield f"{frames:,} frames or pages; the first is kept"

    def _cleaned(self, source: Source, data: bytes) -> Result:
        if source.target is None:
            raise ImageError("it is an image now, and was none when the heap was audited")
        header = probe(data, self.limits)
        kind = self._kind(header, data)
        (done,) = self._renderer(header).variants(source, data, kind)
        own = done.encoded is data
        key = source.target + EXTENSIONS[kind][0]
        annotation, masks = self.annotations.result(source, done.targets, done.size, key)
        item = Item(
            key=key,
            split=source.split,
            label=source.label,
            size=done.size,
            annotation=annotation,
            masks=masks,
            source=source.key,
        )
        drawn = [one.to_json() for one in done.variant.drawn]
        return Result(
            item=item,
            content=self._content(done, data, kind, own=own),
            sidecars=self.annotations.sidecars(item),
            status="copied" if own else "output",
            columns={"name": done.variant.name, "operations": json.dumps(drawn)},
        )

    def _content(self, done: Rendered, data: bytes, kind: str, *, own: bool) -> bytes:
        if not self.options.get("keep_metadata"):
            return without_metadata(data, kind) if own else done.encoded
        return data if own else with_exif(done.encoded, kind, data)

    def _kind(self, header: Header, data: bytes) -> str:
        """Return the kind of file that is written."""
        wanted = str(self.options.get("kind", "auto"))
        if wanted != "auto":
            return wanted
        if header.kind == "jpeg":
            return "jpeg"
        if header.kind not in _LOSSY:
            return "png"
        # What is transparent stays so.
        alpha = decode(data, limits=self.limits, keep_alpha=True).shape[2:] == (4,)
        return "png" if alpha else "jpeg"

    def _renderer(self, header: Header) -> Renderer:
        """Return what makes the result: smaller images are not enlarged."""
        longest = int(self.options.get("longest_side", 0))
        recipe = self.recipe
        if longest and max(header.height, header.width) > longest:
            step = {"longest_side": {"size": longest}}
            recipe = Recipe.from_data({**recipe.to_data(), "variants": step})
        return Renderer(recipe, self.input, self.limits, self.annotations)
