"""The size in an AV1 stream's sequence header (AV1 specification, section 5.5).

It is what libavif takes its memory by, whatever the container declares: it decodes the size that is
coded, and then scales it to the size that is declared.
"""

from variegate.codecs.bmff import Container
from variegate.codecs.limits import Limits
from variegate.errors import DecodeError

_SEQUENCE_HEADER = 1
# A still image has three or four.
_MAX_UNITS = 10_000


class _Bits:
    def __init__(self, data: bytes) -> None:
        self.value = int.from_bytes(data, "big")
        self.left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self.left:
            raise DecodeError("corrupt AVIF: a sequence header ends too early")
        self.left -= count
        return self.value >> self.left & ((1 << count) - 1)


def check_sizes(container: Container, limits: Limits) -> None:
    """Compare what is coded with what is declared, for every AV1 image of an AVIF.

    Raises:
        DecodeError: more is coded than declared, or a stream is broken.
        LimitError: what is coded is larger than the limits.
    """
    for item, kind in container.kinds.items():
        if kind != b"av01":
            continue
        height, width = largest_frame(container.content(item))
        if not height:
            continue
        limits.check_size(height, width, "AVIF")
        declared = container.size(item)
        if height > declared[0] or width > declared[1]:
            raise DecodeError(
                f"corrupt AVIF: {declared[1]:,} x {declared[0]:,} pixels declared,"
                f" {width:,} x {height:,} coded"
            )


def largest_frame(stream: bytes) -> tuple[int, int]:
    """The largest height and width that the sequence headers of a stream declare, or 0, 0."""
    height = width = at = 0
    for _ in range(_MAX_UNITS):
        if at >= len(stream):
            return height, width
        first = stream[at]
        at += 2 if first & 4 else 1
        size = len(stream) - at
        if first & 2:
            size, at = _leb128(stream, at)
        if first >> 3 & 15 == _SEQUENCE_HEADER:
            declared = _sequence_size(stream[at : at + min(size, 1024)])
            height, width = max(height, declared[0]), max(width, declared[1])
        at += size
    raise DecodeError(f"corrupt AVIF: an image in more than {_MAX_UNITS:,} units")


def _leb128(stream: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(stream[at : at + 8]):
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, at + index + 1
    raise DecodeError("corrupt AVIF: a unit without a size")


def _sequence_size(header: bytes) -> tuple[int, int]:
    bits = _Bits(header)
    bits.take(4)
    if bits.take(1):
        # A still image with a reduced header: only the level comes before the size.
        bits.take(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = 1 + bits.take(4), 1 + bits.take(4)
    width, height = 1 + bits.take(width_bits), 1 + bits.take(height_bits)
    return height, width


def _skip_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.take(1):
        bits.take(64)
        if bits.take(1):
            zeros = 0
            while not bits.take(1):
                zeros += 1
            bits.take(zeros)
        if bits.take(1):
            delay_bits = 1 + bits.take(5)
            bits.take(42)
    display_delay = bits.take(1)
    for _ in range(1 + bits.take(5)):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if display_delay and bits.take(1):
            bits.take(4)
