"""One image of a page: its thumbnail and what is said below it."""

import posixpath
from collections.abc import Sequence

from variegate.reports.findings import Line
from variegate.reports.markup import Html, joined, tag
from variegate.reports.thumbnails import Thumbnails
from variegate.storage import key_from_text

Part = tuple[str, tuple[int, int, int, int]]


def shown_key(text: str) -> str:
    """Return a key of a table as it is shown."""
    return key_from_text(text)


def base_name(text: str) -> str:
    """Return the last part of a key of a table."""
    return posixpath.basename(shown_key(text))


def size_text(count: float) -> str:
    """Return a number of bytes in words."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1024:
            return (
                f"{count:.0f} {unit}" if count >= 10 or unit == "bytes" else f"{count:.1f} {unit}"
            )
        count /= 1024
    return f"{count:.1f} GB"


def shot(
    text: str,
    thumbnails: Thumbnails,
    *,
    size: tuple[int, int] = (1, 1),
    parts: Sequence[Part] = (),
) -> Html:
    """Return the thumbnail of an image, perhaps with parts of it marked.

    Args:
        text: its key, as in a table.
        thumbnails: makes them.
        size: (height, width) of the image, pixels.
        parts: identifier and x, y, width, height of each, numbered from 1.
    """
    image = thumbnails.image(shown_key(text), base_name(text))
    if not parts or not image.startswith("<img"):
        return tag("div", image, class_="shot")
    marks = (_mark(number, part, size) for number, part in enumerate(parts, 1))
    drawn = tag("svg", *marks, viewBox=f"0 0 {size[1]} {size[0]}", aria_hidden="true")
    return tag("div", tag("span", image, drawn, class_="frame"), class_="shot")


def _mark(number: int, part: Part, size: tuple[int, int]) -> Html:
    name, (x, y, width, height) = part
    letters = max(size) / 11
    place = {"x": x, "y": y, "width": width, "height": height}
    return tag(
        "g",
        tag("rect", class_="under", **place),
        tag("rect", **place),
        tag(
            "text",
            number,
            x=f"{x + letters * 0.35:.1f}",
            y=f"{y + letters * 1.05:.1f}",
            font_size=f"{letters:.1f}",
        ),
        id=name,
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
