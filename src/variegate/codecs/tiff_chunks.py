"""The samples of a TIFF out of its strips or tiles.

For the compressions that pack bytes, whatever these mean, libtiff (through Pillow) is shown another
file: the same strips, declared as 8-bit gray pictures as many pixels wide as a row has bytes. It
gives the bytes back, and has no say in what they mean: not in depth, color, alpha, orientation or
byte order. The predictor is undone here. JPEG and WebP chunks are files of their own, and are
decoded as such.
"""

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import TiffImagePlugin

from variegate.codecs import jpeg, webp
from variegate.codecs.limits import Limits
from variegate.codecs.raster import Array
from variegate.codecs.tiff_directory import Directory, Tag
from variegate.errors import DecodeError, LimitError, UnsupportedError

_NONE, _JPEG, _WEBP = 1, 7, 50001
_FAX = (2, 3, 4)
# None, LZW, Deflate (both numbers), PackBits, LZMA, Zstandard
_BYTEWISE = (_NONE, 5, 8, 32946, 32773, 34925, 50000)
_NO_PREDICTOR, _DIFFERENCE, _FLOAT_DIFFERENCE = 1, 2, 3
_DEPTHS = {1: (*range(1, 17), 32, 64), 2: (8, 16, 32, 64), 3: (16, 32, 64)}
_DEPTHS[4] = _DEPTHS[1]


