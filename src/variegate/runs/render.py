"""From one source to its results, in memory: decode, plan, execute, encode; labels along."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from variegate.annotations.sample import Image, Sample, Size
from variegate.annotations.targets import Targets
from variegate.codecs import Limits, compression_of, decode, encode, is_plain, probe
from variegate.errors import ImageError, InputError, ShapeError
from variegate.formats import Source
from variegate.ops.matrices import scaling
from variegate.ops.warp import Warp
from variegate.recipes.forbidden import NOTHING_FORBIDDEN, steps_for
from variegate.recipes.plan import Variant, execute, repeated
from variegate.recipes.recipe import Recipe
from variegate.runs.annotate import AnnotationWriter
from variegate.runs.variant_choice import classes_of
from variegate.storage import Storage
from variegate.transforms.base import Draw

_ALPHA_FORMATS = ("png", "webp")
# Of results that are to be "same" as a source that is no JPEG file.
_QUALITY = 95
_SUBSAMPLING = "4:2:0"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One result, before it is written.

    Attributes:
        variant: which one.
        encoded: its file.
        size: (height, width).
        labels: classes of the image, each with its share.
        targets: what else is known of it.
    """

    variant: Variant
    encoded: bytes
    size: Size
    labels: Mapping[str, float]
    targets: Targets | None


@dataclass(frozen=True, slots=True)
class Renderer:
    """Makes results of sources.

    Attributes:
        recipe: what is made of each.
        input: where they are.
        limits: for decoding.
        annotation_writer: reads what is known of them.
        objects: whether the dataset has objects, of which no border may show copies.
    """

    recipe: Recipe
    input: Storage
    limits: Limits
    annotation_writer: AnnotationWriter
    objects: bool = False

    def variants(
        self,
        source: Source,
        data: bytes,
        file_format: str,
        *,
        only: Collection[int] | None = None,
    ) -> Iterator[Rendered]:
        """Yield variants, encoded, each as soon as it can be had.

        Args:
            source: whose.
            data: its file.
            file_format: of the results.
            only: these alone; None for all.
        """
        rendering = _Rendering(self, source, data, file_format)
        planned = [one for one in rendering.plan() if only is None or one.index in only]
        yield from rendering.encoded(planned)

    def in_turns(
        self, source: Source, data: bytes, file_format: str, turns: Iterable[Collection[int]]
    ) -> Iterator[list[Rendered]]:
        """Yield the variants of each turn, by their numbers.

        Args:
            source, data, file_format: as for `variants`.
            turns: numbers of variants; asked for one turn after the other, so that those that are
                to come may depend on what was made.
        """
        rendering = _Rendering(self, source, data, file_format)
        planned = rendering.plan()
        for turn in turns:
            made = rendering.encoded([one for one in planned if one.index in turn])
            yield sorted(made, key=lambda one: one.variant.index)

    def again(
        self, source: Source, data: bytes, file_format: str, drawn: tuple[Draw, ...], index: int
    ) -> Rendered:
        """Make one variant whose draws are known."""
        rendering = _Rendering(self, source, data, file_format)
        return next(rendering.encoded([repeated(drawn, index=index, size=rendering.size)]))

    def variant(self, source: Source, index: int) -> Sample:
        """Return one variant as it is before it is encoded.

        Raises:
            ImageError: the source cannot be read as an image.
        """
        data = self.input.read(source.key, limit=self.limits.max_bytes)
        rendering = _Rendering(self, source, data, "png")
        return next(rendering.samples(rendering.plan(index)))[1]

    def sample(self, source: Source, file_format: str) -> Sample:
        """Return a source as it was photographed, with its labels."""
        data = self.input.read(source.key, limit=self.limits.max_bytes)
        image = self.decoded(data, file_format)
        orientation = probe(data, self.limits).orientation
        targets = self.annotation_writer.targets(
            source, (image.shape[0], image.shape[1]), orientation
        )
        return Sample(image, source.shares, targets)

    def decoded(self, data: bytes, file_format: str, times: int = 1) -> Image:
        """Decode an image for results of a format, `times` smaller."""
        keep_alpha = self.recipe.output.alpha == "keep" and file_format in _ALPHA_FORMATS
        return decode(data, limits=self.limits, keep_alpha=keep_alpha, reduce=times)


