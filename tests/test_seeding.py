"""Random numbers: the same everywhere and for ever, and independent of each other."""

import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from variegate.errors import RecipeError
from variegate.seeding import (
    DRAWS_VERSION,
    KeyedGenerator,
    check_seed,
    generator,
    noise_generator,
    noise_key,
    uniform,
)

FIRST = {
    "single": [82, 256, 961, 961, 688, 342, 393, 849, 579, 319, 244, 107],
    "0": [4125391181, 2957014403, 3866029965],
    "7": [3179973867, 407847490, 3594759241],
    "last": [1911968247, 2694197246, 867945286],
    "key": 5444486534165822,
    "noise": [3758275927, 4161003194, 1857539469],
}


def test_numbers_are_those_of_the_second_step():
    # A change here changes every image that anybody has made: never by accident, and never without
    # a new DRAWS_VERSION.
    assert DRAWS_VERSION == 2
    rng = generator(7, "cats/7.jpg", 0, 3)
    # More of them than one hash gives.
    assert [int(rng.integers(0, 1000)) for _ in range(12)] == FIRST["single"]
    assert generator(0).integers(0, 2**32, 3).tolist() == FIRST["0"]
    assert generator(7, "cats/7.jpg", 0, 3).integers(0, 2**32, 3).tolist() == FIRST["7"]
    assert generator(2**63 - 1, "Ä😀\udc80").integers(0, 2**32, 3).tolist() == FIRST["last"]
    assert noise_key(generator(1, "noise")) == FIRST["key"]
    assert noise_generator(12345, "fill").integers(0, 2**32, 3).tolist() == FIRST["noise"]


def digest_of(text):
    return hashlib.blake2b(text, digest_size=64, person=b"variegate").digest()


def test_single_numbers_are_the_words_of_the_digest_of_the_path():
    words = np.frombuffer(digest_of(b"7/s10:cats/7.jpg/i0/i3"), "<u8")
    rng = generator(7, "cats/7.jpg", 0, 3)
    assert [rng.random() for _ in range(8)] == [float(word >> 11) / 2**53 for word in words]


def test_arrays_come_from_philox_keyed_by_that_digest():
    digest = digest_of(b"7/s10:cats/7.jpg/i0/i3")
    key = hashlib.blake2b(digest, digest_size=16, person=b"variegate array").digest()
    expected = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
    made = generator(7, "cats/7.jpg", 0, 3)
    # Single numbers beforehand take nothing away from them, however many.
    for _ in range(9):
        made.random()
    assert made.random(5).tolist() == expected.random(5).tolist()
    assert made.normal(size=5).tolist() == expected.normal(size=5).tolist()


def test_all_that_numpy_offers_is_there():
    for name in dir(np.random.Generator):
        if not name.startswith("_"):
            assert getattr(KeyedGenerator, name) is not getattr(np.random.Generator, name), name
    made = generator(1)
    assert isinstance(made, np.random.Generator)
    assert sorted(made.permutation(4)) == [0, 1, 2, 3]
    assert made.choice([5, 6], p=[0, 1]) == 6
    assert made.uniform([0, 5], [1, 6]).shape == made.integers([0, 5], [1, 6]).shape == (2,)
    assert made.integers(np.int64(3), np.int64(4)) == 3
    assert made.bit_generator.state["bit_generator"] == "Philox"
    assert "Philox" in repr(made)
    assert pickle.loads(pickle.dumps(generator(1))).random() == generator(1).random(1)[0]


def test_single_integers_are_even_and_within_their_bounds():
    rng = generator(3)
    drawn = [rng.integers(-2, 5) for _ in range(7000)]
    counts = np.bincount(np.array(drawn) + 2, minlength=7)
    # Chi squared with 6 degrees of freedom: above 22.5 once in a thousand.
    assert len(counts) == 7
    assert ((counts - 1000) ** 2 / 1000).sum() < 22.5
    with pytest.raises(ValueError, match="low >= high"):
        rng.integers(3, 3)


def test_another_process_draws_the_same():
    code = "from variegate.seeding import generator; print(generator(3, 'é', 1).random(4).tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(generator(3, "é", 1).random(4).tolist())


parts = st.one_of(st.integers(-5, 10**20), st.text(max_size=4), st.sampled_from(["1", "a/b", "s1"]))


@given(one=st.lists(parts, max_size=4), two=st.lists(parts, max_size=4))
def test_different_paths_are_different_generators(one, two):
    same = [type(part) for part in one] == [type(part) for part in two] and one == two
    drawn = [generator(1, *path).integers(0, 2**63) for path in (one, two)]
    assert (drawn[0] == drawn[1]) == same


PATHS = [
    *((), ("",), ("", ""), (1,), ("1",), (11,), (1, 1), ("1", "1"), ("11",), (-1,), ("-1",)),
    *(("a", "b"), ("a/b",), ("ab",), ("a/", "b"), ("a", "/b"), ("a/s1:b",), ("a", 1), ("a/i1",)),
    *(("s1:a",), ("é",), ("e\u0301",), ("\ud83d\ude00",), ("😀",), (0,), ("0.0", 0), ("0.0", "0")),
]


def test_paths_that_look_alike_are_kept_apart():
    drawn = {path: generator(0, *path).integers(0, 2**63) for path in PATHS}
    assert len(set(drawn.values())) == len(PATHS)
    seeds = [generator(seed, "a").integers(0, 2**63) for seed in range(100)]
    assert len(set(seeds)) == 100
    # A seed does not run into the path that follows it.
    assert generator(1, 2).random() != generator(12).random()


def test_first_draws_of_neighbouring_paths_are_even_and_independent():
    keys = [f"cats/{number}.jpg" for number in range(2000)]
    drawn = np.array([generator(0, key, "0.0").random(3) for key in keys])
    shares = np.histogram(drawn[:, 0], bins=10, range=(0, 1))[0]
    # Chi squared with 9 degrees of freedom: above 27.9 once in a thousand.
    assert ((shares - 200) ** 2 / 200).sum() < 27.9
    others = np.array([generator(seed, "a").random() for seed in range(2000)])
    steps = np.array([generator(0, "a", step).random() for step in range(2000)])
    columns = np.column_stack([drawn, others, steps, np.roll(drawn[:, 0], 1)])
    correlations = np.corrcoef(columns, rowvar=False)[np.triu_indices(6, 1)]
    assert np.abs(correlations).max() < 0.09


def test_noise_keys_survive_every_json_reader():
    keys = [noise_key(generator(0, number)) for number in range(500)]
    assert len(set(keys)) == 500
    assert all(int(float(key)) == key < 2**53 for key in keys)
    assert max(keys) > 2**52


def test_uniform_stays_within_its_bounds():
    values = [uniform(generator(0, number), -2.0, 3.0) for number in range(500)]
    assert -2 <= min(values) < -1.8
    assert 2.8 < max(values) <= 3
    assert uniform(generator(0), 1.5, 1.5) == 1.5


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, "7", True, None])
def test_seed_that_is_none_is_refused(seed):
    with pytest.raises(RecipeError, match=r"^seed: expected "):
        check_seed(seed)


def test_largest_seed_is_taken():
    assert check_seed(2**63 - 1) == 2**63 - 1