@dataclass(frozen=True)
class Layout:
    """How the samples lie in the file.

    Attributes:
        height: of the picture, pixels.
        width: of the picture, pixels.
        compression: TIFF's number for it.
        bits: a sample.
        sample_format: 1 unsigned, 2 signed, 3 floating point.
        samples: a pixel.
        planar: whether each sample has chunks of its own.
        predictor: TIFF's number for it.
        tiled: whether the chunks are tiles, else strips.
        chunk_height: pixels.
        chunk_width: pixels.
        offsets: of each chunk in the file.
        sizes: of each chunk, bytes.
    """

    height: int
    width: int
    compression: int
    bits: int
    sample_format: int
    samples: int
    planar: bool
    predictor: int
    tiled: bool
    chunk_height: int
    chunk_width: int
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def self_contained(self) -> bool:
        """Whether every chunk is a picture file by itself."""
        return self.compression in (_JPEG, _WEBP)

    @property
    def rows(self) -> int:
        """Of chunks."""
        return -(-self.height // self.chunk_height)

    @property
    def columns(self) -> int:
        """Of chunks."""
        return -(-self.width // self.chunk_width)

    @property
    def together(self) -> int:
        """Samples that lie side by side in a chunk."""
        return 1 if self.planar else self.samples

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of a chunk."""
        return (self.chunk_width * self.together * self.bits + 7) // 8


def layout_of(directory: Directory, limits: Limits) -> Layout:
    """Read how the samples lie, and check that they can.

    Raises:
        DecodeError: contradictions.
        LimitError: a chunk would take far more memory than the picture.
        UnsupportedError: a compression or depth that is not read.
    """
    height, width = directory.number(Tag.HEIGHT), directory.number(Tag.WIDTH)
    tiled = Tag.TILE_WIDTH in directory
    samples = directory.number(Tag.SAMPLES, 1)
    depths = directory.numbers(Tag.BITS, (1,))
    formats = directory.numbers(Tag.SAMPLE_FORMAT, (1,))
    if len(set(depths[:samples])) != 1 or len(set(formats[:samples])) != 1:
        raise UnsupportedError("TIFF whose samples differ in depth is not read")
    chunk_height = min(directory.number(Tag.ROWS_PER_STRIP, height), height)
    layout = Layout(
        height=height,
        width=width,
        compression=directory.number(Tag.COMPRESSION, _NONE),
        bits=depths[0],
        sample_format=1 if formats[0] == 4 else formats[0],
        samples=samples,
        planar=directory.number(Tag.PLANAR, 1) == 2 and samples > 1,
        predictor=directory.number(Tag.PREDICTOR, _NO_PREDICTOR),
        tiled=tiled,
        chunk_height=directory.number(Tag.TILE_HEIGHT) if tiled else chunk_height,
        chunk_width=directory.number(Tag.TILE_WIDTH) if tiled else width,
        offsets=directory.numbers(Tag.TILE_OFFSETS if tiled else Tag.STRIP_OFFSETS),
        sizes=directory.numbers(Tag.TILE_BYTES if tiled else Tag.STRIP_BYTES, ()),
    )
    limits.check_size(layout.chunk_height, layout.chunk_width, "TIFF chunk")
    _check_readable(layout)
    _check_memory(layout)
    return layout


def _check_readable(layout: Layout) -> None:
    known = (*_FAX, *_BYTEWISE, _JPEG, _WEBP)
    if layout.compression not in known:
        raise UnsupportedError(f"TIFF with compression {layout.compression} is not read")
    if layout.bits not in _DEPTHS.get(layout.sample_format, ()):
        raise UnsupportedError(
            f"TIFF with {layout.bits} bits a sample of format {layout.sample_format} is not read"
        )
    single = layout.bits == 1 and layout.together == 1
    if layout.compression in _FAX and not single:
        raise DecodeError("corrupt TIFF: fax compression of something else than 1 bit a pixel")
    if layout.self_contained and layout.bits != 8:
        raise UnsupportedError(f"TIFF with JPEG or WebP of {layout.bits} bits is not read")
    if layout.predictor not in (_NO_PREDICTOR, _DIFFERENCE, _FLOAT_DIFFERENCE) or (
        layout.predictor != _NO_PREDICTOR and layout.bits % 8
    ):
        raise UnsupportedError(
            f"TIFF with predictor {layout.predictor} at {layout.bits} bits is not read"
        )


def _check_memory(layout: Layout) -> None:
    """Many samples a pixel, or tiles far larger than the picture: a small file, a large array."""
    planes = layout.samples if layout.planar else 1
    taken = layout.rows * layout.columns * layout.chunk_height * layout.row_bytes * planes
    allowed = 64 * 2**20 + 16 * layout.height * layout.width
    if taken > allowed:
        raise LimitError(
            f"TIFF chunks of {taken:,} bytes for {layout.width:,} x {layout.height:,} pixels;"
            f" {allowed:,} are allowed"
        )
    expected = layout.rows * layout.columns * planes
    if len(layout.offsets) < expected:
        raise DecodeError(
            f"corrupt TIFF: {len(layout.offsets):,} strips or tiles, expected {expected:,}"
        )


def read_samples(directory: Directory, layout: Layout) -> Array:
    """Read all samples of the picture.

    Returns:
        (H, W, samples), in the smallest type that holds them, native byte order.
    """
    each = layout.rows * layout.columns
    planes = []
    for plane in range(layout.samples if layout.planar else 1):
        chunks = _chunks(directory, layout, range(plane * each, plane * each + each))
        if layout.self_contained:
            planes.append(_read_pictures(directory, layout, chunks))
        else:
            planes.append(_interpret(_read_bytes(directory, layout, chunks), directory, layout))
    return planes[0] if len(planes) == 1 else np.concatenate(planes, axis=-1)


def _chunks(directory: Directory, layout: Layout, wanted: range) -> list[tuple[int, int]]:
    """Offset and size of some chunks, all within the file."""
    size = len(directory.data)
    found = []
    for index in wanted:
        at = layout.offsets[index]
        # Missing sizes mean that the chunk goes on to the end.
        length = layout.sizes[index] if index < len(layout.sizes) else max(0, size - at)
        if at + length > size:
            raise DecodeError(f"truncated TIFF ({size:,} of {at + length:,} bytes)")
        if layout.compression == _NONE:
            index_in_plane = index % (layout.rows * layout.columns)
            top = index_in_plane // layout.columns * layout.chunk_height
            rows = layout.chunk_height
            if not layout.tiled:
                rows = min(rows, layout.height - top)
            if length < rows * layout.row_bytes:
                raise DecodeError(
                    f"truncated TIFF (a strip or tile of {length:,} bytes,"
                    f" expected {rows * layout.row_bytes:,})"
                )
        found.append((at, length))
    return found


def _read_bytes(directory: Directory, layout: Layout, chunks: list[tuple[int, int]]) -> Array:
    """Undo the compression: (rows, columns * row_bytes), uint8; with bits spread for fax."""
    fax = layout.compression in _FAX
    row_width = layout.chunk_width if fax else layout.row_bytes
    width = row_width * layout.columns
    height = layout.rows * layout.chunk_height if layout.tiled else layout.height
    tags: dict[int, tuple[int, ...]] = {
        Tag.WIDTH: (width,),
        Tag.HEIGHT: (height,),
        Tag.BITS: (1 if fax else 8,),
        Tag.COMPRESSION: (layout.compression,),
        Tag.PHOTOMETRIC: (1,),
        Tag.FILL_ORDER: (directory.number(Tag.FILL_ORDER, 1),),
        Tag.SAMPLES: (1,),
        Tag.STRIP_OFFSETS: tuple(at for at, _ in chunks),
        Tag.STRIP_BYTES: tuple(length for _, length in chunks),
        Tag.ROWS_PER_STRIP: (layout.chunk_height,),
    }
    if layout.tiled:
        tags[Tag.TILE_OFFSETS] = tags.pop(Tag.STRIP_OFFSETS)
        tags[Tag.TILE_BYTES] = tags.pop(Tag.STRIP_BYTES)
        del tags[Tag.ROWS_PER_STRIP]
        tags[Tag.TILE_WIDTH], tags[Tag.TILE_HEIGHT] = (row_width,), (layout.chunk_height,)
    for option in (Tag.FAX3_OPTIONS, Tag.FAX4_OPTIONS):
        if fax and option in directory:
            tags[option] = (directory.number(option),)
    with TiffImagePlugin.TiffImageFile(io.BytesIO(_redeclared(directory, tags))) as image:
        image.load()
        return np.asarray(image).astype(np.uint8, copy=False)


def _redeclared(directory: Directory, tags: dict[int, tuple[int, ...]]) -> bytes:
    """The same file with another directory at its end.

    Offsets stay as they are, and so does the byte order: some compressions depend on it.
    """
    order, data = directory.order, directory.data
    if len(data) > 2**32 - 2**24:
        raise UnsupportedError("TIFF of 4 GiB or more is not read")
    gap = b"\0" * (len(data) % 2)
    at = len(data) + len(gap)
    entries, values = b"", b""
    values_at = at + 2 + 12 * len(tags) + 4
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        where = packed
        if len(numbers) > 1:
            where = struct.pack(order + "I", values_at + len(values))
            values += packed
        entries += struct.pack(order + "HHI", tag, 4, len(numbers)) + where
    # The header of a classic TIFF; a BigTIFF's is longer, so that this fits in its place too.
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, at)
    count = struct.pack(order + "H", len(tags))
    return b"".join((start, memoryview(data)[8:], gap, count, entries, bytes(4), values))


def _interpret(stored: Array, directory: Directory, layout: Layout) -> Array:
    """Bytes to (H, W, samples in a chunk)."""
    height = stored.shape[0]
    count = layout.chunk_width * layout.together
    if layout.compression in _FAX:
        values = stored.reshape(height, layout.columns, count)
    else:
        rows = stored.reshape(height, layout.columns, layout.row_bytes)
        values = _values(rows, count, directory.order, layout)
    pixels = values.reshape(height, layout.columns * layout.chunk_width, layout.together)
    return pixels[: layout.height, : layout.width]


def _values(rows: Array, count: int, order: str, layout: Layout) -> Array:
    """(H, columns, row_bytes) uint8 to (H, columns, count) of the samples' type."""
    if layout.bits % 8:
        return _unpacked(rows, count, layout.bits)
    letter = {1: "u", 2: "i", 3: "f"}[layout.sample_format]
    size = layout.bits // 8
    if layout.predictor == _FLOAT_DIFFERENCE:
        return _undo_float_difference(rows, count, layout).view(f">f{size}").astype(f"=f{size}")
    if layout.predictor == _DIFFERENCE:
        # Differences wrap around, so they are summed as unsigned integers.
        words = rows.view(f"{order}u{size}").astype(f"=u{size}")
        steps = words.reshape(*words.shape[:2], layout.chunk_width, layout.together)
        sums = np.cumsum(steps, axis=2, dtype=steps.dtype)
        return sums.reshape(words.shape).view(f"=u{size}".replace("u", letter))
    return rows.view(f"{order}{letter}{size}").astype(f"={letter}{size}")


def _undo_float_difference(rows: Array, count: int, layout: Layout) -> Array:
    """Bytes were sorted by significance, then differences taken; big-endian comes back."""
    size = layout.bits // 8
    steps = rows.reshape(*rows.shape[:2], size * layout.chunk_width, layout.together)
    sums = np.cumsum(steps, axis=2, dtype=np.uint8)
    planes = sums.reshape(*rows.shape[:2], size, count)
    return np.ascontiguousarray(np.swapaxes(planes, 2, 3)).reshape(*rows.shape[:2], count * size)


def _unpacked(rows: Array, count: int, bits: int) -> Array:
    """Samples of 1 to 15 bits, highest bit first, each row from a byte's start."""
    values = np.zeros((*rows.shape[:2], count), np.uint8 if bits < 8 else np.uint16)
    band = max(1, 2**22 // (rows.shape[1] * rows.shape[2]))
    for top in range(0, rows.shape[0], band):
        spread = np.unpackbits(rows[top : top + band], axis=2, count=count * bits)
        for bit in range(bits):
            values[top : top + band] <<= 1
            values[top : top + band] |= spread[:, :, bit::bits]
    return values


def _read_pictures(directory: Directory, layout: Layout, chunks: list[tuple[int, int]]) -> Array:
    """Chunks that are JPEG or WebP files: (H, W, samples) uint8."""
    result = np.zeros((layout.height, layout.width, layout.together), np.uint8)
    for index, (at, length) in enumerate(chunks):
        top = index // layout.columns * layout.chunk_height
        left = index % layout.columns * layout.chunk_width
        place = result[top : top + layout.chunk_height, left : left + layout.chunk_width]
        chunk = directory.data[at : at + length]
        picture = _jpeg(chunk, directory, layout) if layout.compression == _JPEG else _webp(chunk)
        if picture.ndim == 2:
            picture = picture[:, :, np.newaxis]
        fits = picture.shape[0] >= place.shape[0] and picture.shape[1] >= place.shape[1]
        if not fits or picture.shape[2] != layout.together:
            raise DecodeError(f"corrupt TIFF: a strip or tile of {picture.shape}")
        place[:] = picture[: place.shape[0], : place.shape[1]]
    return result


def _jpeg(chunk: bytes, directory: Directory, layout: Layout) -> Array:
    """Join a chunk with the tables that all chunks share; libjpeg is told what the colors are."""
    tables = directory.raw(Tag.JPEG_TABLES) or b"\xff\xd8\xff\xd9"
    coded_as_ycbcr = directory.number(Tag.PHOTOMETRIC, 6) == 6
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([coded_as_ycbcr])
    whole = tables[:-2] + (adobe if layout.together == 3 else b"") + chunk[2:]
    bounds = Limits(max_pixels=layout.chunk_height * layout.chunk_width)
    return jpeg.parse(whole, bounds).load(1).samples


def _webp(chunk: bytes) -> Array:
    raster = webp.parse(chunk, Limits()).load(1)
    if raster.alpha is None:
        return raster.samples
    return np.dstack((raster.samples, raster.alpha))
