"""What the headers of images say, beside what their annotations and names say."""

import re
from array import array

from variegate.annotations.alignment import is_stored, same_shape
from variegate.annotations.annotation import Annotation
from variegate.codecs.sniff import NAMES
from variegate.datasets.inspection.figures import Inspection, Spread, count_fault, kind_of_problem
from variegate.datasets.inspection.looks import ImageLook, Looker
from variegate.datasets.inspection.pixel_format import PixelFormat
from variegate.formats import Source
from variegate.formats.base import counted
from variegate.runs.file_notes import depth_notes
from variegate.storage import printable

_FRAMES = "several frames, of which a run uses the first"
_DEEP = "deeper than 8 bits a channel; results have 8 bits"
# What formats say of a size that they settled otherwise (formats/stated_size.py).
_STATED = re.compile(r"(?:a size of|is for an image of) ([\d,]+) x ([\d,]+)(?: is stated)?, ")
# Without --decode so many of them are decoded all the same, to count what is left of their levels.
_MOST_DECODED = 50
NOT_TOLD = "not told"
# Formats whose files state no sizes: those of their annotations are the images' own.
_MEASURED = frozenset({"yolo", "masks", "object-masks", "imagefolder"})
_KIND_OF = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".jif"), "jpeg"),
    **dict.fromkeys((".png", ".apng"), "png"),
    **dict.fromkeys((".tif", ".tiff", ".btf"), "tiff"),
    **dict.fromkeys((".bmp", ".dib"), "bmp"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm"), "ppm"),
    **dict.fromkeys((".avif", ".avifs"), "avif"),
    **dict.fromkeys((".heic", ".heif", ".heics", ".hif"), "heif"),
    **dict.fromkeys((".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"), "jp2"),
    **dict.fromkeys((".ico", ".cur"), "ico"),
    **dict.fromkeys((".tga", ".icb", ".vda", ".vst"), "tga"),
    ".webp": "webp",
    ".gif": "gif",
    ".svg": "svg",
}


class HeaderCounter:
    """Counts what headers say into an inspection."""

    def __init__(self, found: Inspection, look: Looker) -> None:
        self._found = found
        self._look = look
        self._heights, self._widths = array("l"), array("l")
        self._levels: list[int] = []

    def add(self, source: Source, annotation: Annotation, look: ImageLook) -> None:
        """Take an image whose header was read."""
        header = look.header
        assert header is not None
        self._heights.append(header.height)
        self._widths.append(header.width)
        self._named(source.key, header.kind)
        pixels = look.pixels
        for counts, what in (
            (self._found.file_types, NAMES[header.kind]),
            (self._found.depths, str(pixels.bits) if pixels else NOT_TOLD),
            (self._found.channels, pixels.channels if pixels else NOT_TOLD),
        ):
            counts[what] = counts.get(what, 0) + 1
        if pixels is not None and pixels.bits > 8:
            self._deeper(source.key, pixels, look.levels)
        if header.frames > 1:
            words = f"{printable(source.key)}: {header.frames:,} frames"
            count_fault(self._found.findings, _FRAMES, words)
        for one in look.faults:
            count_fault(self._found.findings, kind_of_problem(one), printable(source.key))
        given = _stated_size(source) or annotation.size
        if given is not None and self._found.format not in _MEASURED:
            self._found.sizes_compared += 1
            self._sized(source, given, header.orientation)

    def finish(self) -> None:
        """Write down what was found of all."""
        found = self._found
        found.heights, found.widths = Spread.of(self._heights), Spread.of(self._widths)
        found.sizes_of = len(self._heights)
        for name in ("file_types", "depths", "channels"):
            counts = getattr(found, name)
            setattr(found, name, dict(sorted(counts.items(), key=lambda item: -item[1])))
        found.notes += tuple(depth_notes(found.deep, found.sizes_of, self._levels))

    def _sized(self, source: Source, given: tuple[int, int], orientation: int) -> None:
        size = (self._heights[-1], self._widths[-1])
        if given == size:
            return
        if is_stored(given, size, orientation):
            kind = "annotated as stored, before EXIF's quarter turn"
        elif given == size[::-1]:
            kind = "annotation with width and height exchanged"
        elif same_shape(given, size):
            kind = "annotation for another scale of the image"
        else:
            kind = "annotation for an image of another shape"
        example = (
            f"{printable(source.key)}: annotated as {given[1]:,} x {given[0]:,}, "
            f"has {size[1]:,} x {size[0]:,}"
        )
        count_fault(self._found.findings, kind, example)

    def _named(self, key: str, kind: str) -> None:
        name = key[key.rfind("/") + 1 :].lower()
        extension = name[name.rfind(".") :] if "." in name else ""
        if (expected := _KIND_OF.get(extension)) is not None and expected != kind:
            words = f"named {extension}, but {NAMES[kind]} by content"
            count_fault(self._found.findings, words, printable(key))

    def _deeper(self, key: str, pixels: PixelFormat, levels: int | None) -> None:
        self._found.deep += 1
        if levels is None and len(self._levels) < _MOST_DECODED:
            levels = self._look.levels(key)
        words = f"{printable(key)}: {pixels.bits} bits, {pixels.channels}"
        if levels is not None:
            self._levels.append(levels)
            words += f"; its result has {counted(levels, 'gray level', 'gray levels')}"
        count_fault(self._found.findings, _DEEP, words)


def _stated_size(source: Source) -> tuple[int, int] | None:
    """Return (height, width) that the annotation file states, where it is not the one used."""
    for problem in (*source.problems, source.unusable or ""):
        if found := _STATED.search(problem):
            width, height = (int(number.replace(",", "")) for number in found.groups())
            return height, width
    return None
