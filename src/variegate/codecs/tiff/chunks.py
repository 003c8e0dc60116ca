"""The samples of a TIFF out of its strips or tiles.

For the compressions that pack bytes, whatever these mean, libtiff (through Pillow) is shown another
file: the same strips, declared as 8-bit gray images as many pixels wide as a row has bytes. It
gives the bytes back, and has no say in what they mean: not in depth, color, alpha, orientation or
byte order. The predictor is undone here. JPEG and WebP chunks are files of their own, and are
decoded as such.
"""

import io
import struct

import numpy as np
from PIL import Image, TiffImagePlugin

from variegate.codecs import jpeg, pillow
from variegate.codecs.limits import Limits
from variegate.codecs.pixels import Array
from variegate.codecs.sniff import kind_of
from variegate.codecs.tiff.directory import Directory, Tag
from variegate.codecs.tiff.structure import DIFFERENCE, FAX, FLOAT_DIFFERENCE, JPEG, NONE, Structure
from variegate.errors import DecodeError, UnsupportedError

# Bytes out of one at the very best: LZW, Deflate, PackBits.
_BEST_RATIO = {5: 2731, 8: 1032, 32946: 1032, 32773: 64}


def read_samples(directory: Directory, structure: Structure) -> Array:
    """Read all samples of the image.

    Returns:
        (H, W, samples), in the smallest type that holds them, native byte order.
    """
    each = structure.rows * structure.columns
    planes = []
    for plane in range(structure.samples if structure.planar else 1):
        chunks = _chunks(directory, structure, range(plane * each, plane * each + each))
        if structure.self_contained:
            planes.append(_read_images(directory, structure, chunks))
        else:
            planes.append(
                _interpret(_read_bytes(directory, structure, chunks), directory, structure)
            )
    return planes[0] if len(planes) == 1 else np.concatenate(planes, axis=-1)


