"""What was done to an image is told from the two images: scale, turn, part, tone."""

import cv2
import numpy as np
import pytest

from variegate.datasets.prepare.registration import Frame, register
from variegate.datasets.prepare.relations import relation_of


@pytest.fixture(scope="module")
def photo(data_dir):
    path = sorted((data_dir / "clothing_classes").glob("*/*/*.jpg"))[4]
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)


def _relation(first, second, qualities=(None, None)):
    match = register(Frame(first, first.shape), Frame(second, second.shape))
    return match and relation_of(match, first.shape, second.shape, *qualities)


def test_half_the_size_is_a_copy(photo):
    small = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    found = _relation(photo, small, (None, 60))
    assert found.grade == "copy"
    assert found.scale == pytest.approx(0.5, abs=0.01)
    sentence = found.sentence("a.jpg", "b.jpg")
    assert sentence == "b.jpg is a.jpg at half size, JPEG quality 60"


@pytest.fixture(scope="module")
def hands(data_dir):
    paths = sorted((data_dir / "sign_digits").glob("*/*.JPG"))
    return [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]


def _half(image):
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def test_half_the_size_of_a_small_image_is_a_copy(hands):
    for hand in hands[::10]:
        found = _relation(hand, _half(hand))
        assert found.grade == "copy"
        assert "at half size" in found.words


def test_half_the_size_of_a_small_mirror_image_is_an_edit(hands):
    found = _relation(_half(cv2.flip(hands[0], 1)), hands[0])
    assert (found.grade, found.mirrored) == ("edit", True)
    assert "at twice the size" in found.words


@pytest.mark.parametrize("pair", [(98, 97), (35, 80), (88, 75)])
def test_half_the_size_of_a_hand_much_alike_is_not_related(hands, pair):
    one, other = (hands[number] for number in pair)
    for hand, half in ((one, _half(other)), (other, _half(one))):
        found = _relation(hand, half)
        assert found is None or found.grade == "again"


def test_a_part_is_found_where_it_was_cut_out(photo):
    height, width = photo.shape
    x, y, wide, high = 40, 30, int(width * 0.7), int(height * 0.7)
    found = _relation(photo, photo[y : y + high, x : x + wide].copy())
    assert found.grade == "edit"
    assert np.abs(np.array(found.part) - (x, y, wide, high)).max() <= 2
    assert found.sentence("a", "b") == f"b is the part {found.part} of a"


def test_a_mirror_image_is_an_edit(photo):
    found = _relation(photo, cv2.flip(photo, 1))
    assert (found.grade, found.mirrored) == ("edit", True)
    assert found.sentence("a.jpg", "d.jpg") == "d.jpg is a.jpg mirrored"


@pytest.mark.parametrize(
    ("way", "turn", "words"),
    [
        (cv2.ROTATE_90_COUNTERCLOCKWISE, 90, "turned by 90 degrees to the left"),
        (cv2.ROTATE_90_CLOCKWISE, -90, "turned by 90 degrees to the right"),
        (cv2.ROTATE_180, 180, "turned by 180 degrees"),
    ],
)
def test_quarter_turns(photo, way, turn, words):
    found = _relation(photo, cv2.rotate(photo, way))
    assert found.grade == "edit"
    assert abs(found.turn) == abs(turn)
    assert found.words == (words,)


def test_a_turn_by_15_degrees(photo):
    height, width = photo.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 15, 1)
    found = _relation(photo, cv2.warpAffine(photo, matrix, (width, height)))
    assert found.grade == "edit"
    assert found.turn == pytest.approx(15, abs=0.5)
    assert "turned by 15 degrees to the left" in found.sentence("a", "b")


def test_padding_is_told(photo):
    padded = cv2.copyMakeBorder(photo, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=255)
    found = _relation(photo, padded)
    assert found.grade == "edit"
    assert found.part is None
    assert any(one.startswith("padded") for one in found.words)


def test_brightening_is_a_copy(photo):
    bright = np.clip(photo * 1.1 + 20, 0, 255).astype(np.uint8)
    found = _relation(photo, bright)
    assert found.grade == "copy"
    assert "brightened" in found.words


def test_a_caption_is_an_edit(photo):
    captioned = photo.copy()
    captioned[int(photo.shape[0] * 0.8) :] = 20
    cv2.putText(captioned, "FOR SALE", (10, photo.shape[0] - 20), 0, 2, 255, 4)
    assert _relation(photo, captioned).grade == "edit"


def test_two_photos_of_different_things_are_not_related(data_dir):
    paths = sorted((data_dir / "clothing_classes").glob("*/*/*.jpg"))[::24]
    images = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]
    for number, one in enumerate(images):
        for other in images[:number]:
            assert _relation(one, other) is None


def test_images_without_anything_to_compare_are_not_related():
    assert _relation(np.full((200, 300), 128, np.uint8), np.full((200, 300), 130, np.uint8)) is None
    assert _relation(np.zeros((1, 1), np.uint8), np.zeros((2, 5), np.uint8)) is None
