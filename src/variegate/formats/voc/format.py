"""Pascal VOC: an XML file with boxes for each image, masks, and lists of images.

``Annotations/7.xml`` for ``JPEGImages/7.jpg``, ``SegmentationClass/7.png``,
``SegmentationObject/7.png``, ``ImageSets/Main/train.txt``; or, as Roboflow exports it,
``train/7.xml`` beside ``train/7.jpg``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.checks import Problems, without_duplicates
from variegate.codecs.sniff import IMAGE_EXTENSIONS
from variegate.errors import UsageError
from variegate.formats.base import NotThisFormat, Recognised, about, counted
from variegate.formats.blends import blend_notes
from variegate.formats.encodings import decode_text
from variegate.formats.hints import Hints
from variegate.formats.image_size import image_size
from variegate.formats.paired import PairedFormat, folder_said
from variegate.formats.pairing import (
    Listed,
    Pairs,
    counterpart,
    find_pairs,
    in_mask_folder,
    parts_of,
)
from variegate.formats.scan import Survey, split_below
from variegate.formats.voc.masks import ObjectMask
from variegate.formats.voc.objects import Reading, read_extra, read_objects, read_size
from variegate.formats.voc.sets import ImageSets, is_list, main_split, read_sets, split_of
from variegate.formats.voc.survey import (
    class_order,
    examine,
    mask_classes,
    other_format,
    palette,
    read_xml,
)
from variegate.formats.voc.writer import VocWriter
from variegate.formats.voc.xml import Node
from variegate.storage import Storage, printable

_LABELMAP = "labelmap.txt"
_TEXT_LIMIT = 1 << 20
_BLENDS = "each is taken for a value of its own; save masks without smoothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class PascalVoc(PairedFormat):
    """See `variegate.formats.voc.objects` for coordinates.

    The lists are held in memory.

    Attributes:
        sets: the lists.
        masks: keys of all masks.
        encoding: of files that do not say theirs, as the user says.
    """

    name: ClassVar[str] = "voc"
    takes: ClassVar[frozenset[str]] = frozenset(("encoding", "images", "masks"))
    heading: ClassVar[str] = "Pascal VOC"
    kind: ClassVar[str] = "XML file"
    names_image: ClassVar[bool] = True

    sets: ImageSets
    masks: frozenset[str]
    template: VocWriter
    encoding: str | None = None

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        if not survey.others[".xml"] and not any(map(_of_masks, survey.tally.folders)):
            return NotThisFormat("there are no .xml files")
        within = folder_said(survey.hints)
        listed = Listed.of(storage, extension=".xml", keep=_is_kept, within=within)
        masks = frozenset(
            key for key in listed.others if in_mask_folder(key) and not _is_unread_mask(key)
        )
        pairs = find_pairs(listed, ".xml", within=within)
        if not pairs.folders:
            pairs = _pairs_by_masks(listed, masks)
        if not pairs.folders:
            where = "" if within is None else f" in {printable(within)!r}"
            return NotThisFormat(f"no .xml file has the name of an image{where}")
        if not chosen:
            if not masks and next(pairs.present(listed), None) is None:
                return NotThisFormat("no .xml file has the name of an image", noteworthy=True)
            if reason := pairs.doubt(listed):
                return NotThisFormat(reason, noteworthy=True)
            if other := other_format(storage, pairs, listed, survey.hints.encoding):
                return other
        return cls._of(storage, listed, pairs, masks, hints=survey.hints)

    @classmethod
    def _of(
        cls,
        storage: Storage,
        listed: Listed,
        pairs: Pairs,
        masks: frozenset[str],
        *,
        hints: Hints,
    ) -> Self:
        stems = {stem for found in listed.images.values() for stem in found}
        lists = [key for key in listed.others if is_list(key)]
        sets = read_sets(storage, lists, lambda name: name.rpartition("/")[2] in stems)
        maps = [key for key in listed.others if key.rpartition("/")[2] == _LABELMAP]
        text, guesses = None, list[str]()
        if maps:
            data = storage.read(maps[0], limit=_TEXT_LIMIT)
            text = decode_text(data, printable(maps[0]), hints.encoding, guesses)
        names, origin = examine(storage, pairs.present(listed), hints.encoding)
        classes = class_order(names, text)
        dataset_format = cls(
            root=pairs.root(*listed.others),
            said=hints.splits,
            encoding=hints.encoding,
            classes=classes,
            pairs=pairs,
            sets=sets,
            masks=masks,
            template=VocWriter(
                classes=classes,
                origin=origin,
                folders=pairs.folders,
                lists=sets.names,
                labelmap=None if text is None else (maps[0], text),
                palette=palette(storage, masks),
                mask_classes=mask_classes(text, names) if masks else (),
            ),
        )
        if hints.masks not in (None, "classes"):
            raise UsageError(
                f"--masks {hints.masks}: the values of masks of Pascal VOC are numbers of classes; "
                "expected classes, or no --masks"
            )
        blends = () if hints.masks else blend_notes(storage, sorted(masks), _BLENDS)
        notes = (*guesses, *dataset_format._notes(listed), *blends)
        return dataset_format.with_counts(listed, notes)

    def _notes(self, listed: Listed) -> Iterator[str]:
        if not self.template.origin:
            yield "boxes start at 0: their numbers are taken as edges, not as pixels from 1 on"
        yield from self.unpaired(listed)
        unread = (key for key in listed.others if _is_unread_mask(key))
        words = "not PNG and not read; save masks as PNG"
        yield from about(unread, "mask is", "masks are", words)
        found = {
            self.sets.find(f"{folder}{stem}")
            for folder in self.pairs.folders
            for stem in listed.images[folder]
        }
        listed_names = {(root, name) for root, known in self.sets.members.items() for name in known}
        lost = sorted(name for _, name in listed_names - found)
        yield from about(lost, "image is", "images are", "listed in ImageSets but missing")
        several = sorted(
            name
            for known in self.sets.members.values()
            for name, lists in known.items()
            if len({*map(main_split, lists)} - {None}) > 1
        )
        kept = "listed in several splits, so kept out of training"
        yield from about(several, "image is", "images are", kept)

    def split_of(self, folder: str, stem: str) -> str | None:
        return (
            split_of(self.sets.of(folder + stem))
            if self.sets.members
            else split_below(folder, self.said)
        )

    def other_role(self, key: str) -> str | None:
        if is_list(key):
            return "a list of images"
        if key.rpartition("/")[2] == _LABELMAP:
            return "a list of classes"
        if in_mask_folder(key) and key.lower().endswith(".png"):
            return "a mask"
        return "a label file" if key.lower().endswith(".xml") else None

    def read(self, storage: Storage, image: str, where: str, problems: Problems) -> Annotation:
        root = read_xml(storage, where, self.encoding) if storage.exists(where) else None
        if root is None or _is_about_another(storage, image, root):
            annotation = self._by_masks(storage, image, problems)
        else:
            annotation = self._annotation(storage, image, root, problems)
        folder, stem, _ = parts_of(image)
        if lists := self.sets.of(folder + stem):
            annotation = annotation.changed(extra={**annotation.extra, "image_sets": list(lists)})
        return annotation

    def _annotation(self, storage: Storage, key: str, root: Node, problems: Problems) -> Annotation:
        if other := _other_image(storage, key, root):
            problems.add(
                root.line,
                f"<filename> is {other!r}, another image; taken for the one it is called like",
            )
        node = root.find("size")
        line = 1 if node is None else node.line
        size = self.settled(
            storage, key, read_size(root, problems), lambda problem: problems.add(line, problem)
        )
        reading = Reading(self.template.origin, size or image_size(storage, key), problems)
        folder, stem, _ = parts_of(key)
        mask = self._object_mask(storage, key, problems)
        known = self.sets.find(folder + stem)
        numbered = self.sets.objects.get(known, {}) if known else {}
        objects, masked = [], set()
        for number, line, one in read_objects(root, reading, stem):
            if number and mask and mask.fits(number, one.box):
                value = mask.value(number)
                masked.add(value)
                one = one.changed(mask_file=mask.key, mask_value=value)
            lists = [name for name, numbers in numbered.items() if number in numbers]
            if lists:
                one = one.changed(extra={**one.extra, "image_sets": lists})
            objects.append((line, one))
        if mask and (left := mask.found() - masked):
            problems.found.append(
                f"{printable(mask.key)}: {counted(len(left), 'value', 'values')} of no object in "
                f"{problems.key}; left out"
            )
        return Annotation(
            size=size,
            objects=without_duplicates(objects, problems),
            mask_file=self._mask("SegmentationClass", key),
            extra=read_extra(root),
        )

    def unsized(self, storage: Storage, image: str, where: str) -> Annotation:
        root, unheard = read_xml(storage, where, self.encoding), Problems(where)
        reading = Reading(self.template.origin, None, unheard)
        objects = tuple(one for _, _, one in read_objects(root, reading, ""))
        return Annotation(size=read_size(root, unheard), objects=objects)

    def _by_masks(self, storage: Storage, key: str, problems: Problems) -> Annotation:
        """Return what the masks of an image say that has no XML file."""
        semantic = self._mask("SegmentationClass", key)
        objects = self._object_mask(storage, key, problems)
        found: tuple[Object, ...] = ()
        if objects and semantic:
            classes = ObjectMask.read(storage, semantic, self._palette)
            if isinstance(classes, ObjectMask) and classes.values.shape == objects.values.shape:
                names = {classes.value(i): n for i, n in enumerate(self.template.mask_classes) if i}
                found = tuple(objects.objects(classes.values, names))
        return Annotation(objects=found, mask_file=semantic, extra={"no_file": True})

    def _object_mask(self, storage: Storage, key: str, problems: Problems) -> ObjectMask | None:
        where = self._mask("SegmentationObject", key)
        mask = where and ObjectMask.read(storage, where, self._palette)
        if isinstance(mask, str) and mask:
            problems.found.append(mask)
        return mask if isinstance(mask, ObjectMask) else None

    @property
    def _palette(self) -> bytes:
        return bytes.fromhex(self.template.palette)

    def _mask(self, kind: str, image: str) -> str | None:
        """Return the key of an image's mask, if there is one."""
        folder, stem, _ = parts_of(image)
        parts = folder.split("/")[:-1]
        for at in reversed(range(len(parts))):
            key = "/".join([*parts[:at], kind, *parts[at + 1 :], f"{stem}.png"])
            if key in self.masks:
                return key
        return None


