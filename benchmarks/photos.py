"""The photos that benchmarks work on: made once, from real ones of the test data."""

import os
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"

_SOURCES = (
    "coco_mini/images/*/*.jpg",
    "clothing_classes/*/**/*.jpg",
    "bccd_voc/JPEGImages/*.jpg",
)


def data() -> Path:
    """Return the test data's folder: VARIEGATE_DATA, or shared/data beside the repository."""
    named = os.environ.get("VARIEGATE_DATA")
    found = Path(named) if named else HERE.parents[1] / "shared" / "data"
    if not found.is_dir():
        raise SystemExit(f"{found}: no test data; name its folder in VARIEGATE_DATA")
    return found


def photos(count: int = 200) -> Path:
    """Return a folder of `count` JPEG photos, 500 x 375."""
    folder = WORK / f"photos-{count}"
    if len(list(folder.glob("*.jpg"))) == count:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    paths = _paths()
    for number in range(count):
        photo = cv2.imread(str(paths[number * len(paths) // count]))
        cv2.imwrite(
            str(folder / f"photo {number:03d}.jpg"),
            _fitted(photo, 375, 500),
            [cv2.IMWRITE_JPEG_QUALITY, 95],
        )
    return folder


def photo(side: int) -> Path:
    """Return an .npy file of a square RGB photo."""
    file = WORK / f"image-{side}.npy"
    if not file.exists():
        WORK.mkdir(exist_ok=True)
        photo = cv2.imread(str(_paths()[0]), cv2.IMREAD_COLOR_RGB)
        np.save(file, _fitted(photo, side, side))
    return file


def squares(count: int, side: int) -> np.ndarray:
    """Return (count, side, side, 3) RGB: the middles of photos of people, streets and things."""
    paths = sorted(data().glob(_SOURCES[0]))
    spread = [paths[number * len(paths) // count] for number in range(count)]
    photos = [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in spread]
    return np.stack([_fitted(photo, side, side) for photo in photos])


def _paths() -> list[Path]:
    paths = [path for pattern in _SOURCES for path in sorted(data().glob(pattern))]
    if len(paths) < 200:
        raise SystemExit(f"{data()}: expected at least 200 photos, found {len(paths)}")
    return paths


def _fitted(photo: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut the middle out in the shape wanted, and bring it to size."""
    scale = min(photo.shape[0] / height, photo.shape[1] / width)
    tall, wide = round(height * scale), round(width * scale)
    top, left = (photo.shape[0] - tall) // 2, (photo.shape[1] - wide) // 2
    cut = photo[top : top + tall, left : left + wide]
    return cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA)
