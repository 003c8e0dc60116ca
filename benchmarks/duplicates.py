"""Duplicates: copies and edits of real photos found, look-alikes left apart; time for many images.

python duplicates.py synthetic N    pairs among N synthetic images, in a process of its own
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from harness import Claim, Result, number
from memory import peak
from photos import _paths, data
from variegate.datasets.prepare.audit import GROUPS, audit
from variegate.datasets.prepare.candidates import hash_pairs, word_pairs
from variegate.datasets.prepare.words import FEATURES, TABLES
from variegate.seeding import generator

PHOTOS = 250
MANY = (100_000, 1_000_000)
METHOD = f"""
*Found:* {PHOTOS} photos of the test data and 15 files made of each, {PHOTOS * 16:,} images in one
folder, by `variegate audit`. A pair is found when its two images are in one group; a pair of two
different photos in a group is false. Then the sets of look-alikes, components (96 x 96), hands
(100 x 100) and blood cells, each image beside a copy of JPEG quality 60, its mirror image and a
crop of 70% of each side.

*Many:* synthetic hashes and words, 1% of them of copies: time and peak memory of the search for
candidates, which is all that grows with the heap; registration takes about 25 ms for each
candidate.
"""

Edit = Callable[[np.ndarray], np.ndarray]


def _jpeg(quality: int) -> Edit:
    def edit(image: np.ndarray) -> np.ndarray:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cv2.imdecode(data, cv2.IMREAD_COLOR)

    return edit


def _resized(scale: float) -> Edit:
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return lambda image: cv2.resize(image, None, fx=scale, fy=scale, interpolation=way)


def _toned(gain: float, offset: float) -> Edit:
    return lambda image: np.clip(image * gain + offset, 0, 255).astype(np.uint8)


def _noisy(image: np.ndarray) -> np.ndarray:
    noise = generator(0, "noise", int(image[0, 0, 0])).normal(0, 8, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _cropped(share: float) -> Edit:
    def edit(image: np.ndarray) -> np.ndarray:
        height, width = (int(side * (1 - share)) for side in image.shape[:2])
        y, x = int(image.shape[0] * share * 0.4), int(image.shape[1] * share * 0.6)
        return image[y : y + height, x : x + width].copy()

    return edit


def _turned(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 15, 1)
    return cv2.warpAffine(image, matrix, (width, height))


def _padded(image: np.ndarray) -> np.ndarray:
    y, x = image.shape[0] // 10, image.shape[1] // 10
    return cv2.copyMakeBorder(image, y, y, x, x, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _captioned(image: np.ndarray) -> np.ndarray:
    image, (height, width) = image.copy(), image.shape[:2]
    image[int(height * 0.85) :] = 20
    place, size = (5, int(height * 0.95)), width / 300
    cv2.putText(image, "For sale 555", place, 0, size, (255, 255, 255), max(1, width // 200))
    return image


COPIES: dict[str, Edit] = {
    "JPEG quality 60": _jpeg(60),
    "JPEG quality 30": _jpeg(30),
    "half size": _resized(0.5),
    "twice the size": _resized(2),
    "brightened": _toned(1.15, 20),
    "darkened": _toned(0.65, 0),
    "blurred, sigma 1.5": lambda image: cv2.GaussianBlur(image, (0, 0), 1.5),
    "noise, sigma 8": _noisy,
}
EDITS: dict[str, Edit] = {
    "crop 10%": _cropped(0.1),
    "crop 30%": _cropped(0.3),
    "turned by 15 degrees": _turned,
    "turned by 90 degrees": lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
    "mirrored": lambda image: cv2.flip(image, 1),
    "padded by 10%": _padded,
    "captioned": _captioned,
}
ALL = {**COPIES, **EDITS}
FEW = {name: ALL[name] for name in ("JPEG quality 60", "mirrored", "crop 30%")}
_WANTED = ("crop 30%", "turned by 15 degrees", "mirrored", "padded by 10%")


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    chosen = _paths()
    count = 20 if quick else PHOTOS
    sets = {"photos": [cv2.imread(str(chosen[n * len(chosen) // count])) for n in range(count)]}
    sets |= {name: images[:10] if quick else images for name, images in look_alikes()}
    rows, claims = [], []
    for name, images in sets.items():
        edits = ALL if name == "photos" else FEW
        recall, false, right, again = found_in(images, edits)
        precision = right / max(1, right + false)
        rows += [(f"{name}: {edit}", f"{share:.3f}", "", "") for edit, share in recall.items()]
        rows += [(f"{name}: all", "", f"{precision:.4f}", f"{again:,}")]
        claims.append(Claim.at_least(f"{name}: precision", 0.999, precision))
        if name == "photos":
            copies = float(np.mean([recall[edit] for edit in COPIES]))
            claims.append(Claim.at_least("photos: recall of copies", 0.99, copies))
            claims += [
                Claim.at_least(f"photos: recall, {edit}", 0.95, recall[edit]) for edit in _WANTED
            ]
    for size in (10_000,) if quick else MANY:
        one = measured(size)
        memory = one["peak"] / 2**20
        rows.append(
            (
                f"{size:,} synthetic images",
                f"{one['found']:.3f}",
                "",
                f"{number(one['seconds'])} s, {memory:,.0f} MB",
            )
        )
        limits = {100_000: (300, 1_000), 1_000_000: (900, 4_000)}.get(size)
        if limits:
            claims.append(Claim.at_most(f"{size:,} images, s", limits[0], one["seconds"]))
            claims.append(Claim.at_most(f"{size:,} images, MB", limits[1], memory))
    head = ("images", "recall", "precision", "photographed again; time, memory")
    return Result("Duplicates", METHOD, head, rows, claims)


def look_alikes() -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield sets of images that look alike."""
    with zipfile.ZipFile(next(data().glob("electronic_components/*.zip"))) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".png"))
        raw = [np.frombuffer(file.read(name), np.uint8) for name in names]
        yield "components", [cv2.imdecode(one, cv2.IMREAD_COLOR) for one in raw]
    for name, pattern in (("hands", "sign_digits/*/*.JPG"), ("cells", "bccd_voc/JPEGImages/*")):
        yield name, [cv2.imread(str(path)) for path in sorted(data().glob(pattern))]


