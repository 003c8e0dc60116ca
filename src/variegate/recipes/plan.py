"""From a policy and an image's key to its variants, made with as little work as they allow.

A variant's operations are *fused* into a normal form: a list of operations of which no two
neighbours can be joined. It depends on the variant alone, so its bytes do too. The normal forms
of all variants make a tree; what two of them begin with is computed once, depth first, so that
no more images are alive than the tree is deep.

The rules of `fuse`, for pointwise P, geometric G and anything A:

| found | becomes | because |
| --- | --- | --- |
| A then B, joinable | the joined one | `Operation.then` |
| identity | nothing | |
| P, G | G, P | a change of color does not ask where a pixel lies |
| G with a fill color, P | P, G with the fill changed by P | the fill is a color like the others |
| G, P ..., G' with a fill color, where G joins G' | P ..., G joined with G' | both of the above |
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from variegate.annotations.sample import Image, Sample, Size
from variegate.errors import ImageError, StepError
from variegate.ops import Geometric, Identity, Operation, Pointwise, Warp
from variegate.ops.surroundings import surroundings_of
from variegate.ops.warp import shrinkage
from variegate.recipes.forbidden import NOTHING_FORBIDDEN, Forbidden, allowed
from variegate.recipes.policies import Chain, Node, Place, Step, chains
from variegate.recipes.steps import applied, naming
from variegate.seeding import Path
from variegate.transforms import find_transform
from variegate.transforms.base import Draw
from variegate.transforms.chain_mix import ChainMix
from variegate.transforms.geometry import with_border


@dataclass(frozen=True, slots=True)
class Variant:
    """One output of one image.

    Attributes:
        index: its number, from 0, in the order of the policy.
        drawn: what was drawn, in the order of the recipe.
        operations: what is done, in normal form.
        size: (height, width) of the result.
    """

    index: int
    drawn: tuple[Draw, ...]
    operations: tuple[Operation, ...]
    size: Size

    @property
    def parents(self) -> tuple[str, ...]:
        """Keys of the other images that it is made of."""
        return tuple(key for one in self.drawn for key in one.parameters.get("partners", ()))

    @property
    def name(self) -> str:
        """The names of its transforms, joined by "+"; "source" where there are none."""
        return "+".join(drawn.transform for drawn in self.drawn) or "source"


def draw_variants(
    policy: Node,
    *,
    seed: int,
    key: str,
    size: Size,
    finish: tuple[Draw, ...] = (),
    fused: bool = True,
    pool: Sequence[str] = (),
    bare: Collection[str] = (),
    objects: bool = False,
    placed: bool = False,
    mirrors: bool = True,
    forbidden: Forbidden = NOTHING_FORBIDDEN,
) -> list[Variant]:
    """Draw all variants of one image.

    Args:
        policy: how transforms combine.
        seed: the run's.
        key: the image's path inside its dataset.
        size: the image's (height, width).
        finish: what is done to every variant at its end.
        fused: bring the operations into normal form; without it every step is done by itself.
        pool: keys of the images from which partners are chosen, for transforms of several.
        bare: keys of those that have no objects.
        objects: whether the dataset has objects, of which no border may show copies.
        placed: whether it is known where things are in the image, which no mixture may move.
        mirrors: without it what makes a mirror image is left out.
        forbidden: steps that this image does not get, and those that it may be mixed with.

    Raises:
        ImageError: a transform of several images was drawn, and there is no other.
    """
    place = Place(seed, key)
    draws = _Draws(place, pool, bare=bare, objects=objects, placed=placed)
    made = []
    for index, chain in enumerate(chains(policy, place)):
        kept, mirrored = allowed(draws.of(chain), key, forbidden)
        drawn = (*kept, *finish)
        drawn = drawn if mirrors and mirrored else _unmirrored(drawn, size)
        operations, end = build(drawn, size)
        made.append(Variant(index, drawn, fuse(operations) if fused else tuple(operations), end))
    return made


def repeated(drawn: tuple[Draw, ...], *, index: int, size: Size) -> Variant:
    """Return a variant whose draws are known, for an image of (height, width) `size`."""
    operations, end = build(drawn, size)
    return Variant(index, drawn, fuse(operations), end)


def build(drawn: Iterable[Draw], size: Size) -> tuple[list[Operation], Size]:
    """Return the operations that were drawn, for an image of `size`, and the size they end at.

    Raises:
        StepError: a step cannot work on an image of that size.
    """
    operations, name = [], ""
    # One context for all steps: it is entered for every variant of every image.
    with naming(lambda: name):
        for one in drawn:
            name = one.transform
            operation = find_transform(name).operation(one.parameters, size)
            size = operation.output_size(size)
            operations.append(operation)
    return operations, size


def _unmirrored(drawn: Iterable[Draw], size: Size) -> tuple[Draw, ...]:
    """Return what was drawn without what makes a mirror image."""
    kept = []
    for one in drawn:
        (operation,), after = build([one], size)
        if not operation.mirrors(size):
            size = after
            kept.append(one)
    return tuple(kept)


_NOT_DRAWN = Draw("", {})


@dataclass(slots=True)
class _Draws:
    """The draws of one image: variants that begin alike share what they begin with."""

    place: Place
    pool: Sequence[str] = ()
    bare: Collection[str] = ()
    objects: bool = False
    placed: bool = False
    made: dict[Path, Draw | None] = field(default_factory=dict)

    def of(self, chain: Chain) -> list[Draw]:
        drawn, made = [], self.made
        for step in chain.steps:
            path = step.path
            one = made.get(path, _NOT_DRAWN)
            if one is _NOT_DRAWN:
                one = made[path] = self._drawn(step)
            if one is not None:
                drawn.append(one)
        return drawn

    def _drawn(self, step: Step) -> Draw | None:
        source = step.source
        if self.placed and isinstance(source, ChainMix):
            source = source.still()
        drawn = source.drawn(self.place.rng(step.path))
        if drawn is None:
            return None
        if "partners" not in drawn.parameters:
            return with_border(drawn, objects=self.objects)
        others = [key for key in self.pool if key != self.place.key]
        if find_transform(drawn.transform).partners_have_objects:
            others = [key for key in others if key not in self.bare] or others
        if not others:
            raise ImageError(
                f"{drawn.transform} needs another image of the same split, and there is none"
            )
        chosen = [others[int(share * len(others))] for share in drawn.parameters["partners"]]
        return replace(drawn, parameters={**drawn.parameters, "partners": chosen})


def fuse(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Return the normal form of a chain of operations."""
    done: list[Operation] = []
    for operation in operations:
        _push(done, operation)
    return tuple(done)


