"""Groups of images that show the same, each around one image that represents it.

Candidates are registered in rounds, each image with one other in a round, and no two that are
connected already: a hundred copies of an image take about a hundred registrations. Among those that
are connected, directly or by others, the best image is the first representative, and everything
that registers with it directly joins it; of the rest again the best, and so on. Where the best
turns out to be another one enlarged or padded, that other one takes its place. So groups do not
chain: a crop of the left and one of the right half are both of the whole, and if that is missing,
they are no group.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from variegate.datasets.prepare.relations import Relation

# Of pairs between two sets that turned out to be unrelated, after which the rest is not tried.
_REFUSALS = 3

Judge = Callable[[Sequence[tuple[int, int]]], Iterable[Relation | None]]
MadeOf = Callable[[int, int, Relation], bool]
"""Says whether the first image has nothing that the second has not, by how the second relates."""


@dataclass(frozen=True, slots=True)
class Group:
    """Images that show the same.

    Attributes:
        representative: the number of the best of them.
        members: the others, by number, each with its relation to the representative.
    """

    representative: int
    members: dict[int, Relation]


@dataclass(slots=True)
class Found:
    """What the candidates came to.

    Attributes:
        groups: of one exposure: identical, copies, edits; by representative.
        again: the same thing photographed again, over representatives and images of no group.
        judged: pairs that were registered.
    """

    groups: list[Group] = field(default_factory=list)
    again: list[Group] = field(default_factory=list)
    judged: int = 0


class _Sets:
    """Sets of numbers that are joined (union-find)."""

    def __init__(self, total: int) -> None:
        self._parents = np.arange(total)

    def of(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = int(self._parents[number])
        return number

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.of(one), self.of(other)))
        self._parents[high] = low

    def members(self, numbers: Iterable[int]) -> list[list[int]]:
        found: dict[int, list[int]] = {}
        for number in numbers:
            found.setdefault(self.of(number), []).append(number)
        return [found[one] for one in sorted(found)]


class Grouper:
    """Makes groups of candidates.

    Args:
        ranks: (N,) the smaller, the rather an image represents others; each rank once.
        identical: lists of images with identical bytes or pixels, each image in one at most, with
            the relation of each to the first.
        judge: registers pairs; the second of each relates to the first.
        made_of: tells enlarged and padded copies; without it the ranks alone decide.
    """

    def __init__(
        self,
        ranks: np.ndarray,
        identical: Sequence[Group],
        judge: Judge,
        made_of: MadeOf = lambda _one, _other, _relation: False,
    ) -> None:
        # Of its own: one that takes another's place comes just before it.
        self._ranks = ranks.astype(np.float64)
        self._judge = judge
        self._made_of = made_of
        self._same = {group.representative: group for group in identical}
        self._stands_for = np.arange(len(ranks))
        for group in identical:
            self._stands_for[list(group.members)] = group.representative
        self._known: dict[tuple[int, int], Relation | None] = {}

    def found(self, candidates: np.ndarray) -> Found:
        """Return the groups among candidates, (P, 2)."""
        pairs = self._stands_for[candidates]
        pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
        joined, seen = _Sets(len(self._ranks)), set[int](self._same)
        for one, other in self._rounds(pairs, joined):
            joined.join(one, other)
            seen |= {one, other}
        groups = [group for some in joined.members(sorted(seen)) for group in self._stars(some)]
        whole = [self._with_identical(group) for group in groups]
        again = self._again(groups)
        return Found(
            groups=sorted((one for one in whole if one.members), key=lambda g: g.representative),
            again=again,
            judged=len(self._known),
        )

    def _rounds(self, pairs: np.ndarray, joined: _Sets) -> Iterator[tuple[int, int]]:
        """Yield pairs of one exposure as they are found, and connect no two that are connected."""
        left = [(int(one), int(other)) for one, other in pairs]
        refused = Counter[tuple[int, int]]()
        while left:
            now: list[tuple[int, int]] = []
            later: list[tuple[int, int]] = []
            busy = set[int]()
            for one, other in left:
                first, second = sorted((joined.of(one), joined.of(other)))
                if first == second or refused[first, second] >= _REFUSALS:
                    continue
                (later if other in busy else now).append((one, other))
                busy.add(other)
            for pair, relation in zip(now, self._relations(now), strict=True):
                if relation is not None and relation.grade != "again":
                    yield pair
                else:
                    one, other = sorted(map(joined.of, pair))
                    refused[one, other] += 1
            left = later

    def _relations(self, pairs: Sequence[tuple[int, int]]) -> list[Relation | None]:
        """Return how the worse of each pair is related to the better one."""
        ranks = self._ranks
        ordered = [(a, b) if ranks[a] < ranks[b] else (b, a) for a, b in pairs]
        new = [pair for pair in dict.fromkeys(ordered) if pair not in self._known]
        self._known.update(zip(new, self._judge(new), strict=True))
        return [self._known[pair] for pair in ordered]

    def _stars(self, some: list[int]) -> Iterator[Group]:
        """Yield groups of images that are connected: each around the best that is left."""
        left = sorted(some, key=lambda one: self._ranks[one])
        tried = set[int]()
        while left:
            best, *others = left
            found = zip(others, self._relations([(best, one) for one in others]), strict=True)
            members = {o: r for o, r in found if r is not None and r.grade != "again"}
            better = next((o for o, r in members.items() if self._made_of(best, o, r)), None)
            if better is not None and better not in tried:
                tried |= {best, better}
                self._ranks[better] = np.nextafter(self._ranks[best], -np.inf)
                left = sorted(left, key=lambda one: self._ranks[one])
                continue
            yield Group(best, members)
            left = [one for one in others if one not in members]

    def _with_identical(self, group: Group) -> Group:
        """Return a group with what is identical to each of it."""
        members = dict(group.members)
        for one, relation in [(group.representative, None), *group.members.items()]:
            if one in self._same:
                for other, same in self._same[one].members.items():
                    members[other] = relation or same
        return Group(group.representative, dict(sorted(members.items())))

    def _again(self, groups: Sequence[Group]) -> list[Group]:
        """Return groups of what was photographed again, as far as it was judged already."""
        stands = {o: g.representative for g in groups for o in g.members}
        near: dict[int, dict[int, Relation]] = {}
        for (one, other), relation in sorted(self._known.items()):
            if relation is not None and relation.grade == "again":
                first, second = stands.get(one, one), stands.get(other, other)
                if first != second:
                    near.setdefault(first, {})[second] = relation
                    near.setdefault(second, {})[first] = relation
        found, taken = [], set[int]()
        for best in sorted(near, key=lambda one: self._ranks[one]):
            if best not in taken:
                members = {o: r for o, r in sorted(near[best].items()) if o not in taken}
                taken |= {best, *members}
                if members:
                    found.append(Group(best, members))
        return sorted(found, key=lambda group: group.representative)
