"""How the samples of a TIFF lie in its strips or tiles, and whether they can."""

from dataclasses import dataclass

from variegate.codecs.limits import Limits
from variegate.codecs.tiff.directory import Directory, Tag
from variegate.errors import DecodeError, LimitError, UnsupportedError

NONE, JPEG, WEBP = 1, 7, 50001
FAX = (2, 3, 4)
# None, LZW, Deflate (both numbers), PackBits, LZMA, Zstandard
_BYTEWISE = (NONE, 5, 8, 32946, 32773, 34925, 50000)
NO_PREDICTOR, DIFFERENCE, FLOAT_DIFFERENCE = 1, 2, 3
UNSIGNED, SIGNED, FLOAT, _VOID = 1, 2, 3, 4
_DEPTHS = {UNSIGNED: (*range(1, 17), 32, 64), SIGNED: (8, 16, 32, 64), FLOAT: (16, 32, 64)}


@dataclass(frozen=True)
class Structure:
    """How the samples lie in the file.

    Attributes:
        height: of the image, pixels.
        width: of the image, pixels.
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
        """Whether every chunk is an image file by itself."""
        return self.compression in (JPEG, WEBP)

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


def structure_of(directory: Directory, limits: Limits) -> Structure:
    """Read how the samples lie, and check that they can.

    Raises:
        DecodeError: contradictions.
        LimitError: a chunk would take far more memory than the image.
        UnsupportedError: a compression or depth that is not supported.
    """
    height, width = directory.number(Tag.HEIGHT), directory.number(Tag.WIDTH)
    tiled = Tag.TILE_WIDTH in directory
    samples = directory.number(Tag.SAMPLES, 1)
    depths = directory.numbers(Tag.BITS, (1,))
    formats = directory.numbers(Tag.SAMPLE_FORMAT, (1,))
    if len(set(depths[:samples])) != 1 or len(set(formats[:samples])) != 1:
        raise UnsupportedError("TIFF whose samples differ in depth is not supported")
    chunk_height = min(directory.number(Tag.ROWS_PER_STRIP, height), height)
    structure = Structure(
        height=height,
        width=width,
        compression=directory.number(Tag.COMPRESSION, NONE),
        bits=depths[0],
        sample_format=UNSIGNED if formats[0] == _VOID else formats[0],
        samples=samples,
        planar=directory.number(Tag.PLANAR, 1) == 2 and samples > 1,
        predictor=directory.number(Tag.PREDICTOR, NO_PREDICTOR),
        tiled=tiled,
        chunk_height=directory.number(Tag.TILE_HEIGHT) if tiled else chunk_height,
        chunk_width=directory.number(Tag.TILE_WIDTH) if tiled else width,
        offsets=directory.numbers(Tag.TILE_OFFSETS if tiled else Tag.STRIP_OFFSETS),
        sizes=directory.numbers(Tag.TILE_BYTES if tiled else Tag.STRIP_BYTES, ()),
    )
    limits.check_size(structure.chunk_height, structure.chunk_width, "TIFF chunk")
    _check_readable(structure)
    _check_memory(structure)
    return structure


def _check_readable(structure: Structure) -> None:
    known = (*FAX, *_BYTEWISE, JPEG, WEBP)
    if structure.compression not in known:
        raise UnsupportedError(f"TIFF with compression {structure.compression} is not supported")
    if structure.bits not in _DEPTHS.get(structure.sample_format, ()):
        raise UnsupportedError(
            f"TIFF with {structure.bits} bits a sample of format {structure.sample_format}"
            " is not supported"
        )
    single = structure.bits == 1 and structure.together == 1
    if structure.compression in FAX and not single:
        raise DecodeError("corrupt TIFF: fax compression of something else than 1 bit a pixel")
    if structure.self_contained and structure.bits != 8:
        raise UnsupportedError(f"TIFF with JPEG or WebP of {structure.bits} bits is not supported")
    if structure.predictor not in (NO_PREDICTOR, DIFFERENCE, FLOAT_DIFFERENCE) or (
        structure.predictor != NO_PREDICTOR and structure.bits % 8
    ):
        raise UnsupportedError(
            f"TIFF with predictor {structure.predictor} at {structure.bits} bits is not supported"
        )


def _check_memory(structure: Structure) -> None:
    """Many samples a pixel, or tiles far larger than the image: a small file, a large array."""
    planes = structure.samples if structure.planar else 1
    taken = (
        structure.rows * structure.columns * structure.chunk_height * structure.row_bytes * planes
    )
    allowed = 64 * 2**20 + 16 * structure.height * structure.width
    if taken > allowed:
        raise LimitError(
            f"TIFF chunks of {taken:,} bytes for {structure.width:,} x {structure.height:,} pixels;"
            f" {allowed:,} are allowed"
        )
    expected = structure.rows * structure.columns * planes
    if len(structure.offsets) < expected:
        raise DecodeError(
            f"corrupt TIFF: {len(structure.offsets):,} strips or tiles, expected {expected:,}"
        )
