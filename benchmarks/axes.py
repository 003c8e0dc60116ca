"""How far every strength axis goes: python benchmarks/axes.py [axis ...]

On photos of a street, a room, an object, cells under a microscope and electronic parts in 96 x 96
gray pixels, per axis: PSNR to the source at intensities 0.1, 0.5 and 1 (dB); contrast at the end
(the largest standard deviation of a channel, levels of 255); the least step of the change from one
tenth to the next, and the change over the upper half, both as shares of the change at the end (root
mean square of levels).
Each figure is the worst of the images; `!` marks what is out of bounds, and *still* are those that
do not change.
"""

import sys
import zipfile
from dataclasses import dataclass

import cv2
import numpy as np

from photos import data
from variegate.annotations.sample import Image
from variegate.ops import Geometric, Identity
from variegate.seeding import generator
from variegate.testing.transforms import applied, contrast
from variegate.transforms import Transform, all_transforms
from variegate.transforms.base import Axis

#: Below it an image shows nothing.
LEAST_CONTRAST = 8.0
#: An upper half that changes less than this share has no effect.
LEAST_UPPER_HALF = 0.05
_STEPS = 10
#: Levels; of color on gray images no more than rounding shows.
_ROUNDING = 0.5

_PHOTOS = {
    "street": "coco_mini/images/val2017/000000007281.jpg",
    "room": "coco_mini/images/val2017/000000000885.jpg",
    "object": "clothing_classes/train/**/*.jpg",
    "microscope": "bccd_voc/JPEGImages/*.jpg",
}
_PARTS = ("capacitor.49634633.png", "led.3c7e4e55.png")


def images() -> dict[str, Image]:
    """Return the images, of up to 500 pixels."""
    found = {}
    for kind, pattern in _PHOTOS.items():
        photo = cv2.imread(str(min(data().glob(pattern))), cv2.IMREAD_COLOR_RGB)
        factor = min(1.0, 500 / max(photo.shape[:2]))
        found[kind] = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    archive = data() / "electronic_components/electronic-components-png-original.zip"
    with zipfile.ZipFile(archive) as files:
        for name in _PARTS:
            encoded = np.frombuffer(files.read(name), np.uint8)
            found[name.partition(".")[0]] = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    return found


@dataclass(frozen=True)
class Course:
    """What an axis does to one image.

    Attributes:
        changes: root mean square of the change at each tenth, levels.
        end: contrast at the end.
        upper: change from the middle to the end, levels.
        geometric: whether points move; then the change of levels tells nothing about its size.
    """

    changes: tuple[float, ...]
    end: float
    upper: float
    geometric: bool

    @property
    def least_step(self) -> float:
        """The least growth of the change over a tenth, as a share of the whole."""
        return float(np.diff(self.changes).min()) / max(self.changes[-1], 1e-9)

    @property
    def upper_half(self) -> float:
        """The change over the upper half as a share of the whole."""
        return self.upper / max(self.changes[-1], 1e-9)

    def psnr(self, tenth: int) -> float:
        """Signal to noise at a tenth, dB; infinite where nothing changed."""
        change = self.changes[tenth]
        return float(20 * np.log10(255 / change)) if change else float("inf")


def course(kind: type[Transform], axis: Axis, image: Image) -> Course:
    """Follow an axis on one image."""
    size = image.shape[0], image.shape[1]
    operations = [
        kind.operation_at(axis.name, step / _STEPS, generator(1, axis.name), size)
        for step in range(_STEPS + 1)
    ]
    made = [applied(operation, image) for operation in operations]
    return Course(
        changes=tuple(_distance(image, one) for one in made),
        end=contrast(made[-1]),
        upper=_distance(made[_STEPS // 2], made[-1]),
        geometric=any(isinstance(one, Geometric) for one in operations if one != Identity()),
    )


def _distance(one: Image, other: Image) -> float:
    return float(np.sqrt(np.mean(np.square(one.astype(np.float32) - other.astype(np.float32)))))


def _row(name: str, courses: dict[str, Course]) -> str:
    seen = {kind: one for kind, one in courses.items() if one.changes[-1] > _ROUNDING}
    if not seen:
        return f"| {name} | | | | | | | nothing changes |"
    every = list(seen.values())
    psnr = [min(one.psnr(tenth) for one in every) for tenth in (1, 5, 10)]
    dullest = min(seen, key=lambda kind: seen[kind].end)
    step = min(one.least_step for one in every)
    upper = min(one.upper_half for one in every)
    marks = ["!" if seen[dullest].end <= LEAST_CONTRAST else ""]
    marks.append("!" if step < -0.01 and not every[0].geometric else "")
    marks.append("!" if upper < LEAST_UPPER_HALF else "")
    still = ", ".join(kind for kind in courses if kind not in seen)
    return (
        f"| {name} | {psnr[0]:.1f} | {psnr[1]:.1f} | {psnr[2]:.1f} "
        f"| {seen[dullest].end:.1f} ({dullest}) {marks[0]} | {step:.3f} {marks[1]} "
        f"| {upper:.2f} {marks[2]} | {still} |"
    )


def main() -> None:
    cv2.setNumThreads(1)
    chosen, every = sys.argv[1:], images()
    print("| axis | dB at 0.1 | at 0.5 | at 1 | contrast at 1 | least step | upper half | still |")
    print("| --- " * 8 + "|")
    for kind in all_transforms().values():
        for axis in kind.axes:
            if chosen and axis.name not in chosen and kind.name not in chosen:
                continue
            print(_row(axis.name, {name: course(kind, axis, one) for name, one in every.items()}))


if __name__ == "__main__":
    main()
