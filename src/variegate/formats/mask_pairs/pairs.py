"""Which mask goes with which image, by their names alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from variegate.codecs import MASK_EXTENSION

Role = Literal["image", "mask", "other mask"]
Affixes = tuple[str, str]
"""What stands before and after the part of a name that image and mask share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """A rule from an image's key to its mask's and back.

    Attributes:
        folders: (folder of images, folder of masks), which stand for each other somewhere in
            the path: ("images", "masks"), ("train", "trainannot"), ("a/rgb", "b/gt"). An empty
            first one: the masks' folder stands inside the images'. Both empty: they share one.
        image, mask: what is added to their names, as in ``7_sat.jpg`` and ``7_mask.png``.
        image_extensions, mask_extensions: as they are spelled in the set, the most common first.
        soft: the masks hold amounts, not classes.
    """

    folders: tuple[tuple[str, str], ...]
    image: Affixes = ("", "")
    mask: Affixes = ("", "")
    image_extensions: tuple[str, ...] = ()
    mask_extensions: tuple[str, ...] = (MASK_EXTENSION,)
    soft: bool = False

    def role(self, key: str) -> Role | None:
        """Say what an image file is in this set; None for what stands beside it."""
        folder, stem, _ = split_key(key)
        named_mask = shared_part(stem, self.mask) is not None
        if any(masks for _, masks in self.folders):
            if swapped(folder, self.folders, backwards=True) is not None:
                return "mask" if named_mask else "other mask"
        elif named_mask:
            return "mask"
        named_image = shared_part(stem, self.image) is not None
        return "image" if named_image and swapped(folder, self.folders) is not None else None

    def mask_stem(self, image: str) -> str | None:
        """Return the key, but for its extension, of the mask of an image."""
        return _other(image, self.image, self.mask, swapped_by=self.folders)

    def image_stem(self, mask: str) -> str | None:
        """Return the key, but for its extension, of the image of a mask."""
        return _other(mask, self.mask, self.image, swapped_by=self.folders, backwards=True)

    def masks(self, image: str) -> list[str]:
        """Return the keys that an image's mask may have, the most likely first."""
        stem = self.mask_stem(image)
        return [] if stem is None else [stem + extension for extension in self.mask_extensions]

    def images(self, mask: str) -> list[str]:
        """Return the keys that a mask's image may have, the most likely first."""
        stem = self.image_stem(mask)
        return [] if stem is None else [stem + extension for extension in self.image_extensions]


def split_key(key: str) -> tuple[str, str, str]:
    """Return folder, stem and extension: "a/b", "7", ".png"."""
    folder, _, name = key.rpartition("/")
    dot = name.rfind(".")
    return (folder, name, "") if dot <= 0 else (folder, name[:dot], name[dot:])


def shared_part(stem: str, affixes: Affixes) -> str | None:
    """Return what is left of a name without its affixes, or None where it lacks them."""
    prefix, suffix = affixes
    if not (stem.startswith(prefix) and stem.endswith(suffix)):
        return None
    return stem[len(prefix) : len(stem) - len(suffix)] or None


def swapped(
    folder: str, pairs: Iterable[tuple[str, str]], *, backwards: bool = False
) -> str | None:
    """Return a folder with the first of these parts of its path exchanged, or None without one."""
    path = f"/{folder}/" if folder else "/"
    found: tuple[int, str, str] | None = None
    for images, masks in pairs:
        old, new = (masks, images) if backwards else (images, masks)
        at = path.find(f"/{old}/") if old else len(path) - 1
        if at >= 0 and (found is None or at < found[0]):
            found = at, old, new
    if found is None:
        return None
    at, old, new = found
    rest = path[at + len(f"/{old}" if old else "") :]
    return (path[:at] + (f"/{new}" if new else "") + rest).strip("/")


def _other(
    key: str,
    own: Affixes,
    other: Affixes,
    *,
    swapped_by: Iterable[tuple[str, str]],
    backwards: bool = False,
) -> str | None:
    folder, stem, _ = split_key(key)
    shared = shared_part(stem, own)
    moved = swapped(folder, swapped_by, backwards=backwards)
    if shared is None or moved is None:
        return None
    return f"{moved}/{other[0]}{shared}{other[1]}".lstrip("/")