def _push(done: list[Operation], operation: Operation) -> None:
    """Add an operation to a normal form; see the rules in the module's docstring."""
    if operation.is_identity:
        return
    while done and (joined := done[-1].then(operation)) is not None:
        done.pop()
        operation = joined
        if operation.is_identity:
            return
    if not done:
        done.append(operation)
        return
    last = done[-1]
    if isinstance(last, Pointwise) and isinstance(operation, Geometric):
        if not operation.paints:
            done.pop()
            _push(done, operation)
            _push(done, last)
        else:
            _push_painter(done, operation)
    elif isinstance(last, Geometric) and last.paints and isinstance(operation, Pointwise):
        done.pop()
        _push(done, operation)
        _push(done, last.repainted(operation))
    else:
        done.append(operation)


def _push_painter(done: list[Operation], painter: Geometric) -> None:
    """Add a geometric operation that paints behind pointwise ones."""
    place = len(done) - 1
    while place >= 0 and isinstance(done[place], Pointwise):
        place -= 1
    before = done[place] if place >= 0 else None
    if isinstance(before, Geometric) and (joined := before.then(painter)) is not None:
        # Without the first of the two, what follows it may join what stands before it.
        colors = done[place + 1 :]
        del done[place:]
        for one in (*colors, joined):
            _push(done, one)
    else:
        done.append(painter)


def reduction(variant: Variant, size: Size) -> int:
    """Return 1, 2, 4 or 8: how much smaller than `size` the source may be decoded.

    A variant that only needs a small copy can be made from one that a JPEG decoder scales down,
    as long as it stays twice as fine as what is needed. The decoder rounds sides up, past the
    image's edge: that may misplace nothing by more than a tenth of a pixel of the result (at a
    quarter, 34 dB are left).
    """
    overhang = {times: max(-side % times for side in size) for times in (8, 4, 2)}
    for operation in variant.operations:
        if isinstance(operation, Pointwise):
            continue
        if not isinstance(operation, Warp) or not operation.matrix.is_affine:
            return 1
        if operation.view.interpolation == "nearest":
            return 1
        shrink = min(shrinkage(operation.matrix, size))
        fitting = (t for t, beyond in overhang.items() if max(2 * t, 10 * beyond) <= shrink)
        return next(fitting, 1)
    return 1


