"""What decode and encode take beside the bare libraries: python tests/codecs/measure_overhead.py

Interleaved, medians, one thread, 500 x 375 pixels of smooth noise.
"""

import struct
import time
from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg
from PIL import ImageCms

from variegate.codecs import decode, encode, probe


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def compare(name: str, ours: Callable[[], object], bare: Callable[[], object]) -> None:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(60):
        for call, taken in zip((ours, bare), times, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    mine, theirs = (float(np.median(taken)) * 1e6 for taken in times)
    print(f"{name:28} {mine:8.0f} us {theirs:8.0f} us bare  x {mine / theirs:.3f}")


def main() -> None:
    cv2.setNumThreads(1)
    noise = np.random.Generator(np.random.Philox(0)).integers(0, 256, (47, 63, 3), np.uint8)
    rgb = cv2.resize(noise, (500, 375), interpolation=cv2.INTER_CUBIC)
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    jpeg, gray = encode(rgb, format="jpeg"), encode(rgb[..., 0], format="jpeg")
    png = encode(rgb, format="png")
    exif = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    turned = jpeg[:2] + segment(0xE1, exif) + jpeg[2:]
    profiled = jpeg[:2] + segment(0xE2, b"ICC_PROFILE\0\1\1" + srgb) + jpeg[2:]
    stored = np.frombuffer(png, np.uint8)

    def bare() -> object:
        return simplejpeg.decode_jpeg(jpeg)

    compare("probe JPEG", lambda: probe(jpeg), lambda: simplejpeg.decode_jpeg_header(jpeg))
    compare("decode JPEG", lambda: decode(jpeg), bare)
    compare("decode JPEG, sRGB profile", lambda: decode(profiled), bare)
    compare("decode JPEG, to be turned", lambda: decode(turned), bare)
    compare("decode gray", lambda: decode(gray), lambda: simplejpeg.decode_jpeg(gray, "GRAY"))
    compare(
        "decode JPEG, reduced by 2",
        lambda: decode(jpeg, reduce=2),
        lambda: simplejpeg.decode_jpeg(jpeg, min_height=188, min_width=250),
    )
    compare("decode PNG", lambda: decode(png), lambda: cv2.imdecode(stored, cv2.IMREAD_COLOR_RGB))
    compare(
        "encode JPEG",
        lambda: encode(rgb, format="jpeg"),
        lambda: simplejpeg.encode_jpeg(rgb, 95, "RGB", "420"),
    )
    compare("encode PNG", lambda: encode(rgb, format="png"), lambda: cv2.imencode(".png", bgr))
    webp = [cv2.IMWRITE_WEBP_QUALITY, 95]
    compare(
        "encode WebP",
        lambda: encode(rgb, format="webp"),
        lambda: cv2.imencode(".webp", bgr, webp),
    )


if __name__ == "__main__":
    main()
