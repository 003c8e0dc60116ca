"""Images and masks in pairs: ``images/7.jpg`` and ``masks/7.png``, ``7.jpg`` and ``7_mask.png``.

The values of a mask are classes. They are amounts, to be interpolated, where its folder or the end
of its name says so: ``mattes``, ``matte``, ``soft``, ``alphas``, ``alpha``; a mask of 200 classes
and a soft one cannot be told apart by their values. They number the objects of an image where they
count from 1 in each (`values`), or where the set is known for it. The user may say it (`--masks`).

A mask keeps its values, its depth and its palette. It is written as PNG, whatever it was.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from variegate.annotations.annotation import Annotation
from variegate.codecs import EXTENSIONS
from variegate.errors import ImageError, InputError
from variegate.formats.base import (
    DatasetFormat,
    NotThisFormat,
    Recognised,
    Source,
    counted,
    mask_source,
    named,
)
from variegate.formats.image_size import image_size, mask_palette, measure, size_problem
from variegate.formats.mask_pairs.classes import class_names, is_class_file, read_class_files
from variegate.formats.mask_pairs.pairs import Pairing, split_key
from variegate.formats.mask_pairs.search import find_pairing, is_mask_folder, other_masks
from variegate.formats.mask_pairs.values import (
    NO_OBJECT,
    Meaning,
    meaning_of,
    object_class,
    object_values,
    objects_of,
    read_mask,
    values_of,
)
from variegate.formats.mask_pairs.writer import MASK, PALETTE, MaskPairsWriter
from variegate.formats.scan import Survey, leave_unsaid, split_below
from variegate.storage import Entry, Storage, printable

_MOST_EXTENSIONS = 12
# Masks that are looked at to tell what their values are.
_SAMPLE = 30
# Folders whose masks are known to number objects: PennFudan's, and those that say so.
_NUMBERED = ("pedmasks", "instances", "instance", "instance_masks", "instancemasks")


@dataclass(slots=True)
class _Seen:
    """What a look through the listing finds."""

    images: Counter[str]
    image_extensions: Counter[str]
    mask_extensions: Counter[str]
    class_files: list[str]
    masks: list[str]

    @property
    def first_mask(self) -> str | None:
        """Key of the first mask."""
        return self.masks[0] if self.masks else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskPairs(DatasetFormat):
    """Every image has one mask of the same size, found by its name.

    Attributes:
        pairing: how.
        palette: of the first mask, as hexadecimal digits; "" without one.
        class_files: key -> text of the files that say what the values mean.
        instances: the values of a mask number the objects of its image.
    """

    name: ClassVar[str] = "masks"
    takes: ClassVar[frozenset[str]] = frozenset(("classes", "encoding", "masks"))

    pairing: Pairing
    palette: str = ""
    class_files: Mapping[str, str]
    instances: bool = False

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        pairing = find_pairing(survey, storage, chosen=chosen)
        if isinstance(pairing, str):
            if lost := _lost_images(survey, storage):
                raise InputError(f"{printable(storage.url)}: {lost}")
            return NotThisFormat(pairing)
        others = other_masks(survey, pairing)
        seen = _look(survey, storage, pairing)
        # Those that stand above the masks; others are about something else.
        beside = [key for key in seen.class_files if _is_above(key, seen.first_mask or "")]
        guesses: list[str] = []
        texts = read_class_files(storage, beside, survey.hints.encoding, guesses)
        classes = survey.hints.classes or class_names(texts)
        meaning = survey.hints.masks or _meaning(storage, pairing, seen, classes)
        pairing = replace(pairing, soft=meaning == "soft")
        notes = [f"further masks are left out, in {named(others)}"] if others else []
        notes += guesses
        if meaning == "instances":
            classes = (object_class(classes),)
        if survey.hints.masks is None:
            notes += _about_values(meaning, classes)
        notes += _about_jpeg(storage, seen, meaning)
        return cls(
            classes=classes,
            said=survey.hints.splits,
            images=seen.images,
            notes=tuple(notes),
            instances=meaning == "instances",
            pairing=replace(
                pairing,
                image_extensions=_common(seen.image_extensions),
                mask_extensions=_common(seen.mask_extensions),
            ),
            palette=mask_palette(storage, seen.first_mask).hex() if seen.first_mask else "",
            class_files=texts,
        )

    @property
    def heading(self) -> str:
        images, masks = self.pairing.folders[0]
        if masks:
            return f"masks in {printable(masks)!r} for the images in {printable(images)!r}"
        return f"masks beside the images, called {printable(self.pairing.mask[1])!r}"

    def split(self, key: str) -> str | None:
        return split_below(key, self.said)

    def writer(self) -> MaskPairsWriter:
        return MaskPairsWriter(
            classes=self.classes,
            pairing=self.pairing,
            palette=self.palette,
            class_files=self.class_files,
            instances=self.instances,
        )

    def source(self, entry: Entry, storage: Storage) -> Source:
        key = entry.key
        source = Source(key, entry.size)
        role = self.pairing.role(key)
        if self.inside(key) is None:
            return source
        if key in self.class_files:
            return replace(source, skip="a file of class names")
        if split_key(key)[2] not in (*self.pairing.image_extensions, *self.pairing.mask_extensions):
            return source
        if role == "image":
            return self._image(replace(source, split=self.split(key)), storage)
        if role == "mask":
            images = self.pairing.images(key)
            return mask_source(entry, alone=not any(map(storage.exists, images)))
        if role == "other mask":
            return replace(source, skip="a mask of another kind")
        return replace(source, skip="it stands outside of the images and masks")

    def _image(self, source: Source, storage: Storage) -> Source:
        key, size = source.key, image_size(storage, source.key)
        mask = next((one for one in self.pairing.masks(key) if storage.exists(one)), None)
        if mask is None:
            expected = self.pairing.masks(key)[0]
            problem = f"{printable(key)}: no mask {printable(expected)!r}; it goes on without one"
            return replace(source, annotation=Annotation(size=size), problems=(problem,))
        annotation = Annotation(size=size, mask_file=mask, soft=self.pairing.soft)
        twins = (one for one in self.pairing.images(mask) if one < key and storage.exists(one))
        if twin := next(twins, None):
            shared = f"{printable(mask)}: the mask of {printable(twin)!r} too; rename one of them"
            return replace(source, annotation=annotation, unusable=shared)
        try:
            header = measure(storage, mask)
        except (ImageError, InputError) as error:
            unusable = f"its mask {printable(mask)} cannot be read: {error}"
            return replace(source, annotation=annotation, unusable=unusable)
        if wrong := size_problem(header.size, size):
            unusable = f"its mask {printable(mask)} does not fit: {wrong}"
            return replace(source, annotation=annotation, unusable=unusable)
        if (palette := (header.palette or b"").hex()) != self.palette:
            annotation = annotation.changed(extra={PALETTE: palette})
        if self.instances:
            return self._with_objects(replace(source, annotation=annotation), storage, mask)
        return replace(source, annotation=annotation)

    def _with_objects(self, source: Source, storage: Storage, mask: str) -> Source:
        """Return a source with the objects that its mask numbers."""
        known = source.annotation or Annotation()
        try:
            values = read_mask(storage, mask)
        except (ImageError, InputError) as error:
            unusable = f"its mask {printable(mask)} cannot be read: {error}"
            return replace(source, unusable=unusable)
        annotation = known.changed(
            mask_file=None,
            objects=tuple(objects_of(values, mask, self.classes[0])),
            extra={**known.extra, MASK: mask},
        )
        border = (values == NO_OBJECT).any() and NO_OBJECT not in object_values(values)
        problem = f"{printable(mask)}: value {NO_OBJECT} is taken for the border around objects"
        return replace(source, annotation=annotation, problems=(problem,) if border else ())


def _meaning(storage: Storage, pairing: Pairing, seen: _Seen, classes: tuple[str, ...]) -> Meaning:
    """Say what the values of masks are.

    Raises:
        InputError: it cannot be told.
    """
    if pairing.soft:
        return "soft"
    # Two are a background and the class of all objects.
    if len(classes) > 2:
        return "classes"
    meaning = meaning_of(storage, seen.masks)
    if meaning is not None:
        return meaning
    if any(masks.lower().endswith(_NUMBERED) for _, masks in pairing.folders):
        return "instances"
    raise InputError(
        f"{printable(storage.url)}: the values of the masks, such as {printable(seen.masks[0])!r}, "
        "may be numbers of classes or of objects; say which with --masks classes or "
        "--masks instances"
    )


def _about_values(meaning: Meaning, classes: tuple[str, ...]) -> Iterator[str]:
    if meaning == "soft":
        yield "the masks are soft, by their name: they hold amounts and not classes"
    elif meaning == "instances":
        yield (
            f"the values of the masks are taken for numbers of objects, all of the class "
            f"{classes[0]!r}; if they are classes, say --masks classes"
        )


def _about_jpeg(storage: Storage, seen: _Seen, meaning: Meaning) -> Iterator[str]:
    """Yield what is said of masks that are JPEG by their names.

    Raises:
        InputError: nothing is left of what they held.
    """
    jpegs = [key for key in seen.masks if split_key(key)[2].lower() in EXTENSIONS["jpeg"]]
    if not jpegs or meaning == "soft":
        return
    levels = {int(value) for key in jpegs for value in values_of(storage, key)}
    if len(levels) == 1:
        raise InputError(
            f"{printable(storage.url)}: the masks are JPEG, such as {printable(jpegs[0])!r}, and "
            f"hold nothing but {levels.pop()}: their values are lost; save them as PNG"
        )
    yield (
        "the masks are JPEG, which changes values: they are rounded to those that they had "
        f"({', '.join(map(str, sorted(levels)))})"
        if levels
        else "the masks are JPEG, which has changed their values beyond repair; save them as PNG"
    )


def _is_above(key: str, other: str) -> bool:
    return other.startswith(key[: key.rfind("/") + 1])


def _look(survey: Survey, storage: Storage, pairing: Pairing) -> _Seen:
    """Count what there is."""
    seen = _Seen(Counter(), Counter(), Counter(), [], [])
    for entry in storage.list(on_skip=leave_unsaid):
        if is_class_file(entry):
            seen.class_files.append(entry.key)
        if not survey.is_image(entry.key):
            continue
        role, extension = pairing.role(entry.key), split_key(entry.key)[2]
        if role == "image":
            seen.images[split_below(entry.key, survey.hints.splits) or ""] += 1
            seen.image_extensions[extension] += 1
        elif role == "mask":
            seen.mask_extensions[extension] += 1
            if len(seen.masks) < _SAMPLE:
                seen.masks.append(entry.key)
    return seen


def _common(extensions: Counter[str]) -> tuple[str, ...]:
    ranked = sorted(extensions.items(), key=lambda item: (-item[1], item[0]))
    return tuple(extension for extension, _ in ranked[:_MOST_EXTENSIONS])


def _lost_images(survey: Survey, storage: Storage) -> str | None:
    """Say where the images are, if there are only masks and a file that names the images."""
    folders = [set(folder) for folder in survey.tally.folders]
    if not all(any(is_mask_folder(part) for part in folder) for folder in folders):
        return None
    for entry in storage.list(on_skip=leave_unsaid):
        if entry.key == "config.yaml" and is_class_file(entry):
            text = read_class_files(storage, [entry.key]).get(entry.key, "")
            if "masks:" in text and "images: .." in text:
                count = counted(survey.tally.count, "mask", "masks")
                return (
                    f"{count}, but no images: config.yaml says that they stand in a folder "
                    "beside this one; name the folder that holds both, with --format masks"
                )
    return None