def _chunks(directory: Directory, structure: Structure, wanted: range) -> list[tuple[int, int]]:
    """Offset and size of some chunks, all within the file."""
    size = len(directory.data)
    found = []
    for index in wanted:
        at = structure.offsets[index]
        # Missing sizes mean that the chunk goes on to the end.
        length = structure.sizes[index] if index < len(structure.sizes) else max(0, size - at)
        if at + length > size:
            raise DecodeError(f"truncated TIFF ({size:,} of {at + length:,} bytes)")
        if structure.compression == NONE:
            index_in_plane = index % (structure.rows * structure.columns)
            top = index_in_plane // structure.columns * structure.chunk_height
            rows = structure.chunk_height
            if not structure.tiled:
                rows = min(rows, structure.height - top)
            if length < rows * structure.row_bytes:
                raise DecodeError(
                    f"truncated TIFF (a strip or tile of {length:,} bytes,"
                    f" expected {rows * structure.row_bytes:,})"
                )
        found.append((at, length))
    best = _BEST_RATIO.get(structure.compression)
    claimed = structure.height * ((structure.width * structure.together * structure.bits + 7) // 8)
    if best and claimed > best * (64 * len(found) + sum(length for _, length in found)):
        raise DecodeError(f"truncated TIFF ({size:,} bytes are too few for its pixels)")
    return found


def _read_bytes(directory: Directory, structure: Structure, chunks: list[tuple[int, int]]) -> Array:
    """Undo the compression: (rows, columns * row_bytes), uint8; with bits spread for fax."""
    fill_order = directory.number(Tag.FILL_ORDER, 1)
    if structure.compression == NONE and not structure.tiled and fill_order == 1:
        return _stored_rows(directory, structure, chunks)
    fax = structure.compression in FAX
    row_width = structure.chunk_width if fax else structure.row_bytes
    width = row_width * structure.columns
    height = structure.rows * structure.chunk_height if structure.tiled else structure.height
    tags: dict[int, tuple[int, ...]] = {
        Tag.WIDTH: (width,),
        Tag.HEIGHT: (height,),
        Tag.BITS: (1 if fax else 8,),
        Tag.COMPRESSION: (structure.compression,),
        Tag.PHOTOMETRIC: (1,),
        Tag.FILL_ORDER: (fill_order,),
        Tag.SAMPLES: (1,),
        Tag.STRIP_OFFSETS: tuple(at for at, _ in chunks),
        Tag.STRIP_BYTES: tuple(length for _, length in chunks),
        Tag.ROWS_PER_STRIP: (structure.chunk_height,),
    }
    if structure.tiled:
        tags[Tag.TILE_OFFSETS] = tags.pop(Tag.STRIP_OFFSETS)
        tags[Tag.TILE_BYTES] = tags.pop(Tag.STRIP_BYTES)
        del tags[Tag.ROWS_PER_STRIP]
        tags[Tag.TILE_WIDTH], tags[Tag.TILE_HEIGHT] = (row_width,), (structure.chunk_height,)
    for option in (Tag.FAX3_OPTIONS, Tag.FAX4_OPTIONS):
        if fax and option in directory:
            tags[option] = (directory.number(option),)
    with TiffImagePlugin.TiffImageFile(io.BytesIO(_redeclared(directory, tags))) as image:
        # Pillow has a limit of its own for what it makes itself; ours has been checked.
        image.im = Image.new(image.mode, image.size).im
        image.load()
        return np.asarray(image).astype(np.uint8, copy=False)


def _stored_rows(
    directory: Directory, structure: Structure, chunks: list[tuple[int, int]]
) -> Array:
    """Strips without compression."""
    size = structure.chunk_height * structure.row_bytes
    strips = (directory.data[at : at + min(size, length)] for at, length in chunks)
    rows = np.frombuffer(b"".join(strips), np.uint8, structure.height * structure.row_bytes)
    return rows.reshape(structure.height, structure.row_bytes)


def _redeclared(directory: Directory, tags: dict[int, tuple[int, ...]]) -> bytes:
    """The same file with another directory at its end.

    Offsets stay as they are, and so does the byte order: some compressions depend on it.
    """
    order, data = directory.order, directory.data
    if len(data) > 2**32 - 2**24:
        raise UnsupportedError("TIFF of 4 GiB or more is not supported")
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


def _interpret(stored: Array, directory: Directory, structure: Structure) -> Array:
    """Bytes to (H, W, samples in a chunk)."""
    height = stored.shape[0]
    count = structure.chunk_width * structure.together
    if structure.compression in FAX:
        values = stored.reshape(height, structure.columns, count)
    else:
        rows = stored.reshape(height, structure.columns, structure.row_bytes)
        values = _values(rows, count, directory.order, structure)
    pixels = values.reshape(height, structure.columns * structure.chunk_width, structure.together)
    return pixels[: structure.height, : structure.width]


def _values(rows: Array, count: int, order: str, structure: Structure) -> Array:
    """(H, columns, row_bytes) uint8 to (H, columns, count) of the samples' type."""
    if structure.bits % 8:
        return _unpacked(rows, count, structure.bits)
    letter = {1: "u", 2: "i", 3: "f"}[structure.sample_format]
    size = structure.bits // 8
    if structure.predictor == FLOAT_DIFFERENCE:
        return _undo_float_difference(rows, count, structure).view(f">f{size}").astype(f"=f{size}")
    if structure.predictor == DIFFERENCE:
        # Differences wrap around, so they are summed as unsigned integers.
        words = rows.view(f"{order}u{size}").astype(f"=u{size}")
        steps = words.reshape(*words.shape[:2], structure.chunk_width, structure.together)
        sums = np.cumsum(steps, axis=2, dtype=steps.dtype)
        return sums.reshape(words.shape).view(f"=u{size}".replace("u", letter))
    return rows.view(f"{order}{letter}{size}").astype(f"={letter}{size}", copy=False)


def _undo_float_difference(rows: Array, count: int, structure: Structure) -> Array:
    """Bytes were sorted by significance, then differences taken; big-endian comes back."""
    size = structure.bits // 8
    steps = rows.reshape(*rows.shape[:2], size * structure.chunk_width, structure.together)
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


def _read_images(
    directory: Directory, structure: Structure, chunks: list[tuple[int, int]]
) -> Array:
    """Chunks that are JPEG or WebP files: (H, W, samples) uint8."""
    result = np.zeros((structure.height, structure.width, structure.together), np.uint8)
    for index, (at, length) in enumerate(chunks):
        top = index // structure.columns * structure.chunk_height
        left = index % structure.columns * structure.chunk_width
        place = result[top : top + structure.chunk_height, left : left + structure.chunk_width]
        chunk = directory.data[at : at + length]
        image = (
            _jpeg(chunk, directory, structure) if structure.compression == JPEG else _webp(chunk)
        )
        if image.ndim == 2:
            image = image[:, :, np.newaxis]
        fits = image.shape[0] >= place.shape[0] and image.shape[1] >= place.shape[1]
        if not fits or image.shape[2] != structure.together:
            raise DecodeError(f"corrupt TIFF: a strip or tile of {image.shape}")
        place[:] = image[: place.shape[0], : place.shape[1]]
    return result


def _jpeg(chunk: bytes, directory: Directory, structure: Structure) -> Array:
    """Join a chunk with the tables that all chunks share; libjpeg is told what the colors are."""
    tables = directory.raw(Tag.JPEG_TABLES) or b"\xff\xd8\xff\xd9"
    coded_as_ycbcr = directory.number(Tag.PHOTOMETRIC, 6) == 6
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([coded_as_ycbcr])
    whole = tables[:-2] + (adobe if structure.together == 3 else b"") + chunk[2:]
    if structure.together == 4:
        # Inks are stored as TIFF has them, whatever the marker of a JPEG would say of them.
        whole = jpeg.without_segments(whole, jpeg.ADOBE)
    bounds = Limits(max_pixels=structure.chunk_height * structure.chunk_width)
    return jpeg.parse(whole, bounds).load().samples


def _webp(chunk: bytes) -> Array:
    if kind_of(chunk) != "webp":
        raise DecodeError("corrupt TIFF: a chunk that should be WebP is not")
    raster = pillow.parse(chunk, Limits()).load()
    if raster.alpha is None:
        return raster.samples
    return np.dstack((raster.samples, raster.alpha))
