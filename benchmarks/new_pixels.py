"""Pixel transforms one by one, beside their counterparts in Albumentations: one thread."""

import statistics
from collections.abc import Callable

import cv2
import numpy as np

from harness import WORK, Claim, Result, Served, interleave, number, ratio, timed
from photos import data
from variegate.seeding import generator
from variegate.transforms import Transform, find_transform

SIDE = 640, 480
METHOD = """
One transform a row, drawn anew for every variant of a 640 x 480 RGB photo in memory; one thread
each (`cv2.setNumThreads(1)`). Albumentations is called through `Compose`, with its own defaults
where they are of a comparable strength; chromatic aberration is made without fringes on both
sides, and WebP at qualities 5 to 60, by Albumentations as OpenCV encodes it, by variegate with
libwebp's quickest method (`benchmarks/new_pixels.py`).
"""

#: What is compared with which of its fields; Albumentations has none of the last.
ROWS: dict[str, dict[str, object]] = {
    "color_jitter": {},
    "tone_curve": {},
    "stain_jitter": {},
    "illumination linear": {"shape": "linear"},
    "illumination gaussian": {"shape": "gaussian"},
    "plasma_brightness": {},
    "plasma_shadow": {},
    "chromatic_aberration": {"fringe": 0},
    "ringing": {},
    "webp": {},
}
ALONE = ("vignette", "video_compression")


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    cv2.setNumThreads(1)
    # glibc keeps freed memory once it has seen a large array freed, as a worker's has.
    large = np.ones(2**24, np.uint8)
    del large
    each, rounds = (5, 5) if quick else (10, 21)
    WORK.mkdir(exist_ok=True)
    file = WORK / "image-640x480.npy"
    photo = cv2.imread(str(min(data().glob("coco_mini/images/*/*.jpg"))))
    np.save(file, cv2.cvtColor(cv2.resize(photo, SIDE), cv2.COLOR_BGR2RGB))
    image = np.load(file)
    rows, claims = [], []
    for name in (*ROWS, *ALONE):
        kind = find_transform(name.partition(" ")[0])
        contenders: dict[str, Callable[[], float]] = {
            "ours": timed(_variants(kind.model_validate(ROWS.get(name, {})), image, each))
        }
        if name in ROWS:
            peer = Served("albumentations", "pixels_with_albumentations.py", name, file, each)
            contenders["theirs"] = peer
        times = interleave(contenders, rounds)
        took = {who: statistics.median(times[who]) / each * 1e6 for who in contenders}
        if name in ROWS:
            peer.close()
            times_ours = ratio(times, "theirs", "ours")
            rows.append(
                (f"`{name}`", number(took["ours"]), number(took["theirs"]), number(times_ours))
            )
            claims.append(Claim.at_least(f"speed of {name}", 1, times_ours))
        else:
            rows.append((f"`{name}`", number(took["ours"]), "has none", ""))
    head = ("transform", "us", "us, Albumentations 2.0.8", "times variegate's")
    return Result("New pixel transforms", METHOD, head, rows, claims)


def _variants(transform: Transform, image: np.ndarray, count: int) -> Callable[[], None]:
    rng = generator(0, transform.name)

    def act() -> None:
        for _ in range(count):
            transform.draw(rng, (image.shape[0], image.shape[1])).apply_image(image)

    return act