class _Rendering:
    """The results of one source, and the other images of which they may be made.

    One of those that cannot be read costs no other image: it is left out, and the results are drawn
    anew from those that can.
    """

    def __init__(self, renderer: Renderer, source: Source, data: bytes, file_format: str) -> None:
        self._renderer = renderer
        self._source = source
        self._data = data
        self._format = file_format
        self._header = probe(data, renderer.limits)
        self.size = (self._header.height, self._header.width)
        self._readable = {one.key: one for one in source.partners}
        self._partners: dict[str, Sample] = {}

    def plan(self, only: int | None = None) -> list[Variant]:
        """Draw the variants, or the one of an index."""
        recipe, images = self._renderer.recipe, (self._source, *self._source.partners)
        forbidden = (
            {one.key: steps_for(recipe.forbid, classes_of(one)) for one in images}
            if recipe.forbid
            else NOTHING_FORBIDDEN
        )
        while True:
            pool = list(self._readable)
            bare = {key for key, one in self._readable.items() if not _has_objects(one)}
            planned = recipe.plan(
                key=self._source.key,
                size=self.size,
                pool=pool,
                bare=bare,
                objects=self._renderer.objects,
                placed=self._renderer.objects or _has_mask(self._source),
                mirrors=self._renderer.annotation_writer.mirrors,
                forbidden=forbidden,
                only=only,
            )
            wanted = {key for variant in planned for key in variant.parents}
            broken = [key for key in sorted(wanted) if not self._can_read(key)]
            if not broken:
                return planned
            for key in broken:
                del self._readable[key]

    def samples(self, planned: list[Variant]) -> Iterator[tuple[Variant, Sample]]:
        """Yield variants with what comes of them."""
        header, source = self._header, self._source
        self._check_sizes(planned)
        known = self._renderer.annotation_writer.targets(source, self.size, header.orientation)

        def load(times: int) -> Sample:
            image = self._renderer.decoded(self._data, self._format, times)
            targets = known
            if times > 1 and known is not None:
                targets = _reduced(known, self.size, (image.shape[0], image.shape[1]))
            return Sample(image, source.shares, targets)

        # A mask decoded at full size cannot follow an image that is decoded smaller.
        reducible = header.reducible and not (known and known.layers)
        return execute(planned, load, size=self.size, reducible=reducible, partner=self._partner)

    def _check_sizes(self, planned: list[Variant]) -> None:
        """Make sure that no result, and nothing on the way to one, is larger than an input may be.

        Raises:
            LimitError: it would be; no memory was asked for.
        """
        for variant in planned:
            size = self.size
            for operation in variant.operations:
                size = operation.output_size(size)
                if size != self.size:
                    what = f"variant {variant.index} ({variant.name})"
                    self._renderer.limits.check_size(*size, what)

    def encoded(self, planned: list[Variant]) -> Iterator[Rendered]:
        """Yield variants, encoded, each as soon as it can be had."""
        for variant, sample in self.samples(planned):
            # What nothing is done to is the source's own file, where that can be.
            own = not variant.operations and self._can_be_copied
            encoded = self._data if own else self._encoded(sample.image, variant)
            done = Rendered(variant, encoded, sample.size, sample.labels, sample.targets)
            # While the next one is made, this one's pixels are not needed any more.
            del sample
            yield done

    @cached_property
    def _can_be_copied(self) -> bool:
        """Whether the source's own file shows what would be encoded, in the same format."""
        if self._header.kind != self._format:
            return False
        whitened = self._renderer.recipe.output.alpha == "white" and self._format in _ALPHA_FORMATS
        return not whitened and is_plain(self._data, self._renderer.limits)

    def _encoded(self, image: Image, variant: Variant) -> bytes:
        try:
            return encode(image, format=self._format, **self._encoding)
        except ShapeError as error:
            raise ImageError(f"variant {variant.index}: {error}") from error

    @cached_property
    def _encoding(self) -> dict[str, Any]:
        """How results are encoded: as the recipe says, or as the source was."""
        output = self._renderer.recipe.output
        quality, subsampling = output.quality, output.subsampling
        usual: dict[str, Any] = {
            "quality": _QUALITY if quality == "same" else quality,
            "subsampling": _SUBSAMPLING if subsampling == "same" else subsampling,
        }
        own = compression_of(self._data) if "same" in (quality, subsampling) else None
        if own is None:
            return usual
        if quality == "same":
            usual["tables"] = own.tables
        if subsampling == "same" and own.subsampling is not None:
            usual["subsampling"] = own.subsampling
        return usual

    def _partner(self, key: str) -> Sample:
        if key not in self._partners:
            self._partners[key] = self._renderer.sample(self._readable[key], self._format)
        return self._partners[key]

    def _can_read(self, key: str) -> bool:
        try:
            self._partner(key)
        except (ImageError, InputError):
            return False
        return True


def _has_mask(source: Source) -> bool:
    return source.annotation is not None and source.annotation.mask_file is not None


def _has_objects(source: Source) -> bool:
    return source.annotation is not None and bool(source.annotation.objects)


def _reduced(targets: Targets, size: Size, reduced: Size) -> Targets:
    """Return the targets of an image of `size` on a smaller copy of it."""
    shrink = Warp.of(scaling(reduced[1] / size[1], reduced[0] / size[0]), reduced)
    return targets.moved(
        points=shrink.move_points,
        straight=True,
        mirrored=False,
        mask=shrink.move_mask,
        size=reduced,
    )
