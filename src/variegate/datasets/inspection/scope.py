"""What was checked and what was not, in words."""

from collections.abc import Iterator

from variegate.datasets.inspection.figures import Inspection
from variegate.datasets.inspection.headers import NOT_TOLD
from variegate.formats.base import counted


def checked(found: Inspection) -> Iterator[str]:
    """Yield what was looked at, one clause each."""
    total = all_images(found)
    yield f"names and annotations of {counted(total, 'image', 'images')}"
    if found.sizes_of:
        yield "the header of each: size, depth, channels, format against name"
    if found.sizes_compared:
        images = counted(found.sizes_compared, "image", "images")
        yield f"the size of {images} against the annotation"
    if found.outlines:
        boxes = counted(found.outlines, "box", "boxes")
        yield f"{boxes} against the outlines of their objects"
    if found.masks:
        yield f"the values of {counted(found.masks.masks, 'mask', 'masks')}"
    if found.sizes_of > 1:
        yield "which images are identical, byte for byte"
    if found.decoded:
        yield f"every pixel of {counted(found.decoded, 'image', 'images')}, as a run decodes them"


def not_checked(found: Inspection, *, decoded: bool) -> Iterator[str]:
    """Yield what was not looked at, one clause each."""
    if not decoded:
        yield "the pixels of images (--decode)"
    unstated = found.sizes_of - found.sizes_compared
    if unstated and found.objects_in_files:
        images = counted(unstated, "image", "images")
        yield f"the size of {images} against the annotation, which states none"
    if untold := found.depths.get(NOT_TOLD):
        images = counted(untold, "image", "images")
        yield f"depth and channels of {images}: the header does not tell"
    yield "which images look alike but differ in a byte"
    if found.objects_in_files or found.classes:
        yield "whether the labels are right: variegate preview shows some"


def all_images(found: Inspection) -> int:
    """Return how many images there are, usable or not."""
    return sum(found.images.values()) + sum(one.count for one in found.quarantined.values())
