"""Duplicates: copies and edits of real photos found, look-alikes left apart; time for many images.

python duplicates.py synthetic N    pairs among N synthetic images, in a process of its own
python duplicates.py part NAME [--images N]
                                    photos, components, hands, cells or planted, likewise; kept
python duplicates.py collect        the result of the parts that are kept, for docs/benchmarks.md
"""

import argparse
import datetime as dt
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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from harness import PEERS, Claim, Result, number, peer_versions, python_of
from memory import peak
from photos import WORK, _paths, data
from planted_heap import prepared
from results import Measured, machine, own_versions
from variegate.datasets.prepare.audit import GROUPS, audit
from variegate.datasets.prepare.candidates import hash_pairs, word_pairs
from variegate.datasets.prepare.words import FEATURES, TABLES
from variegate.seeding import generator

PHOTOS = 250
MANY = (100_000, 1_000_000)
_WITH_PEER = 10_000
LOOK_ALIKES = {
    "components": "electronic_components/*.zip",
    "hands": "sign_digits/*/*.JPG",
    "cells": "bccd_voc/JPEGImages/*",
}
PARTS = ("photos", *LOOK_ALIKES, "planted")
PEER_NAMES = {"pHash": "phash", "CNN": "cnn"}
KEPT = WORK / "duplicates"
METHOD = f"""
*Found:* up to {PHOTOS} photos of the test data and 15 files made of each in one folder, by
`variegate audit`. A pair is found when its two images are in one group; a pair of two
different photos in a group is false. Then the sets of look-alikes, components (96 x 96), hands
(100 x 100) and blood cells, each image beside a copy of JPEG quality 60, its mirror image and a
crop of 70% of each side. 50 of the 250 components show an empty table, of which nobody can tell
whether it is the same photo: .8 is all of the others.

Beside it imagededup, in an environment of its own, on the same files: its perceptual hash of
64 bits at its usual distance, and its CNN at its usual similarity of .9, with MobileNetV2, for the
network it would take by itself has to be loaded. Of its pairs those count that hold the original.

*Planted:* up to 292 photos of clothing and hands and one file made of each, 18 files that are two
photos stored in nine orientations, and 64 odd files, by `variegate prepare`. Found is what is in
one group, or quarantined where it was cut off; by grade, where grade, flag or conflict of classes
are told, too. Of what OpenCV saved as PNG, some pixels differ by a step from those that another
decoder reads, which makes it a copy.

*Many:* synthetic hashes and, up to 100,000, words, 1% of them of copies: time and peak memory of
the search for candidates, which is all that grows with the heap; registration takes about 13 ms for
each candidate. imagededup searches as many hashes of 64 bits.
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
    """Run the benchmark: each part in a process of its own."""
    parts = {name: _part_of(name, quick=quick) for name in PARTS}
    sizes = (10_000,) if quick else (10_000, *MANY)
    return result(parts, {size: measured(size) for size in sizes})


def result(parts: dict[str, Any], many: dict[int, dict[str, float]]) -> Result:
    """Return what was found in all parts.

    Args:
        parts: what `part` returned, by name.
        many: what `synthetic` returned, by number of images.
    """
    rows: list[tuple[str, ...]] = []
    claims: list[Claim] = []
    for name in [name for name in ("photos", *LOOK_ALIKES) if name in parts]:
        one = parts[name]
        precision = one["right"] / max(1, one["right"] + one["false"])
        peers = one["peers"]
        for edit, share in one["recall"].items():
            others = [f"{peers[peer]['recall'][edit]:.3f}" if peers else "" for peer in PEER_NAMES]
            rows.append((f"{name}: {edit}", f"{share:.3f}", *others))
        others = [f"{peers[peer]['false']:,}" if peers else "" for peer in PEER_NAMES]
        rows.append((f"{name}: pairs of strangers", f"{one['false']:,}", *others))
        rows.append((f"{name}: photographed again", f"{one['again']:,}", "", ""))
        claims.append(Claim.at_least(f"{name}: precision", 0.999, precision))
        if name == "photos":
            copies = float(np.mean([one["recall"][edit] for edit in COPIES]))
            claims.append(Claim.at_least("photos: recall of copies", 0.99, copies))
            claims += [
                Claim.at_least(f"photos: recall, {edit}", 0.95, one["recall"][edit])
                for edit in _WANTED
            ]
    if "planted" in parts:
        for kind, count, found, graded in parts["planted"]["found"]:
            told = f"{found:,} of {count:,}, {graded:,} by grade"
            rows.append((f"planted: {kind}", told, "", ""))
            claims.append(Claim.at_least(f"planted: {kind}, share found", 0.95, found / count))
        claims.append(Claim.at_most("planted: files with strangers", 0, parts["planted"]["false"]))
    for size, one in many.items():
        told = f"{number(one['seconds'])} s, {number(one['cpu'])} s of processor"
        memory = one["peak"] / 2**20
        shown = f"{one['found']:.3f} found; {told}, {memory:,.0f} MB"
        peer = f"search alone {number(one['peer'])} s" if "peer" in one else ""
        rows.append((f"{size:,} synthetic images", shown, peer, ""))
        limits = {100_000: (300, 1_000), 1_000_000: (900, 4_000)}.get(size)
        if limits:
            claims.append(Claim.at_most(f"{size:,} images, s", limits[0], one["seconds"]))
            claims.append(Claim.at_most(f"{size:,} images, MB", limits[1], memory))
    head = ("images", "variegate", "imagededup, pHash", "imagededup, CNN (MobileNetV2)")
    return Result("Duplicates", METHOD + _ran(parts, many), head, rows, claims)


def _ran(parts: dict[str, Any], many: dict[int, dict[str, float]]) -> str:
    """Return what of all this was run."""
    ran = [
        f"{name} ({one['images']:,} images and what was made of each)" if "images" in one else name
        for name, one in parts.items()
    ]
    ran += [f"{size:,} synthetic images" for size in many]
    missing = [name for name in PARTS if name not in parts]
    missing += [] if many else ["synthetic images"]
    left = f" Not run: {', '.join(missing)}." if missing else ""
    return f"\n*Run:* {', '.join(ran)}.{left}\n"


def collected() -> Result:
    """Return the result of the parts that are kept."""
    kept = {name: KEPT / f"{name}.json" for name in PARTS}
    parts = {name: json.loads(file.read_text()) for name, file in kept.items() if file.exists()}
    sizes = {size: KEPT / f"synthetic-{size}.json" for size in (_WITH_PEER, *MANY)}
    many = {size: json.loads(file.read_text()) for size, file in sizes.items() if file.exists()}
    return result(parts, many)


def _keep(name: str, found: Any) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found)
    (KEPT / f"{name}.json").write_text(text)
    print(text)


def _part_of(name: str, *, quick: bool) -> Any:
    command = [sys.executable, __file__, "part", name, *(["--quick"] if quick else [])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def part(name: str, *, quick: bool, most: int = PHOTOS) -> Any:
    """Run one part, with so many images at most; return JSON values."""
    if name == "planted":
        folder = Path(tempfile.mkdtemp(prefix="planted-"))
        try:
            return prepared(folder, every=12 if quick else 1)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if name == "photos":
        chosen = _paths()
        count = 20 if quick else most
        images = [cv2.imread(str(chosen[n * len(chosen) // count])) for n in range(count)]
        return found_in(images, ALL, peers=True, keep=partial(_keep, name))
    images = look_alikes(name)
    return found_in(images[: 10 if quick else most], FEW, peers=False)


def look_alikes(name: str) -> list[np.ndarray]:
    """Return a set of images that look alike."""
    if name == "components":
        with zipfile.ZipFile(next(data().glob("electronic_components/*.zip"))) as file:
            names = sorted(name for name in file.namelist() if name.endswith(".png"))
            raw = [np.frombuffer(file.read(name), np.uint8) for name in names]
            return [cv2.imdecode(one, cv2.IMREAD_COLOR) for one in raw]
    return [cv2.imread(str(path)) for path in sorted(data().glob(LOOK_ALIKES[name]))]


def found_in(
    images: list[np.ndarray],
    edits: dict[str, Edit],
    *,
    peers: bool,
    keep: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Return recall by edit, false and right pairs in groups, images photographed again; of peers,
    recall and false pairs. All but these is kept before they begin.
    """
    folder = Path(tempfile.mkdtemp(prefix="duplicates-"))
    try:
        heap = folder / "heap"
        heap.mkdir()
        for one, image in enumerate(images):
            cv2.imwrite(str(heap / f"{one:04d}_original.png"), image)
            for place, edit in enumerate(edits.values()):
                options = [cv2.IMWRITE_JPEG_QUALITY, 95]
                cv2.imwrite(str(heap / f"{one:04d}_{place:02d}.jpg"), edit(image), options)
        audit(heap, folder / "out")
        names = list(edits)
        found = _counted((folder / "out" / GROUPS).read_text(), names, len(images))
        if peers:
            # What is found is kept, even if a peer fails or is stopped.
            keep(found)
            beside = {name: _peer(name, heap, names, len(images)) for name in PEER_NAMES}
            found["peers"] = beside
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _counted(text: str, names: list[str], count: int) -> dict[str, Any]:
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
                print("false:", one, other, group["representative"], file=sys.stderr, flush=True)
            pairs[one[:4] == other[:4]] += 1
    return {
        "images": count,
        "recall": {name: hits[name] / count for name in names},
        "false": pairs[False],
        "right": pairs[True],
        "again": again,
        "peers": {},
    }


