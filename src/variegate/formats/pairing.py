"""Which annotation file belongs to which image, where each image has one of its own.

Images and their annotations share a stem (``7.jpg``, ``7.xml``); their folders differ by words
that say what they hold (``JPEGImages/a`` and ``Annotations/a``, ``train/images`` and
``train/labels``), or not at all. Used by Pascal VOC, YOLO and LabelMe.
"""

import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from variegate.annotations.splits import canonical_split
from variegate.codecs.sniff import IMAGE_EXTENSIONS
from variegate.errors import InputError
from variegate.formats.scan import is_hidden, leave_unsaid
from variegate.storage import Storage, printable

_IMAGE_WORDS = {"images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "jpegs"}
_ANNOTATION_WORDS = {
    *("annotations", "annotation", "anno", "annos", "ann", "anns", "labels", "label"),
    *("labeltxt", "xml", "xmls", "json", "jsons", "txt"),
}
_MASK_WORDS = {
    *("masks", "mask", "segmentationclass", "segmentationobject", "segmentationclassraw"),
    *("segmentationclassvisualization", "segmentationobjectvisualization", "scribbles"),
    *("semantic_segmentation", "panoptic_segmentation"),
}

# If fewer of the images stand beside annotation files, the dataset is another, or several.
_PAIRED = 0.5


@dataclass(slots=True)
class Listed:
    """The stems of a dataset's images and annotation files, by folder ("" or "a/b/").

    Attributes:
        spelled: keys of annotation files whose extension is in other case (``7.XML``), by the key
            in lower case; a file in lower case goes before them.
        twice: images, without their extension, that are there with several.
    """

    images: dict[str, set[str]] = field(default_factory=dict)
    annotations: dict[str, set[str]] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)
    others: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        storage: Storage,
        *,
        extension: str,
        keep: Callable[[str], bool],
        within: str | None = None,
    ) -> "Listed":
        """List once.

        Args:
            storage: the dataset.
            extension: of the annotation files, in lower case.
            keep: says which other files' keys to keep.
            within: the folder in which the user says that the images are, "" or "a/b/".
        """
        listed = cls()
        for entry in storage.list(on_skip=leave_unsaid):
            folder, stem, tail = parts_of(entry.key)
            if is_hidden(entry.key):
                continue
            if keep(entry.key):
                listed.others.append(entry.key)
            elif tail.lower() == extension:
                listed._add_annotation(folder, stem, tail)
            elif tail.lower() not in IMAGE_EXTENSIONS:
                continue
            elif not in_mask_folder(folder) if within is None else folder.startswith(within):
                listed._add_image(folder, stem)
        return listed

    def _add_image(self, folder: str, stem: str) -> None:
        stems = self.images.setdefault(folder, set())
        if stem in stems:
            self.twice.add(folder + stem)
        stems.add(stem)

    def _add_annotation(self, folder: str, stem: str, tail: str) -> None:
        stems = self.annotations.setdefault(folder, set())
        usual = f"{folder}{stem}{tail.lower()}"
        if tail == tail.lower():
            self.spelled.pop(usual, None)
        elif stem not in stems:
            self.spelled[usual] = f"{folder}{stem}{tail}"
        stems.add(stem)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Folders of images and where their annotation files are.

    Attributes:
        folders: folder of images -> folder of their annotation files.
        extension: of the annotation files as they are written.
        spelled: the keys of annotation files whose extension is in other case, as in `Listed`.
        ranks: folder of images -> how far it is from that of its annotation files, the least the
            nearest.
    """

    folders: Mapping[str, str]
    extension: str
    spelled: Mapping[str, str] = field(default_factory=dict)
    ranks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def annotation_key(self, image: str) -> str | None:
        """Return the key that the image's annotation file has, if it has one."""
        folder, stem, _ = parts_of(image)
        where = self.folders.get(folder)
        return None if where is None else self.key_in(where, stem)

    def key_in(self, where: str, stem: str) -> str:
        """Return the key of the annotation file of that stem, as it is spelled."""
        usual = f"{where}{stem}{self.extension}"
        return self.spelled.get(usual, usual)

    def root(self, *keys: str) -> str:
        """Return the folder that holds all these folders and files."""
        folders = (*self.folders, *self.folders.values(), *(parts_of(key)[0] for key in keys))
        root = posixpath.commonpath(folders)
        return f"{root}/" if root else ""

    def doubt(self, listed: Listed) -> str | None:
        """Say so where most images stand in folders without annotation files."""
        total = sum(map(len, listed.images.values()))
        paired = sum(len(listed.images[folder]) for folder in self.folders)
        if paired >= _PAIRED * total:
            return None
        return f"{self.extension} files go with {paired:,} of {total:,} images"

    def present(self, listed: Listed) -> Iterator[str]:
        """Yield the annotation files that belong to an image."""
        for folder, where in self.folders.items():
            for stem in sorted(listed.images[folder] & listed.annotations.get(where, set())):
                yield self.key_in(where, stem)

    def shared(self, listed: Listed) -> Iterator[tuple[str, list[str]]]:
        """Yield each annotation file that images of several folders have, and these images.

        The images come without their extensions, those of the nearest folder first.
        """
        for where, folders in sorted(self._owners().items()):
            stems = listed.annotations.get(where, set())
            seen, several = set[str](), set[str]()
            for folder in folders if len(folders) > 1 else ():
                own = listed.images[folder] & stems
                several |= own & seen
                seen |= own
            nearest = sorted(folders, key=lambda one: (self.ranks.get(one, ()), one))
            for stem in sorted(several):
                images = [folder + stem for folder in nearest if stem in listed.images[folder]]
                yield self.key_in(where, stem), images

    def are_as_near(self, one: str, other: str) -> bool:
        """Say whether the folders of two images are as near to that of their annotation file."""
        ranks = (self.ranks.get(parts_of(image)[0], ()) for image in (one, other))
        return next(ranks) == next(ranks)

    def is_paired(self, listed: Listed, image: str) -> bool:
        """Say whether an image, without its extension, has an annotation file."""
        folder, slash, stem = image.rpartition("/")
        where = self.folders.get(folder + slash)
        return where is not None and stem in listed.annotations.get(where, ())

    def _owners(self) -> dict[str, list[str]]:
        owners: dict[str, list[str]] = {}
        for folder, where in self.folders.items():
            owners.setdefault(where, []).append(folder)
        return owners

    def missing(self, listed: Listed) -> list[str]:
        """Return annotation files without an image, in the folders that belong to images."""
        return sorted(
            self.key_in(where, stem)
            for where, folders in self._owners().items()
            for stem in listed.annotations.get(where, set()).difference(
                *(listed.images[folder] for folder in folders)
            )
            if not is_paper(stem)
        )

    def unlisted(self, listed: Listed) -> list[str]:
        """Return images without an annotation file, without their extensions."""
        return sorted(
            folder + stem
            for folder, where in self.folders.items()
            for stem in listed.images[folder] - listed.annotations.get(where, set())
        )


