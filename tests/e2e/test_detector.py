"""A real detector finds moved objects where their moved boxes are, and not where they were."""

import cv2
import numpy as np
import onnxruntime
import pytest

from variegate import Options, Recipe
from variegate.codecs import decode
from variegate.runs.augmenter import make_variants, targets_of
from variegate.runs.estimate import spread
from variegate.runs.run import prepare

SIDE, CELLS = 352, 22
LIGHT = """
variants:
  each:
    draws: 2
    steps:
      - sequence:
          - flip
          - rotate: {angle_degrees: [-6, 6]}
          - scale: {factor: [0.9, 1.05]}
          - translate: {x: [0.12, 0.18], y: [0.08, 0.12]}
          - brightness: {amount: [-0.05, 0.05]}
"""


class FastestDet:
    """The detector, used as its authors say (data/models/SOURCE.md)."""

    def __init__(self, folder):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / "fastestdet_coco.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.names = (folder / "coco_names.txt").read_text().split("\n")

    def __call__(self, image):
        """Return (class, x1, y1, x2, y2) of what is seen in an RGB image."""
        colors = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        small = cv2.resize(colors, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[..., ::-1]
        tensor = small.transpose(2, 0, 1)[np.newaxis].astype(np.float32) / 255
        (answer,) = self._session.run(None, {"input.1": tensor})
        (channels,) = answer
        rows, columns = np.mgrid[0:CELLS, 0:CELLS]
        x = (columns + np.tanh(channels[1])) / CELLS
        y = (rows + np.tanh(channels[2])) / CELLS
        w, h = (1 / (1 + np.exp(-channels[index])) for index in (3, 4))
        best = channels[5:].argmax(axis=0)
        score = channels[0] ** 0.6 * channels[5:].max(axis=0) ** 0.4
        height, width = image.shape[:2]
        found = []
        for r, c in np.argwhere(score > 0.4):
            left, top = (x[r, c] - w[r, c] / 2) * width, (y[r, c] - h[r, c] / 2) * height
            box = (left, top, left + w[r, c] * width, top + h[r, c] * height)
            found.append((self.names[best[r, c]], *map(float, box)))
        return found


def overlap(one, other):
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return across * down / (sum(areas) - across * down)


def seen(detections, name, box):
    return any(one[0] == name and overlap(one[1:], box) >= 0.5 for one in detections)


@pytest.fixture(scope="module")
def detector(data_dir):
    return FastestDet(data_dir / "models")


def test_the_detector_finds_moved_boxes_about_as_well_and_unmoved_ones_not(data_dir, detector):
    recipe, options = Recipe.parse(LIGHT), Options(format="coco", workers=0)
    before, moved, unmoved = [], [], []
    with prepare(data_dir / "coco_mini", recipe, options) as prepared:
        job = prepared.job(options)
        for source in spread(prepared, 25):
            image = decode(prepared.source.read(source.key))
            here = detector(image)
            # What it sees in the source is what it can be asked for in the results.
            known = targets_of(job, source)
            wanted = [
                (number, one.category, known.boxes[number])
                for number, one in enumerate(known.objects)
                if one.category in detector.names and min_side(known.boxes[number]) >= 48
            ]
            before += [seen(here, name, box) for _, name, box in wanted]
            found = {n for n, name, box in wanted if seen(here, name, box)}
            for made in make_variants(job, source):
                there = detector(decode(made.encoded))
                targets = made.targets
                for number, name, box in wanted:
                    if number in found and targets.visible[number] > 0.9:
                        moved.append(seen(there, name, targets.boxes[number]))
                        unmoved.append(seen(there, name, box))
    assert sum(before) >= 12, "the detector sees some of the sources' objects"
    assert len(moved) >= 20
    assert np.mean(moved) >= 0.8
    assert np.mean(unmoved) <= np.mean(moved) - 0.3


def min_side(box):
    return min(box[2] - box[0], box[3] - box[1])
