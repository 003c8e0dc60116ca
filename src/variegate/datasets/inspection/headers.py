"""What the headers of images say, beside what their annotations and names say."""

from array import array

from variegate.annotations.alignment import is_stored, same_shape
from variegate.annotations.annotation import Annotation
from variegate.codecs.sniff import NAMES
from variegate.datasets.inspection.figures import Fault, Inspection, Spread, count_fault
from variegate.datasets.inspection.looks import ImageLook, Looker
from variegate.formats import Source
from variegate.storage import printable

DEEP = "deeper than 8 bits a channel; results have 8 bits"
FEW_LEVELS = "deep images of hardly any gray level as 8 bits"
_DEEP_SHOWN = 3
_FEW = 16
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
        self._deep: list[tuple[str, str, int | None]] = []
        self._deep_count = 0

    def add(self, source: Source, annotation: Annotation, look: ImageLook) -> None:
        """Take an image whose header was read."""
        header = look.header
        assert header is not None
        self._heights.append(header.height)
        self._widths.append(header.width)
        self._named(source.key, header.kind)
        bits = NOT_TOLD if look.pixels is None else str(look.pixels.bits)
        channels = NOT_TOLD if look.pixels is None else look.pixels.channels
        for counts, what in (
            (self._found.file_types, NAMES[header.kind]),
            (self._found.depths, bits),
            (self._found.channels, channels),
        ):
            counts[what] = counts.get(what, 0) + 1
        if look.pixels is not None and look.pixels.bits > 8:
            self._deeper(source.key, f"{bits} bits, {channels}", look.levels)
        if annotation.size is not None and self._found.format not in _MEASURED:
            self._found.sizes_compared += 1
            self._sized(source, annotation.size, header.orientation)

    def finish(self) -> None:
        """Write down what was found of all."""
        found = self._found
        found.heights, found.widths = Spread.of(self._heights), Spread.of(self._widths)
        found.sizes_of = len(self._heights)
        for name in ("file_types", "depths", "channels"):
            counts = getattr(found, name)
            setattr(found, name, dict(sorted(counts.items(), key=lambda item: -item[1])))
        if self._deep_count:
            shown = [self._deep_words(*one) for one in self._deep]
            found.findings[DEEP] = Fault(count=self._deep_count, examples=shown)

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

    def _deeper(self, key: str, what: str, levels: int | None) -> None:
        self._deep_count += 1
        if len(self._deep) < _DEEP_SHOWN:
            self._deep.append((key, what, levels))
        if levels is not None and levels < _FEW:
            count_fault(self._found.findings, FEW_LEVELS, f"{printable(key)}: {levels}")

    def _deep_words(self, key: str, what: str, levels: int | None) -> str:
        # Without --decode those that are shown are decoded all the same: it is what matters.
        levels = self._look.levels(key) if levels is None else levels
        words = f"{printable(key)}: {what}"
        if levels is None:
            return f"{words}; cannot be decoded"
        return f"{words}; its result has {levels} gray level{'' if levels == 1 else 's'}"