def found_in(
    images: list[np.ndarray], edits: dict[str, Edit]
) -> tuple[dict[str, float], int, int, int]:
    """Return recall by edit; false and right pairs in groups; images photographed again."""
    folder = Path(tempfile.mkdtemp(prefix="duplicates-"))
    try:
        heap = folder / "heap"
        heap.mkdir()
        names = list(edits)
        for one, image in enumerate(images):
            cv2.imwrite(str(heap / f"{one:04d}_original.png"), image)
            for place, edit in enumerate(edits.values()):
                options = [cv2.IMWRITE_JPEG_QUALITY, 95]
                cv2.imwrite(str(heap / f"{one:04d}_{place:02d}.jpg"), edit(image), options)
        audit(heap, folder / "out")
        text = (folder / "out" / GROUPS).read_text()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    hits, pairs, again = Counter[str](), Counter[bool](), 0
    for group in map(json.loads, text.splitlines()):
        keys = [group["representative"], *(one["key"] for one in group["members"])]
        if group["group"] == "again":
            again += len(keys) - 1
            continue
        by_image = defaultdict(set)
        for key in keys:
            by_image[key[:4]].add(key[5:].partition(".")[0])
        for some in by_image.values():
            if "original" in some:
                hits.update(names[int(one)] for one in some - {"original"})
        for one, other in itertools.combinations(keys, 2):
            if one[:4] != other[:4]:
                print("false:", one, other, group["representative"], flush=True)
            pairs[one[:4] == other[:4]] += 1
    return {name: hits[name] / len(images) for name in names}, pairs[False], pairs[True], again


def measured(size: int) -> dict[str, float]:
    """Return what the search takes among synthetic images, in a process of its own."""
    command = [sys.executable, __file__, "synthetic", str(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def synthetic(size: int) -> dict[str, float]:
    """Find pairs among synthetic images, of which 1% have a copy with changed bits and words."""
    rng = generator(0, "synthetic", size)
    hashes = rng.integers(0, 256, (size, 32), np.uint8)
    copies = size // 100
    flips = np.packbits(rng.random((copies, 256)) < 0.05, axis=1)
    hashes[-copies:] = hashes[:copies] ^ flips
    begun = time.monotonic()
    found = {tuple(pair) for pair in hash_pairs(hashes).tolist()}
    if size <= MANY[0]:
        words = rng.integers(0, 1 << 32, (size, FEATURES, TABLES), np.uint32)
        words[-copies:, : FEATURES // 8] = words[:copies, : FEATURES // 8]
        owners = np.repeat(np.arange(size, dtype=np.uint32), FEATURES)
        both = word_pairs(words.reshape(-1, TABLES), owners, size)
        found &= {tuple(pair) for pair in both.tolist()}
    seconds = time.monotonic() - begun
    planted = {(one, size - copies + one) for one in range(copies)}
    return {"seconds": seconds, "peak": peak(os.getpid()), "found": len(found & planted) / copies}


if __name__ == "__main__":
    if sys.argv[1:2] == ["synthetic"]:
        print(json.dumps(synthetic(int(sys.argv[2]))))
    else:
        print(run(quick="--quick" in sys.argv))
