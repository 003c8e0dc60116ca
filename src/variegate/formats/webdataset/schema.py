"""A WebDataset sample's parts, and what its ``.json`` says.

A sample is all files of a tar file that share a name up to the first dot: ``000123.jpg``,
``000123.cls``, ``000123.seg.png``. WebDataset itself gives ``.json`` no meaning. Here these fields
of an object mean something, and all others are carried through:

| field | value |
| --- | --- |
| objects | a list; of each object `category` and any of `box` (x1, y1, x2, y2 in pixels), `corners` (four points), `polygons` (rings of points), `rle` (height, width, COCO's counts), `keypoints` (x, y, visibility), `mask_file` (a member's extension, such as "seg.png"), `mask_value`, `extra` |
| labels | class -> its share, where an image has several |
| size | height, width that the coordinates are for |
| soft | true: the mask holds amounts, not classes |
"""  # noqa: E501 - a table's row is a line

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from variegate.annotations.annotation import Annotation, Object
from variegate.annotations.checks import are_numbers
from variegate.codecs import IMAGE_EXTENSIONS

CLASS, TEXT, JSON = "cls", "txt", "json"
#: In an annotation's `extra`: the caption, the other fields of the JSON file, further members.
CAPTION, FIELDS, MEMBERS = "text", "json", "members"

_IMAGES = ("jpg", "jpeg", "png", "webp")
_IMAGE_WORDS = ("image", "img", "input", "rgb", "picture", "photo")
_SOFT = frozenset(("matte", "alpha", "soft"))
_MASKS = _SOFT | {"seg", "mask", "semseg", "segmentation", "semantic", "label", "annotation"}
_OBJECT_FIELDS = frozenset(Object.__struct_fields__) - {"extra"}


def split_member(key: str) -> tuple[str, str]:
    """Return a member's sample and its extension: "a/000123", "seg.png"."""
    folder, slash, name = key.rpartition("/")
    stem, _, extension = name.partition(".")
    return folder + slash + stem, extension


def image_of(extensions: Iterable[str]) -> str | None:
    """Return the extension of the image among those of a sample."""
    found = [extension for extension in extensions if is_image(extension)]
    plain = [extension for extension in found if "." not in extension]
    ranked = sorted(plain, key=lambda one: (*_IMAGES, one.lower()).index(one.lower()))
    called = [extension for extension in found if extension.lower().split(".")[0] in _IMAGE_WORDS]
    return next(iter((*ranked, *called)), None)


def mask_of(extensions: Iterable[str]) -> str | None:
    """Return the extension of the semantic mask among those of a sample."""
    return next((one for one in extensions if is_image(one) and _words(one) & _MASKS), None)


def is_soft(mask: str) -> bool:
    """Say whether a mask with this extension holds amounts."""
    return bool(_words(mask) & _SOFT)


def read_json(text: bytes, sample: str) -> tuple[Annotation, list[str]]:
    """Return what a sample's JSON file says, and what was wrong with it.

    Args:
        text: the file's content.
        sample: key of the sample, without extension, to which masks are relative.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Annotation(), [f"{sample}.{JSON}: no JSON ({error}); left out"]
    if not isinstance(data, dict):
        return Annotation(extra={FIELDS: data}), []
    annotation, problems = Annotation(), list[str]()
    listed = data.pop("objects", None)
    if _is_list_of_objects(listed):
        objects = []
        for number, one in enumerate(listed):
            try:
                objects.append(_object(one, sample))
            except (ValueError, TypeError) as error:
                place = f"{sample}.{JSON}: objects[{number}]"
                problems.append(f"{place}: {error}; object left out")
        annotation = annotation.changed(objects=tuple(objects))
        size = data.get("size")
        if (
            isinstance(size, list)
            and len(size) == 2
            and all(type(n) is int and n > 0 for n in size)
        ):
            annotation = annotation.changed(size=tuple(data.pop("size")))
    elif listed is not None:
        data["objects"] = listed
    if isinstance(labels := data.get("labels"), dict) and are_numbers([*labels.values()]):
        annotation = annotation.changed(labels=data.pop("labels"))
    if isinstance(data.get("soft"), bool):
        annotation = annotation.changed(soft=data.pop("soft"))
    return annotation.changed(extra={FIELDS: data} if data else {}), problems


def write_json(annotation: Annotation) -> bytes | None:
    """Return a sample's JSON file, or None where there is nothing to say."""
    fields = annotation.extra.get(FIELDS)
    if fields is not None and not isinstance(fields, Mapping):
        return _text(fields)
    objects = [one.to_json() for one in annotation.objects]
    for one in objects:
        if "mask_file" in one:
            one["mask_file"] = split_member(one["mask_file"])[1]
    data = dict(fields or {})
    if objects:
        data["objects"] = objects
        data |= {"size": list(annotation.size)} if annotation.size else {}
    if annotation.labels:
        data["labels"] = dict(annotation.labels)
    if annotation.soft:
        data["soft"] = True
    return _text(data) if data else None


def _text(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass")


def is_image(extension: str) -> bool:
    """Say whether a member with this extension is an image, or a mask."""
    return f".{extension.lower().rpartition('.')[2]}" in IMAGE_EXTENSIONS


def _words(extension: str) -> set[str]:
    return set(extension.lower().split(".")[:-1])


def _is_list_of_objects(data: Any) -> bool:
    return isinstance(data, list) and all(isinstance(o, dict) and "category" in o for o in data)


def _object(data: dict[str, Any], sample: str) -> Object:
    """Make an object; fields of no meaning go to its `extra`.

    Raises:
        ValueError, TypeError: it makes no sense.
    """
    known = {name: data[name] for name in data if name in _OBJECT_FIELDS}
    extra = {name: data[name] for name in data if name not in (*_OBJECT_FIELDS, "extra")}
    given = data.get("extra", {})
    extra |= given if isinstance(given, dict) else {"extra": given}
    for name in ("box", "corners", "polygons", "keypoints"):
        if name in known:
            _check_numbers(known[name], name)
    one = Object.from_json({**known, "category": str(known["category"]), "extra": extra})
    if one.box is not None and not (one.box[0] < one.box[2] and one.box[1] < one.box[3]):
        raise ValueError("box without area")
    if any(len(ring) < 3 for ring in one.polygons or ()):
        raise ValueError("polygon of fewer than three points")
    if one.mask_file is not None:
        if "/" in one.mask_file or "\\" in one.mask_file or not is_image(one.mask_file):
            raise ValueError(f"mask_file {one.mask_file!r} is no member's extension")
        one = one.changed(mask_file=f"{sample}.{one.mask_file}")
    return one


def _check_numbers(data: Any, name: str) -> None:
    """Raise ValueError unless `data` is a list of lists of finite numbers, however deep."""
    if isinstance(data, list):
        for part in data:
            _check_numbers(part, name)
    elif type(data) not in (int, float) or not math.isfinite(data):
        raise ValueError(f"{name}: expected numbers")
