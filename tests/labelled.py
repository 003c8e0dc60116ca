"""Labelled images for tests: what is known of them is drawn by Pillow, in its own image."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from variegate.annotations import conversion as labels
from variegate.annotations.annotation import Annotation, Skeleton
from variegate.annotations.rules import LabelRule
from variegate.annotations.sample import Sample
from variegate.annotations.targets import Targets
from variegate.ops import Operation

FINE = 4


def drawn_polygon(rings, size) -> np.ndarray:
    """Return (H, W) uint8: how much of each pixel rings cover, drawn by Pillow four times finer."""
    height, width = size
    large = Image.new("L", (width * FINE, height * FINE), 0)
    for ring in rings:
        # Pillow counts pixel centres as whole numbers.
        points = [(x * FINE - 0.5, y * FINE - 0.5) for x, y in ring]
        ImageDraw.Draw(large).polygon(points, fill=255)
    return np.array(large.reduce(FINE))


def drawn_ellipse(box, size) -> np.ndarray:
    """Return (H, W) uint8: how much of each pixel the ellipse in a box covers."""
    x1, y1, x2, y2 = box
    turns = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    x, y = (
        (x1 + x2) / 2 + (x2 - x1) / 2 * np.cos(turns),
        (y1 + y2) / 2 + (y2 - y1) / 2 * np.sin(turns),
    )
    return drawn_polygon([np.stack([x, y], axis=1).tolist()], size)


def rectangle(box):
    x1, y1, x2, y2 = box
    return [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]


def bounds(image: np.ndarray, level: int = 127) -> np.ndarray | None:
    """Return x1, y1, x2, y2 of the pixels above a level."""
    ys, xs = np.nonzero(image > level)
    if not len(xs):
        return None
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float)


def iou(one: np.ndarray, two: np.ndarray) -> float:
    union = np.count_nonzero(one | two)
    return np.count_nonzero(one & two) / union if union else 1.0


def box_iou(one, two) -> float:
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    both = max(0.0, width) * max(0.0, height)
    areas = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (one, two))
    return both / (areas - both) if both else 0.0


def read(
    annotation: Annotation,
    size,
    *,
    masks: Mapping[str, np.ndarray] | None = None,
    skeletons: Mapping[str, Skeleton] | None = None,
    orientation: int = 1,
    key: str = "a.png",
    **rule: object,
) -> Targets:
    files = dict(masks or {})
    return labels.read(
        annotation,
        size,
        rule=LabelRule(**rule),
        skeletons=skeletons or {},
        load_mask=files.__getitem__,
        orientation=orientation,
        key=key,
    )


def write(annotation: Annotation, targets: Targets, size, **rule: object):
    """Return the annotation of a result and its masks, whose keys begin with "out-"."""
    return labels.written(
        annotation,
        targets,
        size,
        rule=LabelRule(**rule),
        mask_key=lambda mask_file, _: f"out-{mask_file}",
    )


def through(
    operation: Operation,
    annotation: Annotation,
    image: np.ndarray,
    *,
    masks=None,
    skeletons=None,
    **rule,
):
    """Return what an operation makes of an image and its annotation: both, and the masks."""
    targets = read(annotation, image.shape[:2], masks=masks, skeletons=skeletons, **rule)
    done = operation.apply(Sample(image, targets=targets))
    assert done.targets is not None
    changed, files = write(annotation, done.targets, done.size, **rule)
    return done.image, changed, files
