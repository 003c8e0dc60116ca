"""HTML that cannot be broken by what it shows: whatever is not markup already is escaped."""

import html
from collections.abc import Iterable

_VOID = {"br", "img", "input", "link", "meta"}


class Html(str):
    """Text that is markup already, made by `tag` or written by hand; never taken from data."""

    __slots__ = ()


def plain(value: object) -> Html:
    """Return a value as markup: escaped for text and attributes, control characters spelled out."""
    if isinstance(value, Html):
        return value
    text = str(value)
    if not text.isprintable():
        # Also what turns the direction of writing, and stray bytes of file names.
        text = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    return Html(html.escape(text, quote=True))


def joined(parts: Iterable[object]) -> Html:
    """Return parts one after another."""
    return Html("".join(map(plain, parts)))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """Return an element.

    Args:
        name: of the element.
        children: text, which is escaped, and elements.
        attributes: `class_` is class, `aria_label` is aria-label; None and False are left out,
            True is an attribute without a value.
    """
    written = []
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if value is True:
            written.append(f" {attribute}")
        elif value is not None and value is not False:
            written.append(f' {attribute}="{plain(value)}"')
    start = f"<{name}{''.join(written)}>"
    return Html(start if name in _VOID else f"{start}{joined(children)}</{name}>")
