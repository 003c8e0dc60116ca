"""A heap of two classes in which everything that is wrong was planted, in known numbers."""

import io
import shutil
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

#: What becomes of the files of `plant`, if nobody decides otherwise.
EXPECTED = {
    "kept": 12,
    "duplicates": 5,
    "left_out": 0,
    "quarantined": 3,
    "skipped": 1,
}
PHOTOS = 8


def photos(data_dir: Path) -> list[Path]:
    """Return a few photos that show different things."""
    found = sorted((data_dir / "clothing_classes").glob("*/*/*.jpg"))
    return found[:: len(found) // PHOTOS][:PHOTOS]


def plant(folder: Path, data_dir: Path) -> Path:
    """Make the heap."""
    for name in ("coat", "dress", "hat"):
        (folder / name).mkdir(parents=True)
    paths = photos(data_dir)
    for number, path in enumerate(paths):
        shutil.copy(path, folder / ("coat", "dress")[number % 2] / f"photo{number}.jpg")
    # Duplicates: the same bytes under a wrong extension, the same pixels, a copy, a mirror image.
    shutil.copy(paths[0], folder / "coat" / "bytes.png")
    with Image.open(paths[2]) as image:
        image.convert("RGB").save(folder / "coat" / "pixels.bmp")
    photo = cv2.imread(str(paths[1]))
    small = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / "dress" / "half.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 60])
    cv2.imwrite(str(folder / "dress" / "mirrored.jpg"), cv2.flip(cv2.imread(str(paths[3])), 1))
    # Classes that conflict: outvoted by two of three, and undecided.
    shutil.copy(paths[1], folder / "coat" / "outvoted.jpg")
    shutil.copy(paths[6], folder / "hat" / "undecided.jpg")
    # Broken, and no image.
    (folder / "coat" / "cut.jpg").write_bytes(paths[7].read_bytes()[:4_000])
    (folder / "notes.txt").write_text("not an image")
    _plant_forms(folder)
    return folder


def _plant_forms(folder: Path) -> None:
    """Add images that have to be changed to be normal, each of something else."""
    rng = np.random.default_rng(7)
    scenes = []
    for _ in range(5):
        small = rng.integers(0, 256, (12, 16, 3), np.uint8)
        scene = cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC)
        scenes.append(Image.fromarray(scene))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Secret Camera"
    scenes[0].save(folder / "dress" / "turned.jpg", quality=92, exif=exif)
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 1.0)
    exif[0x010F] = "Secret Camera"
    with_place = io.BytesIO()
    scenes[1].save(with_place, "JPEG", quality=92, exif=exif, comment=b"taken at home")
    (folder / "dress" / "placed.jpg").write_bytes(with_place.getvalue() + b"a video behind it")
    scenes[2].save(folder / "dress" / "web.webp", quality=90)
    clear = scenes[3].convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    clear.save(folder / "dress" / "clear.png", exif=exif)
    scenes[4].convert("CMYK").save(folder / "coat" / "inks.jpg", quality=92)
