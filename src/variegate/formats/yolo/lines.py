"""Lines of YOLO's label files, one object each: from text to an `Object` and back.

| task | a line |
| --- | --- |
| detect | class, centre x, centre y, width, height |
| segment | class, x1, y1, x2, y2, x3, y3, ... (a line of five numbers is a box among them) |
| obb | class, and the four corners x1, y1, ... x4, y4 |
| pose | class, centre x, centre y, width, height, and x, y (and visibility) of each keypoint |
| dota | the four corners in pixels, the name of the class, how difficult it is |

All but "dota" are shares of the image. One more number at the end, as programs write that detect
objects, is how sure they were; of programs that follow objects through a film, the number of the
track comes after it. Both are dropped.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from variegate.annotations.annotation import Object, Point
from variegate.annotations.checks import Problems, Say, Size, Slack, mend_box, mend_ring, usable
from variegate.formats.yolo.numbers import Ratio, edges, pixels, ratio

Task = Literal["detect", "segment", "obb", "pose", "dota"]
TASKS: tuple[Task, ...] = ("detect", "segment", "obb", "pose", "dota")

# Five digits after the point are the fewest that tools write.
_SLACK = 1e-5
# A box that is mostly outside may have somewhat more than 1.
_MOST_SHARE = 2
_NOT_FINITE = {"nan", "inf", "infinity"}
# Lines that some tools of DOTA put above the objects.
_HEADERS = ("imagesource:", "gsd:")


def guess_task(lines: Iterable[str]) -> tuple[Task, tuple[int, int] | None] | None:
    """Tell the task by the lines of some files.

    Returns:
        The task, with the number and dimensions of keypoints for "pose"; None where these are no
        labels of YOLO.
    """
    counts: Counter[int] = Counter()
    strange, dota, visible, tracks = 0, 0, True, _Tracks()
    for line in lines:
        words = line.split()
        if not words or line.startswith(_HEADERS):
            continue
        numbers = [ratio(word) for word in words]
        if len(words) in (9, 10) and all(numbers[:8]) and numbers[8] is None:
            dota += 1
        elif None in numbers or len(words) < 5:
            strange += 1
        else:
            counts[len(words)] += 1
            tracks.add(words)
            visible = visible and all(word in _SEEN for word in words[7::3])
    if dota > strange + counts.total():
        return "dota", None
    if counts.total() <= strange:
        return None
    longer = sorted(counts.keys() - {5})
    if (task := tracks.task(counts)) is not None:
        return task, None
    if len(longer) == 1 and longer[0] % 2 == 0 and longer[0] % 3 == 2 and visible:
        return "pose", ((longer[0] - 5) // 3, 3)
    if _are_scored(counts):
        longer = [n - 1 for n in longer if n > 6]
    # Where only some lines have a confidence, the others say what it comes after.
    if longer in ([9], [9, 10]) and not counts[5]:
        return "obb", None
    return ("segment" if any(n % 2 and n >= 7 for n in longer) else "detect"), None


class _Tracks:
    """Lines that end with a confidence and the number of a track, as polygons may: 7 or 11 numbers.

    A number above 1 is no share of the image.
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._are_beyond = False

    def add(self, words: Sequence[str]) -> None:
        if _is_confidence(words[-2]) and words[-1].isdecimal():
            self._counts[len(words)] += 1
            self._are_beyond |= words[-1] not in ("0", "1")

    def task(self, counts: Counter[int]) -> Task | None:
        """Return the task of files by their lines of each length; None if these are none."""
        for task, wanted in (("detect", 5), ("obb", 9)):
            lengths = {n for n, times in counts.items() if times}
            tracked = counts[wanted + 2] and self._counts[wanted + 2] == counts[wanted + 2]
            if self._are_beyond and tracked and lengths <= set(range(wanted, wanted + 3)):
                return "obb" if task == "obb" else "detect"
        return None


def _is_confidence(word: str) -> bool:
    share = ratio(word)
    return share is not None and 0 <= share[0] <= share[1]


def are_scored(lines: Iterable[str]) -> bool:
    """Say whether all lines of some files end with a confidence, by how many numbers they have."""
    return _are_scored(Counter(len(words) for line in lines if (words := line.split())))


def _are_scored(counts: Counter[int]) -> bool:
    return bool(counts) and all(n >= 6 and n % 2 == 0 for n, times in counts.items() if times)


_SEEN = {str(n) + tail for n in range(3) for tail in ("", ".0", ".000000")}


