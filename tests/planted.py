"""A heap of four real sets in which copies, edits and faults of known kinds were planted.

Of every photo one file is made, of one kind after the other, so every kind is planted about as
often. The sets bring faults of their own, which are known, too: 18 photos that are two, stored in
all EXIF orientations, and 64 odd files.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

Writer = Callable[[np.ndarray, Path], None]


def _encoded(extension: str, *options: int) -> Writer:
    def write(image: np.ndarray, place: Path) -> None:
        cv2.imwrite(str(place.with_suffix(extension)), image, options)

    return write


_JPEG, _SMALL = (_encoded(".jpg", cv2.IMWRITE_JPEG_QUALITY, quality) for quality in (95, 60))


def _half(image: np.ndarray, place: Path) -> None:
    _SMALL(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), place)


def _part(image: np.ndarray, place: Path) -> None:
    height, width = image.shape[:2]
    _JPEG(image[height // 8 : height // 8 + height * 3 // 4, : width * 3 // 4], place)


#: What is made of a photo, and the grade that it should be found by.
MADE: dict[str, tuple[str, Writer]] = {
    "saved as PNG": ("pixels", _encoded(".png")),
    "JPEG quality 60": ("copy", _SMALL),
    "half size, quality 60": ("copy", _half),
    "brightened": ("copy", lambda image, place: _JPEG(cv2.add(image, (20,) * 4), place)),
    "three quarters of each side": ("edit", _part),
    "mirrored": ("edit", lambda image, place: _JPEG(cv2.flip(image, 1), place)),
}
#: What is done to its file.
FILED = ("under another name", "under a wrong extension", "in another class", "cut off")
#: Sets of files with the same bytes among the odd ones.
SAME_ODD = (
    (
        *("hopper.jpg", "hopper.copy.jpg", "Photo of Hopper (1).Jpeg"),
        *("früh_süß_写真.jpg", "jpeg_inside.PNG", "no_extension"),
    ),
    ("rgba.png", "png_inside.jpg"),
)


@dataclass(slots=True)
class Planted:
    """What is in a heap.

    Attributes:
        folder: of it; a folder a class.
        made: original and planted file, by kind.
        sets: files that show the same in the real sets, by set.
        origins: of all files of photos, what they were made of.
    """

    folder: Path
    made: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    sets: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)


def plant(folder: Path, data_dir: Path, *, every: int = 1) -> Planted:
    """Make a heap; of the photos only one of so many is taken."""
    found = Planted(folder)
    photos = sorted((data_dir / "clothing_classes").glob("*/*/*.jpg"))
    photos += sorted((data_dir / "sign_digits").glob("*/*.JPG"))
    kinds = (*MADE, *FILED)
    for number, path in enumerate(photos[::every]):
        label = path.parent.name
        (folder / label).mkdir(parents=True, exist_ok=True)
        original = f"{label}/{number:03d} {path.name}"
        shutil.copy(path, folder / original)
        kind = kinds[number % len(kinds)]
        planted = _plant(found, kind, folder / original, number)
        found.made.setdefault(kind, []).append((original, planted))
        found.origins |= {original: original, planted: original}
    _take(found, data_dir)
    return found


def _plant(found: Planted, kind: str, original: Path, number: int) -> str:
    folder = original.parent
    if kind in MADE:
        MADE[kind][1](cv2.imread(str(original)), folder / f"{number:03d} made.jpg")
        place = next(folder.glob(f"{number:03d} made.*"))
    elif kind == "in another class":
        (found.folder / "other").mkdir(exist_ok=True)
        place = found.folder / "other" / f"{number:03d} strayed.jpg"
        shutil.copy(original, place)
    elif kind == "cut off":
        place = folder / f"{number:03d} cut.jpg"
        place.write_bytes(original.read_bytes()[:1_000])
    else:
        name = "wrong.png" if "wrong" in kind else "renamed.jpg"
        place = folder / f"{number:03d} {name}"
        shutil.copy(original, place)
    return str(place.relative_to(found.folder))


def _take(found: Planted, data_dir: Path) -> None:
    """Add the sets that are messy by themselves."""
    for name, pattern in (("turned", "exif_orientation/*.jpg"), ("odd", "messy_images/files/*")):
        (found.folder / name).mkdir(exist_ok=True)
        for path in sorted(data_dir.glob(pattern)):
            shutil.copy(path, found.folder / name / path.name)
    found.sets["stored in nine orientations"] = [
        tuple(f"turned/{what}_{number}.jpg" for number in range(9))
        for what in ("Landscape", "Portrait")
    ]
    found.sets["the same bytes among odd files"] = [
        tuple(f"odd/{name}" for name in names) for names in SAME_ODD
    ]
