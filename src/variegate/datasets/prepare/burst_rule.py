"""Images that one camera took shortly after each other, as a group: a burst, or frames of a film.

They show the same scene, and a model that was trained on one knows the next.
"""

import re
from collections.abc import Iterator

from variegate.datasets.prepare.exif import Shot, shot_of
from variegate.datasets.prepare.group_rule import GroupRule
from variegate.errors import InputError
from variegate.formats import Source
from variegate.formats.base import counted
from variegate.storage import Storage, printable

_RULE = re.compile(r"burst:(\d+(?:\.\d+)?)")
# EXIF stands before the pixels, in 64 KB at most; profiles and previews may stand before it.
_HEAD_BYTES = 1 << 18


class BurstRule(GroupRule):
    """Images of one camera of which each was taken soon after the one before, by EXIF.

    In memory are the keys of images that have a time, and nothing else.

    Args:
        text: as the user wrote it: "burst:SECONDS".
        storage: the dataset.

    Raises:
        InputError: no image has a time.
    """

    def __init__(self, text: str, storage: Storage) -> None:
        found = _RULE.fullmatch(text)
        assert found is not None
        self.text = text
        self._gap_s = float(found[1])
        self.description = (
            f"images that one camera took within {self._gap_s:g} seconds of each other (EXIF)"
        )
        self._names, self._nameless = _bursts(storage, self._gap_s)
        if not self._names:
            raise InputError(
                f"--group {text}: no image in {printable(storage.url)} says when it was taken "
                "(EXIF), which variegate prepare takes away without --keep-metadata; name a folder "
                "of variegate audit instead"
            )
        self._timeless = self._images = 0

    def group(self, source: Source) -> str | None:
        self._images += 1
        self._timeless += source.key not in self._names
        return self._names.get(source.key)

    def notes(self) -> Iterator[str]:
        if self._timeless:
            images = counted(self._timeless, "image", "images")
            yield (
                f"{self.text}: {images} of {self._images:,} with no camera's time in EXIF: each is "
                "a group of its own"
            )
        if self._nameless:
            images = counted(self._nameless, "image names", "images name")
            yield (
                f"{self.text}: {images} no camera in EXIF: those of one folder are taken for one "
                "camera's; name what they share with another --group"
            )


def is_burst(text: str) -> bool:
    """Whether a text is this rule."""
    return _RULE.fullmatch(text) is not None


def _bursts(storage: Storage, gap_s: float) -> tuple[dict[str, str], int]:
    """Return the name of the burst of every image with a time, its first image's key; and how many
    of them name no camera.
    """
    nameless = 0
    shots: list[tuple[tuple[str, ...], float, str]] = []
    for entry in storage.list(on_skip=_unheeded):
        shot = _shot(storage, entry.key)
        moment = shot.seconds
        if moment is not None:
            # Without a camera's name, images in one folder are taken for one camera's.
            camera = (shot.camera or "", shot.serial or "")
            nameless += not any(camera)
            folder = "" if any(camera) else entry.key.rpartition("/")[0]
            shots.append(((*camera, folder), moment, entry.key))
    names: dict[str, str] = {}
    before: tuple[tuple[str, ...], float] | None = None
    first = ""
    for by, moment, key in sorted(shots):
        if before is None or before[0] != by or moment - before[1] > gap_s:
            first = key
        names[key] = first
        before = by, moment
    return names, nameless


def _shot(storage: Storage, key: str) -> Shot:
    try:
        with storage.open_read(key) as file:
            return shot_of(file.read(_HEAD_BYTES))
    except InputError:
        # Whoever reads the image tells why it cannot be.
        return Shot()


def _unheeded(key: str, reason: str) -> None:
    del key, reason
