"""LabelMe: a JSON file of shapes for each image, beside it or in a folder of its own.

Its coordinates are continuous already. Flags of the image that are set are its labels. The image
that LabelMe embeds (`imageData`) is ignored, since the file is there, and dropped on writing.
`imagePath` is never followed: an image and its file have the same stem.
"""

import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar, TypeGuard

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.body_parts import PART_FIELDS, numeric_places
from variegate.annotations.checks import Problems, Size, without_duplicates
from variegate.errors import InputError, LimitError
from variegate.formats.base import NotThisFormat, Recognised
from variegate.formats.image_size import image_size
from variegate.formats.labelme.groups import (
    all_names,
    keypoint_skeletons,
    point_names,
    with_keypoints,
)
from variegate.formats.labelme.shapes import read_shape, without_split_pieces, write_shapes
from variegate.formats.paired import (
    BrokenFileError,
    PairedFormat,
    PairedWriter,
    UndecodedFileError,
    folder_said,
)
from variegate.formats.pairing import Listed, find_pairs, parts_of
from variegate.formats.scan import Survey, split_below
from variegate.formats.writer import Content, Item
from variegate.storage import Storage, key_to_text, printable

_LIMIT = 1 << 28
_LOOKED_AT = 20
_OWN = ("shapes", "imageData", "imagePath", "imageHeight", "imageWidth")
_OF_SHAPES = frozenset(("points", "label", "shape_type", "group_id", "flags", "mask"))
_SHAPES = re.compile(r'"shapes"\s*:\s*\[')
_VERSION = "5.5.0"


@dataclass(frozen=True, kw_only=True)
class LabelMeWriter(PairedWriter):
    """Writes a JSON file for each image."""

    name: ClassVar[str] = "labelme"
    extension: ClassVar[str] = ".json"
    holds: ClassVar[frozenset[Content]] = frozenset(
        (
            *("labels", "boxes", "polygons", "instance masks", "keypoints", "keypoint names"),
            *("points", "other fields"),
        )
    )
    one_shape: ClassVar = True
    own_fields: ClassVar = frozenset(("no_file", "version"))

    folders: Mapping[str, str] = field(default_factory=dict)

    def fresh_key(self, key: str, *, split: str | None, label: str | None, extension: str) -> str:
        folder, stem, _ = parts_of(key)
        above = f"{split}/" if split and split_below(folder) != split else ""
        return f"{above}{folder}{stem}{extension}"

    def text(self, item: Item, annotation: Annotation) -> str:
        folder = posixpath.dirname(self.annotation_key(item.key))
        data: dict[str, Any] = {"version": _VERSION, "flags": {}, **annotation.extra}
        labels = dict.fromkeys((*annotation.labels, *([item.label] if item.label else ())), True)
        if labels:
            data["flags"] = {**(data["flags"] if _are_flags(data["flags"]) else {}), **labels}
        data["shapes"] = list(write_shapes(annotation.objects, self.skeletons))
        data["imagePath"] = key_to_text(posixpath.relpath(item.key, folder or "."))
        data["imageData"] = None
        data["imageHeight"], data["imageWidth"] = item.size
        return f"{json.dumps(data, indent=2, ensure_ascii=False)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMe(PairedFormat):
    """See `variegate.formats.labelme.shapes` for what is read and written."""

    name: ClassVar[str] = "labelme"
    takes: ClassVar[frozenset[str]] = frozenset(("encoding", "images", "pairs"))
    heading: ClassVar[str] = "LabelMe"
    kind: ClassVar[str] = "JSON file"

    encoding: str | None = None

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        if not survey.others[".json"]:
            old = bool(survey.others[".xml"])
            also = ", and .xml files of the old web tool are not supported" if old else ""
            return NotThisFormat(f"there are no .json files{also}")
        within = folder_said(survey.hints)
        listed = Listed.of(storage, extension=".json", keep=lambda _: False, within=within)
        pairs = find_pairs(listed, ".json", within=within)
        if not pairs.folders:
            where = "" if within is None else f" in {printable(within)!r}"
            return NotThisFormat(f"no .json file has the name of an image{where}")
        if not chosen and (reason := pairs.doubt(listed)):
            return NotThisFormat(reason)
        encoding = survey.hints.encoding
        some = islice(pairs.present(listed), _LOOKED_AT)
        if not any(True for _ in _shapes(storage, some, encoding)):
            if undecoded := _undecoded(storage, pairs.present(listed), encoding):
                return NotThisFormat(undecoded, noteworthy=True, annotated=True)
            return NotThisFormat("the .json files beside the images have no shapes")
        labels, points = point_names(_shapes(storage, pairs.present(listed), encoding))
        if survey.hints.pairs:
            survey.hints.check_pairs(all_names(points))
        skeletons = keypoint_skeletons(points, survey.hints.pairs)
        classes = tuple(sorted(labels))
        dataset_format = cls(
            root=pairs.root(),
            said=survey.hints.splits,
            classes=classes,
            skeletons=skeletons,
            pairs=pairs,
            encoding=encoding,
            template=LabelMeWriter(classes=classes, skeletons=skeletons, folders=pairs.folders),
        )
        places = Counter(
            name
            for shapes in _shapes(storage, pairs.present(listed), encoding)
            for shape in shapes
            if isinstance(shape, dict)
            for field_name in shape.keys() - _OF_SHAPES
            for name in _places_in(field_name, shape[field_name])
        )
        notes = (*_about_places(places), *dataset_format.unpaired(listed))
        return dataset_format.with_counts(listed, notes)

    def read(self, storage: Storage, image: str, where: str, problems: Problems) -> Annotation:
        if not storage.exists(where):
            return Annotation(extra={"no_file": True})
        data, text = read_file(storage, where, self.encoding)
        _check_path(data.get("imagePath"), problems)
        size = self.settled(
            storage, image, _size(data, problems), lambda problem: problems.add(1, problem)
        )
        real = size or image_size(storage, image)
        return self._annotation(data, text, size, real, problems)

    def unsized(self, storage: Storage, image: str, where: str) -> Annotation:
        data, text = read_file(storage, where, self.encoding)
        unheard = Problems(where)
        return self._annotation(data, text, _size(data, unheard), None, unheard)

    def _annotation(
        self,
        data: Mapping[str, Any],
        text: str,
        size: Size | None,
        real: Size | None,
        problems: Problems,
    ) -> Annotation:
        """Return what a file says, its coordinates read as those of an image of `real` size."""
        found: list[tuple[int, Object]] = []
        for number, shape in enumerate(data["shapes"]):

            def say(what: str, number: int = number) -> None:
                problems.add(_line(text, number), what)

            one = read_shape(shape, real, say)
            if one is not None:
                found.append((number, one))
        pieces = without_split_pieces(found)
        kept = without_duplicates(
            with_keypoints(pieces, data["shapes"], self.skeletons),
            problems,
            line=lambda number: _line(text, number),
        )
        extra = {name: value for name, value in data.items() if name not in _OWN}
        return Annotation(size=size, labels=_labels(data.get("flags")), objects=kept, extra=extra)


