"""A power set of six steps: 64 results of a photo, with what they share computed once."""

import statistics
import weakref
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from harness import Claim, Result, interleave, number, ratio, timed
from photos import photo
from variegate import Recipe, Sample
from variegate.codecs import decode, encode
from variegate.ops import Operation
from variegate.recipes.plan import Variant, execute

SIDE, STEPS, OUTPUTS = 400, 6, 64
METHOD = """
Rotate (inside), contrast, brightness, flip, gaussian noise and speckle as `subsets`: 64 results of
a 400 x 400 photo, one thread, processor time. *One by one* makes the same results, each on its own,
through the same `plan.execute`: fused, but without shared prefixes. The **floor** decodes the photo
once and encodes exactly the same 64 results (JPEG, quality 95, 4:2:0; noise makes them large),
already in
memory. Images alive are counted from outside: every array that `Operation.apply` receives or
returns is tracked by a weak reference (`benchmarks/power_set.py`).
"""


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    cv2.setNumThreads(1)
    source = Sample(np.load(photo(SIDE)))
    coded = encode(source.image, format="jpeg")
    recipe = Recipe.load("chain")
    planned = recipe.plan(key="a.jpg", size=source.size)
    results = [made.image for _, made in _shared(planned, source)]
    assert len(results) == OUTPUTS, len(results)

    def shared() -> None:
        for _ in _shared(planned, source):
            pass

    def alone() -> None:
        for variant in planned:
            for _ in _shared([variant], source):
                pass

    def coding() -> None:
        decode(coded)
        for result in results:
            encode(result, format="jpeg")

    def whole() -> None:
        # Planning is part of it: a job loads its recipe once, and plans every photo anew.
        plan = recipe.plan(key="a.jpg", size=source.size)
        for _, made in _shared(plan, Sample(decode(coded))):
            encode(made.image, format="jpeg")

    contenders = {
        "prefixes shared": timed(shared),
        "one by one": timed(alone),
        "floor: decode and encode": timed(coding),
        "plan, decode, share, encode": timed(whole),
    }
    times = interleave(contenders, 5 if quick else 31)
    alive = _most_alive(planned, source)
    rows = [(name, number(statistics.median(times[name]) * 1e3)) for name in contenders]
    return Result(
        "A power set",
        METHOD,
        ("", "ms for 64 results"),
        rows,
        [
            Claim.at_least(
                "faster than one by one", 2.2, ratio(times, "one by one", "prefixes shared")
            ),
            Claim.at_least(
                "speed relative to the floor",
                0.7,
                ratio(times, "floor: decode and encode", "plan, decode, share, encode"),
            ),
            Claim.at_most("images alive", STEPS + 1, alive),
        ],
    )


def _shared(planned: list[Variant], source: Sample) -> Iterator[tuple[Variant, Sample]]:
    return execute(planned, lambda _: source, size=source.size, reducible=False)


def _most_alive(planned: list[Variant], source: Sample) -> int:
    """Return how many images are in memory at the same time, at most."""
    alive: dict[int, Any] = {}
    most = 0

    def watch(image: np.ndarray) -> None:
        nonlocal most
        if id(image) not in alive:
            alive[id(image)] = weakref.finalize(image, alive.pop, id(image))
        most = max(most, len(alive))

    apply = Operation.apply

    def watched(operation: Operation, sample: Sample) -> Sample:
        watch(sample.image)
        made = apply(operation, sample)
        watch(made.image)
        return made

    Operation.apply = watched  # type: ignore[method-assign]
    try:
        for _, result in _shared(planned, source):
            watch(result.image)
    finally:
        Operation.apply = apply  # type: ignore[method-assign]
    return most
