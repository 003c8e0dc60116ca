"""The rate of an audit's measuring beside that of plain decoding, by processor time, in turns."""

import time

import cv2
import numpy as np

from harness import Claim, Result
from photos import _paths
from variegate.codecs import Limits, decode
from variegate.datasets.prepare.measures import measure

PHOTOS, LARGE = 500, 24
_SIDES = (420, 1_600, 4_000)
METHOD = f"""
{PHOTOS} photos of the test data as they are, about 420 pixels, then {LARGE} of them enlarged to a
longest side of 1,600 and 4,000 pixels (JPEG, quality 90). Each is decoded in full, and then
measured as an audit does it: decoded at a fraction of its size where that is enough, with figures,
digests, hash and words. Processor time of this thread, photo by photo, so other programs slow both
alike.
"""


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    rows, claims = [], []
    for side in _SIDES:
        decoding, measuring = rates(_files(side, quick=quick))
        share = decoding / measuring
        row = (f"about {side:,} px", f"{decoding:.2f} ms", f"{measuring:.2f} ms", f"{share:.2f}")
        rows.append(row)
        claims.append(Claim.at_least(f"{side:,} px, share of the decode rate", 0.8, share))
    head = ("photos", "decoding alone", "measuring, decoding included", "share of its rate")
    return Result("Audit", METHOD, head, rows, claims)


def _files(side: int, *, quick: bool) -> list[bytes]:
    chosen = _paths()
    if side == _SIDES[0]:
        count = 20 if quick else PHOTOS
        return [chosen[number % len(chosen)].read_bytes() for number in range(count)]
    files = []
    for path in chosen[:: len(chosen) // (4 if quick else LARGE)]:
        image = cv2.imread(str(path))
        scale = side / max(image.shape)
        large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        _, data = cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, 90])
        files.append(data.tobytes())
    return files


def rates(files: list[bytes]) -> tuple[float, float]:
    """Return the milliseconds of decoding and of measuring a file, in the mean."""
    cv2.setNumThreads(1)
    limits, spent = Limits(), np.zeros(2)
    for data in files[:3]:
        measure(data, "a.jpg", limits)
    for data in files:
        begun = time.thread_time()
        decode(data, limits=limits)
        between = time.thread_time()
        measure(data, "a.jpg", limits)
        spent += between - begun, time.thread_time() - between
    decoding, measuring = spent * 1_000 / len(files)
    return float(decoding), float(measuring)


if __name__ == "__main__":
    import sys

    print(run(quick="--quick" in sys.argv).markdown())