def _shapes(storage: Storage, keys: Iterable[str], encoding: str | None) -> Iterator[list[Any]]:
    """Yield the shapes of the files that can be used."""
    for key in keys:
        with suppress(BrokenFileError):
            yield read_file(storage, key, encoding)[0]["shapes"]


def _places_in(name: str, value: Any) -> Iterator[str]:
    if name not in PART_FIELDS:
        yield from numeric_places(name, value)


def _about_places(places: Mapping[str, int]) -> Iterator[str]:
    for name, count in sorted(places.items()):
        yield (
            f"field {name!r} of shapes ({count:,} times) is a list of numbers whose meaning is not "
            "known; it is left out of images that are moved"
        )


def _undecoded(storage: Storage, keys: Iterable[str], encoding: str | None) -> str | None:
    """Say so where a file is in another encoding, and may have shapes."""
    for key in islice(keys, _LOOKED_AT):
        try:
            read_file(storage, key, encoding)
        except UndecodedFileError as error:
            return f"{printable(key)}: {error.reason}"
        except BrokenFileError:
            continue
    return None


def read_file(
    storage: Storage, key: str, encoding: str | None = None
) -> tuple[dict[str, Any], str]:
    """Return the content of a LabelMe file, as values and as text.

    Raises:
        BrokenFileError: it is none.
    """
    try:
        text = storage.read(key, limit=_LIMIT).decode(encoding or "utf-8-sig")
        data = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise BrokenFileError(error.lineno, f"broken JSON ({error.msg})") from error
    except UnicodeDecodeError as error:
        raise UndecodedFileError(encoding or "utf-8", encoding) from error
    except (LimitError, InputError, RecursionError, ValueError) as error:
        raise BrokenFileError(1, f"cannot be read ({error})") from error
    if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
        raise BrokenFileError(1, 'expected "shapes", a list; not a file of LabelMe')
    return data, text


def _size(data: Mapping[str, Any], problems: Problems) -> Size | None:
    """Return (height, width) as the file says."""
    height, width = data.get("imageHeight"), data.get("imageWidth")
    if type(height) is int and type(width) is int and min(height, width) > 0:
        return height, width
    if (height, width) != (None, None):
        problems.add(1, f"imageHeight {height!r:.40} and imageWidth {width!r:.40} ignored")
    return None


def _labels(flags: Any) -> dict[str, int]:
    """Return the flags that are set: labels of the image as a whole."""
    return {name: 1 for name, flag in flags.items() if flag is True} if _are_flags(flags) else {}


def _are_flags(flags: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(flags, Mapping)


def _check_path(path: Any, problems: Problems) -> None:
    if not isinstance(path, str):
        return
    folder = posixpath.dirname(problems.key)
    place = posixpath.normpath(posixpath.join(folder, path.replace("\\", "/")))
    if place.startswith(("..", "/")):
        problems.add(1, f"imagePath {printable(path)!r} leads out of the dataset; not followed")


def _line(text: str, number: int) -> int:
    """Return the line in which a shape begins."""
    start = _SHAPES.search(text)
    if start is None:
        return 1
    decoder, at = json.JSONDecoder(), start.end()
    for _ in range(number):
        at = decoder.raw_decode(text, _skipped(text, at))[1]
    return text.count("\n", 0, _skipped(text, at)) + 1


def _skipped(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at
