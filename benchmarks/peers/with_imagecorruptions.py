"""imagecorruptions, in its own environment: corrupt photos, one file a corruption.

    with_imagecorruptions.py PHOTOS.npy FOLDER NAME ...

Writes FOLDER/NAME.npy, (severities, photos, height, width, 3) uint8, for each corruption named.
"""

import sys
from pathlib import Path

import numpy as np
from imagecorruptions import corrupt, corruptions
from skimage.filters import gaussian

SEVERITIES = (1, 2, 3, 4, 5)


def _blurred(
    image: np.ndarray, sigma: float, *, multichannel: bool = False, **options: object
) -> np.ndarray:
    return gaussian(image, sigma, channel_axis=-1 if multichannel else None, **options)


# The scikit-image that it was written for has no wheels for this Python; this one calls the
# argument otherwise.
corruptions.gaussian = _blurred


def main() -> None:
    """Corrupt every photo by every corruption named, at five severities."""
    photos, folder = np.load(sys.argv[1]), Path(sys.argv[2])
    for name in sys.argv[3:]:
        made = []
        for severity in SEVERITIES:
            # It draws from numpy's global generator.
            np.random.seed(severity)  # noqa: NPY002
            made.append([corrupt(photo, severity, corruption_name=name) for photo in photos])
        np.save(folder / f"{name}.npy", np.asarray(made, np.uint8))


if __name__ == "__main__":
    main()
