"""Random numbers: the same everywhere and for ever, and independent of each other."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from variegate.errors import RecipeError
from variegate.seeding import check_seed, generator, noise_generator, noise_key, uniform

FIRST = {
    "0": [2998063149, 3121754324, 2345280732],
    "7": [1084263079, 1124014688, 4125846566],
    "last": [1542220709, 3818250380, 2594707292],
    "key": 2457517105515671,
    "noise": [2991329140, 779530211, 4225379489],
}


def test_numbers_are_those_of_the_first_release():
    # A change here changes every image that anybody has made: never by accident.
    assert generator(0).integers(0, 2**32, 3).tolist() == FIRST["0"]
    assert generator(7, "cats/7.jpg", 0, 3).integers(0, 2**32, 3).tolist() == FIRST["7"]
    assert generator(2**63 - 1, "Ä😀\udc80").integers(0, 2**32, 3).tolist() == FIRST["last"]
    assert noise_key(generator(1, "noise")) == FIRST["key"]
    assert noise_generator(12345, "fill").integers(0, 2**32, 3).tolist() == FIRST["noise"]


def test_generator_is_philox_keyed_by_the_digest_of_its_path():
    text = b"7/s10:cats/7.jpg/i0/i3"
    key = hashlib.blake2b(text, digest_size=16, person=b"variegate").digest()
    expected = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
    made = generator(7, "cats/7.jpg", 0, 3)
    assert made.random(5).tolist() == expected.random(5).tolist()
    assert made.normal(size=5).tolist() == expected.normal(size=5).tolist()


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
