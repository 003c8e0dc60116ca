"""Which layout a data set has."""

from collections.abc import Sequence
from dataclasses import replace

from variegate.errors import InputError, UsageError, did_you_mean
from variegate.formats.base import Layout, counted
from variegate.formats.flat import NAME_RULES, pattern_rules
from variegate.formats.scan import Survey, survey
from variegate.storage import Storage, printable


def detect(
    storage: Storage,
    formats: Sequence[type[Layout]],
    *,
    layout: str | None = None,
    label_pattern: str | None = None,
) -> Layout:
    """Look through the names once and say how the data set is laid out.

    Args:
        storage: the data set.
        formats: what it may be, the first that fits wins.
        layout: the name of a format, to be taken without guessing; for some with a colon and the
            folder to take labels from, where several have some for the same pictures.
        label_pattern: a regular expression with a group "label", searched in each key; implies
            the layout "flat".

    Raises:
        UsageError: no such layout, or an impossible pattern.
        InputError: there are no pictures, or no layout fits.
    """
    layout, _, labels = (layout or "").partition(":")
    chosen = _chosen(formats, layout or None, label_pattern)
    if labels and not all(kind.choosable for kind in chosen):
        names = ", ".join(kind.name for kind in formats if kind.choosable)
        raise UsageError(f"--layout {layout}:{labels}: a folder goes with {names} only")
    rules = NAME_RULES if label_pattern is None else pattern_rules(label_pattern)
    seen = replace(survey(storage, rules), labels=labels or None)
    place = printable(storage.url)
    if not seen.tally.count:
        raise InputError(_no_pictures(place, seen))
    reasons: list[str] = []
    notes: list[str] = []
    for kind in chosen or formats:
        result = kind.recognise(seen, storage, chosen=bool(chosen))
        if isinstance(result, Layout):
            return replace(result, notes=(*result.notes, *notes))
        reasons.append(f"{kind.name}: {result.reason}")
        if result.noteworthy:
            notes.append(f"not taken as {kind.name}: {result.reason}")
    if label_pattern is not None:
        raise UsageError(f"--label-pattern {label_pattern!r}: matches no picture in {place}")
    if chosen:
        raise InputError(f"{place}: cannot be read with --layout {reasons[0]}")
    names = ", ".join(kind.name for kind in formats)
    raise InputError(
        f"{place}: unknown layout ({'; '.join(reasons)}); "
        f"put the files in order, or say what it is with --layout ({names})"
    )


def _chosen(
    formats: Sequence[type[Layout]], layout: str | None, label_pattern: str | None
) -> list[type[Layout]]:
    """Return the one format that the user asks for, or none."""
    if label_pattern is not None:
        if layout not in (None, "flat"):
            raise UsageError(
                f"--label-pattern goes with --layout flat, got --layout {layout}; leave one out"
            )
        layout = "flat"
    names = [kind.name for kind in formats]
    if layout is not None and layout not in names:
        raise UsageError(
            f"--layout {layout}: expected one of {', '.join(names)}{did_you_mean(layout, names)}"
        )
    return [kind for kind in formats if kind.name == layout]


def _no_pictures(place: str, seen: Survey) -> str:
    if not seen.files:
        return f"{place}: no pictures found: it is empty; name the folder that holds the pictures"
    endings = ", ".join(ending for ending, _ in seen.others.most_common(3))
    remedy = (
        "name the zip file itself"
        if ".zip" in seen.others
        else "name the folder that holds the pictures (.jpg, .png, ...), and their labels if any"
    )
    files = f"{counted(seen.files, 'file', 'files')} ({endings or 'no endings'})"
    return f"{place}: no pictures found among {files}; {remedy}"
