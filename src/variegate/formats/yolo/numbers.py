"""YOLO's shares of the image, and pixels, so that neither way loses anything.

A share is read as the decimal fraction that it is written as, multiplied by the size in whole
numbers, and rounded once, to the nearest float. So for every float there is a text that is read as
this very float, and it is searched for: first with the six digits that most files have, so that
numbers that did not change come out as they went in, then with more.
"""

import re

_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,2}))?", re.ASCII)
_LONGEST = 60
_DIGITS = (6, 10, 16)
_MORE_DIGITS = (18, 20, 24, 30)

Ratio = tuple[int, int]
"""A number as an integer over a power of ten."""


def ratio(text: str) -> Ratio | None:
    """Return the number that a text is, or None."""
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or not (match[2] or match[3]):
        return None
    part = match[3] or ""
    number = int(f"{match[1]}{match[2]}{part}")
    power = len(part) - int(match[4] or 0)
    return (number, 10**power) if power >= 0 else (number * 10**-power, 1)


def pixels(share: Ratio, size: int) -> float:
    """Return a coordinate in pixels."""
    return share[0] * size / share[1]


def edges(center: Ratio, extent: Ratio, size: int) -> tuple[float, float]:
    """Return where a box begins and ends, in pixels, by the shares of its centre and extent."""
    scale = max(center[1], extent[1])
    twice = 2 * center[0] * (scale // center[1])
    whole = extent[0] * (scale // extent[1])
    return (twice - whole) * size / (2 * scale), (twice + whole) * size / (2 * scale)


def share_text(value: float, size: int) -> str:
    """Return the text that `pixels` makes `value` again."""
    top, bottom = value.as_integer_ratio()
    for digits in (*_DIGITS, *_MORE_DIGITS):
        scale = 10**digits
        number = _rounded(top * scale, bottom * size)
        if number * size / scale == value:
            break
    return _text(number, digits)


def edge_texts(low: float, high: float, size: int) -> tuple[str, str]:
    """Return the texts of centre and extent that `edges` makes `low` and `high` again."""
    (top, bottom), (top2, bottom2) = low.as_integer_ratio(), high.as_integer_ratio()
    common = max(bottom, bottom2)
    a, b = top * (common // bottom), top2 * (common // bottom2)
    for digits in _DIGITS:
        scale = 10**digits
        center = _rounded((a + b) * scale, 2 * common * size)
        extent = _rounded((b - a) * scale, common * size)
        if edges((center, scale), (extent, scale), size) == (low, high):
            return _text(center, digits), _text(extent, digits)
    for digits in (*_DIGITS, *_MORE_DIGITS):
        # Both ends by themselves; a centre between them takes one digit more.
        scale = 10**digits
        first, last = _rounded(a * scale, common * size), _rounded(b * scale, common * size)
        if (first * size / scale, last * size / scale) == (low, high):
            break
    return _text(5 * (first + last), digits + 1), _text(last - first, digits)


def plain_text(value: float) -> str:
    """Return a number of pixels as text."""
    return str(int(value)) if value == int(value) else repr(float(value))


def _rounded(top: int, bottom: int) -> int:
    return (2 * top + bottom) // (2 * bottom)


def _text(number: int, digits: int) -> str:
    sign = "-" if number < 0 else ""
    text = str(abs(number)).rjust(digits + 1, "0")
    part = text[-digits:].rstrip("0")
    return f"{sign}{text[:-digits]}.{part}" if part else f"{sign}{text[:-digits]}"
