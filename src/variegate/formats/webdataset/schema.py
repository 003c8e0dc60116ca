"""A WebDataset sample's parts, and what its ``.json`` says.

A sample is all files of a tar file that share a name up to the first dot: ``000123.jpg``,
``000123.cls``, ``000123.seg.png``. WebDataset itself gives ``.json`` no meaning. Here these fields
of an object mean something, and all others are carried through:

| field | value |
| --- | --- |
| objects | a list; of each object `category` and any of `box` (x1, y1, x2, y2 in pixels), `corners` (four points), `polygons` (rings of points), `rle` (height, width, COCO's counts), `keypoints` (x, y, visibility), `mask_file` (a member's ending, such as "seg.png"), `mask_value`, `extra` |
| labels | class -> its share, where a picture has several |
| size | height, width that the coordinates are for |
| soft | true: the mask holds amounts, not classes |
"""  # noqa: E501 - a table's row is a line

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from variegate.annotations.annotation import Annotation, Object
from variegate.codecs import IMAGE_ENDINGS

CLASS, TEXT, JSON = "cls", "txt", "json"
#: In an annotation's `extra`: the caption, the other fields of the JSON file, further members.
CAPTION, FIELDS, MEMBERS = "text", "json", "members"

_PICTURES = ("jpg", "jpeg", "png", "webp")
_PICTURE_WORDS = ("image", "img", "input", "rgb", "picture", "photo")
_SOFT = frozenset(("matte", "alpha", "soft"))
_MASKS = _SOFT | {"seg", "mask", "semseg", "segmentation", "semantic", "label", "annotation"}
_OBJECT_FIELDS = frozenset(
    ("category", "box", "corners", "polygons", "rle", "mask_file", "mask_value", "keypoints")
)


def split_member(key: str) -> tuple[str, str]:
    """Return a member's sample and its ending: "a/000123", "seg.png"."""
    folder, slash, name = key.rpartition("/")
    stem, _, ending = name.partition(".")
    return folder + slash + stem, ending


def picture_of(endings: Iterable[str]) -> str | None:
    """Return the ending of the picture among those of a sample."""
    found = [ending for ending in endings if is_picture(ending)]
    plain = [ending for ending in found if "." not in ending]
    ranked = sorted(plain, key=lambda one: _rank(one.lower(), _PICTURES))
    called = [ending for ending in found if ending.lower().split(".")[0] in _PICTURE_WORDS]
    return next(iter((*ranked, *called)), None)


def mask_of(endings: Iterable[str]) -> str | None:
    """Return the ending of the semantic mask among those of a sample."""
    return next((one for one in endings if is_picture(one) and _words(one) & _MASKS), None)


def is_soft(mask: str) -> bool:
    """Say whether a mask with this ending holds amounts."""
    return bool(_words(mask) & _SOFT)


def read_json(text: bytes, sample: str) -> tuple[Annotation, list[str]]:
    """Return what a sample's JSON file says, and what was wrong with it.

    Args:
        text: the file's content.
        sample: key of the sample, without ending, to which masks are relative.
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
                problems.append(f"{place}: {error}; object dropped")
        annotation = annotation.changed(objects=tuple(objects))
        size = data.get("size")
        if isinstance(size, list) and len(size) == 2 and _positive(size):
            annotation = annotation.changed(size=(size[0], size[1]))
            del data["size"]
    elif listed is not None:
        data["objects"] = listed
    if isinstance(labels := data.get("labels"), dict) and _shares(labels):
        annotation = annotation.changed(labels=labels)
        del data["labels"]
    if isinstance(soft := data.get("soft"), bool):
        annotation = annotation.changed(soft=soft)
        del data["soft"]
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


def is_picture(ending: str) -> bool:
    """Say whether a member with this ending is a picture, or a mask."""
    return f".{ending.lower().rpartition('.')[2]}" in IMAGE_ENDINGS


def _words(ending: str) -> set[str]:
    return set(ending.lower().split(".")[:-1])


def _rank(word: str, words: tuple[str, ...]) -> int:
    return words.index(word) if word in words else len(words)


def _is_list_of_objects(data: Any) -> bool:
    return isinstance(data, list) and all(isinstance(o, dict) and "category" in o for o in data)


def _positive(numbers: list[Any]) -> bool:
    return all(type(number) is int and number > 0 for number in numbers)


def _shares(labels: dict[str, Any]) -> bool:
    return all(type(share) in (int, float) and math.isfinite(share) for share in labels.values())


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
        if "/" in one.mask_file or "\\" in one.mask_file or not is_picture(one.mask_file):
            raise ValueError(f"mask_file {one.mask_file!r} is no member's ending")
        one = one.changed(mask_file=f"{sample}.{one.mask_file}")
    return one


def _check_numbers(data: Any, name: str) -> None:
    """Raise ValueError unless `data` is a list of lists of finite numbers, however deep."""
    if isinstance(data, list):
        for part in data:
            _check_numbers(part, name)
    elif type(data) not in (int, float) or not math.isfinite(data):
        raise ValueError(f"{name}: expected numbers")
