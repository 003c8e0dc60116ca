"""How two images are related, as a grade and as a sentence.

The grades, from the strictest: identical bytes; identical pixels; a copy, of all of the image; an
edit, of a part of it, or turned, mirrored, padded or captioned; and the same thing photographed
again, which never is a reason to remove anything.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from variegate.datasets.prepare.registration import Match

Grade = Literal["bytes", "pixels", "copy", "edit", "again"]
GRADES: tuple[Grade, ...] = ("bytes", "pixels", "copy", "edit", "again")

# One image shows most of the other: fields of view that overlap are photographed again.
_INSIDE = 0.8
# The same thing, photographed again: so many features in so many places agree.
_AGAIN_INLIERS, _AGAIN_AGREEMENT, _AGAIN_CLOSENESS = 10, 0.5, 0.85

_WHOLE_SHARE = 0.97
_STRAIGHT_DEGREES = 1.0
_BRIGHTER, _CONTRAST = 8.0, 0.12
_CAPTIONED = 0.93


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """How one image is related to another.

    Attributes:
        grade: one of `GRADES`.
        words: what comes behind "b.jpg is a.jpg": "mirrored", "at 50% size, JPEG quality 60".
        part: x, y, width, height in pixels of the first that the second shows; None for all of it.
        scale, turn: of the second against the first; degrees, counterclockwise.
        mirrored: left to right.
        closeness: correlation of the middle block, 0 to 1; 1 for identical pixels.
    """

    grade: Grade
    words: tuple[str, ...] = ()
    part: tuple[int, int, int, int] | None = None
    scale: float = 1.0
    turn: float = 0.0
    mirrored: bool = False
    closeness: float = 1.0

    def sentence(self, first: str, second: str) -> str:
        """Return the relation in words, for the names of two files."""
        if self.grade == "bytes":
            return f"{second} has the same bytes as {first}"
        if self.grade == "pixels":
            return f"{second} has the same pixels as {first}"
        if self.grade == "again":
            return f"{second} shows what {first} shows, photographed again"
        what = f"the part {self.part} of {first}" if self.part else first
        about = " ".join(self.words[:1]) + "".join(f", {one}" for one in self.words[1:])
        if about or self.part:
            joint = ", " if about.startswith("JPEG") else " "
            return f"{second} is {what}{joint}{about}".rstrip()
        return f"{second} is a copy of {what}"


def grade_of(match: Match) -> Grade | None:
    """Return the grade of a match that is not of identical pixels; None where it is no relation."""
    inside = max(match.overlap, match.covered) >= _INSIDE
    if inside and match.same_exposure:
        whole = min(match.overlap, match.covered) >= _WHOLE_SHARE and not _turned(match)
        return "copy" if whole and match.agreement >= _CAPTIONED else "edit"
    if (
        match.inliers >= _AGAIN_INLIERS
        and match.agreement >= _AGAIN_AGREEMENT
        and match.closeness >= _AGAIN_CLOSENESS
    ):
        return "again"
    return None


def relation_of(
    match: Match,
    first_size: tuple[int, int],
    second_size: tuple[int, int],
    first_quality: int | None,
    second_quality: int | None,
) -> Relation | None:
    """Return how the second image is related to the first.

    Args:
        match: how it lies in it.
        first_size, second_size: (height, width).
        first_quality, second_quality: of those that are JPEG files.
    """
    grade = grade_of(match)
    if grade is None:
        return None
    scale, turn, mirrored = _pose(match.matrix)
    part = _part(match, first_size, second_size)
    words = (
        ()
        if grade == "again"
        else (
            *_geometry(scale, turn, mirrored=mirrored),
            *_surroundings(match),
            *_tone(match),
            *_compression(first_quality, second_quality),
        )
    )
    return Relation(
        grade=grade,
        words=tuple(words),
        part=None if grade == "again" else part,
        scale=round(scale, 3),
        turn=round(turn, 1),
        mirrored=mirrored,
        closeness=round(match.closeness, 4),
    )


def _pose(matrix: np.ndarray) -> tuple[float, float, bool]:
    """Return scale and turn of the second image against the first, and whether it is mirrored."""
    # From the first to the second: what was done to the first.
    done = np.linalg.inv(matrix[:, :2])
    determinant = float(np.linalg.det(done))
    mirrored = determinant < 0
    if mirrored:
        # Mirrored left to right first, then turned.
        done = done @ np.diag([-1.0, 1.0])
    turn = float(np.degrees(np.arctan2(done[0, 1] - done[1, 0], done[0, 0] + done[1, 1])))
    return abs(determinant) ** 0.5, turn, mirrored


def _turned(match: Match) -> bool:
    _, turn, mirrored = _pose(match.matrix)
    return mirrored or abs(turn) > _STRAIGHT_DEGREES


def _part(
    match: Match, first: tuple[int, int], second: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Return the part of the first image that the second shows; None where that is all of it."""
    if match.covered >= _WHOLE_SHARE:
        return None
    height, width = second
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)]) @ match.matrix[:, :2].T
    corners += match.matrix[:, 2]
    low = np.clip(np.round(corners.min(axis=0)), 0, first[::-1]).astype(int)
    high = np.clip(np.round(corners.max(axis=0)), 0, first[::-1]).astype(int)
    x, y, width, height = int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])
    # What is turned may lack its corners and still reach all sides.
    return None if width * height >= _WHOLE_SHARE * first[0] * first[1] else (x, y, width, height)


def _geometry(scale: float, turn: float, *, mirrored: bool) -> list[str]:
    words = ["mirrored"] if mirrored else []
    if abs(turn) > _STRAIGHT_DEGREES:
        quarter = 90 * round(turn / 90)
        degrees = abs(quarter) if abs(turn - quarter) <= _STRAIGHT_DEGREES else abs(round(turn, 1))
        way = "" if degrees == 180 else " to the left" if turn > 0 else " to the right"
        words.append(f"turned by {degrees:g} degrees{way}")
    if abs(scale - 1) > 0.02:
        size = "half" if abs(scale - 0.5) < 0.01 else "twice the" if abs(scale - 2) < 0.04 else None
        words.append(f"at {size} size" if size else f"at {scale:.0%} size")
    return words


def _surroundings(match: Match) -> list[str]:
    words = []
    if match.overlap < _WHOLE_SHARE:
        words.append(
            f"with a margin of other content, {1 - match.overlap:.0%} of it"
            if match.covered < _WHOLE_SHARE
            else f"padded, by {1 - match.overlap:.0%} of its area"
        )
    if match.agreement < _CAPTIONED:
        words.append(f"changed in {1 - match.agreement:.0%} of its details")
    return words


def _compression(first: int | None, second: int | None) -> list[str]:
    stronger = second is not None and (first is None or second < first)
    return [f"JPEG quality {second}"] if stronger else []


def _tone(match: Match) -> list[str]:
    # At middle gray: what a photographer sees of gain and offset together.
    change = (match.gain - 1) * 128 + match.offset
    words = []
    if abs(change) >= _BRIGHTER:
        words.append("brightened" if change > 0 else "darkened")
    elif match.gain and abs(np.log(abs(match.gain))) >= _CONTRAST:
        words.append("with more contrast" if match.gain > 1 else "with less contrast")
    return words
