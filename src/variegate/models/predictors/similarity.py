"""No model at all: which of the known images does an image resemble?"""

import hashlib
from collections.abc import Sequence

import numpy as np

from variegate.annotations.sample import Image
from variegate.errors import UsageError
from variegate.models.predictors.base import Classification, Prediction, Predictor
from variegate.models.predictors.checks import checked
from variegate.models.probabilities import softmax
from variegate.models.similarity import features_of

# So that the nearest of a hundred images, a little nearer than the next, is a clear answer.
_SHARPNESS = 24.0


class SimilarityPredictor(Predictor):
    """Answers which of the images that it was shown an image resembles most.

    Each of them is a class of its own. An image that is changed until it resembles another one
    more than itself is recognised no more: that is the failure to count where there is no model.
    """

    def __init__(self, images: Sequence[Image], names: Sequence[str]) -> None:
        """Look at the images once.

        Args:
            images: at least two.
            names: of them, all different.

        Raises:
            UsageError: there are fewer, or two have one name.
        """
        if len(images) < 2 or len(images) != len(names) or len(set(names)) != len(names):
            raise UsageError(
                "similarity: expected two or more images, each with a name of its own, got "
                f"{len(images)} images and {len(set(names))} names"
            )
        self.task, self.classes = "classification", tuple(names)
        self._known = features_of(images)
        digest = hashlib.sha256(repr(("similarity", 1, self.classes)).encode())
        digest.update(np.round(self._known, 4).tobytes())
        self.identity = digest.hexdigest()

    def predict(self, images: Sequence[Image]) -> list[Prediction]:
        if not images:
            return []
        near = features_of(images) @ self._known.T
        found = [Classification(softmax(np.asarray(_SHARPNESS * one, np.float32))) for one in near]
        return checked(found, images, self)
