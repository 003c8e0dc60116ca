"""Names of YOLO's classes: in data.yaml, in lists beside the labels (classes.txt), or by the user.

A list counts for the folder it stands in and those below, so that two folders may number the same
classes in different orders. They are merged by name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from variegate.errors import InputError
from variegate.formats.base import named
from variegate.formats.encodings import decode_text
from variegate.formats.pairing import parts_of
from variegate.storage import Storage, printable

_LIMIT = 1 << 22
_FILES = ("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt")
_REMEDY = "put them in order, or say the names with --classes FILE"

Names = Mapping[int, str]
NO_OTHERS: Mapping[str, Names] = MappingProxyType({})


def is_class_file(key: str) -> bool:
    """Say whether a file may be a list of classes, by its name."""
    name = key.rpartition("/")[2].lower()
    return name in _FILES or name.endswith(".names")


@dataclass(frozen=True, slots=True)
class Classes:
    """What the classes are called.

    Attributes:
        names: number -> name, in the set as a whole.
        own: folder of labels -> the same, of those that number them in another way.
        problems: what the user should know.
    """

    names: Names = field(default_factory=dict)
    own: Mapping[str, Names] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_classes(
    storage: Storage,
    lists: Sequence[str],
    folders: Mapping[str, str],
    *,
    config: tuple[str, Names],
    others: Mapping[str, Names] = NO_OTHERS,
    said: Sequence[str] | None = None,
    encoding: str | None = None,
) -> Classes:
    """Return what the classes are called.

    Args:
        storage: the dataset.
        lists: keys of lists of classes, the likeliest first.
        folders: of images -> of their labels.
        config: key of the configuration and the names in it, if any.
        others: keys of further configurations, and the names in them.
        said: names as the user says, which count before all others.
        encoding: of the lists, as the user says.

    Raises:
        InputError: the names contradict each other, or a file cannot be read.
    """
    if said:
        return Classes(dict(enumerate(said)))
    problems: list[str] = []
    found = {
        key: unique(dict(enumerate(class_lines(storage, key, encoding, problems))), key, problems)
        for key in lists
    }
    found = {key: names for key, names in found.items() if names}
    key, names = config
    if names and any(other != names for other in others.values()):
        found = {key: dict(names), **{at: dict(one) for at, one in others.items()}, **found}
    elif names:
        for one, other in found.items():
            _compare((key, names), (one, other), problems)
        return Classes(names, problems=tuple(problems))
    if len({tuple(names.items()) for names in found.values()}) < 2:
        return Classes(next(iter(found.values()), {}), problems=tuple(problems))
    nearest = {labels: _nearest(labels, images, found) for images, labels in folders.items()}
    used = {key: found[key] for key in found if key in nearest.values()}
    if len({tuple(one.items()) for one in used.values()}) < 2:
        return Classes(next(iter(used.values())), problems=tuple(problems))
    merged = dict.fromkeys(name for one in used.values() for name in one.values())
    problems.append(
        f"the lists of classes differ, {named(sorted(used))}: each counts for its own folder, "
        "and classes are merged by name"
    )
    own = {labels: found[key] for labels, key in nearest.items()}
    return Classes(dict(enumerate(merged)), own, tuple(problems))


def class_lines(storage: Storage, key: str, encoding: str | None, problems: list[str]) -> list[str]:
    """Return the lines of a small text file, without the spaces around them."""
    text = decode_text(storage.read(key, limit=_LIMIT), printable(key), encoding, problems)
    return [line.strip() for line in text.rstrip().splitlines()]


def unique(names: Names, key: str, problems: list[str]) -> dict[int, str]:
    """Return the names, each but once; say so where two classes are called the same."""
    found: dict[int, str] = {}
    used = set[str]()
    for number, name in names.items():
        own = name
        if name in used:
            own = f"{name} {number}"
            problems.append(f"{key}: two classes are called {name!r}; {number} is {own!r}")
        used.add(own)
        found[number] = own
    return found


def _compare(ours: tuple[str, Names], others: tuple[str, Names], problems: list[str]) -> None:
    (key, names), (other, theirs) = ours, others
    if names == theirs:
        return
    number = next((n for n, name in theirs.items() if names.get(n, name) != name), None)
    if number is not None:
        raise InputError(
            f"{printable(other)}: class {number} is {theirs[number]!r}, but {names[number]!r} in "
            f"{printable(key)}; {_REMEDY}"
        )
    problems.append(
        f"{other} ({len(theirs)} classes) disagrees with {key} ({len(names)} classes), which counts"
    )


def _nearest(labels: str, images: str, found: Mapping[str, Names]) -> str:
    """Return the list that counts for labels: with them, above them, or with their images."""
    above = [*_upwards(labels), *_upwards(images)]
    here = next(filter(None, ([k for k in found if parts_of(k)[0] == one] for one in above)), None)
    if here is None:
        raise InputError(
            f"{printable(labels)!r} holds labels and no list of classes, and those of other "
            f"folders, {named(sorted(found))}, differ; {_REMEDY}"
        )
    if len({tuple(found[key].items()) for key in here}) > 1:
        raise InputError(f"{named(here)} differ and stand in one folder; {_REMEDY}")
    return here[0]


def _upwards(folder: str) -> Iterator[str]:
    """Yield a folder and those above it: "a/b/", "a/", ""."""
    yield folder
    while folder:
        folder = folder[: folder.rstrip("/").rfind("/") + 1]
        yield folder