def find_pairs(listed: Listed, extension: str, *, within: str | None = None) -> Pairs:
    """Find the folder of annotation files for each folder of images that has one.

    Args:
        listed: the dataset's files.
        extension: of the annotation files.
        within: the folder in which the user says that the images are; their annotation files may
            then be in any folder.

    Raises:
        InputError: they may be in several.
    """
    found, ranks = {}, dict[str, tuple[int, ...]]()
    for folder, ranked in _ranked(listed):
        shared = [one for one in ranked if one[3]]
        exact = [one for one in ranked if one[0] == 1]
        if shared or exact:
            rank, distance, where, _ = (shared + exact)[0]
            found[folder] = where
            # Images among annotation files are seldom those that they are about.
            ranks[folder] = (_is_of_annotations(folder), rank, distance)
        elif within is not None and (anywhere := _by_stems(listed, folder)):
            found[folder] = anywhere
    return Pairs(found, extension, listed.spelled, ranks)


def _is_of_annotations(folder: str) -> bool:
    return any(part.lower() in _ANNOTATION_WORDS for part in folder.split("/"))


def _by_stems(listed: Listed, folder: str) -> str | None:
    """Return the folder of annotation files with the most stems of a folder of images.

    Raises:
        InputError: several have as many.
    """
    stems = listed.images[folder]
    counts = {where: len(stems & own) for where, own in listed.annotations.items()}
    most = max(counts.values(), default=0)
    best = sorted(where for where, count in counts.items() if count == most)
    if not most:
        return None
    if len(best) > 1:
        raise InputError(
            f"{printable(folder)}: its annotation files may be in {best[0]!r} or {best[1]!r}; move "
            "away those that do not belong to these images"
        )
    return best[0]


