"""All randomness comes from here.

The rules:

1. There is no global generator and no shared stream. Whoever needs a random number is handed an
   ``rng``, made by `generator` from the run's seed and a *path* that names the place of the draw:
   the source's key, the choices that led to the variant, the step.
2. The same seed and path give the same numbers, in any process, on any worker, in any order.
   Different paths give independent numbers.
3. Single numbers come straight from a hash of seed and path: a draw needs few of them, and to make
   a numpy generator takes longer than all of them. Arrays, and whatever else numpy's generators
   offer, come from Philox, counter-based, begun when it is first asked for.
4. Randomness that an operation needs for each pixel (noise) is not stored: the operation stores a
   64-bit `noise_key` and makes its generator from that, so that it can be repeated from the
   manifest.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random.bit_generator import ISeedSequence

from variegate.errors import RecipeError

Path = tuple[int | str, ...]

_SEED_LIMIT = 2**63

#: Counts changes of what is drawn for a seed and a path; manifests record it.
DRAWS_VERSION = 2


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
        self._hash = hashlib.blake2b(f"{seed}".encode(), digest_size=64, person=b"variegate")
        self._hash.update(_text(path))

    def generator(self, *path: int | str) -> np.random.Generator:
        """Return what `generator` returns for the seed and the whole path."""
        return self.at(path)

    def at(self, path: Path) -> np.random.Generator:
        """Return the same for a path as it stands."""
        hashed = self._hash.copy()
        hashed.update(_known_text(path))
        return KeyedGenerator(hashed.digest())


class KeyedGenerator(np.random.Generator):
    """A numpy generator whose single numbers are hashed, and that begins only for others.

    `random`, `integers` and `uniform` without a size take the next 64 bits of a chain of hashes.
    """

    __slots__ = ("_digest", "_last", "_next", "_numpy")

    _numpy: np.random.Generator | None

    # numpy's own part of it is never begun: whatever is not here goes to a generator beside it.
    def __init__(self, digest: bytes) -> None:
        """Make one from a digest of 64 bytes."""
        self._digest = self._last = digest
        self._next = 0
        self._numpy = None

    def _word(self) -> int:
        place = self._next
        if place == 64:
            self._last = hashlib.blake2b(self._last, person=b"variegate more").digest()
            place = 0
        self._next = place + 8
        return int.from_bytes(self._last[place : place + 8], "little")

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Return a number from [0, 1), or what numpy's generator returns for a size."""
        if size is not None or out is not None or dtype is not np.float64:
            return self._generator().random(size, dtype, out)
        return (self._word() >> 11) * 2**-53

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Return a number from [low, high), or what numpy's generator returns for a size."""
        if size is not None or not (isinstance(low, int | float) and isinstance(high, int | float)):
            return self._generator().uniform(low, high, size)
        return low + (high - low) * self.random()

    def integers(self, low: Any, high: Any = None, *others: Any, **named: Any) -> Any:
        """Return an integer from [low, high), or what numpy's generator returns for a size."""
        first, stop = (0, low) if high is None else (low, high)
        if others or named or not (isinstance(first, int) and isinstance(stop, int)):
            return self._generator().integers(low, high, *others, **named)
        if stop <= first:
            raise ValueError("low >= high")
        # Of 2**64 words as many for each, but for one: no rejection is needed for short ranges.
        return first + (self._word() * (stop - first) >> 64)

    def _generator(self) -> np.random.Generator:
        """Return numpy's generator, which begins now if it has not."""
        if self._numpy is None:
            # Its key stands apart from single numbers: those before change nothing of what follows.
            first = hashlib.blake2b(self._digest, digest_size=16, person=b"variegate array")
            key = _Key(first.digest())
            self._numpy = np.random.Generator(np.random.Philox(key))  # type: ignore[arg-type]
        return self._numpy

    @property
    def bit_generator(self) -> Any:
        """numpy's, behind everything but single numbers."""
        return self._generator().bit_generator

    def __repr__(self) -> str:
        return "KeyedGenerator(Philox)"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        return self._generator().__reduce__()


def _handed_on(name: str) -> Callable[..., Any]:
    @wraps(getattr(np.random.Generator, name))
    def call(self: KeyedGenerator, *args: Any, **named: Any) -> Any:
        return getattr(self._generator(), name)(*args, **named)

    return call


for _name in set(dir(np.random.Generator)) - set(vars(KeyedGenerator)):
    if not _name.startswith("_"):
        setattr(KeyedGenerator, _name, _handed_on(_name))


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
