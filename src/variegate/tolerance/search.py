"""The search: at which level of an axis which share of the images fails, in few calls.

Every image has a *breakpoint*: the level from which on it fails. The level at which a share q of
them fails is a quantile of the breakpoints, and for a quantile it does not matter where exactly
the others lie. So, for the q quantile of n images:

1. *Screen*: few images at levels all over the axis. Where more pass at a stronger level than at a
   weaker one, or some recover, it is looked where they do; if fresh images confirm a fall there,
   the axis is not monotone and nothing is implied.
2. *Race*: the smallest level at which at least floor(q n) + 1 of n images fail, galloping from the
   last estimate and then bisecting, with n = 64, 256, 1024, ... (64, 128, 256, ... where it may
   stop earlier). A level is asked about until it is decided, of images whose bracket does not
   imply the answer. What was implied there by answers far from the crossing is really asked, as an
   image may fail, recover and fail again; where images waver, all are asked at levels about it.
3. *Interval*: order statistics of the breakpoints, in the same way.
4. *Audit*: some implied answers are really asked; if they are wrong to one side, the search is
   done again without implication.

All of it is a function of the answers to `ask`: the same answers lead to the same questions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from variegate.models.intervals import wilson
from variegate.seeding import generator
from variegate.tolerance.answers import LEVELS, TAU, Answers, Ask, Cell
from variegate.tolerance.outcome import AuditCount, Drop, SearchOutcome, Threshold
from variegate.tolerance.statistics import (
    Floats,
    failure_curve,
    isotonic,
    quantile_ranks,
    sign_test,
)

SCREENED = 24
SCREEN_LEVELS = (12, 25, 37, 50, 62, 75, 87, 100)
_DROP = 0.08 - 1e-9
# As many of the screened images that pass above a level they failed are a hint, too: where the
# peak lies between the screen's levels, hardly any fall of the mean is seen.
_RECOVERING = 3
_CONFIRMED = 64
_CONFIRM_P = 0.01
_HOPELESS = 0.3
_FIRST = 64
# Every stage costs calls that a greater one would not need; where it may end early, they pay.
_GROWTH, _GROWTH_IF_EARLIER = 4, 2
_AUDITED = 24
_AUDIT_P = 0.05
# Of a batch, when it is not known how many answers will be needed.
_LEAST_CHUNK = 8
# Looks where the curve is thought to cross, before bisection.
_GUESSES = 5
_ROUNDS = 20
# While more images are to come, this is close enough, levels.
_COARSE = 3
# Calls an image beyond which no interval is made narrower.
_MOST_CALLS = 5
# Levels that may be left between both sides of a crossing when they are spent.
_LAST_GAP = 10
# No axis costs more: 1,500 calls of 256 images.
_CAP, _CAP_AN_IMAGE = 476, 4

# What follows from an answer no more than so many levels away is taken for known at a crossing: on
# the critical level images lie closer than at the onset, and one that is wrong moves it further.
_REACH, _REACH_CRITICAL, _REACH_CRITICAL_FROM = 4, 1, 0.3
# A crossing moves when what was implied there turns out wrong; so often it is followed.
_TURNS = 3
# Doubtful answers are asked in such portions, all of them only where images fail and pass again so
# many levels further.
_PORTION, _CONVINCING, _FAR = 24, 48, 8
# Levels about a crossing at which every image is asked, as far as there are calls; `_NEAR`: images
# that break so near to one are asked there, too. `_WINDOW`: what is pooled lies within so many.
_STEPS, _NEAR, _WINDOW = (0, 2, -2, 4, -4, 1, -1, 3, -3, 6, -6, 8, -8), 5, 16
# Calls that are left to the intervals: by settling, and by verifying where nothing is found.
_SPARE, _KEPT = 100, 300
# Without implication a level costs every image: with this share of them it costs no more in all.
_SHARE_WITHOUT, _LEAST_WITHOUT = 0.28, 64
# Levels beside the screen's that such a search asks about.
_LOOKS_WITHOUT = 6

ONSET, CRITICAL = 0.05, 0.49


@dataclass(frozen=True)
class SearchSettings:
    """What is searched, and when it is enough.

    Attributes:
        quantiles: shares of failing images whose levels are searched.
        n_max: images that are used at most.
        width: stop as soon as every interval is as narrow, as a share of the axis; None: use all
            images.
        calls: stop before more are asked; None for no limit.
        alpha: one less the coverage of intervals.
        tau: an error from here on is a failure.
        instability: share of answers that differ when asked twice; intervals get wider by it.
        slack: levels by which an interval may be wider than exact, for fewer calls.
        seed: of the choice of what is audited.
    """

    quantiles: tuple[float, ...] = (ONSET, CRITICAL)
    n_max: int = 256
    width: float | None = None
    calls: int | None = None
    alpha: float = 0.05
    tau: float = TAU
    instability: float = 0.0
    slack: int = 1
    seed: int = 0


def search(ask: Ask, images: int, settings: SearchSettings) -> SearchOutcome:
    """Search the thresholds of one axis.

    Args:
        ask: returns the error of cells; images are numbered in the order in which they are used,
            which must be random.
        images: how many there are; all were right where nothing was changed.
        settings: what is searched.
    """
    return _Search(ask, images, settings).run()


@dataclass(slots=True)
class _Bounds:
    """The crossing lies above `low` and at most at `high`."""

    low: int
    high: int


@dataclass
class _Search:
    ask: Ask
    images: int
    settings: SearchSettings
    answers: Answers = field(init=False)
    n: int = field(init=False)
    exhausted: bool = False
    doubt: float = 0.0

    def __post_init__(self) -> None:
        self.most = min(self.images, self.settings.n_max)
        # The screen's images and those that confirm it need not be among those that race.
        held = min(self.images, max(self.most, SCREENED + 2 * _CONFIRMED))
        self.answers = Answers(self.ask, held, tau=self.settings.tau)
        self.n = self.most
        self.levels = range(1, LEVELS + 1)

    def run(self) -> SearchOutcome:
        drop, unconfirmed = self._screen()
        if drop is not None:
            return self._without_implication(drop, AuditCount())
        thresholds, stopped, audit = self._race()
        if audit.biased:
            return self._without_implication(None, audit)
        return self._found(thresholds, stopped, audit=audit, unconfirmed=unconfirmed)

    # Screening

    def _screen(self) -> tuple[Drop | None, bool]:
        """Return a confirmed drop, and whether there is one that could not be confirmed."""
        n = min(SCREENED, self.most)
        levels = list(SCREEN_LEVELS)
        given = self._asked(range(n), levels)
        recovering = (np.maximum.accumulate(given, axis=1) > given).sum(axis=0)
        if _greatest_fall(given, levels)[2] < _DROP and recovering.max() < _RECOVERING:
            return None, False
        levels = sorted({*levels, *self._fall_between(given, levels)})
        peak, dip, fall = _greatest_fall(self._asked(range(n), levels), levels)
        return self._confirm(n, peak, dip) if fall >= _DROP else (None, False)

    def _fall_between(self, given: npt.NDArray[np.int8], levels: Sequence[int]) -> tuple[int, int]:
        """Return neighbouring levels between which most of those that recover do.

        Between two of the screen's levels a rise may hide a fall; images that fail at one and pass
        at the next tell where it is, if they are asked in between.
        """
        recover = (given[:, :-1] == 1) & (given[:, 1:] == 0)
        place = int(recover.sum(axis=0).argmax())
        images = np.flatnonzero(recover[:, place])
        low, high = levels[place], levels[place + 1]
        while high - low > 1:
            middle = (low + high) // 2
            failed = self.answers.ask([(int(image), middle) for image in images])
            low, high = (middle, high) if 2 * sum(failed) > len(failed) else (low, middle)
        return low, high

    def _asked(self, images: range, levels: Sequence[int]) -> npt.NDArray[np.int8]:
        """Return (images, levels): 1 where one fails, 0 where it passes."""
        self.answers.ask([(image, level) for level in levels for image in images])
        return self.answers.given[images.start : images.stop, levels]

    def _confirm(self, n: int, peak: int, dip: int) -> tuple[Drop | None, bool]:
        """Test a fall on fresh images, and on as many more where it is not clear."""
        for size in (_CONFIRMED, 2 * _CONFIRMED):
            fresh = range(n, min(n + size, len(self.answers.passed)))
            at = self._asked(fresh, (peak, dip))
            recovered, lost = (int((at[:, 0] - at[:, 1] == sign).sum()) for sign in (1, -1))
            if (p := sign_test(recovered, lost)) < _CONFIRM_P:
                rates = at.mean(axis=0)
                return Drop(peak, dip, float(rates[0]), float(rates[1]), p), False
            if p > _HOPELESS:
                break
        return None, len(fresh) < _CONFIRMED

    # Racing

    def _race(self) -> tuple[list[Threshold], str, AuditCount]:
        sizes = self._sizes()
        # Without a width nothing is decided by how the intervals look: there is one look.
        looks = len(sizes) if self.settings.width is not None else 1
        for number, n in enumerate(sizes):
            self.n, last = n, number == len(sizes) - 1
            crossed = [self._crossing(_rank(q, n), _COARSE) for q in self.settings.quantiles]
            if not last and number == 0:
                # Early, while a search without implication can be afforded.
                audit = self._audited([one.high for one in crossed if one.high <= LEVELS])
                if audit.biased:
                    return [], "", audit
            last = last or self._too_dear(sizes[number + 1])
            if last or self.settings.width is not None:
                self._pinpoint()
                found = [self._threshold(one, looks) for one in self.settings.quantiles]
                if self._narrow(found):
                    stopped = "width"
                    break
            if last:
                stopped = self._reason()
                break
        settled = self._all_settled(found, looks)
        audit = self._audit(settled)
        if audit.biased and not self._left_without():
            # Too late to search again: an interval holds whichever way that many answers are wrong.
            self.doubt = max(audit.failed_instead, audit.passed_instead) / audit.asked
            settled = [self._wider(one, looks) for one in settled]
            audit = replace(audit, biased=False)
        return settled, stopped, audit

    def _wider(self, one: Threshold, looks: int) -> Threshold:
        """Return a threshold with an interval that takes wrong implications into account."""
        low, high = self._ranks(one.quantile, looks)
        least = min(one.low, float(self._sure(low).low)) if low >= 1 else 0.0
        most = float(self._sure(high).high) if high <= self.n else LEVELS + 1.0
        most = LEVELS + 1.0 if one.high is None else max(most, one.high)
        return replace(one, low=least, high=None if most > LEVELS else most)

    def _sizes(self) -> list[int]:
        to_the_end = self.settings.width is None and self.settings.calls is None
        sizes, growth = [_FIRST], _GROWTH if to_the_end else _GROWTH_IF_EARLIER
        while sizes[-1] < self.most:
            sizes.append(growth * sizes[-1])
        return [size for size in sizes if size < self.most * 0.75] + [self.most]

    def _narrow(self, found: list[Threshold]) -> bool:
        width = self.settings.width
        return width is not None and all(one.width <= 100 * width for one in found)

    def _too_dear(self, following: int) -> bool:
        """Whether more images would cost more calls than are left."""
        if self.settings.calls is None:
            return False
        forecast = self.answers.calls + 5 * (following - self.n) + 2 * _AUDITED
        return forecast > self.settings.calls

    def _reason(self) -> str:
        if self.n < self.most:
            return "calls"
        return "images" if self.most == self.images else "n_max"

    def _crossing(self, rank: int, slack: int) -> _Bounds:
        """Return between which levels the number of failing images reaches `rank`.

        The upper one is LEVELS + 1 where it never does. It looks where the curve is thought to
        cross, then a little further, then bisects, until no more than `slack` levels are between.
        """
        bounds, ups, downs = self._sure(rank), 0, 0
        while bounds.high - bounds.low > 1 + slack:
            if self.exhausted or (bounds.high - bounds.low <= _LAST_GAP and not self._affordable()):
                break
            at = self._estimate(rank, bounds.high)
            if ups + downs > _GUESSES:
                at = (bounds.low + bounds.high) // 2
            elif at > LEVELS and not downs:
                # Whether it is reached at all is decided at the very end.
                at = LEVELS
            elif at >= bounds.high:
                at = bounds.high - 1 - max(slack, (1 << downs) - 1)
            else:
                # Too low is dear, as every image is asked: from there on with growing steps.
                at = max(at, bounds.low + 1 + max(slack, (1 << ups) - 1) if ups else at)
            before = bounds.low
            self._look(rank, min(max(at, bounds.low + 1), bounds.high - 1), bounds)
            ups, downs = ups + (bounds.low > before), downs + (bounds.low <= before)
        return bounds

    def _at_most(self, rank: int) -> int:
        """Return a level at which `rank` images surely fail, close to the first such level."""
        bounds, step = self._sure(rank), 0
        while bounds.high - bounds.low > 1 + self.settings.slack:
            # A wide interval is better than an open one.
            if not self._affordable() and (bounds.high <= LEVELS or self.exhausted):
                break
            estimate = self._estimate(rank, bounds.high)
            if estimate > LEVELS:
                # The curve knows little of where nothing was asked.
                estimate = (bounds.low + LEVELS + 1) // 2
            elif bounds.high - estimate <= self.settings.slack:
                break
            self._look(rank, min(max(estimate, bounds.low + 1 + step), bounds.high - 1), bounds)
            step += 1
        return bounds.high

    def _at_least(self, rank: int) -> int:
        """Return a level at which surely fewer than `rank` fail, close to the last such level."""
        bounds, step = self._sure(rank), 0
        while bounds.high - bounds.low > 1 + self.settings.slack and self._affordable():
            before = self._estimate(rank, bounds.low + 1) - 1
            if before - bounds.low <= self.settings.slack:
                break
            self._look(rank, max(min(before, bounds.high - 1 - step), bounds.low + 1), bounds)
            step += 1
        return bounds.low

    def _affordable(self) -> bool:
        """Whether an interval is to be made narrower: it holds as it is, if wider than need be."""
        if self.exhausted:
            return False
        spent, least = self.answers.calls + 2 * _AUDITED, SCREENED * len(SCREEN_LEVELS)
        limit = least + _MOST_CALLS * self.most
        return spent < (limit if self.settings.calls is None else min(limit, self.settings.calls))

    def _left(self) -> int:
        """Return how many calls there may still be; what an audit takes is set aside."""
        cap = _CAP + _CAP_AN_IMAGE * self.most
        limit = cap if self.settings.calls is None else min(cap, self.settings.calls)
        audited = len(self.settings.quantiles) * _AUDITED if self.answers.implies else 0
        return limit - self.answers.calls - audited

    def _left_without(self) -> int:
        """Return of how many images a search without implication can be afforded; 0 for none."""
        left = self._left() + len(self.settings.quantiles) * _AUDITED
        n = min(self.most, max(_LEAST_WITHOUT, int(_SHARE_WITHOUT * self.settings.n_max)))
        for size in range(n, min(n, SCREENED) - 1, -8):
            screen = int((self.answers.given[:size, list(SCREEN_LEVELS)] < 0).sum())
            if screen + _LOOKS_WITHOUT * size <= left:
                return size
        return 0

    def _look(self, rank: int, level: int, bounds: _Bounds) -> None:
        """Ask about a level, and narrow the bounds of a crossing."""
        reached = self._reaches(rank, level)
        if reached:
            bounds.high = min(bounds.high, level)
        elif reached is not None:
            bounds.low = max(bounds.low, level)
        known = self._sure(rank)
        bounds.low, bounds.high = max(bounds.low, known.low), min(bounds.high, known.high)
        # Images that contradict themselves may contradict what was decided.
        bounds.low = min(bounds.low, bounds.high - 1)

    def _estimate(self, rank: int, around: int) -> int:
        """Return the first level at which `rank` of the images can be expected to fail."""
        curve = self._curve(around, _ROUNDS)
        return int(np.searchsorted(curve, (rank - 0.5) / self.n))

    def _sure(self, rank: int) -> _Bounds:
        """Return what is known of a crossing, without asking."""
        failing, passing = self.answers.counts(self.n)
        low, high = np.flatnonzero(passing > self.n - rank), np.flatnonzero(failing >= rank)
        below = int(low[-1]) if len(low) else 0
        above = int(high[0]) if len(high) else LEVELS + 1
        return _Bounds(min(below, above - 1), above)

    def _reaches(self, rank: int, level: int) -> bool | None:
        """Whether at least `rank` images fail at a level; asks until that is decided.

        Returns:
            None where the calls that are left do not decide it.
        """
        n = self.n
        while True:
            known = self.answers.known(level, n)
            failed, passed = int(known.failed.sum()), int(known.passed.sum())
            if failed >= rank:
                return True
            if passed > n - rank:
                return False
            rest = known.open
            share = (failed + 0.5) / (failed + passed + 1)
            needed = min((rank - failed) / share, (n - rank + 1 - passed) / (1 - share))
            chunk = min(len(rest), max(_LEAST_CHUNK, math.ceil(needed)))
            # First those that can be expected to decide it.
            near = self.answers.neighbours(level, n)
            middles = (near.below + near.above)[rest]
            order = np.argsort(middles if share * n > rank else -middles, kind="stable")
            if chunk > self._left():
                self.exhausted = True
                return None
            self.answers.ask([(int(image), level) for image in rest[order[:chunk]]])

    def _threshold(self, share: float, looks: int) -> Threshold:
        bounds = self._crossing(_rank(share, self.n), self.settings.slack)
        low, high = self._ranks(share, looks)
        # Where calls run out, the upper end would be open, the lower one only further away.
        most = self._at_most(high) if high <= self.n else None
        least = self._at_least(low) if low >= 1 else 0
        most = None if most is None or most > LEVELS else most
        if bounds.high > LEVELS:
            return Threshold(share, None, float(least), None, self._pair(LEVELS))
        level = self._between(share, bounds)
        if most is not None:
            most = max(most, math.ceil(level))
        pair = self._pair(math.ceil(level))
        return Threshold(share, level, min(float(least), level), most and float(most), pair)

    # Where it crosses

    def _pinpoint(self) -> None:
        """Ask about what was implied at the crossings, and next to them where images waver."""
        # The last one first: more images lie about it.
        shares = self.settings.quantiles[::-1]
        crossed = [(share, self._verified(_rank(share, self.n))) for share in shares]
        levels = {q: self._between(q, one) for q, one in crossed if one.high <= LEVELS}
        if not self._wavers(list(levels.values())):
            return
        for number, (share, level) in enumerate(levels.items()):
            rest = (self._left() - _SPARE) // 3 if number < len(levels) - 1 else 0
            self._ask_about(share, level, _SPARE + rest)

    def _verified(self, rank: int) -> _Bounds:
        """Return a crossing next to which what was implied from afar was really asked."""
        bounds = self._crossing(rank, self.settings.slack)
        reach = _REACH_CRITICAL if rank > _REACH_CRITICAL_FROM * self.n else _REACH
        for _ in range(_TURNS):
            if not self._verify(min(bounds.high, LEVELS), reach):
                break
            bounds = self._crossing(rank, self.settings.slack)
        return bounds

    def _verify(self, level: int, reach: int) -> bool:
        """Ask what is implied at a level by answers further from it than `reach`, farthest first.

        An image that failed may have recovered, and one that passes later may fail here.

        Returns:
            whether any was wrong.
        """
        known, near = self.answers.known(level, self.n), self.answers.neighbours(level, self.n)
        # What lies beyond the last level was not asked.
        above = np.where(near.above > LEVELS, 0, near.above)
        far = np.minimum(level - near.below, np.abs(above - level))
        doubtful = np.flatnonzero((known.failed | known.passed) & (far > reach))
        doubtful = doubtful[np.argsort(-far[doubtful], kind="stable")]
        wrong = False
        for start in range(0, len(doubtful), _PORTION):
            images, recover = doubtful[start : start + _PORTION], self._recover()
            # Where none of the first recovers, the intervals come before more proof of it.
            left = self._left() - (0 if recover or start == 0 else _KEPT)
            if (start >= _CONVINCING and not recover) or len(images) > left:
                break
            failed = self.answers.ask([(int(image), level) for image in images])
            wrong = wrong or bool((np.array(failed) != known.failed[images]).any())
        return wrong

    def _recover(self) -> bool:
        """Whether any image passes far above where it failed."""
        answers, n = self.answers, self.n
        return bool((answers.passed[:n] - answers.failed[:n] > _FAR).any())

    def _wavers(self, levels: Sequence[float]) -> bool:
        """Whether images contradict themselves, next to where they break or anywhere."""
        self._afford([self._doubted(max(1, round(level))) for level in levels])
        answers, n = self.answers, self.n
        return bool((answers.passed[:n] > answers.failed[:n]).any())

    def _ask_about(self, share: float, level: float, spare: int) -> None:
        """Ask every image about levels next to a crossing, as long as there are calls."""
        asked = set[int]()
        while True:
            about = (round(level) + step for step in _STEPS)
            at = next((one for one in about if 1 <= one <= LEVELS and one not in asked), None)
            if at is None:
                return
            cells = list(dict.fromkeys([*self._undecided(at), *self._doubted(at)]))
            if len(cells) > self._left() - spare:
                return
            self.answers.ask(cells)
            asked.add(at)
            level = self._isotonic_crossing(share, level)

    # Settling

    def _all_settled(self, found: Sequence[Threshold], looks: int) -> list[Threshold]:
        if not self._wavers([one.level for one in found if one.level is not None]):
            return list(found)
        # The last one first: more images lie about it.
        return [self._settled(one, looks) for one in reversed(found)][::-1]

    def _settled(self, one: Threshold, looks: int) -> Threshold:
        """Return a threshold of which answers were asked, too, that others nearby implied.

        Where images waver about their breakpoint, what follows from one answer is a guess; asked at
        several levels, it evens out.
        """
        low, high = self._ranks(one.quantile, looks)
        self._afford(
            [self._doubted(int(end)) for end in (one.low, one.high) if end is not None and end >= 1]
        )
        level = one.level
        if level is not None:
            self._ask_about(one.quantile, level, 0)
            level = self._isotonic_crossing(one.quantile, level)
        least = min(one.low, float(self._sure(low).low)) if low >= 1 else 0.0
        most = None
        if one.high is not None and high <= self.n:
            most = max(one.high, float(self._sure(high).high))
        if level is not None:
            least = min(least, level)
            most = most and max(most, float(math.ceil(level)))
        most = None if most is None or most > LEVELS else most
        pair = one.pair if level is None else self._pair(math.ceil(level))
        return Threshold(one.quantile, level, least, most, pair)

    def _undecided(self, level: int) -> list[Cell]:
        """Return the images of which nothing is known at a level."""
        return [(int(image), level) for image in self.answers.known(level, self.n).open]

    def _afford(self, asked: Sequence[Sequence[Cell]]) -> bool:
        """Ask about cells if there are calls for all of them."""
        cells = list(dict.fromkeys(cell for one in asked for cell in one))
        if len(cells) > self._left():
            return False
        self.answers.ask(cells)
        return True

    def _doubted(self, level: int) -> list[Cell]:
        """Return what was not asked at a level, of images that break near it."""
        answers, n = self.answers, self.n
        ends = np.stack(answers.brackets(level, n))
        near = (np.abs(ends - level) <= _NEAR).all(axis=0) & (answers.given[:n, level] < 0)
        return [(int(image), level) for image in np.flatnonzero(near)]

    def _isotonic_crossing(self, share: float, level: float) -> float:
        """Return where the share is crossed, close to a level."""
        middle = round(level)
        levels = range(max(0, middle - _WINDOW), min(LEVELS, middle + _WINDOW) + 1)
        rising = isotonic(self._expected_rates(levels))
        if rising[0] >= share or rising[-1] < share:
            return level
        after = int(np.searchsorted(rising, share, side="left"))
        part = (share - rising[after - 1]) / (rising[after] - rising[after - 1])
        return float(levels[after - 1] + part)

    def _expected_rates(self, levels: Sequence[int]) -> list[float]:
        """Return which share fails at levels; images that are open count as the curve has it."""
        answers, n = self.answers, self.n
        curve = np.append(self._curve(levels[len(levels) // 2]), 1.0)
        rates = []
        for level in levels:
            known, near = answers.known(level, n), answers.neighbours(level, n)
            rest = known.open
            below, above = near.below[rest], near.above[rest]
            low, high = curve[below], curve[above]
            inside = np.divide(
                curve[level] - low, high - low, out=np.full(len(rest), 0.5), where=high > low
            )
            # Where it recovers is anywhere in between.
            recovers = near.failed_below[rest] & ~near.failed_above[rest]
            inside = np.where(recovers, (above - level) / (above - below), inside)
            rates.append(float((known.failed.sum() + inside.sum()) / n))
        return rates

    def _ranks(self, share: float, looks: int) -> tuple[int, int]:
        low, high = quantile_ranks(self.n, share, self.settings.alpha / looks)
        wider = math.ceil((self.settings.instability + self.doubt) * self.n)
        return low - wider, high + wider

    def _between(self, share: float, bounds: _Bounds) -> float:
        """Return where the curve crosses a share, within the bounds."""
        curve = self._curve(bounds.high)
        inside = np.arange(bounds.low, bounds.high + 1)
        rates = np.maximum.accumulate(curve[bounds.low : bounds.high + 1])
        if rates[0] >= share or rates[-1] <= share:
            return float(bounds.low + bounds.high) / 2
        after = int(np.searchsorted(rates, share, side="left"))
        part = (share - rates[after - 1]) / (rates[after] - rates[after - 1])
        return float(inside[after - 1] + part)

    def _curve(self, around: int, rounds: int = 60) -> Floats:
        """Return the share that fails at each level, by what is known of the images at one."""
        passed, failed = self.answers.brackets(min(around, LEVELS), self.n)
        return failure_curve(passed, failed, LEVELS, rounds)

    def _pair(self, level: int) -> tuple[Cell, Cell] | None:
        """Return the last success and the first failure of the image that fails next to a level.

        Both were really asked.
        """
        given = self.answers.given[: self.n]
        best: tuple[int, Cell, Cell] | None = None
        for image in range(self.n):
            failures = np.flatnonzero(given[image] == 1)
            if not len(failures):
                continue
            first = int(failures[0])
            before = np.flatnonzero(given[image, :first] == 0)
            last = int(before[-1]) if len(before) else 0
            far = abs(first - level) + (first - last)
            if best is None or far < best[0]:
                best = far, (image, last), (image, first)
        return best and best[1:]

    # Auditing

    def _audit(self, thresholds: Sequence[Threshold]) -> AuditCount:
        levels = [one.level for one in thresholds]
        return self._audited([LEVELS if at is None else max(1, math.ceil(at)) for at in levels])

    def _audited(self, levels: Sequence[int]) -> AuditCount:
        """Ask some of what was implied at levels."""
        rng = generator(self.settings.seed, "audit")
        failed_instead = passed_instead = asked = 0
        for level in levels:
            cells = [
                (int(image), at)
                for at in dict.fromkeys((level, max(1, level - 1)))
                for image in self.answers.implied(at, self.n)
            ]
            chosen = rng.permutation(len(cells))[:_AUDITED]
            audited = [cells[index] for index in sorted(chosen)]
            told = [
                bool(self.answers.known(level, self.n).failed[image]) for image, level in audited
            ]
            really = self.answers.ask(audited)
            asked += len(audited)
            failed_instead += sum(a and not b for a, b in zip(really, told, strict=True))
            passed_instead += sum(b and not a for a, b in zip(really, told, strict=True))
        more, less = max(failed_instead, passed_instead), min(failed_instead, passed_instead)
        biased = 2 * sign_test(more, less) < _AUDIT_P
        return AuditCount(asked, failed_instead, passed_instead, biased)

    # Without implication

    def _without_implication(self, drop: Drop | None, audit: AuditCount) -> SearchOutcome:
        """Search from the left: the first of the screen's levels that crosses, then bisect."""
        answers = self.answers
        self.n = self._left_without() or min(self.most, SCREENED)
        answers.implies = False
        rates = [answers.rate(level, self.n) for level in SCREEN_LEVELS]
        found = [self._left_first(share) for share in self.settings.quantiles]
        return replace(
            self._found(found, self._reason_without(), audit=audit, unconfirmed=False),
            drop=drop,
            reentry=_reentries(rates, self.settings.quantiles[-1]),
        )

    def _reason_without(self) -> str:
        return "images" if self.n == self.images else "n_max"

    def _left_first(self, share: float) -> Threshold:
        at = self._first_from_left(_rank(share, self.n), narrow=True)
        low, high = self._ranks(share, 1)
        least = self._first_from_left(low).low if low >= 1 else 0
        most = self._first_from_left(high).high if high <= self.n else LEVELS + 1
        return Threshold(
            share,
            None if at.high > LEVELS else (at.low + at.high) / 2,
            float(min(least, at.low)),
            None if most > LEVELS else float(max(most, at.high)),
            self._pair(min(at.high, LEVELS)),
        )

    def _first_from_left(self, rank: int, *, narrow: bool = False) -> _Bounds:
        """Return between which levels `rank` images fail for the first time.

        Args:
            rank: how many.
            narrow: as long as calls are left; otherwise as long as it is affordable.
        """
        low = 0
        for high in SCREEN_LEVELS:
            # Every image was asked at these.
            if self._reaches(rank, high):
                break
            low = high
        else:
            return _Bounds(LEVELS, LEVELS + 1)
        while high - low > 1 and (narrow or self._affordable()):
            middle = (low + high) // 2
            reached = self._reaches(rank, middle)
            if reached is None:
                break
            if reached:
                high = middle
            else:
                low = middle
        return _Bounds(low, high)

    # The result

    def _found(
        self, thresholds: list[Threshold], stopped: str, *, audit: AuditCount, unconfirmed: bool
    ) -> SearchOutcome:
        answers, n = self.answers, self.n
        curve = self._rising_curve() if answers.implies else self._asked_curve()
        band = [wilson(round(rate * n), n) for rate in curve]
        given = answers.given
        counts = [(level, int((given[:, level] >= 0).sum())) for level in self.levels]
        return SearchOutcome(
            thresholds=tuple(thresholds),
            n=n,
            calls=answers.calls,
            drop=None,
            unconfirmed=unconfirmed,
            reentry=(),
            audit=audit,
            curve=curve,
            low=np.array([0.0, *(low for low, _ in band[1:])]),
            high=np.array([0.0, *(high for _, high in band[1:])]),
            points=tuple((lv, k, int((given[:, lv] == 1).sum())) for lv, k in counts if k),
            passed=tuple(answers.passed[:n].tolist()),
            failed=tuple(answers.failed[:n].tolist()),
            unusable=answers.unusable,
            stopped=stopped,
        )

    def _rising_curve(self) -> Floats:
        """Return the share that fails at each level, by what is known there."""
        return isotonic(self._expected_rates(range(LEVELS + 1)))

    def _asked_curve(self) -> Floats:
        """Return the share that fails, straight between the levels all images were asked at."""
        given = self.answers.given[: self.n]
        whole = [level for level in self.levels if (given[:, level] >= 0).all()]
        rates = [float(given[:, level].mean()) for level in whole]
        return np.interp(np.arange(LEVELS + 1), [0, *whole], [0.0, *rates])


def _greatest_fall(given: npt.NDArray[np.int8], levels: Sequence[int]) -> tuple[int, int, float]:
    """Return the levels between which the failure rate falls most, and by how much."""
    rates = given.mean(axis=0)
    falls = np.maximum.accumulate(rates) - rates
    dip = int(falls.argmax())
    return levels[int(rates[: dip + 1].argmax())], levels[dip], float(falls[dip])


def _rank(share: float, n: int) -> int:
    """Return how many of n images must fail, so that more than the share do."""
    return min(n, math.floor(share * n + 1e-9) + 1)


def _reentries(rates: Sequence[float], share: float) -> tuple[tuple[int, int], ...]:
    """Return ranges of levels, after the first that crosses a share, at which fewer fail again."""
    found: list[tuple[int, int]] = []
    crossed = open_ = False
    for level, rate in zip(SCREEN_LEVELS, rates, strict=True):
        if rate > share:
            crossed, open_ = True, False
        elif crossed:
            found[-1:] = [(found[-1][0], level)] if open_ else [*found[-1:], (level, level)]
            open_ = True
    return tuple(found)
