"""The preset `corruptions` beside imagecorruptions: how far from the clean photo, and how unlike.

Means over photos of 224 x 224, the size that the paper's figures are for.
"""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

import variegate
from harness import PEERS, WORK, Claim, Result, python_of
from photos import squares

SIDE = 224
PHOTOS, FEW = 24, 4
#: Times that our random corruptions are drawn for each photo: one draw of 24 fogs is chance.
DRAWS = 8

#: Names of the peer's corruptions -> of our transforms, in the order of the preset.
NAMES = {
    "gaussian_noise": "gaussian_noise",
    "shot_noise": "poisson_noise",
    "impulse_noise": "salt_pepper",
    "defocus_blur": "defocus",
    "glass_blur": "glass_blur",
    "motion_blur": "motion_blur",
    "zoom_blur": "zoom_blur",
    "snow": "snow",
    "frost": "frost",
    "fog": "fog",
    "brightness": "brightness",
    "contrast": "contrast",
    "elastic_transform": "elastic",
    "pixelate": "downscale",
    "jpeg_compression": "jpeg",
}
SEVERITIES = 5
DECIBELS, SIMILARITY = 1.0, 0.05

METHOD = """
{photos} photos of 224 x 224, corrupted by [imagecorruptions](https://github.com/bethgelab/imagecorruptions)
1.1.2 and by the preset `corruptions`: mean PSNR (decibels) and mean SSIM (11 x 11 normal window,
luminance) to the clean photo, severities 1 to 5, theirs / ours. Theirs are drawn once for each
photo, ours {draws} times. Its frost lays photographs of ice over the image; ours is grown
(`benchmarks/corruptions.py`).
"""


@dataclass(frozen=True)
class Likeness:
    """How near corrupted photos are to the clean ones: mean decibels, and mean similarity."""

    psnr: float
    ssim: float

    @classmethod
    def mean(cls, several: Iterable["Likeness"]) -> "Likeness":
        """Return the mean of several."""
        psnr, ssim = zip(*((one.psnr, one.ssim) for one in several), strict=True)
        return cls(float(np.mean(psnr)), float(np.mean(ssim)))


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    clean = squares(FEW if quick else PHOTOS, SIDE)
    theirs, ours = measured_theirs(clean), measured_ours(clean)
    rows, far = [], 0
    for name, mine in NAMES.items():
        pairs = list(zip(theirs[name], ours[mine], strict=True))
        psnr = [f"{one.psnr:.1f} / {two.psnr:.1f}" for one, two in pairs]
        ssim = [f"{one.ssim:.2f} / {two.ssim:.2f}" for one, two in pairs]
        rows += [(f"{name}, PSNR", *psnr), (f"`{mine}`, SSIM", *ssim)]
        far += sum(not alike(one, two) for one, two in pairs)
    text = f"corruptions and severities farther apart than {DECIBELS:g} dB or {SIMILARITY:g} SSIM"
    claim = Claim.at_most(f"{text}, of {len(NAMES) * SEVERITIES}", 0, far)
    head = ("corruption", *(str(severity + 1) for severity in range(SEVERITIES)))
    return Result("Corruptions", METHOD.format(photos=len(clean), draws=DRAWS), head, rows, [claim])


def alike(one: Likeness, two: Likeness) -> bool:
    """Whether both figures are as near as they should be."""
    return abs(one.psnr - two.psnr) <= DECIBELS and abs(one.ssim - two.ssim) <= SIMILARITY


def measured_theirs(clean: np.ndarray) -> dict[str, list[Likeness]]:
    """Return what the peer makes of the photos, by its own names; kept in `.work`."""
    folder = WORK / f"imagecorruptions-{len(clean)}"
    missing = [name for name in NAMES if not (folder / f"{name}.npy").exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "clean.npy", clean)
        script = PEERS / "with_imagecorruptions.py"
        command = [python_of("imagecorruptions"), script, folder / "clean.npy", folder, *missing]
        subprocess.run([str(part) for part in command], check=True)
    return {name: [likeness(clean, made) for made in read(folder, name)] for name in NAMES}


def read(folder: Path, name: str) -> np.ndarray:
    """Return what was made by one corruption: (severities, photos, height, width, 3)."""
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def measured_ours(clean: np.ndarray) -> dict[str, list[Likeness]]:
    """Return what the preset makes of the photos, by the transforms' names."""
    recipe = variegate.Recipe.load("corruptions")
    drawn = [found_ours(recipe, clean, draw) for draw in range(DRAWS)]
    found = [Likeness.mean(index) for index in zip(*drawn, strict=True)]
    return {
        mine: found[SEVERITIES * number : SEVERITIES * (number + 1)]
        for number, mine in enumerate(NAMES.values())
    }


def found_ours(recipe: variegate.Recipe, clean: np.ndarray, draw: int) -> list[Likeness]:
    """Return the likeness of each result of the recipe, drawn once for each photo."""
    made = [
        [image for _, image in recipe.variants(photo, key=f"{draw}/{number}.png")]
        for number, photo in enumerate(clean)
    ]
    return [
        likeness(clean, np.stack([images[index] for images in made]))
        for index in range(recipe.count())
    ]


def likeness(clean: np.ndarray, corrupted: np.ndarray) -> Likeness:
    """Return the mean likeness of photos to clean ones, each (N, H, W, 3) uint8."""
    psnr = [cv2.PSNR(one, np.asarray(two)) for one, two in zip(clean, corrupted, strict=True)]
    similar = [ssim(one, np.asarray(two)) for one, two in zip(clean, corrupted, strict=True)]
    return Likeness(float(np.mean(psnr)), float(np.mean(similar)))


def ssim(one: np.ndarray, two: np.ndarray) -> float:
    """Return the structural similarity of two RGB images' luminance (Wang et al. 2004)."""
    x, y = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64) for image in (one, two))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = _window(x), _window(y)
    var_x, var_y = _window(x * x) - mean_x**2, _window(y * y) - mean_y**2
    shared = _window(x * y) - mean_x * mean_y
    light = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * shared + c2) / (var_x + var_y + c2)
    return float((light * structure)[5:-5, 5:-5].mean())


@cache
def _kernel() -> np.ndarray:
    return cv2.getGaussianKernel(11, 1.5)


def _window(values: np.ndarray) -> np.ndarray:
    return cv2.sepFilter2D(values, -1, _kernel(), _kernel())