def _peer(name: str, heap: Path, names: list[str], count: int) -> dict[str, Any]:
    """Return recall by edit of a method of imagededup, and its pairs of different photos."""
    hits, false = Counter[str](), 0
    for one, other in _asked(PEER_NAMES[name], str(heap)):
        if one[:4] != other[:4]:
            false += 1
        elif "original" in other:
            hits[names[int(one[5:7])]] += 1
    return {"recall": {name: hits[name] / count for name in names}, "false": false}


def _asked(*arguments: str) -> Any:
    command = [python_of("imagededup"), str(PEERS / "with_imagededup.py"), *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measured(size: int) -> dict[str, float]:
    """Return what the search takes among synthetic images, in a process of its own."""
    command = [sys.executable, __file__, "synthetic", str(size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = dict(json.loads(done.stdout))
    if size == _WITH_PEER:
        found["peer"] = float(_asked("search", str(size)))
    return found


def synthetic(size: int) -> dict[str, float]:
    """Find pairs among synthetic images, of which 1% have a copy with changed bits and words."""
    rng = generator(0, "synthetic", size)
    hashes = rng.integers(0, 256, (size, 32), np.uint8)
    copies = size // 100
    flips = np.packbits(rng.random((copies, 256)) < 0.05, axis=1)
    hashes[-copies:] = hashes[:copies] ^ flips
    begun, used = time.monotonic(), time.process_time()
    found = {tuple(pair) for pair in hash_pairs(hashes).tolist()}
    if size <= MANY[0]:
        words = rng.integers(0, 1 << 32, (size, FEATURES, TABLES), np.uint32)
        words[-copies:, : FEATURES // 8] = words[:copies, : FEATURES // 8]
        owners = np.repeat(np.arange(size, dtype=np.uint32), FEATURES)
        both = word_pairs(words.reshape(-1, TABLES), owners, size)
        found &= {tuple(pair) for pair in both.tolist()}
    seconds, cpu = time.monotonic() - begun, time.process_time() - used
    planted = {(one, size - copies + one) for one in range(copies)}
    return {
        "seconds": seconds,
        "cpu": cpu,
        "peak": peak(os.getpid()),
        "found": len(found & planted) / copies,
    }


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="?", choices=("synthetic", "part", "collect"))
    parser.add_argument("name", nargs="?")
    parser.add_argument("--images", type=int, default=PHOTOS)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    if asked.what == "synthetic":
        _keep(f"synthetic-{asked.name}", synthetic(int(asked.name)))
    elif asked.what == "part":
        _keep(asked.name, part(asked.name, quick=asked.quick, most=asked.images))
    elif asked.what == "collect":
        found, today = collected(), f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
        if (KEPT / "photos.json").exists():
            python_of("imagededup")
        versions = own_versions() | peer_versions()
        Measured(today, machine(), os.getloadavg()[1], versions, found).save("duplicates")
        print(found.markdown())
    else:
        print(run(quick=asked.quick).markdown())


if __name__ == "__main__":
    main()
