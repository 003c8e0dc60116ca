"""From one source to its results, in memory: decode, plan, execute, encode; labels along."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from variegate.annotations.sample import Image, Sample, Size
from variegate.annotations.targets import Targets
from variegate.codecs import Header, Limits, decode, encode, probe
from variegate.errors import ImageError, InputError, ShapeError
from variegate.formats import Source
from variegate.ops.matrices import scaling
from variegate.ops.warp import Warp
from variegate.recipes.plan import Variant, execute, repeated
from variegate.recipes.recipe import Recipe
from variegate.runs.annotate import AnnotationWriter
from variegate.storage import Storage
from variegate.transforms.base import Draw

_ALPHA_FORMATS = ("png", "webp")


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
        labeller: what is known of them.
    """

    recipe: Recipe
    input: Storage
    limits: Limits
    annotation_writer: AnnotationWriter

    def variants(
        self, source: Source, data: bytes, file_format: str, *, only: int | None = None
    ) -> Iterator[Rendered]:
        """Yield variants, encoded, each as soon as it can be had.

        Args:
            source: whose.
            data: its file.
            file_format: of the results.
            only: this one alone.
        """
        header = probe(data, self.limits)
        partners = _Partners(self, source, file_format)
        planned = partners.plan((header.height, header.width))
        if only is not None:
            planned = [variant for variant in planned if variant.index == only]
        yield from self._executed(source, data, header, file_format, planned, partners)

    def again(
        self, source: Source, data: bytes, file_format: str, drawn: tuple[Draw, ...], index: int
    ) -> Rendered:
        """Make one variant whose draws are known."""
        header = probe(data, self.limits)
        partners = _Partners(self, source, file_format)
        planned = [repeated(drawn, index=index, size=(header.height, header.width))]
        return next(self._executed(source, data, header, file_format, planned, partners))

    def variant(self, source: Source, index: int) -> Sample:
        """Return one variant as it is before it is encoded.

        Raises:
            ImageError: the source cannot be read as an image.
        """
        data = self.input.read(source.key, limit=self.limits.max_bytes)
        header = probe(data, self.limits)
        partners = _Partners(self, source, "png")
        planned = [v for v in partners.plan((header.height, header.width)) if v.index == index]
        return next(self._samples(source, data, header, "png", planned, partners))[1]

    def sample(self, source: Source, file_format: str) -> Sample:
        """Return a source as it was photographed, with its labels."""
        data = self.input.read(source.key, limit=self.limits.max_bytes)
        image = self._decoded(data, file_format, 1)
        orientation = probe(data, self.limits).orientation
        targets = self.annotation_writer.targets(
            source, (image.shape[0], image.shape[1]), orientation
        )
        return Sample(image, source.shares, targets)

    def _executed(
        self,
        source: Source,
        data: bytes,
        header: Header,
        file_format: str,
        planned: list[Variant],
        partners: "_Partners",
    ) -> Iterator[Rendered]:
        made = self._samples(source, data, header, file_format, planned, partners)
        for variant, sample in made:
            encoded = self._encoded(sample.image, variant, file_format)
            done = Rendered(variant, encoded, sample.size, sample.labels, sample.targets)
            # While the next one is made, this one's pixels are not needed any more.
            del sample
            yield done

    def _samples(
        self,
        source: Source,
        data: bytes,
        header: Header,
        file_format: str,
        planned: list[Variant],
        partners: "_Partners",
    ) -> Iterator[tuple[Variant, Sample]]:
        size = (header.height, header.width)
        known = self.annotation_writer.targets(source, size, header.orientation)

        def load(times: int) -> Sample:
            image = self._decoded(data, file_format, times)
            targets = known
            if times > 1 and known is not None:
                targets = _reduced(known, size, (image.shape[0], image.shape[1]))
            return Sample(image, source.shares, targets)

        # A mask decoded at full size cannot follow an image that is decoded smaller.
        reducible = header.reducible and not (known and known.layers)
        return execute(planned, load, size=size, reducible=reducible, partner=partners.sample)

    def _decoded(self, data: bytes, file_format: str, times: int) -> Image:
        keep_alpha = self.recipe.output.alpha == "keep" and file_format in _ALPHA_FORMATS
        return decode(data, limits=self.limits, keep_alpha=keep_alpha, reduce=times)

    def _encoded(self, image: Image, variant: Variant, file_format: str) -> bytes:
        output = self.recipe.output
        try:
            return encode(
                image, format=file_format, quality=output.quality, subsampling=output.subsampling
            )
        except ShapeError as error:
            raise ImageError(f"variant {variant.index}: {error}") from error


class _Partners:
    """The other images of which results of one source may be made.

    One that cannot be read costs no other image: it is left out, and the results are drawn anew
    from those that can.
    """

    def __init__(self, renderer: Renderer, source: Source, file_format: str) -> None:
        self._renderer = renderer
        self._source = source
        self._format = file_format
        self._readable = {one.key: one for one in source.partners}
        self._samples: dict[str, Sample] = {}

    def plan(self, size: Size) -> list[Variant]:
        """Draw the variants of a source of (height, width) `size`."""
        while True:
            pool = list(self._readable)
            planned = self._renderer.recipe.plan(key=self._source.key, size=size, pool=pool)
            wanted = {key for variant in planned for key in variant.parents}
            broken = [key for key in sorted(wanted) if not self._can_read(key)]
            if not broken:
                return planned
            for key in broken:
                del self._readable[key]

    def sample(self, key: str) -> Sample:
        """Return one of the others."""
        if key not in self._samples:
            self._samples[key] = self._renderer.sample(self._readable[key], self._format)
        return self._samples[key]

    def _can_read(self, key: str) -> bool:
        try:
            self.sample(key)
        except (ImageError, InputError):
            return False
        return True


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
