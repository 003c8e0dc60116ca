"""The kinds that Pillow reads well enough: PNM, GIF, WebP and AVIF; and TGA, for `tga.py`.

Pillow opens a file by the one plugin of its kind and decodes it strictly. What that leaves to do
is here: a size is compared with the limits, and with what a file of that length can contain,
before memory is taken by it; what Pillow shows wrong is put right or refused; and all of it comes
out in the one form that `finish` takes. docs/decisions/codecs.md has the evidence.
"""

import functools
import importlib
import io
import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import ImageFile

from variegate.codecs import av1, pfm
from variegate.codecs.bmff import read_container
from variegate.codecs.depth import integers_to_eight_bits
from variegate.codecs.exif import orientation_of
from variegate.codecs.limits import Depth, Limits, check_end, check_ratio
from variegate.codecs.pixels import Array, Parsed, Raster, from_palette, raster_of
from variegate.codecs.sniff import kind_of
from variegate.errors import DecodeError, UnsupportedError

# Imported when a file of its kind comes, not before.
_PLUGINS = {
    "ppm": ("PpmImagePlugin", "PpmImageFile"),
    "gif": ("GifImagePlugin", "GifImageFile"),
    "tga": ("TgaImagePlugin", "TgaImageFile"),
    "webp": ("WebPImagePlugin", "WebPImageFile"),
    "avif": ("AvifImagePlugin", "AvifImageFile"),
}
# Pillow reads a header of PNM byte by byte, and comments may be as long as the file.
_PNM_HEADER_BYTES = 2**16


def parse(data: bytes, limits: Limits) -> Parsed:
    """Read the header of a file of one of these kinds.

    Raises:
        DecodeError: it is broken.
        LimitError: it is larger than the limits.
        UnsupportedError: it is of a variant that is not supported.
    """
    return _PARSERS[kind_of(data) or ""](data, limits)


def open_image(kind: str, data: bytes) -> ImageFile.ImageFile:
    """Open a file by the plugin of its kind, which reads no more than the header.

    Raises:
        Exception: whatever Pillow raises about a broken header.
    """
    module, name = _PLUGINS[kind]
    plugin = getattr(importlib.import_module(f"PIL.{module}"), name)
    return plugin(io.BytesIO(data))


def unsupported(variant: str) -> UnsupportedError:
    """The error for a variant of a kind that is given up, with the remedy."""
    return UnsupportedError(f"{variant} is not supported; convert it to PNG first")


def load_image(image: ImageFile.ImageFile) -> Raster:
    """Decode an opened file, and close it; its palette, if any, is looked up."""
    image.load()
    pixels = np.asarray(image)
    if image.mode == "P" and image.palette is not None:
        mode = image.palette.mode
        colors = np.array(image.getpalette(mode), np.uint8).reshape(-1, len(mode))
        alphas = colors[:, 3] if mode == "RGBA" else None
        raster = from_palette(pixels, colors[:, :3], alphas)
    elif image.mode == "1":
        raster = Raster(np.where(pixels, np.uint8(255), np.uint8(0)), "gray")
    else:
        raster = raster_of(pixels)
    hidden = image.info.get("transparency")
    if isinstance(hidden, int):
        raster = replace(raster, alpha=np.where(pixels == hidden, np.uint8(0), np.uint8(255)))
    # Its memory is of use for what comes next.
    image.close()
    return raster


def _parse_pnm(data: bytes, limits: Limits) -> Parsed:
    if data[:2] in (b"PF", b"Pf"):
        return pfm.parse(data, limits)
    if data[:2] == b"P7":
        raise unsupported("PAM")
    image = open_image("ppm", data[:_PNM_HEADER_BYTES])
    limits.check_size(image.height, image.width, "PNM")
    load = functools.partial(_load_pnm, data, image, limits.depth)
    return Parsed(height=image.height, width=image.width, load=load, bits=_pnm_bits(data, image))


def _pnm_bits(data: bytes, image: ImageFile.ImageFile) -> int:
    if data[1:2] in (b"1", b"4"):
        return 1
    return int(data[: image.tile[0].offset].split()[-1]).bit_length()