def _is_kept(key: str) -> bool:
    mask = key.lower().endswith(".png") and _of_masks(tuple(key.split("/")[:-1]))
    return mask or _is_unread_mask(key) or is_list(key) or key.rpartition("/")[2] == _LABELMAP


def _is_unread_mask(key: str) -> bool:
    extension = parts_of(key)[2].lower()
    is_other = extension in IMAGE_EXTENSIONS and extension != ".png"
    return is_other and _of_masks(tuple(key.split("/")[:-1]))


def _of_masks(folder: Sequence[str]) -> bool:
    return any(part in ("SegmentationClass", "SegmentationObject") for part in folder)


def _is_about_another(storage: Storage, key: str, root: Node) -> bool:
    """Say whether the file is about an image that differs from this one by its extension alone."""
    folder, stem, extension = parts_of(key)
    _, other, other_extension = parts_of(root.word("filename") or "")
    return (
        stem == other
        and extension != other_extension
        and storage.exists(folder + stem + other_extension)
    )


def _other_image(storage: Storage, key: str, root: Node) -> str | None:
    """Return the image beside this one that the file names instead of it, by another stem."""
    folder, stem, _ = parts_of(key)
    name = (root.word("filename") or "").replace("\\", "/").rpartition("/")[2]
    _, other, extension = parts_of(name)
    if other == stem or extension.lower() not in IMAGE_EXTENSIONS:
        return None
    return printable(name) if storage.exists(folder + name) else None


def _pairs_by_masks(listed: Listed, masks: frozenset[str]) -> Pairs:
    """Pair the images that have masks, but no XML files, with where those would be."""
    marked = {parts_of(key)[1] for key in masks}
    folders = (folder for folder, stems in listed.images.items() if not stems.isdisjoint(marked))
    return Pairs({folder: counterpart(folder, "Annotations") for folder in folders}, ".xml")
