"""One hash gives those of all eight orientations; candidates are found without comparing all."""

import cv2
import numpy as np
import pytest

from variegate.datasets.prepare.candidates import hash_pairs, word_pairs
from variegate.datasets.prepare.hashes import ORIENTATIONS, dct_hash, distances, oriented
from variegate.datasets.prepare.sift import mirrored
from variegate.datasets.prepare.words import TABLES, image_words
from variegate.seeding import generator


def _hash(gray):
    return np.frombuffer(dct_hash(gray), np.uint8)[None]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_hash_of_an_orientation_follows_from_the_hash(photos, orientation):
    transposed, across, down = orientation
    for photo in photos:
        gray = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        turned = gray.T if transposed else gray
        turned = turned[:: -1 if down else 1, :: -1 if across else 1]
        theirs = _hash(np.ascontiguousarray(turned))
        # A few coefficients are nearly 0, and rounding decides their sign.
        assert distances(oriented(_hash(gray), orientation), theirs)[0] <= 4


def test_hashes_of_different_photos_are_far_apart(photos):
    hashes = np.concatenate([_hash(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY)) for one in photos])
    assert distances(hashes[:1], hashes[1:]).min() > 80


def _some_hashes(total):
    return generator(1, "hashes").integers(0, 256, (total, 32), np.uint8)


def test_pairs_are_those_of_comparing_all():
    hashes = _some_hashes(400)
    flips = np.packbits(generator(1, "flips").random((40, 256)) < 0.04, axis=1)
    hashes[-40:] = hashes[:40] ^ flips
    hashes[-10:] = oriented(hashes[-10:], (True, False, True))
    ways = [oriented(hashes, one) for one in ORIENTATIONS]
    expected = {
        tuple(sorted((one, other)))
        for turned in ways
        for one in range(len(hashes))
        for other in np.flatnonzero(distances(turned[one][None], hashes) <= 40).tolist()
        if one != other
    }
    assert len(expected) == 40
    assert {tuple(pair) for pair in hash_pairs(hashes, 40).tolist()} == expected


def test_a_thousand_equal_hashes_do_not_make_half_a_million_pairs():
    hashes = np.repeat(_some_hashes(1), 1_000, axis=0)
    pairs = hash_pairs(hashes)
    assert len(pairs) < 50_000
    # All the same every image is paired.
    assert set(pairs.ravel().tolist()) == set(range(1_000))


def test_no_image_and_one_image_make_no_pairs():
    assert hash_pairs(_some_hashes(0)).shape == (0, 2)
    assert hash_pairs(_some_hashes(1)).shape == (0, 2)
    assert word_pairs(np.zeros((0, TABLES), np.uint32), np.zeros(0, np.uint32), 3).shape == (0, 2)


def test_images_with_words_in_common_are_pairs():
    words = generator(2, "words").integers(0, 1 << 32, (50, 20, TABLES), np.uint32)
    words[30, 3], words[30, 7] = words[4, 11], words[4, 12]
    # One word alone may be chance.
    words[31, 3, 0] = words[5, 3, 0]
    owners = np.repeat(np.arange(50, dtype=np.uint32), 20)
    assert word_pairs(words.reshape(-1, TABLES), owners, 50).tolist() == [[4, 30]]


def test_mirror_images_and_crops_share_words(photos):
    photo = cv2.resize(cv2.cvtColor(photos[0], cv2.COLOR_RGB2GRAY), None, fx=3, fy=3)
    height, width = photo.shape
    own = image_words(photo)
    assert own.shape[1] == TABLES
    for other in (cv2.flip(photo, 1), photo[: int(height * 0.7), int(width * 0.2) :]):
        words = image_words(np.ascontiguousarray(other))
        common = sum(len(np.intersect1d(own[:, n], words[:, n])) for n in range(TABLES))
        assert common >= 5
    another = image_words(cv2.cvtColor(photos[1], cv2.COLOR_RGB2GRAY))
    assert sum(len(np.intersect1d(own[:, n], another[:, n])) for n in range(TABLES)) < 5


def test_mirroring_descriptors_twice_changes_nothing():
    some = generator(3, "descriptors").random((5, 128))
    assert not np.array_equal(mirrored(some), some)
    assert np.array_equal(mirrored(mirrored(some)), some)