@dataclass(frozen=True, slots=True)
class Grammar:
    """How the lines of a dataset are read.

    Attributes:
        task: of the set.
        names: class number -> name.
        keypoints: number and dimensions (2 or 3) of keypoints; for "pose".
        scored: every outline is followed by a confidence.
    """

    task: Task
    names: Mapping[int, str]
    keypoints: tuple[int, int] | None = None
    scored: bool = False

    def read(
        self, text: str, size: Size, problems: Problems
    ) -> tuple[list[tuple[int, Object]], list[str]]:
        """Return the objects, with their lines, and the lines of a header."""
        found, headers, sure, tracked = [], [], list[int](), list[int]()
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words:
                continue
            if self._has_track(words):
                words = words[:-1]
                tracked.append(number)
            if self._has_confidence(words):
                words = words[:-1]
                sure.append(number)
            if self.task == "dota" and line.startswith(_HEADERS):
                headers.append(line)
                continue
            one = self._object(words, size, partial(problems.add, number))
            if one is not None:
                found.append((number, one))
        more = "one number more than expected"
        _tell_dropped(sure, f"{more}, between 0 and 1: taken as a confidence", problems)
        _tell_dropped(tracked, f"{more}, a whole one: taken as that of a track", problems)
        return found, headers

    def _has_track(self, words: Sequence[str]) -> bool:
        """Say whether a line ends with the number of a track, after a confidence or without one."""
        if (wanted := self._wanted) is None or not words[-1].isdecimal():
            return False
        count, is_share = len(words), words[-1] in ("0", "1")
        if count == wanted + 2:
            # One keypoint too many may end so, too.
            is_point = self.keypoints is not None and self.keypoints[1] == 2 and is_share
            return _is_confidence(words[-2]) and not is_point
        return count == wanted + 1 and not is_share

    def _has_confidence(self, words: Sequence[str]) -> bool:
        """Say whether a line ends with how sure a program was."""
        count, wanted = len(words), self._wanted
        # Of an outline a number may be missing.
        outline = count == 6 or (self.scored and count > 6 and count % 2 == 0)
        if self.task == "dota" or not (count == wanted + 1 if wanted else outline):
            return False
        return _is_confidence(words[-1])

    def _object(self, words: Sequence[str], size: Size, say: Say) -> Object | None:
        if self.task == "dota":
            return _dota(words, size, say)
        expected = self._expected(len(words))
        if expected is not None:
            say(f"{len(words)} numbers, expected {expected}; object left out")
            return None
        if (shares := _ratios(words, say)) is None:
            return None
        category = self._category(shares[0], words[0], say)
        return None if category is None else self._placed(category, shares[1:], size, say)

    def _expected(self, count: int) -> str | None:
        """Say how many numbers a line should have, where `count` is wrong."""
        if (wanted := self._wanted) is not None:
            return None if count == wanted else str(wanted)
        return None if count >= 5 and count % 2 else "5, or 7 and more that are odd"

    @property
    def _wanted(self) -> int | None:
        """How many numbers a line has, where all have as many."""
        if self.task == "pose" and self.keypoints:
            return 5 + self.keypoints[0] * self.keypoints[1]
        return {"detect": 5, "obb": 9}.get(self.task)

    def _category(self, share: Ratio, word: str, say: Say) -> str | None:
        number = share[0] // share[1]
        if number * share[1] != share[0]:
            say(f"class {word}: expected a whole number; object left out")
        elif number not in self.names:
            say(f"class {number} has no name, there are {len(self.names)}; object left out")
        else:
            return self.names[number]
        return None

    def _placed(
        self, category: str, shares: Sequence[Ratio], size: Size, say: Say
    ) -> Object | None:
        if len(shares) == 4 or self.task == "pose":
            if any(above > _MOST_SHARE * below for above, below in shares[:4]):
                say("numbers look like pixels, expected shares of the image; object left out")
                return None
            (x1, x2), (y1, y2) = (edges(shares[i], shares[i + 2], size[1 - i]) for i in (0, 1))
            box = usable(mend_box((x1, y1, x2, y2), size=size, slack=_slack(size)), say)
            if box is None:
                return None
            if self.task != "pose" or self.keypoints is None:
                return Object(category=category, box=box)
            keypoints = _keypoints(shares[4:], self.keypoints[1], size)
            return Object(category=category, box=box, keypoints=keypoints)
        if (ring := _ring(shares, size, size, say)) is None:
            return None
        if self.task == "obb":
            return Object(category=category, corners=(ring[0], ring[1], ring[2], ring[3]))
        return Object(category=category, polygons=(ring,))


def _tell_dropped(lines: Sequence[int], what: str, problems: Problems) -> None:
    if lines:
        have = "line has" if len(lines) == 1 else "lines have"
        text = f"{len(lines):,} {have} {what}; it is dropped, the object is kept"
        problems.add(lines[0], text)


def _slack(size: Size) -> Slack:
    return _SLACK * size[1], _SLACK * size[0]


def _ratios(words: Sequence[str], say: Say) -> list[Ratio] | None:
    numbers = []
    for word in words:
        if (number := ratio(word)) is None:
            finite = word.lower().lstrip("+-") not in _NOT_FINITE
            what = "is no number" if finite else "is not a finite number"
            say(f"{word[:20]!r} {what}; object left out")
            return None
        numbers.append(number)
    return numbers


def _ring(shares: Sequence[Ratio], scale: Size, size: Size, say: Say) -> tuple[Point, ...] | None:
    """Return the points of shares of `scale`, if they are usable in an image of `size`."""
    pairs = zip(shares[::2], shares[1::2], strict=False)
    ring = tuple((pixels(x, scale[1]), pixels(y, scale[0])) for x, y in pairs)
    return usable(mend_ring(ring, size=size, slack=_slack(size)), say)


def _keypoints(
    shares: Sequence[Ratio], dimensions: int, size: Size
) -> tuple[tuple[float, float, int], ...]:
    found = []
    for i in range(0, len(shares), dimensions):
        x, y = pixels(shares[i], size[1]), pixels(shares[i + 1], size[0])
        # Without a visibility, a point in the corner is one that was not seen.
        seen = 2 if shares[i][0] or shares[i + 1][0] else 0
        if dimensions == 3:
            seen = min(2, max(0, round(pixels(shares[i + 2], 1))))
        found.append((x, y, seen))
    return tuple(found)


def _dota(words: Sequence[str], size: Size, say: Say) -> Object | None:
    if len(words) not in (9, 10):
        say(f"{len(words)} words, expected 8 numbers, a class and a difficulty; object left out")
        return None
    if (numbers := _ratios(words[:8], say)) is None:
        return None
    if (ring := _ring(numbers, (1, 1), size, say)) is None:
        return None
    extra = {}
    if len(words) == 10:
        extra["difficult"] = int(words[9]) if words[9] in ("0", "1", "2") else words[9]
    return Object(category=words[8], corners=(ring[0], ring[1], ring[2], ring[3]), extra=extra)
