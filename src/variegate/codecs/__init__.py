"""Images: bytes to arrays and back.

`probe` tells an image's kind and size without decoding it. `decode` gives it as every other part
of variegate expects it: upright, sRGB or gray, 8 bits. `encode` writes it. A kind of file is told
by its content, never by its name, and everything that is wrong with one is a `ImageError`.
`decode_mask` and `encode_mask` are for images whose values are numbers.

A format is one file here, with `parse(data, limits)`.
"""

from variegate.codecs.decode import Header, decode, faults_of, is_plain, probe
from variegate.codecs.encode import encode
from variegate.codecs.limits import Depth, Limits
from variegate.codecs.masks import MASK_EXTENSION, decode_mask, encode_mask, lossy_mask
from variegate.codecs.metadata import with_exif, without_metadata
from variegate.codecs.pixels import upright
from variegate.codecs.png import read_palette
from variegate.codecs.quantisation import compression_of, luminance_steps
from variegate.codecs.sniff import EXTENSIONS, IMAGE_EXTENSIONS, kind_of

__all__ = [
    "EXTENSIONS",
    "IMAGE_EXTENSIONS",
    "MASK_EXTENSION",
    "Depth",
    "Header",
    "Limits",
    "compression_of",
    "decode",
    "decode_mask",
    "encode",
    "encode_mask",
    "faults_of",
    "is_plain",
    "kind_of",
    "lossy_mask",
    "luminance_steps",
    "probe",
    "read_palette",
    "upright",
    "with_exif",
    "without_metadata",
]
