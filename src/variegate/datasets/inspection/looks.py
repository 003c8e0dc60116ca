"""One look at a file: an image's header, or all of it; a mask's values; boxes around masks."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from variegate.annotations.boxes import Box
from variegate.codecs import Header, Limits, decode, decode_mask, faults_of, lossy_mask, probe
from variegate.datasets.inspection.pixel_format import PixelFormat, pixel_format_of
from variegate.errors import ImageError, InputError
from variegate.formats import Source
from variegate.formats.image_size import HEAD_BYTES, read_header
from variegate.runs.annotate import AnnotationWriter
from variegate.runs.file_notes import gray_levels
from variegate.storage import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLook:
    """What was seen of an image.

    Attributes:
        header: None where it cannot be read.
        pixels: what it says of them, if it does.
        head: digest of the file's first 16 kB.
        levels: gray levels that the decoded image has.
        faults: what is wrong with the file and costs no pixel, a clause each; of decoded images.
        fault: why a run would quarantine it.
        mask_boxes: by the number of an object with a box and a mask in a file, the mask's bounds.
    """

    header: Header | None = None
    pixels: PixelFormat | None = None
    head: bytes = b""
    levels: int | None = None
    faults: tuple[str, ...] = ()
    fault: str | None = None
    mask_boxes: dict[int, Box] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskLook:
    """What was seen of a mask.

    Attributes:
        pixels: by value.
        colored: its values are colors, R + 256 G + 65536 B.
        lossy: what does not keep its values, such as "JPEG".
        fault: why it cannot be read.
    """

    pixels: dict[int, int] = field(default_factory=dict)
    colored: bool = False
    lossy: str | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Looker:
    """Looks at files; several threads may share it.

    Attributes:
        storage: where they are.
        limits: for headers and pixels.
        annotations: decodes every image and tries its annotation on it, as a run does; None to
            read headers alone.
    """

    storage: Storage
    limits: Limits
    annotations: AnnotationWriter | None = None

    def image(self, source: Source) -> ImageLook:
        """Look at an image."""
        try:
            data, header = self._read(source.key)
        except (ImageError, InputError) as error:
            return ImageLook(fault=str(error))
        levels, faults, fault = None, tuple[str, ...](), None
        pixels = pixel_format_of(header.kind, data)
        if self.annotations is not None:
            try:
                levels = self._decoded(source, data, header.orientation)
                faults = faults_of(data, self.limits)
            except (ImageError, InputError) as error:
                fault = str(error)
        return ImageLook(
            header=header,
            pixels=pixels,
            head=hashlib.blake2b(data[:HEAD_BYTES], digest_size=16).digest(),
            levels=levels,
            faults=faults,
            fault=fault,
            mask_boxes=self._mask_boxes(source),
        )

    def mask(self, source: Source) -> MaskLook:
        """Look at a mask."""
        try:
            data = self.storage.read(source.key, limit=self.limits.max_bytes)
            lossy = lossy_mask(data)
            mask = _stored(data, self.limits) if lossy else decode_mask(data, self.limits)
        except (ImageError, InputError) as error:
            return MaskLook(fault=str(error))
        return MaskLook(
            pixels=_pixels_by_value(mask),
            colored=mask.dtype == np.uint32,
            lossy=lossy,
        )

    def levels(self, key: str) -> int | None:
        """Return how many levels a decoded image has, or None where it cannot be decoded."""
        try:
            data = self.storage.read(key, limit=self.limits.max_bytes)
            return gray_levels(data, self.limits)
        except (ImageError, InputError):
            return None

    def _read(self, key: str) -> tuple[bytes, Header]:
        """Return a file, or its beginning with all of the header, and the header."""
        if self.annotations is not None:
            data = self.storage.read(key, limit=self.limits.max_bytes)
            return data, probe(data, self.limits)
        return read_header(self.storage, key, self.limits)

    def _decoded(self, source: Source, data: bytes, orientation: int) -> int:
        image = decode(data, limits=self.limits)
        assert self.annotations is not None
        self.annotations.targets(source, (image.shape[0], image.shape[1]), orientation)
        return int(np.count_nonzero(np.bincount(image.ravel(), minlength=256)))

    def _mask(self, key: str) -> np.ndarray:
        return decode_mask(self.storage.read(key, limit=self.limits.max_bytes), self.limits)

    def _mask_boxes(self, source: Source) -> dict[int, Box]:
        """Return the bounds of masks in files; those that cannot be read are seen as masks."""
        objects = source.annotation.objects if source.annotation else ()
        boxes, masks = dict[int, Box](), dict[str, np.ndarray]()
        for number, one in enumerate(objects):
            if one.box is None or one.mask_file is None:
                continue
            try:
                if one.mask_file not in masks:
                    masks[one.mask_file] = self._mask(one.mask_file)
            except (ImageError, InputError):
                continue
            values = masks[one.mask_file]
            where = values > 0 if one.mask_value is None else values == one.mask_value
            rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
            if len(rows):
                left, right = int(columns[0]), int(columns[-1]) + 1
                boxes[number] = (left, int(rows[0]), right, int(rows[-1]) + 1)
        return boxes


Look = ImageLook | MaskLook | None
Task = Callable[[Source], Look]


def looked_at(
    sources: Iterable[Source], task_of: Callable[[Source], Task | None], *, threads: int
) -> Iterator[tuple[Source, Look]]:
    """Yield sources, in their order, each with what was seen of it.

    Args:
        sources: files of the dataset.
        task_of: returns how to look at one; None where there is nothing to look at.
        threads: that look; 1 for none but this one.
    """
    if threads == 1:
        for source in sources:
            task = task_of(source)
            yield source, task(source) if task else None
        return
    waiting = deque[tuple[Source, Future[Look] | None]]()

    def first() -> tuple[Source, Look]:
        source, future = waiting.popleft()
        return source, future.result() if future else None

    with ThreadPoolExecutor(threads) as pool:
        for source in sources:
            task = task_of(source)
            waiting.append((source, pool.submit(task, source) if task else None))
            if len(waiting) > 4 * threads:
                yield first()
        while waiting:
            yield first()


def _stored(data: bytes, limits: Limits) -> np.ndarray:
    """Return the values of a mask with losses as they are, whatever a run makes of them."""
    image = decode(data, limits=limits)
    if image.ndim == 2:
        return image
    if (image == image[:, :, :1]).all():
        return np.ascontiguousarray(image[:, :, 0])
    return np.asarray(image.astype(np.uint32) @ np.array([1, 1 << 8, 1 << 16], np.uint32))


def _pixels_by_value(mask: np.ndarray) -> dict[int, int]:
    if mask.dtype == np.uint32:
        values, counts = np.unique(mask, return_counts=True)
    else:
        # Without sorting: ten times as fast.
        all_counts = np.bincount(mask.ravel())
        values = np.flatnonzero(all_counts)
        counts = all_counts[values]
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
