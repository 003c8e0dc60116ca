"""Which group of images goes to which part, so that every part has its share of every class.

Exact solutions are out of reach (the problem holds bin packing), good ones are not. The error of a
class in a part is what it has too much there, by the whole class. Three steps make it small:

1. greedy: the largest group first, each to the part that lacks most of what it brings;
2. the sum of squared errors falls, by the best move of one group or exchange of two, until none
   helps; where groups are single images of one class, this ends within one image of what was asked;
3. the eighth powers of the errors fall in the same way, which lowers the worst of them.

All of it is done a few times from slightly different orders, and the best result is taken. Rounding
ten classes the same way leaves a part some images short: at last single moves make the sizes of the
parts right, as far as every class stays within one image of its share, or as near as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from variegate.seeding import generator

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Numbers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

# Images as such count little: enough to decide between parts that suit the classes alike.
_IMAGES_WEIGHT = 0.05
# Improvement looks at this many groups and cells of their table, and exchanges among a sample.
_MOST_GROUPS = 20_000
_MOST_CELLS = 4_000_000
_EXCHANGED = 160
_EXCHANGED_CELLS = 2_000_000
_MOST_STEPS = 3_000
# Among more groups than this, nine tenths of those that are equal to a thousand others are dealt.
_MANY = 20_000
_ALIKE = 1_000
_DEALT = 0.9
# Odd numbers of 63 bits, which mix columns and amounts.
_MIX = (0x1E3779B97F4A7C15, 0x3F58476D1CE4E5B9, 0x14D049BB133111EB)
# Trials, by the cells of the table.
_TRIALS = ((50_000, 8), (500_000, 3))
_BETTER = 1e-12
_ONE_IMAGE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """What each group brings, sparse.

    Attributes:
        starts: (G + 1,), where the amounts of each group begin.
        columns: (N,), what is counted: 0 for images, others for classes.
        amounts: (N,), how many.
        width: number of columns.
        fixed: (G,), the part that a group stays in; -1 where it may go anywhere.
    """

    starts: Numbers
    columns: Numbers
    amounts: Numbers
    width: int
    fixed: Numbers

    @property
    def count(self) -> int:
        """How many groups."""
        return len(self.fixed)

    @property
    def totals(self) -> Floats:
        """The sum of each column."""
        sums = np.bincount(self.columns, self.amounts, minlength=self.width)
        return sums.astype(np.float64)

    @property
    def digests(self) -> Numbers:
        """(G,) numbers that are equal where groups bring the same."""
        mixed = (self.columns + 1) * _MIX[0] ^ self.amounts * _MIX[1]
        mixed = (mixed ^ mixed >> 29) * _MIX[2]
        return np.add.reduceat(mixed, self.starts[:-1])

    def table(self, numbers: Numbers) -> Floats:
        """Return (len(numbers), width) amounts of some groups."""
        dense = np.zeros((len(numbers), self.width))
        for row, number in enumerate(numbers):
            part = slice(self.starts[number], self.starts[number + 1])
            dense[row, self.columns[part]] = self.amounts[part]
        return dense

    def counts(self, parts: Numbers, count: int) -> Floats:
        """Return (width, count) sums of the columns by part."""
        owners = np.repeat(parts, np.diff(self.starts))
        cells = np.bincount(
            self.columns * count + owners, self.amounts, minlength=self.width * count
        )
        return cells.astype(np.float64).reshape(self.width, count)


def solve(groups: Groups, shares: Floats, *, seed: int) -> Numbers:
    """Return (G,) the part of each group.

    No part stays empty where there are as many groups as parts and those that are fixed allow it.

    Args:
        groups: what they bring, and where some have to stay.
        shares: (P,) of the parts; their sum is 1.
        seed: decides between equal solutions.
    """
    cells = min(groups.count, _MOST_GROUPS) * groups.width
    trials = next((trials for most, trials in _TRIALS if cells <= most), 1)
    made = (_Trial(groups, shares, generator(seed, "split", trial)) for trial in range(trials))
    best = min(made, key=lambda one: one.value)
    best.even_out()
    return best.parts


class _Trial:
    """One solution.

    Errors are (width, P): what a part has too much of a column, by the column's total.
    """

    def __init__(self, groups: Groups, shares: Floats, rng: np.random.Generator) -> None:
        self._groups, self._rng = groups, rng
        self._parts_count = len(shares)
        self._scale = 1 / np.maximum(groups.totals, 1)
        self._weights = np.ones(groups.width)
        self._weights[0] = _IMAGES_WEIGHT
        self.parts = groups.fixed.copy()
        self._error = np.tile(-shares, (groups.width, 1)) * (groups.totals > 0)[:, None]
        # Groups in each part: none is emptied again.
        self._add_fixed()
        if groups.count > _MANY:
            self._deal(shares)
        self._members = np.bincount(self.parts[self.parts >= 0], minlength=len(shares))
        self._greedy()
        self._improve()

    @property
    def value(self) -> tuple[float, float]:
        """What to compare: the worst error of a class, then the sum of the squares."""
        worst = float(np.abs(self._error[1:]).max(initial=0))
        return round(worst, 9), self._energy()

    def _energy(self) -> float:
        return float(self._weights @ (self._error**2).sum(axis=1))

    def _add_fixed(self) -> None:
        for number in np.flatnonzero(self._groups.fixed >= 0):
            self._add(int(number), int(self._groups.fixed[number]))

    def _add(self, number: int, part: int) -> None:
        groups = self._groups
        cells = slice(groups.starts[number], groups.starts[number + 1])
        columns = groups.columns[cells]
        self._error[columns, part] += groups.amounts[cells] * self._scale[columns]

    def _deal(self, shares: Floats) -> None:
        """Deal most of the groups that are equal to thousands of others, without looking at each.

        Where some are fixed the others make up for them, and are looked at one by one.
        """
        groups = self._groups
        if (groups.fixed >= 0).any():
            return
        _, kinds, counts = np.unique(groups.digests, return_inverse=True, return_counts=True)
        order = np.argsort(kinds, kind="stable")
        ends = np.cumsum(counts)
        for kind in np.flatnonzero(counts >= _ALIKE):
            alike = self._rng.permutation(order[ends[kind] - counts[kind] : ends[kind]])
            dealt = np.floor(_DEALT * counts[kind] * shares).astype(np.int64)
            self.parts[alike[: dealt.sum()]] = np.repeat(np.arange(len(shares)), dealt)
            first = int(alike[0])
            cells = slice(groups.starts[first], groups.starts[first + 1])
            columns = groups.columns[cells]
            brought = groups.amounts[cells] * self._scale[columns]
            self._error[columns] += brought[:, None] * dealt

    def _greedy(self) -> None:
        groups, error = self._groups, self._error
        values = groups.amounts * self._scale[groups.columns]
        owners = np.repeat(np.arange(groups.count), np.diff(groups.starts))
        sizes = np.bincount(owners, values**2, minlength=groups.count)
        free = np.flatnonzero(self.parts < 0)
        # Sizes are blurred a little: so the trials differ, and equal groups come in any order.
        blurred = sizes[free] * self._rng.uniform(0.8, 1.0, len(free))
        weighted = values * self._weights[groups.columns]
        for number in free[np.argsort(-blurred, kind="stable")]:
            cells = slice(groups.starts[number], groups.starts[number + 1])
            columns = groups.columns[cells]
            part = int(np.argmin(weighted[cells] @ error[columns]))
            error[columns, part] += values[cells]
            self.parts[number] = part
            self._members[part] += 1

    def _looked_at(self) -> Numbers:
        """Return groups that may move: all, or a sample of many."""
        free = np.flatnonzero(self._groups.fixed < 0)
        most = min(_MOST_GROUPS, max(1, _MOST_CELLS // self._groups.width))
        return free if len(free) <= most else np.sort(self._rng.choice(free, most, replace=False))

    def even_out(self) -> None:
        """Make the sizes of the parts right where the classes allow it."""
        free = self._looked_at()
        if not len(free):
            return
        table = self._groups.table(free) * self._scale
        totals = self._groups.totals
        for _ in range(_MOST_STEPS):
            sizes = self._error[0]
            here, there = int(np.argmax(sizes)), int(np.argmin(sizes))
            rows = np.flatnonzero(self.parts[free] == here)
            # What lowers the sum of the two squares, the best first.
            gains = sizes[here] - sizes[there] - table[rows, 0]
            rows = rows[gains * totals[0] > _BETTER]
            if not len(rows) or self._members[here] < 2:
                return
            old = np.abs(self._error[1:, [here, there]]) * totals[1:, None]
            new = np.stack(
                [
                    np.abs(self._error[1:, here] - table[rows, 1:]),
                    np.abs(self._error[1:, there] + table[rows, 1:]),
                ],
                axis=-1,
            )
            new *= totals[1:, None]
            allowed = (new <= np.maximum(old, 1 - _ONE_IMAGE)).all(axis=(1, 2))
            if not allowed.any():
                return
            costs = np.where(allowed, (new**2).sum(axis=(1, 2)), np.inf)
            self._move(free, table, int(rows[np.argmin(costs)]), there)

    def _improve(self) -> None:
        free = self._looked_at()
        if not len(free):
            return
        table = self._groups.table(free) * self._scale
        self._fill_empty(free, table)
        self._descend(free, table, _Squares(table, self._weights))
        before, parts, error = self.value, self.parts.copy(), self._error.copy()
        if self._groups.width > 1:
            self._descend(free, table, _Powers(table))
        if self.value > before:
            self.parts, self._error = parts, error

    def _fill_empty(self, free: Numbers, table: Floats) -> None:
        """Give an empty part the group that is missed least where it is."""
        for part in np.flatnonzero(self._members == 0):
            places = self.parts[free]
            changes = _Squares(table, self._weights).moves(self._error, places)[:, part]
            changes[self._members[places] < 2] = np.inf
            if np.isfinite(changes).any():
                self._move(free, table, int(np.argmin(changes)), int(part))

    def _descend(self, free: Numbers, table: Floats, energy: "_Squares | _Powers") -> None:
        """Take the best move or exchange until none lowers the energy."""
        for _ in range(_MOST_STEPS):
            places = self.parts[free]
            changes = energy.moves(self._error, places)
            changes[self._members[places] < 2] = np.inf
            changes[np.arange(len(free)), places] = np.inf
            row, part = np.unravel_index(np.argmin(changes), changes.shape)
            if changes[row, part] < -_BETTER:
                self._move(free, table, int(row), int(part))
                continue
            exchange = min(self._exchanges(places, energy), default=None)
            if exchange is None or exchange[0] >= -_BETTER:
                return
            _, one, other = exchange
            here, there = int(places[one]), int(places[other])
            self._move(free, table, one, there)
            self._move(free, table, other, here)

    def _exchanges(
        self, places: Numbers, energy: "_Squares | _Powers"
    ) -> Iterator[tuple[float, int, int]]:
        """Yield the best exchange of two groups, for every two parts."""
        pairs = energy.cells_of_pair
        most = max(2, min(_EXCHANGED, int((_EXCHANGED_CELLS / pairs) ** 0.5)))
        rows = [self._some(np.flatnonzero(places == p), most) for p in range(self._parts_count)]
        for here in range(self._parts_count):
            for there in range(here + 1, self._parts_count):
                if len(rows[here]) and len(rows[there]):
                    changes = energy.exchanges(self._error, here, rows[here], there, rows[there])
                    one, other = np.unravel_index(np.argmin(changes), changes.shape)
                    yield float(changes[one, other]), int(rows[here][one]), int(rows[there][other])

    def _some(self, rows: Numbers, most: int) -> Numbers:
        return rows if len(rows) <= most else self._rng.choice(rows, most, replace=False)

    def _move(self, free: Numbers, table: Floats, row: int, part: int) -> None:
        number = free[row]
        old = self.parts[number]
        self._error[:, old] -= table[row]
        self._error[:, part] += table[row]
        self._members[old] -= 1
        self._members[part] += 1
        self.parts[number] = part


class _Squares:
    """The weighted sum of squared errors."""

    cells_of_pair = 1

    def __init__(self, table: Floats, weights: Floats) -> None:
        self._weighted = table * weights
        self._table = table
        self._own = (self._weighted * table).sum(axis=1)

    def moves(self, error: Floats, places: Numbers) -> Floats:
        """Return (rows, P) by how much it changes when a row moves to a part."""
        met = self._weighted @ error
        here = met[np.arange(len(places)), places]
        return 2 * (met - here[:, None] + self._own[:, None])

    def exchanges(
        self, error: Floats, here: int, rows: Numbers, there: int, others: Numbers
    ) -> Floats:
        """Return (rows, others) by how much it changes when two change places."""
        slope = error[:, there] - error[:, here]
        one = self._own[rows] + self._weighted[rows] @ slope
        other = self._own[others] - self._weighted[others] @ slope
        return 2 * (one[:, None] + other - 2 * self._weighted[rows] @ self._table[others].T)


class _Powers:
    """The sum of the errors' eighth powers, of classes only, by the worst error there is."""

    def __init__(self, table: Floats) -> None:
        self._table = table[:, 1:]
        self.cells_of_pair = self._table.shape[1]

    def moves(self, error: Floats, places: Numbers) -> Floats:
        """Return (rows, P) by how much it changes when a row moves to a part."""
        scale, old = self._scaled(error)
        changes = np.empty((len(places), old.shape[1]))
        for part in range(old.shape[1]):
            rows = np.flatnonzero(places == part)
            left = _power(old[:, part] - scale * self._table[rows])
            changes[rows] = (left - _power(old[:, part]))[:, None]
        for part in range(old.shape[1]):
            gained = _power(old[:, part] + scale * self._table) - _power(old[:, part])
            changes[:, part] += gained
        return changes

    def exchanges(
        self, error: Floats, here: int, rows: Numbers, there: int, others: Numbers
    ) -> Floats:
        """Return (rows, others) by how much it changes when two change places."""
        scale, old = self._scaled(error)
        moved = scale * (self._table[rows][:, None] - self._table[others])
        new = _power(old[:, here] - moved) + _power(old[:, there] + moved)
        return new - _power(old[:, here]) - _power(old[:, there])

    @staticmethod
    def _scaled(error: Floats) -> tuple[float, Floats]:
        """Return by what errors are multiplied, so that the worst is 1, and the errors."""
        scale = 1 / max(float(np.abs(error[1:]).max()), _BETTER)
        return scale, error[1:] * scale


def _power(errors: Floats) -> Floats:
    """Return the sum of the eighth powers, over the last axis."""
    squares = errors * errors
    squares *= squares
    squares *= squares
    return squares.sum(axis=-1)
