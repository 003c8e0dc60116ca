"""MediaPipe's pose of one person as a function for `--predict`: 33 points of an image.

The model's file is named by the variable POSE_MODEL.
"""

import os
from pathlib import Path

import cv2
import numpy as np

from variegate.models.predictors.litert import interpreter

_SIDE, _POINTS = 256, 33


def predict(images: list[np.ndarray]) -> list[dict]:
    """Return the points of the person in each image; none where the model sees nobody."""
    return [_pose(one) for one in images]


def _pose(image: np.ndarray) -> dict:
    model = interpreter(Path(os.environ["POSE_MODEL"]))
    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    model.set_tensor(model.get_input_details()[0]["index"], small[None].astype(np.float32) / 255)
    model.invoke()
    outputs = [model.get_tensor(one["index"]) for one in model.get_output_details()]
    values = next(one for one in outputs if one.size == 195).reshape(39, 5)[:_POINTS]
    seen = next(float(one.ravel()[0]) for one in outputs if one.size == 1)
    if seen < 0.5:
        return {"keypoints": []}
    height, width = image.shape[:2]
    scores = 1 / (1 + np.exp(-values[:, 3]))
    points = np.column_stack([values[:, 0] * width / _SIDE, values[:, 1] * height / _SIDE, scores])
    return {"keypoints": [points.tolist()]}
