"""Which format a dataset has."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from variegate.errors import InputError, UsageError, did_you_mean
from variegate.formats.base import DatasetFormat, about, counted, named
from variegate.formats.flat import NAME_RULES, pattern_rules
from variegate.formats.hints import NO_HINTS, Hints
from variegate.formats.notes import Information
from variegate.formats.questions import ask_for_splits, unknown_splits
from variegate.formats.scan import Survey, said_depth, survey
from variegate.formats.unlabelled import Unlabelled
from variegate.storage import Storage, printable


def detect(
    storage: Storage,
    formats: Sequence[type[DatasetFormat]],
    *,
    name: str | None = None,
    label_pattern: str | None = None,
    hints: Hints = NO_HINTS,
) -> DatasetFormat:
    """Look through the names once and return the format of the dataset.

    Args:
        storage: the dataset.
        formats: what it may be, the first that fits wins.
        name: of a format, to be taken without guessing; for some with a colon and the
            folder or table to take labels from, where several have some for the same images.
        label_pattern: a regular expression with a group "label", searched in each key; implies
            the format "flat".
        hints: what the user says of the dataset.

    Raises:
        UsageError: no such format, or an impossible pattern.
        InputError: there are no images, or no format fits.
    """
    # A pattern is given by itself, too, and says the format.
    said = None if label_pattern is not None else hints.format
    chosen, labels = asked_format(formats, name or said, label_pattern)
    rules = NAME_RULES if label_pattern is None else pattern_rules(label_pattern)
    seen = replace(survey(storage, rules), labels=labels or None, hints=hints)
    place = printable(storage.url)
    if not seen.tally.count:
        raise InputError(_no_images(place, seen))
    reasons: list[str] = []
    notes: list[str] = [*storage.doubts()]
    lost: list[str] = []
    questions: list[str] = []
    for kind in chosen or formats:
        result = kind.recognise(seen, storage, chosen=bool(chosen))
        if isinstance(result, DatasetFormat):
            if kind.bare and lost:
                raise InputError(f"{place}: {lost[0]}, or choose another format with --format")
            if questions and isinstance(result, Unlabelled):
                raise InputError(f"{place}: {questions[0]}")
            notes += _check(result, seen, chosen=bool(chosen))
            notes += _strange_names(result.classes)
            return replace(result, notes=(*result.notes, *notes))
        questions += [result.question] if result.question else []
        reasons.append(f"{kind.name}: {result.reason}")
        if result.annotated:
            lost.append(result.reason)
        if result.noteworthy:
            notes.append(f"not taken as {kind.name}: {result.reason}")
    if label_pattern is not None:
        raise UsageError(f"--label-pattern {label_pattern!r}: matches no image in {place}")
    if chosen:
        raise InputError(f"{place}: cannot be read with --format {reasons[0]}")
    names = ", ".join(kind.name for kind in formats)
    raise InputError(
        f"{place}: unknown format ({'; '.join(reasons)}); "
        f"put the files in order, or say what it is with --format ({names})"
    )


def asked_format(
    formats: Sequence[type[DatasetFormat]], name: str | None, label_pattern: str | None
) -> tuple[list[type[DatasetFormat]], str]:
    """Return the one format that the user asks for, or none, and whose labels it shall take.

    Raises:
        UsageError: there is no such format, or it does not go with what else is asked for.
    """
    name, _, labels = (name or "").partition(":")
    chosen = _chosen(formats, name or None, label_pattern)
    if labels and not all(kind.choosable for kind in chosen):
        names = ", ".join(kind.name for kind in formats if kind.choosable)
        raise UsageError(f"--format {name}:{labels}: a folder or file goes with {names} only")
    return chosen, labels


def _chosen(
    formats: Sequence[type[DatasetFormat]], name: str | None, label_pattern: str | None
) -> list[type[DatasetFormat]]:
    """Return the one format that the user asks for, or none."""
    if label_pattern is not None:
        if name not in (None, "flat"):
            raise UsageError(
                f"--label-pattern goes with --format flat, got --format {name}; leave one out"
            )
        name = "flat"
    names = [kind.name for kind in formats]
    if name is not None and name not in names:
        raise UsageError(
            f"--format {name}: expected one of {', '.join(names)}{did_you_mean(name, names)}"
        )
    return [kind for kind in formats if kind.name == name]


def _check(found: DatasetFormat, seen: Survey, *, chosen: bool) -> list[str]:
    """Compare a format with what the user says and with what folders are called; return notes.

    Raises:
        InputError: splits are told by names that could mean several things, or the user names a
            folder that is not there.
        UsageError: the user says what this format has no use for.
    """
    place = printable(seen.url)
    for hint in ("classes", "columns", "encoding", "images", "masks", "pairs"):
        if getattr(seen.hints, hint) and hint not in found.takes:
            raise UsageError(f"--{hint}: the format {found.name} of {place} has no use for it")
    for folder, split in seen.hints.splits.items():
        if not found.images.get(split) or not _is_there(folder, seen):
            folders = sorted({"/".join(folder) for folder in seen.tally.folders if folder})
            raise InputError(
                f"{place}: --split {split}={folder}: no images of it; there are "
                f"{named(folders) if folders else 'no folders'}"
            )
    if not found.images.get(""):
        return []
    if not (alike := unknown_splits(seen)):
        return list(_unsplit(found))
    if chosen:
        return [f"the folders {named(alike)} look like splits, and are taken for none"]
    raise InputError(f"{place}: {ask_for_splits(alike)}")


def _unsplit(found: DatasetFormat) -> Iterator[str]:
    count = found.images[""]
    if found.splits and not found.bare:
        images = counted(count, "image is", "images are")
        yield Information(
            f"{images} in no split, beside others that are in one, and copied unchanged; --split "
            "NAME=FOLDER says otherwise"
        )


def _strange_names(classes: Iterable[str]) -> Iterator[str]:
    """Say which classes are called in another encoding than UTF-8, as old folders are."""
    strange = [printable(name) for name in classes if any("\ud800" <= c <= "\udfff" for c in name)]
    have = ("name of a class is", "names of classes are")
    yield from about(strange, *have, "no text in UTF-8 and kept as bytes; rename the folders")


def _is_there(folder: str, seen: Survey) -> bool:
    """Say whether a folder holds images; one that is deep or called so in a table may."""
    if seen.tally.crowded or seen.tables or seen.others[".txt"] or folder.count("/") > 1:
        return True
    return any(said_depth(one, {folder: "train"}) for one in seen.tally.folders)


def _no_images(place: str, seen: Survey) -> str:
    if not seen.files:
        return f"{place}: no images found: it is empty; name the folder that holds the images"
    extensions = ", ".join(extension for extension, _ in seen.others.most_common(3))
    remedy = (
        "name the zip file itself"
        if ".zip" in seen.others
        else "name the folder that holds the images (.jpg, .png, ...), and their labels if any"
    )
    files = f"{counted(seen.files, 'file', 'files')} ({extensions or 'no extensions'})"
    return f"{place}: no images found among {files}; {remedy}"
