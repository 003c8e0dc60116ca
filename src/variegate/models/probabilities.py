"""From logits to probabilities."""

import numpy as np
import numpy.typing as npt


def softmax(values: npt.NDArray[np.float32], axis: int = -1) -> npt.NDArray[np.float32]:
    """Return probabilities for logits."""
    shifted = np.exp(values - values.max(axis=axis, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=axis, keepdims=True), np.float32)
