"""One image of a page: its thumbnail and what is said below it."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from variegate.reports.findings import Line
from variegate.reports.markup import Html, joined, tag
from variegate.reports.thumbnails import Thumbnails
from variegate.storage import key_from_text


@dataclass(frozen=True, slots=True)
class MarkedPart:
    """A part of an image that is marked.

    Attributes:
        name: identifier in the page.
        part: x, y, width, height, pixels.
        numbers: what is written into it.
    """

    name: str
    part: tuple[int, ...]
    numbers: list[int]


def shown_key(text: str) -> str:
    """Return a key of a table as it is shown."""
    return key_from_text(text)


def base_name(text: str) -> str:
    """Return the last part of a key of a table."""
    return posixpath.basename(shown_key(text))


def size_text(count: float) -> str:
    """Return a number of bytes in words."""
    unit = "B"
    for larger in ("kB", "MB", "GB"):
        if count < 1024:
            break
        count, unit = count / 1024, larger
    return f"{count:.0f} {unit}" if count >= 10 or count == int(count) else f"{count:.1f} {unit}"


def shot(
    text: str,
    thumbnails: Thumbnails,
    *,
    size: tuple[int, int] = (1, 1),
    frames: Sequence[MarkedPart] = (),
) -> Html:
    """Return the thumbnail of an image, perhaps with parts of it marked.

    Args:
        text: its key, as in a table.
        thumbnails: makes them.
        size: (height, width) of the image, pixels.
        frames: parts to mark.
    """
    image = thumbnails.image(shown_key(text), base_name(text))
    if not frames or not image.startswith("<img"):
        return tag("div", image, class_="shot")
    marks = (_mark(one, size, corner) for corner, one in enumerate(frames))
    drawn = tag("svg", *marks, viewBox=f"0 0 {size[1]} {size[0]}", aria_hidden="true")
    return tag("div", tag("span", image, drawn, class_="frame"), class_="shot framed")


def _mark(frame: MarkedPart, size: tuple[int, int], corner: int) -> Html:
    """Draw a frame. Each has its numbers in another corner, as many parts share one."""
    x, y, width, height = frame.part
    letters = max(size) / 13
    right, low = corner % 4 in (1, 3), corner % 4 in (1, 2)
    place = {"x": x, "y": y, "width": width, "height": height}
    return tag(
        "g",
        tag("rect", class_="under", **place),
        tag("rect", **place),
        tag(
            "text",
            " ".join(map(str, frame.numbers)),
            x=f"{x + (width - letters * 0.3 if right else letters * 0.3):.1f}",
            y=f"{y + (height - letters * 0.3 if low else letters):.1f}",
            text_anchor="end" if right else "start",
            font_size=f"{letters:.1f}",
        ),
        id=frame.name,
    )


def caption(line: Line) -> Html:
    """Return what is said of an image: its name, size and file."""
    key = shown_key(line["key"])
    about = f"{line['width']:,} × {line['height']:,}, {size_text(line['size'])}"
    return joined(
        (
            tag("div", base_name(line["key"]), class_="name", title=key),
            tag("div", about, class_="faint"),
        )
    )
