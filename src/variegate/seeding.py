"""All randomness comes from here.

The rules:

1. There is no global generator and no shared stream. Whoever needs a random number is handed an
   ``rng``, made by `generator` from the run's seed and a *path* that names the place of the draw:
   the source's key, the choices that led to the variant, the step.
2. The same seed and path give the same numbers, in any process, on any worker, in any order.
   Different paths give independent numbers.
3. The generator is Philox, counter-based: making one is cheap and needs no warm-up.
4. Randomness that an operation needs for each pixel (noise) is not stored: the operation stores a
   64-bit `noise_key` and makes its generator from that, so that it can be repeated from the
   manifest.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.random.bit_generator import ISeedSequence

from variegate.errors import RecipeError

Path = tuple[int | str, ...]

_SEED_LIMIT = 2**63


def check_seed(seed: object) -> int:
    """Return `seed` as an int.

    Raises:
        RecipeError: it is not an integer, or outside 0 ... 2**63 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise RecipeError(f"seed: expected an integer, got {seed!r}; use for example seed: 7")
    if not 0 <= seed < _SEED_LIMIT:
        raise RecipeError(f"seed: expected 0 to 2**63 - 1, got {seed}")
    return seed


def generator(seed: int, *path: int | str) -> np.random.Generator:
    """Make the generator that belongs to one place of one run.

    Args:
        seed: the run's seed, 0 ... 2**63 - 1.
        path: what the draw is for, for example ("cats/7.jpg", 0, 3).
    """
    return KeyedSeed(seed).generator(*path)


class KeyedSeed:
    """A seed and what many paths begin with: their generators, made a little faster."""

    __slots__ = ("_hash",)

    def __init__(self, seed: int, *path: int | str) -> None:
        self._hash = hashlib.blake2b(f"{seed}".encode(), digest_size=16, person=b"variegate")
        self._hash.update(_text(path))

    def generator(self, *path: int | str) -> np.random.Generator:
        """Return what `generator` returns for the seed and the whole path."""
        hashed = self._hash.copy()
        hashed.update(_known_text(path))
        return np.random.Generator(np.random.Philox(_Key(hashed.digest())))  # type: ignore[arg-type]


def _text(path: Path) -> bytes:
    # Every part carries its type and length, so that ("1",) and (1,), or ("a", "b") and ("ab",),
    # are different paths.
    words = (f"/i{part:d}" if isinstance(part, int) else f"/s{len(part)}:{part}" for part in path)
    return "".join(words).encode("utf-8", "surrogatepass")


# A recipe's paths are the same for every image.
_known_text = lru_cache(maxsize=4096)(_text)


@dataclass(frozen=True, slots=True)
class _Key(ISeedSequence):
    """A key as it is. Given as Philox(key=...) it would first ask the system for a random one."""

    digest: bytes

    def generate_state(self, n_words: int, dtype: object = None) -> npt.NDArray[np.uint64]:
        return np.frombuffer(self.digest, dtype="<u8")


def noise_key(rng: np.random.Generator) -> int:
    """Draw a 53-bit key for an operation's own per-pixel randomness.

    53 bits, so that it survives every JSON reader.
    """
    return int(rng.integers(0, 2**53))


def noise_generator(key: int, *path: int | str) -> np.random.Generator:
    """Make the generator of an operation's per-pixel randomness from its `noise_key`."""
    return generator(key, "noise", *path)


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a Python float, uniformly from [low, high]."""
    return low + (high - low) * float(rng.random())
