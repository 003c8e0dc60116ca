"""Labels over an image: boxes, outlines, masks and keypoints, one color a class.

They are drawn on the image as it is shown, so that lines are as thin on a large one as on a small
one, and every line has a dark one under it, so that it is seen on any ground.
"""

import colorsys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from variegate.annotations.annotation import Skeleton
from variegate.annotations.polygons import Points, box_ring
from variegate.annotations.sample import Image, Size
from variegate.annotations.targets import Layer, Mask, Targets, whole

Color = tuple[int, int, int]

# Told apart with any kind of color vision: Okabe and Ito, Color universal design, 2008; without
# black, and blue lightened for dark grounds.
_PALETTE: tuple[Color, ...] = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((66, 133, 244), (213, 94, 0), (204, 121, 167)),
)
_UNDER: Color = (18, 18, 18)
_FILL = 0.35
_LINE = cv2.LINE_AA
# cv2 takes coordinates in fractions of a pixel, as whole numbers.
_SHIFT = 4
_FAR = 2**14
#: The value that many segmentation sets give to pixels of no class, such as borders.
_UNLABELLED = 255


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """What is drawn over an image.

    Attributes:
        targets: of the image.
        size: (height, width) that they refer to.
        skeletons: category -> its keypoints.
    """

    targets: Targets
    size: Size
    skeletons: Mapping[str, Skeleton] = field(default_factory=dict)

    def categories(self) -> set[str]:
        """Return the classes of its objects."""
        return {one.category for one in self.targets.objects}


def colors_of(categories: Iterable[str]) -> dict[str, Color]:
    """Return a color for each class: the same ones for the same classes, in whatever order."""
    return {name: color_at(index) for index, name in enumerate(sorted(set(categories)))}


def color_at(index: int) -> Color:
    """Return one of an endless row of colors that differ."""
    if index < len(_PALETTE):
        return _PALETTE[index]
    # Steps of the golden ratio never come back to the same hue.
    hue = (0.13 + 0.618033988749895 * index) % 1
    lightness = (0.62, 0.5, 0.74)[index % 3]
    r, g, b = colorsys.hls_to_rgb(hue, lightness, 0.75)
    return round(255 * r), round(255 * g), round(255 * b)


def overlaid(image: Image, labelled: LabelledImage, colors: Mapping[str, Color]) -> Image:
    """Return an image with its labels drawn over it.

    Args:
        image: (H, W, 3) RGB, in any size.
        labelled: what is known of it.
        colors: of the classes.
    """
    drawn = np.array(image, order="C")
    targets = labelled.targets
    shown = (image.shape[0], image.shape[1])
    scale = np.array([shown[1] / labelled.size[1], shown[0] / labelled.size[0]])
    for layer in targets.layers:
        _tint(drawn, layer, targets, colors)
    rings = [
        [ring * scale for ring in targets.outlines.of_object(number)]
        if one.polygons is not None or one.corners is not None
        else []
        for number, one in enumerate(targets.objects)
    ]
    for number, one in enumerate(targets.objects):
        if one.polygons is not None:
            _fill(drawn, rings[number], colors[one.category])
    for number, one in enumerate(targets.objects):
        lines = list(rings[number])
        if one.box is not None and not np.isnan(targets.boxes[number]).any():
            lines.append(box_ring(targets.boxes[number], ellipse=False) * scale)
        for ring in lines:
            _line(drawn, ring, colors[one.category], closed=True)
    for number, one in enumerate(targets.objects):
        if one.keypoints is not None:
            _keypoints(drawn, labelled, number, scale, colors[one.category])
    return drawn


def _fixed(points: Points) -> npt.NDArray[np.int32]:
    # cv2 counts from pixel centres.
    near = np.clip(points - 0.5, -_FAR, _FAR)
    return np.rint(near * 2**_SHIFT).astype(np.int32)


def _line(image: Image, points: Points, color: Color, *, closed: bool) -> None:
    if len(points) < 2:
        return
    fixed = [_fixed(points)]
    shaded = cv2.polylines(image.copy(), fixed, closed, _UNDER, 3, _LINE, _SHIFT)
    cv2.addWeighted(shaded, 0.5, image, 0.5, 0, dst=image)
    cv2.polylines(image, fixed, closed, color, 1, _LINE, _SHIFT)


def _fill(image: Image, rings: list[Points], color: Color) -> None:
    if not rings:
        return
    filled = image.copy()
    cv2.fillPoly(filled, [_fixed(ring) for ring in rings], color, _LINE, _SHIFT)
    cv2.addWeighted(filled, _FILL, image, 1 - _FILL, 0, dst=image)


def _tint(image: Image, layer: Layer, targets: Targets, colors: Mapping[str, Color]) -> None:
    """Lay the colors of a mask over the image; edges of objects stay lines."""
    height, width = image.shape[:2]
    values: Mask = cv2.resize(
        whole(layer.values).astype(np.float64), (width, height), interpolation=cv2.INTER_NEAREST
    )
    if layer.role == "soft":
        most = max(1.0, float(values.max()))
        _blend(image, color_at(0), _FILL * 2 * values / most)
        return
    for value in np.unique(values).astype(int).tolist():
        if value == 0:
            continue
        place = values == value
        if layer.role == "objects":
            color = colors[targets.objects[value - 1].category]
        else:
            color = (255, 255, 255) if value == _UNLABELLED else color_at(value - 1)
        _blend(image, color, _FILL * place)
        if layer.role == "objects":
            found, _ = cv2.findContours(
                place.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            cv2.drawContours(image, found, -1, color, 1, cv2.LINE_8)


def _blend(image: Image, color: Color, share: npt.NDArray[np.float64]) -> None:
    mixed = image * (1 - share[..., np.newaxis]) + np.array(color) * share[..., np.newaxis]
    np.copyto(image, np.rint(mixed).astype(np.uint8))


def _keypoints(
    image: Image, labelled: LabelledImage, number: int, scale: npt.NDArray[np.float64], color: Color
) -> None:
    """Draw the points of one object: visible ones filled, hidden ones hollow."""
    known = labelled.targets.keypoints
    span = slice(int(known.starts[number]), int(known.starts[number + 1]))
    points, visibility = known.points[span] * scale, known.visibility[span]
    skeleton = labelled.skeletons.get(labelled.targets.objects[number].category)
    for one, other in skeleton.edges if skeleton else ():
        if max(one, other) < len(points) and visibility[one] and visibility[other]:
            _line(image, points[[one, other]], color, closed=False)
    for point, seen in zip(points, visibility, strict=True):
        if not seen:
            continue
        (at,) = _fixed(point[np.newaxis])
        place = (int(at[0]), int(at[1]))
        cv2.circle(image, place, 3 << _SHIFT, _UNDER, -1, _LINE, _SHIFT)
        filled = -1 if seen == 2 else 1
        cv2.circle(image, place, 2 << _SHIFT, color, filled, _LINE, _SHIFT)
