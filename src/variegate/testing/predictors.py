"""What every predictor promises: one answer for each image, in order, whatever the images are."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pytest

from variegate.annotations.sample import Image
from variegate.models.predictors.base import Predictor
from variegate.models.predictors.checks import KIND_OF, checked, distance
from variegate.seeding import generator

# Sums in another order: batches are cut in another way.
_ROUNDING = 2e-3
_SIZES = ((32, 40), (64, 48), (17, 90), (40, 40), (1, 1), (128, 96))


class PredictorSuite:
    """Subclass it as ``Test...`` in a test module, with a fixture `predictor` of your own."""

    sizes: ClassVar[tuple[tuple[int, int], ...]] = _SIZES
    """(height, width) of the images that are asked about."""
    repeatable: ClassVar[bool] = True
    """The same question has the same answer; False for models with randomness of their own."""

    @pytest.fixture
    def predictor(self) -> Iterator[Predictor]:
        """Give the predictor to be tried, and close it; every subclass has its own."""
        raise NotImplementedError("a subclass of PredictorSuite has a fixture named predictor")

    @pytest.fixture
    def images(self) -> list[Image]:
        """Images of several sizes with something in them: soft blobs of color, and noise."""
        return [blobs(size, number) for number, size in enumerate(self.sizes)]

    def test_it_says_what_it_is(self, predictor: Predictor) -> None:
        assert predictor.task in KIND_OF
        assert predictor.identity
        assert len(set(predictor.classes)) == len(predictor.classes)
        told = predictor.to_json()
        assert told["task"] == predictor.task
        assert told["identity"] == predictor.identity

    def test_one_checked_answer_for_each_image(
        self, predictor: Predictor, images: list[Image]
    ) -> None:
        found = predictor.predict(images)
        assert len(found) == len(images)
        assert checked(found, images, predictor) == found

    def test_no_images_no_answers(self, predictor: Predictor) -> None:
        assert predictor.predict([]) == []

    def test_the_same_answer_twice(self, predictor: Predictor, images: list[Image]) -> None:
        if not self.repeatable:
            pytest.skip("this model has randomness of its own")
        first, second = predictor.predict(images), predictor.predict(images)
        assert [distance(a, b) for a, b in zip(first, second, strict=True)] == [0] * len(images)

    def test_a_batch_is_like_one_by_one_and_keeps_the_order(
        self, predictor: Predictor, images: list[Image]
    ) -> None:
        if not self.repeatable:
            pytest.skip("this model has randomness of its own")
        batch = predictor.predict(images)
        alone = [predictor.predict([one])[0] for one in images]
        turned = predictor.predict(images[::-1])[::-1]
        for a, b, c in zip(batch, alone, turned, strict=True):
            assert distance(a, b) <= _ROUNDING
            assert distance(a, c) <= _ROUNDING

    def test_gray_color_and_transparent_images(self, predictor: Predictor) -> None:
        color = blobs((48, 64), 9)
        gray = np.ascontiguousarray(color[:, :, 0])
        opaque = np.dstack([color, np.full(color.shape[:2], 255, np.uint8)])
        kinds = [gray, gray[:, :, None], color, opaque]
        found = predictor.predict(kinds)
        assert checked(found, kinds, predictor) == found
        if self.repeatable:
            assert distance(found[0], found[1]) <= _ROUNDING
            assert distance(found[2], found[3]) <= _ROUNDING

    def test_images_are_left_as_they_are(self, predictor: Predictor, images: list[Image]) -> None:
        before = [one.copy() for one in images]
        predictor.predict(images)
        for one, other in zip(images, before, strict=True):
            assert np.array_equal(one, other)

    def test_it_can_be_closed_twice(self, predictor: Predictor, images: list[Image]) -> None:
        predictor.predict(images[:1])
        predictor.close()
        predictor.close()


def blobs(size: tuple[int, int], number: int) -> Image:
    """Return an image (H, W, 3): a gradient, a few soft discs, and a little noise."""
    rng = generator(7, "blobs", number)
    height, width = size
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    image = np.stack([x, y, 1 - x], axis=2) * 160
    for _ in range(3):
        cx, cy, radius = rng.uniform((0.2, 0.2, 0.1), (0.8, 0.8, 0.3)).tolist()
        disc = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / radius**2)[:, :, None]
        image = image * (1 - disc) + rng.uniform(0, 255, 3) * disc
    image += rng.normal(0, 4, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)