def _load_pnm(data: bytes, image: ImageFile.ImageFile, depth: Depth) -> Raster:
    """Pillow's own scaling takes 2 to 13 seconds a megapixel, and rounds half to even."""
    form, at = data[1:2], image.tile[0].offset
    channels = 3 if form in (b"3", b"6") else 1
    count = image.height * image.width * channels
    shape = (image.height, image.width, 3)[: 3 if channels == 3 else 2]
    if form in (b"1", b"4"):
        size = count if form == b"1" else image.height * ((image.width + 7) // 8)
        check_end(data, at + size, "PNM")
        return load_image(open_image("ppm", data))
    maximum = int(data[:at].split()[-1])
    if form in (b"2", b"3"):
        # A digit and a space each.
        check_end(data, at + 2 * count - 1, "PNM")
        plain = b"P2 %d %d 65535\n" % (image.width * channels, image.height) + data[at:]
        values: Array = np.asarray(open_image("ppm", plain)).astype(np.uint16)
    else:
        size = 2 if maximum > 255 else 1
        check_end(data, at + size * count, "PNM")
        values = np.frombuffer(data, f">u{size}", count, at)
    if maximum > 255 and depth != "full":
        values = integers_to_eight_bits(values, 16, depth)
    elif maximum != 255 or values.itemsize == 2:
        known = np.minimum(np.arange(256**values.itemsize), maximum)
        values = ((known * 255 + maximum // 2) // maximum).astype(np.uint8)[values]
    return raster_of(values.reshape(shape))


def _parse_gif(data: bytes, limits: Limits) -> Parsed:
    """The first frame on its screen, with transparency around it.

    A first frame larger than the screen enlarges it, as in browsers.
    """
    width, height = struct.unpack_from("<HH", data, 6)
    limits.check_size(height, width, "GIF")
    frames = _walk_gif(data, limits)
    image = open_image("gif", data)
    left, top, right, bottom = image.tile[0].extents or (0, 0, *image.size)
    place, size = (slice(top, bottom), slice(left, right)), (image.height, image.width)

    def load() -> Raster:
        raster = load_image(image)
        frame = raster.samples[place]
        if frame.shape[:2] == size:
            return raster
        # Pillow has the first color of the palette around the frame, or the transparent one.
        samples = np.full_like(raster.samples, 255)
        samples[place] = frame
        alpha = np.zeros(size, np.uint8)
        alpha[place] = 255 if raster.alpha is None else raster.alpha[place]
        return Raster(samples, raster.space, alpha)

    return Parsed(height=image.height, width=image.width, load=load, frames=frames)


def _walk_gif(data: bytes, limits: Limits) -> int:
    """Count the frames, and check the first, for which Pillow takes memory on opening.

    Pillow's own count has no limit, and would go on for a minute.
    """
    at, frames = 13 + _gif_palette_bytes(data[10]), 0
    while at + 10 < len(data) and data[at] in b"!,":
        if data[at] == 0x2C:
            left, top, width, height, flags = struct.unpack_from("<HHHHB", data, at + 1)
            if not frames:
                limits.check_size(height, width, "GIF frame")
                limits.check_size(top + height, left + width, "GIF")
                # A code of 12 bits stands for 4,096 pixels at best.
                check_ratio(data, height * width, 2731, "GIF")
                if not (data[10] | flags) & 0x80:
                    raise DecodeError("corrupt GIF: neither it nor its first frame has a palette")
            frames += 1
            limits.check_frames(frames, "GIF")
            at += 9 + _gif_palette_bytes(flags)
        at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    if not frames:
        raise DecodeError(f"truncated GIF (the {len(data):,} bytes end before its first frame)")
    return frames


def _gif_palette_bytes(flags: int) -> int:
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0


def _parse_webp(data: bytes, limits: Limits) -> Parsed:
    # libwebp takes memory for the whole canvas on opening.
    height, width = _webp_size(data)
    limits.check_size(height, width, "WebP")
    check_end(data, int.from_bytes(data[4:8], "little") + 8, "WebP")
    return _animation(open_image("webp", data), limits, "WebP")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Height and width by the first chunk, which has the last word on them."""
    if len(data) < 30:
        raise DecodeError(f"truncated WebP ({len(data):,} bytes)")
    if data[12:16] == b"VP8X":
        width, height = data[24:27] + b"\0", data[27:30] + b"\0"
        return 1 + int.from_bytes(height, "little"), 1 + int.from_bytes(width, "little")
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return height & 0x3FFF, width & 0x3FFF


def is_lossy_webp(data: bytes) -> bool:
    """Say whether a WebP holds pixels coded as VP8, which changes them."""
    at = 12
    while at + 8 <= len(data):
        if data[at : at + 4] in (b"VP8 ", b"VP8L"):
            return data[at : at + 4] == b"VP8 "
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return False


def _parse_avif(data: bytes, limits: Limits) -> Parsed:
    """An animation counts as its still image; the boxes are read for what Pillow does not tell."""
    container = read_container(data, limits, "AVIF")
    height, width = container.size(container.primary)
    limits.check_size(height, width, "AVIF")
    # The brand of a still image makes libavif take that, and no track.
    image = open_image("avif", data[:8] + b"avif" + data[12:])
    parsed = _animation(image, limits, "AVIF")

    def load() -> Raster:
        av1.check_sizes(container, limits)
        raster = parsed.load()
        # Pillow 12 makes three channels of one.
        if container.is_gray(container.primary) and raster.space == "rgb":
            return Raster(raster.samples[..., 0], "gray", raster.alpha)
        return raster

    return replace(parsed, load=load, frames=max(1, container.frames))


def _animation(image: ImageFile.ImageFile, limits: Limits, what: str) -> Parsed:
    """WebP and AVIF: Pillow's header says all."""
    limits.check_size(image.height, image.width, what)
    frames = int(getattr(image, "n_frames", 1))
    limits.check_frames(frames, what)
    return Parsed(
        height=image.height,
        width=image.width,
        load=functools.partial(load_image, image),
        frames=frames,
        orientation=orientation_of(image.info.get("exif", b"")),
        profile=lambda: image.info.get("icc_profile"),
    )


_PARSERS: dict[str, Callable[[bytes, Limits], Parsed]] = {
    "ppm": _parse_pnm,
    "gif": _parse_gif,
    "webp": _parse_webp,
    "avif": _parse_avif,
}