def rivals(listed: Listed) -> list[str]:
    """Return the folders, if several, that fit some images equally well; with most first."""
    counts: Counter[str] = Counter()
    for folder, ranked in _ranked(listed):
        shared = [one for one in ranked if one[3]]
        best = [one for one in shared if one[:2] == shared[0][:2]]
        if len(best) > 1:
            for *_, where, count in best:
                counts[_top(where, folder)] += count
    return sorted(counts, key=lambda top: (-counts[top], top))


def _top(where: str, folder: str) -> str:
    """Return a folder of annotations without the end that it has in common with the images'."""
    ours, theirs = where.split("/")[:-1], folder.split("/")[:-1]
    while ours and theirs and ours[-1] == theirs[-1]:
        ours.pop()
        theirs.pop()
    return "".join(f"{part}/" for part in ours)


_Ranked = tuple[int, int, str, int]


def _ranked(listed: Listed) -> Iterator[tuple[str, list[_Ranked]]]:
    """Yield folders of images with (rank, distance, folder of annotations, stems in common)."""
    by_rest: dict[tuple[str, ...], list[str]] = {}
    for where in sorted(listed.annotations):
        rest = _rest(where)
        for start in range(len(rest) + 1):
            by_rest.setdefault(rest[start:], []).append(where)
    for folder, stems in listed.images.items():
        ranked = sorted(_candidates(folder, by_rest))
        yield folder, [(*one, len(stems & listed.annotations[one[2]])) for one in ranked]


def _candidates(
    folder: str, by_rest: Mapping[tuple[str, ...], list[str]]
) -> Iterator[tuple[int, int, str]]:
    """Yield (rank, distance, folder of annotations), the least the best."""
    rest = _rest(folder)
    for where in by_rest.get(rest, []):
        distance = len(_rest(where)) - len(rest)
        yield (0 if where == folder else 1 if not distance else 2), distance, where
    for start in range(1, len(rest) + 1):
        for where in by_rest.get(rest[start:], []):
            if _rest(where) == rest[start:]:
                yield 3, start, where


def _rest(folder: str) -> tuple[str, ...]:
    """Return a folder's parts but those that say what kind of files it holds."""
    roles = _IMAGE_WORDS | _ANNOTATION_WORDS
    return tuple(part for part in folder.split("/") if part and part.lower() not in roles)


def in_mask_folder(key: str) -> bool:
    """Say whether a file or folder is one of masks, by the names above it."""
    return any(part.lower() in _MASK_WORDS for part in key.split("/")[:-1])


def holds_annotations(folder: str) -> bool:
    """Say whether a folder is one of masks or other annotations, by its name or one above."""
    return any(part.lower() in _MASK_WORDS | _ANNOTATION_WORDS for part in folder.split("/"))


def is_paper(stem: str) -> bool:
    """Say whether a file beside annotation files is about the dataset as a whole."""
    return stem.lower() in ("readme", "license")


def parts_of(key: str) -> tuple[str, str, str]:
    """Return the folder with its slash, the stem, and the extension with its dot."""
    cut = key.rfind("/") + 1
    name = key[cut:]
    dot = name.rfind(".")
    return (key[:cut], name[:dot], name[dot:]) if dot > 0 else (key[:cut], name, "")


def counterpart(folder: str, word: str) -> str:
    """Return where annotations go for a new folder of images: ``images/a`` -> ``word/a``."""
    parts = folder.split("/")
    for at in reversed(range(len(parts))):
        if parts[at].lower() in _IMAGE_WORDS:
            return "/".join([*parts[:at], word, *parts[at + 1 :]])
    return folder


def flattened(key: str, extension: str, *, splits: bool) -> str:
    """Return one file name for a key of another dataset: ``images/a/7.png`` -> ``a_7.jpg``.

    Args:
        key: there.
        extension: of the name.
        splits: whether names of splits stay in the name.
    """
    folder, stem, _ = parts_of(key)
    kept = (part for part in _rest(folder) if splits or not canonical_split(part))
    return "_".join((*kept, stem)) + extension


def listed_lines(storage: Storage, key: str) -> Iterator[str]:
    """Yield the lines of a list of images that are not empty."""
    with storage.open_read(key) as file:
        for raw in file:
            if line := raw.decode("utf-8-sig", "surrogateescape").strip():
                yield line
