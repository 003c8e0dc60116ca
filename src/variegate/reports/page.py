"""A page that is complete in one file: it works from a folder, offline, and asks for nothing."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files

from variegate.reports.markup import Html, joined, tag

_HERE = "variegate.reports"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page that the navigation names.

    Attributes:
        name: of its address, such as "flags".
        title: its heading.
        content: markup, made piece by piece while the page is written.
        intro: a sentence or two below the heading.
    """

    name: str
    title: str
    content: Iterable[Html]
    intro: str = ""


def page(
    title: str, subtitle: str, sections: Iterable[Section], *, footer: str = ""
) -> Iterator[str]:
    """Yield a page in pieces: a document with a heading, a navigation and sections.

    Args:
        title: what it is about.
        subtitle: one line more.
        sections: in their order; all must be known, their contents are asked for one by one.
        footer: a last line.
    """
    listed = list(sections)
    script = _resource("page.js")
    yield "<!DOCTYPE html>\n"
    yield '<html lang="en">\n<head>\n'
    yield joined(_head(title, script))
    yield "</head>\n<body>\n"
    yield tag("a", "Skip to the content", class_="skip", href="#content")
    yield _header(title, subtitle, listed)
    yield '\n<main id="content" tabindex="-1">\n'
    for section in listed:
        yield f'<section id="{section.name}">'
        yield tag("h2", section.title)
        if section.intro:
            yield tag("p", section.intro, class_="intro")
        yield from section.content
        yield "</section>\n"
    yield "</main>\n"
    if footer:
        yield tag("footer", footer)
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def _head(title: str, script: str) -> Iterator[str]:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Nothing is fetched, and no script runs but the page's own, whatever a name may hold.
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    yield tag("meta", charset="utf-8")
    yield tag("meta", http_equiv="Content-Security-Policy", content=policy)
    yield tag("meta", name_="viewport", content="width=device-width, initial-scale=1")
    yield tag("meta", name_="color-scheme", content="light dark")
    yield tag("title", title)
    yield tag("link", rel="icon", href="data:,")
    yield tag("style", Html(_resource("page.css")))


def _header(title: str, subtitle: str, sections: list[Section]) -> Html:
    links = (tag("a", one.title, href=f"#{one.name}") for one in sections)
    toggle = tag("button", "Theme: system", type="button", id="theme", hidden=True)
    return tag(
        "header",
        tag("div", tag("h1", title), toggle, class_="top"),
        tag("p", subtitle, class_="subtitle"),
        tag("nav", *links, aria_label="Sections"),
    )


def _resource(name: str) -> str:
    return files(_HERE).joinpath(name).read_text(encoding="utf-8")
