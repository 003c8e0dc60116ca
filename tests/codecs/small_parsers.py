"""Decoders written from the specifications, slow and short, to check the real ones against."""

import struct
import zlib

import numpy as np


def png_samples(data: bytes) -> tuple[np.ndarray, dict[bytes, bytes]]:
    """The samples of a PNG as stored, (H, W, channels), not interlaced, and its other chunks."""
    chunks: dict[bytes, bytes] = {}
    packed, at = b"", 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"IDAT":
            packed += body
        else:
            chunks.setdefault(kind, body)
        at += 12 + length
    width, height, depth, color, _, _, interlace = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    raw, image = zlib.decompress(packed), np.zeros((height, width, channels), int)
    for left, top, across, down in _ADAM7 if interlace else ((0, 0, 1, 1),):
        place = image[top::down, left::across]
        if place.size:
            place[:], raw = _png_pass(raw, *place.shape, depth)
    return image, chunks


_ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)


def _png_pass(
    raw: bytes, height: int, width: int, channels: int, depth: int
) -> tuple[np.ndarray, bytes]:
    row_bytes, step = (width * channels * depth + 7) // 8, max(1, channels * depth // 8)
    rows, above = [], [0] * row_bytes
    for y in range(height):
        line = list(raw[y * (row_bytes + 1) : (y + 1) * (row_bytes + 1)])
        rows.append(_unfiltered(line[0], line[1:], above, step))
        above = rows[-1]
    bits = np.unpackbits(np.array(rows, np.uint8), axis=1)[:, : width * channels * depth]
    weights = 1 << np.arange(depth - 1, -1, -1)
    samples = bits.reshape(height, width, channels, depth) @ weights
    return samples, raw[height * (row_bytes + 1) :]


def _unfiltered(kind: int, line: list[int], above: list[int], step: int) -> list[int]:
    for i in range(len(line)):
        left = line[i - step] if i >= step else 0
        corner = above[i - step] if i >= step else 0
        guess = left + above[i] - corner
        nearest = min((left, above[i], corner), key=lambda value: abs(guess - value))
        line[i] = (line[i] + (0, left, above[i], (left + above[i]) // 2, nearest)[kind]) & 255
    return line


def png_rgba(data: bytes) -> np.ndarray:
    """A PNG as (H, W, 4), 8 bits, straight."""
    samples, chunks = png_samples(data)
    depth, color = chunks[b"IHDR"][8], chunks[b"IHDR"][9]
    alpha = np.full(samples.shape[:2], 255)
    if color == 3:
        palette = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
        opacity = np.full(256, 255)
        opacity[: len(chunks.get(b"tRNS", b""))] = list(chunks.get(b"tRNS", b""))
        return np.dstack((palette[samples[..., 0]], opacity[samples[..., 0]]))
    if b"tRNS" in chunks:
        key = np.frombuffer(chunks[b"tRNS"], ">u2") & (2**depth - 1)
        alpha = np.where((samples == key).all(-1), 0, 255)
    eight = np.floor(samples * 255 / (2**depth - 1) + 0.5).astype(int)
    if color in (4, 6):
        eight, alpha = eight[..., :-1], eight[..., -1]
    return np.dstack((np.repeat(eight, 4 - eight.shape[2], 2)[..., :3], alpha))


def gif_rgba(data: bytes) -> np.ndarray:
    """The first frame of a GIF on its transparent screen, (H, W, 4)."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, palette, key = 13, b"", None
    if flags & 128:
        size = 3 * (2 << (flags & 7))
        palette, at = data[at : at + size], at + size
    while data[at] == 0x21:
        if data[at + 1] == 0xF9 and data[at + 3] & 1:
            key = data[at + 6]
        at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    assert data[at] == 0x2C
    left, top, frame_width, frame_height, flags = struct.unpack_from("<HHHHB", data, at + 1)
    at += 10
    if flags & 128:
        size = 3 * (2 << (flags & 7))
        palette, at = data[at : at + size], at + size
    indices = _gif_indices(data, at, frame_width * frame_height)
    rows = np.array(indices).reshape(frame_height, frame_width)
    if flags & 64:
        order = [y for s, d in ((0, 8), (4, 8), (2, 4), (1, 2)) for y in range(s, frame_height, d)]
        rows = rows[np.argsort(order)]
    colors = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    screen = np.zeros((height, width, 4), int)
    shown = np.dstack((colors[rows % len(colors)], np.where(rows == key, 0, 255)))
    screen[top : top + frame_height, left : left + frame_width] = shown
    return screen


def _gif_indices(data: bytes, at: int, count: int) -> list[int]:
    first, at = data[at], at + 1
    codes = b""
    while data[at]:
        codes += data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
    stream, bit, size, clear = int.from_bytes(codes, "little"), 0, first + 1, 1 << first
    table: list[tuple[int, ...]] = []
    before: tuple[int, ...] = ()
    found: list[int] = []
    while len(found) < count:
        code = stream >> bit & ((1 << size) - 1)
        bit += size
        if code == clear:
            table = [(index,) for index in range(clear)] + [(), ()]
            size, before = first + 1, ()
            continue
        word = table[code] if code < len(table) else (*before, before[0])
        if before and len(table) < 4096:
            table.append((*before, word[0]))
        if len(table) == 1 << size and size < 12:
            size += 1
        found.extend(word)
        before = word
    return found[:count]


def bmp_rgb(data: bytes) -> np.ndarray:
    """A BMP of 8 bits with a palette, or of 32 bits with masks, (H, W, 3)."""
    width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    (used,) = struct.unpack_from("<I", data, 46)
    image = np.zeros((height, width, 3), int)
    if bits == 32:
        masks = struct.unpack_from("<III", data, 54)
        for y in range(height):
            for x in range(width):
                (value,) = struct.unpack_from("<I", data, 66 + (y * width + x) * 4)
                for channel, mask in enumerate(masks):
                    low = (mask & -mask).bit_length() - 1
                    image[height - 1 - y, x, channel] = (value & mask) >> low
        return image
    start = 54 + 4 * used
    for y in range(height):
        for x in range(width):
            index = data[start + y * ((width + 3) // 4 * 4) + x]
            blue, green, red = data[54 + 4 * index : 57 + 4 * index]
            image[height - 1 - y, x] = red, green, blue
    return image


def tga_gray_alpha(data: bytes) -> np.ndarray:
    """A run-length coded gray and alpha TGA, (H, W, 2)."""
    width, height, _, descriptor = struct.unpack_from("<HHBB", data, 12)
    at, pixels = 18 + data[0], b""
    while len(pixels) < 2 * width * height:
        count = (data[at] & 127) + 1
        if data[at] & 128:
            pixels, at = pixels + data[at + 1 : at + 3] * count, at + 3
        else:
            pixels, at = pixels + data[at + 1 : at + 1 + 2 * count], at + 1 + 2 * count
    image = np.frombuffer(pixels, np.uint8).reshape(height, width, 2).astype(int)
    return image if descriptor & 32 else image[::-1]


def over_white(rgba: np.ndarray) -> np.ndarray:
    """Lay (H, W, 4) over white, in floating point."""
    share = rgba[..., 3:] / 255
    return np.floor(rgba[..., :3] * share + 255 * (1 - share) + 0.5)
