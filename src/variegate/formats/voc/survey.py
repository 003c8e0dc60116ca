"""What Pascal VOC files say of a set as a whole: classes, first pixel, masks, kinship to others."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice

from variegate.errors import InputError, LimitError
from variegate.formats.base import NotThisFormat
from variegate.formats.image_size import mask_palette
from variegate.formats.paired import BrokenFileError, UndecodedFileError
from variegate.formats.pairing import Listed, Pairs
from variegate.formats.voc.masks import CLASSES, color_map
from variegate.formats.voc.xml import SIZE_LIMIT, Node, parse, scan
from variegate.storage import Storage, printable

# This number of XML files is looked at to tell whether they are of this format.
_LOOKED_AT = 20
_NO_CLASSES = {"background", "ignored", "void"}
_WANTED = {("object", "name"), ("part", "name"), ("bndbox", "xmin"), ("bndbox", "ymin")}
# Where a box begins that begins at 0, or before the first pixel ends.
_FIRST = re.compile(r"0*(?:0|0?\.[0-9]+|0\.)")


def read_xml(storage: Storage, key: str, encoding: str | None = None) -> Node:
    """Return the root of a file.

    Raises:
        BrokenFileError: it is no XML of this format, or refused.
    """
    try:
        root = parse(storage.read(key, limit=SIZE_LIMIT), encoding)
    except (LimitError, InputError) as error:
        raise BrokenFileError(1, str(error)) from error
    if root.tag != "annotation":
        raise BrokenFileError(
            root.line, f"expected <annotation>, found <{printable(root.tag[:40])}>"
        )
    name = root.word("filename") or ""
    if ".." in name.replace("\\", "/").split("/"):
        line = (root.find("filename") or root).line
        raise BrokenFileError(line, f"<filename> {printable(name)!r} climbs out of the dataset")
    return root


def other_format(
    storage: Storage, pairs: Pairs, listed: Listed, encoding: str | None
) -> NotThisFormat | None:
    """Say why the XML files beside the images are not of this format, or None."""
    keys, readable = list(islice(pairs.present(listed), _LOOKED_AT)), 0
    undecoded = None
    for key in keys:
        try:
            root = read_xml(storage, key, encoding)
        except UndecodedFileError as error:
            undecoded = undecoded or f"{printable(key)}: {error.reason}"
        except BrokenFileError:
            continue
        else:
            if is_label_me(root):
                web = "is of the old LabelMe web tool, which is not supported"
                return NotThisFormat(f"{printable(key)} {web}", noteworthy=True)
            readable += 1
    if readable or not keys:
        return None
    if undecoded:
        return NotThisFormat(undecoded, noteworthy=True, annotated=True)
    reason = "the .xml files beside the images are broken or of another format"
    return NotThisFormat(reason, noteworthy=True)


def is_label_me(root: Node) -> bool:
    """Say whether an <annotation> is one of the old LabelMe web tool."""
    return any(
        (polygon := node.find("polygon")) is not None and polygon.find("pt") is not None
        for node in root.children
        if node.tag == "object"
    )


def examine(
    storage: Storage, keys: Iterable[str], encoding: str | None
) -> tuple[Counter[str], int]:
    """Look into all these files.

    Returns:
        How often each class occurs, and the number of the first pixel: 0 where a box starts there.
    """
    names: Counter[str] = Counter()
    origin = 1
    for key in keys:
        with suppress(BrokenFileError, LimitError, InputError):
            for tag, text in scan(storage.read(key, limit=SIZE_LIMIT), _WANTED, encoding):
                if tag == "name":
                    names[text] += 1
                elif origin and _FIRST.fullmatch(text):
                    origin = 0
    names.pop("", None)
    return names, origin


def class_order(names: Mapping[str, int], labelmap: str | None) -> tuple[str, ...]:
    """Return the classes: in the order of a label map, others behind it by code point."""
    mapped = [
        name
        for name in labelmap_names(labelmap)
        if name in names or name.lower() not in _NO_CLASSES
    ]
    return (*mapped, *sorted(names.keys() - set(mapped)))


def labelmap_names(labelmap: str | None) -> list[str]:
    """Return the names in a label map, in order."""
    lines = (line.strip() for line in (labelmap or "").splitlines())
    return list(dict.fromkeys(line.split(":")[0] for line in lines if line and line[0] != "#"))


def mask_classes(labelmap: str | None, names: Mapping[str, int]) -> tuple[str, ...]:
    """Return the names of the values in semantic masks, as far as they are known."""
    if labelmap is not None:
        return tuple(labelmap_names(labelmap))
    return CLASSES if set(names) <= {*CLASSES, "head", "hand", "foot"} else ()


def palette(storage: Storage, masks: Iterable[str]) -> str:
    """Return the palette of the first mask in hexadecimal, if it is not the usual one."""
    first = min(masks, default=None)
    found = mask_palette(storage, first) if first else b""
    return "" if color_map().startswith(found) else found.hex()