@dataclass(slots=True)
class _Node:
    """A place in the tree: the variants that end here, and what can be done next."""

    ends: list[Variant] = field(default_factory=list)
    children: dict[Operation, "_Node"] = field(default_factory=dict)


def execute(
    planned: Iterable[Variant],
    load: Callable[[int], Sample],
    *,
    size: Size,
    reducible: bool,
    partner: Callable[[str], Sample] | None = None,
) -> Iterator[tuple[Variant, Sample]]:
    """Make variants, each as soon as it can be had.

    Args:
        planned: variants of one image.
        load: returns the image, decoded at 1/times of its size.
        size: the image's (height, width).
        reducible: whether it can be decoded at 1/2, 1/4 and 1/8; otherwise `times` is always 1.
        partner: returns another image by its key, for operations on several.

    Yields:
        Each variant with its result, in the order in which they appear.

    Raises:
        StepError: a step cannot work on the image.
    """
    _keep_freed_memory()
    roots: dict[int, _Node] = {}
    for variant in planned:
        times = reduction(variant, size) if reducible else 1
        node = roots.setdefault(times, _Node())
        for operation in _from_reduced(variant.operations, size, times):
            node = node.children.setdefault(operation, _Node())
        node.ends.append(variant)
    for times, root in roots.items():
        yield from _walk(root, load(times), partner, size)


@cache
def _keep_freed_memory() -> None:
    """Let this process use the memory of freed images again; once is enough.

    glibc may hand large blocks back to the system as they are freed, and to fault the next
    image's pages in can take longer than to warp it: benchmarks/kernels.py. It stops doing so for
    blocks up to the largest that it has seen freed, 32 MB at most. This one is never touched.
    """
    np.empty(31 * 2**20, np.uint8)


def _from_reduced(
    operations: tuple[Operation, ...], size: Size, times: int
) -> tuple[Operation, ...]:
    """Return the operations for a source decoded at 1/times of its `size`."""
    if times == 1:
        return operations
    small = (math.ceil(size[0] / times), math.ceil(size[1] / times))
    place, warp = next((i, op) for i, op in enumerate(operations) if isinstance(op, Warp))
    return (*operations[:place], warp.from_reduced(size, small), *operations[place + 1 :])


_Around = AbstractContextManager[None]
_ALONE = nullcontext()


def _around(image: Image, operations: Collection[Operation]) -> _Around:
    """Return what the operations on an image share, if several are warps."""
    several = sum(isinstance(one, Warp) for one in operations) > 1
    return (surroundings_of(image) if several else None) or _ALONE


def _walk(
    root: _Node, source: Sample, partner: Callable[[str], Sample] | None, size: Size
) -> Iterator[tuple[Variant, Sample]]:
    # A stack instead of recursion: a parent's image is let go with the last of its children.
    waiting: list[tuple[_Node, Operation, Sample, _Around]] = [(root, Identity(), source, _ALONE)]
    del source
    while waiting:
        node, operation, parent, around = waiting.pop()
        try:
            with around:
                sample = applied(operation, parent, partner)
        except StepError as error:
            reason = str(error).partition(": ")[2]
            raise StepError(f"step {_step_name(node, operation, size)}: {reason}") from error
        del parent, around
        for variant in node.ends:
            yield variant, sample
        around = _around(sample.image, node.children)
        waiting += [(child, op, sample, around) for op, child in reversed(node.children.items())]
        del sample, around


def _step_name(node: _Node, operation: Operation, size: Size) -> str:
    """Return which step of the recipe an operation is that leads to a node.

    One that several were joined to is called like the whole variant. Steps that can fail join with
    nothing.
    """
    while not node.ends:
        node = next(iter(node.children.values()))
    variant = node.ends[0]
    operations, _ = build(variant.drawn, size)
    steps = zip(variant.drawn, operations, strict=True)
    return next((one.transform for one, made in steps if made == operation), variant.name)
