"""The targets of some objects alone: as if the others had never been there."""

import numpy as np
import pytest

import labelled
from variegate.annotations.annotation import Annotation, Object, Skeleton
from variegate.annotations.sample import Sample
from variegate.transforms import find_transform

SIZE = (120, 160)
EYES = {"face": Skeleton(names=("left", "right", "nose"), pairs=((0, 1),))}
SHAPES = {
    name: np.pad(np.ones((20, 20), np.uint8), ((top, 100 - top), (left, 140 - left)))
    for name, top, left in (("a.png", 5, 10), ("b.png", 40, 60), ("c.png", 90, 130))
}


def face(number, left):
    points = ((left, 30.0, 2), (left + 8, 31.0, 2), (left + 4, 36.0 + number, 1))
    return Object(
        category="face",
        box=(left - 5, 20.0, left + 20, 50.0),
        polygons=(((left, 20.0), (left + 20, 25.0), (left, 50.0)),),
        mask_file=f"{'abc'[number]}.png",
        keypoints=points,
        extra={"number": number},
    )


FACES = [face(number, left) for number, left in enumerate((20.0, 70.0, 120.0))]


def known(faces, key="a.png"):
    return labelled.read(
        Annotation(objects=tuple(faces)), SIZE, masks=SHAPES, skeletons=EYES, key=key
    )


@pytest.mark.parametrize("numbers", [[0], [2], [0, 2], [1, 2], [0, 1, 2], []])
@pytest.mark.parametrize("name", ["flip", "rotate", "translate"])
def test_chosen_objects_move_as_if_they_were_alone(numbers, name):
    operation = find_transform(name)().draw(np.random.Generator(np.random.Philox(3)), SIZE)
    alone = known([FACES[number] for number in numbers])
    chosen = known(FACES).only(numbers)
    image = np.zeros(SIZE, np.uint8)
    results = []
    for targets in (alone, chosen):
        done = operation.apply(Sample(image, targets=targets))
        annotation = Annotation(objects=targets.objects)
        results.append(labelled.write(annotation, done.targets, SIZE, min_visible=0))
    (first, masks), (second, others) = results
    assert first == second
    assert masks.keys() == others.keys()
    for file, mask in masks.items():
        np.testing.assert_array_equal(mask, others[file])


def test_objects_of_several_images_stay_with_their_images():
    both = known(FACES[:2]).joined(known(FACES, key="b.png"))
    chosen = both.only([1, 2, 4])
    assert chosen.origins == (("a.png", 1), ("b.png", 2))
    assert [one.extra["number"] for one in chosen.objects] == [1, 0, 2]
    for new, old in enumerate((1, 2, 4)):
        np.testing.assert_array_equal(chosen.mask_of(new), both.mask_of(old))
