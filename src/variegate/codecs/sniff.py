"""What kind of image some bytes are, told by their content, never by a name."""

import re
import struct

NAMES = {
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WebP",
    "gif": "GIF",
    "tiff": "TIFF",
    "bmp": "BMP",
    "ppm": "PNM",
    "avif": "AVIF",
    "heif": "HEIF",
    "jp2": "JPEG 2000",
    "ico": "icon",
    "tga": "TGA",
    "svg": "SVG",
    # Known, so that the message can say what they are, but not read.
    "jxl": "JPEG XL",
    "jxr": "JPEG XR",
    "psd": "Photoshop",
    "exr": "OpenEXR",
    "hdr": "Radiance HDR",
    "qoi": "QOI",
    "dds": "DDS",
    "icns": "Apple icon",
    "dcm": "DICOM",
    "fits": "FITS",
}

# The formats that can be written. The first ending is the canonical one.
EXTENSIONS: dict[str, tuple[str, ...]] = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "webp": (".webp",),
}

# Endings that announce an image: with one of these, a file that is none is a broken image and
# no stranger.
# fmt: off
IMAGE_EXTENSIONS = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".apng", ".webp", ".gif", ".tif", ".tiff",
    ".btf", ".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm", ".avif", ".avifs",
    ".heic", ".heif", ".heics", ".hif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".ico",
    ".cur", ".tga", ".icb", ".vda", ".vst", ".svg", ".jxl", ".jxr", ".wdp", ".hdp", ".psd", ".exr",
    ".hdr", ".qoi", ".dds", ".icns", ".dcm", ".fits", ".fit", ".dng", ".cr2", ".cr3", ".nef",
    ".arw", ".orf", ".rw2", ".raf", ".pcx",
))
# fmt: on

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"II\xbc", "jxr"),
    (b"8BPS\0", "psd"),
    (b"\x76\x2f\x31\x01", "exr"),
    (b"#?RADIANCE", "hdr"),
    (b"qoif", "qoi"),
    (b"DDS |\0\0\0", "dds"),
    (b"icns\0", "icns"),
    (b"SIMPLE  =", "fits"),
)
_PNM = re.compile(rb"P(?:[1-6][\s]+(?:#|[-+]?\d)|[Ff]\s+(?:#|\d)|7\s+(?:#|[A-Z]))")
_SVG = re.compile(rb"\s*(?:<\?xml|<!--|<!DOCTYPE\s+svg|<(?:\w+:)?svg[\s>/])")
_SVG_ROOT = re.compile(rb"<(?:[\w-]+:)?svg[\s>/]")
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)


def kind_of(data: bytes) -> str | None:
    """Tell the kind of image by its first bytes, or None if it is no image.

    A kind is named even if this installation cannot read it ("heif", "psd"); `probe` says so.
    Nothing is said about the rest of the file: it may be broken.
    """
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    return _kind_of_container(data) or _kind_of_weak_magic(data)


def _kind_of_container(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        size = int.from_bytes(data[:4], "big")
        end = min(size, 512, len(data))
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}
        if brands & {b"avif", b"avis"}:
            return "avif"
        if brands & _HEIF_BRANDS:
            return "heif"
    if data[128:132] == b"DICM":
        return "dcm"
    return None


def _kind_of_weak_magic(data: bytes) -> str | None:
    """Kinds whose first bytes may stand in other files too, so that more is asked of them."""
    if data[:2] == b"BM" and len(data) >= 18:
        if int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
            return "bmp"
    elif _PNM.match(data):
        return "ppm"
    elif _is_icon(data):
        return "ico"
    elif _is_svg(data):
        return "svg"
    return "tga" if _is_tga(data) else None


def _is_icon(data: bytes) -> bool:
    # A TGA may begin with the same four bytes.
    if data[:4] not in (b"\0\0\1\0", b"\0\0\2\0") or len(data) < 22 or data[9] != 0:
        return False
    count = int.from_bytes(data[4:6], "little")
    offset = int.from_bytes(data[18:22], "little")
    return count > 0 and 6 + 16 * count <= offset


def _is_svg(data: bytes) -> bool:
    head = data[:4096]
    if head[:3] == b"\xef\xbb\xbf":
        head = head[3:]
    elif head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.replace(b"\0", b"")[2:]
    return bool(_SVG.match(head)) and bool(_SVG_ROOT.search(head))


def _is_tga(data: bytes) -> bool:
    """TGA has no magic number: either its optional footer, or a header that fits in every field."""
    if len(data) < 18:
        return False
    id_length, map_type, image_type = data[0], data[1], data[2]
    map_length, map_depth = struct.unpack_from("<HB", data, 5)
    width, height, depth, descriptor = struct.unpack_from("<HHBB", data, 12)
    palette = image_type in (1, 9)
    if image_type not in (1, 2, 3, 9, 10, 11) or map_type > 1 or not width or not height:
        return False
    if data[-18:] == b"TRUEVISION-XFILE.\0":
        return True
    if map_type != palette or (map_depth in (15, 16, 24, 32)) != palette or descriptor & 0xC0:
        return False
    if depth not in {1: (8,), 2: (15, 16, 24, 32), 3: (8, 16)}[image_type & 3]:
        return False
    # All the pixels if stored plain; one packet for every 128 if run-length coded.
    pixel = (depth + 7) // 8
    pixels = height * width * pixel if image_type < 8 else height * width * (pixel + 1) // 128
    return len(data) >= 18 + id_length + map_length * ((map_depth + 7) // 8) + pixels
