"""Which mask goes with which picture, by their names alone."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

from variegate.codecs import MASK_ENDING

Role = Literal["picture", "mask", "other mask"]
Affixes = tuple[str, str]
"""What stands before and after the part of a name that picture and mask share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """A rule from a picture's key to its mask's and back.

    Attributes:
        folders: (folder of pictures, folder of masks), which stand for each other somewhere in
            the path: ("images", "masks"), ("train", "trainannot"), ("a/rgb", "b/gt"). An empty
            first one: the masks' folder stands inside the pictures'. Both empty: they share one.
        picture, mask: what is added to their names, as in ``7_sat.jpg`` and ``7_mask.png``.
        picture_endings, mask_endings: as they are spelled in the set, the most common first.
        soft: the masks hold amounts, not classes.
    """

    folders: tuple[tuple[str, str], ...]
    picture: Affixes = ("", "")
    mask: Affixes = ("", "")
    picture_endings: tuple[str, ...] = ()
    mask_endings: tuple[str, ...] = (MASK_ENDING,)
    soft: bool = False

    def role(self, key: str) -> Role | None:
        """Say what a picture file is in this set; None for what stands beside it."""
        folder, stem, _ = split_key(key)
        named_mask = shared_part(stem, self.mask) is not None
        if any(masks for _, masks in self.folders):
            if swapped(folder, self.folders, backwards=True) is not None:
                return "mask" if named_mask else "other mask"
        elif named_mask:
            return "mask"
        named_picture = shared_part(stem, self.picture) is not None
        return "picture" if named_picture and swapped(folder, self.folders) is not None else None

    def mask_stem(self, picture: str) -> str | None:
        """Return the key, but for its ending, of the mask of a picture."""
        return _other(picture, self.picture, self.mask, swapped_by=self.folders)

    def picture_stem(self, mask: str) -> str | None:
        """Return the key, but for its ending, of the picture of a mask."""
        return _other(mask, self.mask, self.picture, swapped_by=self.folders, backwards=True)

    def masks(self, picture: str) -> list[str]:
        """Return the keys that a picture's mask may have, the most likely first."""
        stem = self.mask_stem(picture)
        return [] if stem is None else [stem + ending for ending in self.mask_endings]

    def pictures(self, mask: str) -> list[str]:
        """Return the keys that a mask's picture may have, the most likely first."""
        stem = self.picture_stem(mask)
        return [] if stem is None else [stem + ending for ending in self.picture_endings]

    def with_endings(self, pictures: Iterable[str], masks: Iterable[str]) -> Self:
        """Return the same rule for a set whose files have these endings."""
        return replace(self, picture_endings=tuple(pictures), mask_endings=tuple(masks))

    def to_json(self) -> dict[str, Any]:
        """Return JSON values from which `from_json` makes an equal rule."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Make a rule from what `to_json` gave, before or after it was text."""
        folders = tuple((pictures, masks) for pictures, masks in data["folders"])
        lists = {k: tuple(v) for k, v in data.items() if isinstance(v, list | tuple)}
        return cls(**{**data, **lists, "folders": folders})


def split_key(key: str) -> tuple[str, str, str]:
    """Return folder, stem and ending: "a/b", "7", ".png"."""
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
    for pictures, masks in pairs:
        old, new = (masks, pictures) if backwards else (pictures, masks)
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
