"""What stands beside YOLO's labels: data.yaml, or obj.data and obj.names, or classes.txt."""

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from variegate.errors import InputError
from variegate.formats.hints import NO_HINTS, Hints
from variegate.formats.pairing import parts_of
from variegate.formats.text import read_text
from variegate.storage import Storage

_LIMIT = 1 << 22
_MOST_VALUES = 10_000
_MOST_CLASSES = 100_000
_CLASS_FILES = ("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt")
_SPLIT_KEYS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_OWN_KEYS = {*_SPLIT_KEYS, "path", "nc", "names", "kpt_shape", "flip_idx"}


def is_config(key: str) -> bool:
    """Say whether a file may be a configuration or a list of classes, by its name."""
    name = key.rpartition("/")[2].lower()
    return name in _CLASS_FILES or name.endswith((".yaml", ".yml", ".names", ".data"))


@dataclass(frozen=True, slots=True)
class Config:
    """What the files say.

    Attributes:
        key: of data.yaml or obj.data, if there is one.
        names: class number -> name; empty where no file says.
        names_key: of the list of classes that is a file of its own.
        own: folder of labels -> class number -> name, where folders have lists that differ.
        lists: keys of all lists of classes.
        splits: split -> the places of its images, as written.
        path: the folder that the places start from, as written.
        keypoints: number and dimensions.
        flip: for each keypoint the one that takes its place in a mirror image.
        point_names: of the keypoints.
        task: as written.
        extra: fields that mean nothing here.
        problems: what is wrong with the files.
    """

    key: str | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    names_key: str | None = None
    own: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    path: str = ""
    keypoints: tuple[int, int] | None = None
    flip: tuple[int, ...] = ()
    point_names: tuple[str, ...] = ()
    task: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_config(
    storage: Storage, keys: Sequence[str], folders: Iterable[str], hints: Hints = NO_HINTS
) -> Config:
    """Read what is said about the labels in these folders.

    Args:
        storage: the dataset.
        keys: of the files that `is_config` names.
        folders: of the labels.
        hints: what the user says: names of classes, an encoding.

    Raises:
        InputError: the file is there and cannot be read, or two lists contradict each other.
    """
    where = list(folders)

    def rank(key: str) -> tuple[int, bool, bool, str]:
        folder, stem, _ = parts_of(key)
        near = sum(label.startswith(folder) for label in where)
        return -near, len(folder) < 1, stem.lower() not in ("data", "dataset"), key

    ordered = sorted(keys, key=rank)
    config = Config()
    for key in ordered:
        if key.lower().endswith((".yaml", ".yml")):
            if (found := _read_yaml(storage, key, hints.encoding)) is not None:
                config = found
                break
        elif key.lower().endswith(".data"):
            config = _read_darknet(storage, key, hints.encoding)
            break
    return _with_class_files(storage, config, ordered, where, hints)


def _with_class_files(
    storage: Storage, config: Config, keys: Sequence[str], folders: Sequence[str], hints: Hints
) -> Config:
    """Add the names of classes that stand in files of their own, or that the user gives."""
    files = tuple(
        key
        for key in keys
        if key.lower().endswith(".names") or key.rpartition("/")[2].lower() in _CLASS_FILES
    )
    config = replace(config, names_key=files[0] if files else None, lists=files)
    if hints.classes is not None:
        return replace(config, names=dict(enumerate(hints.classes)))
    if not files:
        return config
    lists = {key: dict(enumerate(_lines(storage, key, hints.encoding))) for key in files}
    _check_lists(storage, lists)
    own = {folder: lists[_nearest(folder, files)] for folder in folders}
    if not config.names and any(one != lists[files[0]] for one in own.values()):
        merged = dict.fromkeys(name for one in own.values() for name in one.values())
        note = (
            f"the folders have lists of classes that differ ({', '.join(sorted(files)[:3])}); "
            "each counts for its folder, and the classes are merged by name"
        )
        return replace(
            config, names=dict(enumerate(merged)), own=own, problems=(*config.problems, note)
        )
    names = lists[files[0]]
    problems = list(config.problems)
    if config.names and config.names != names:
        problems.append(
            f"{files[0]} ({len(names)} classes) disagrees with {config.key} "
            f"({len(config.names)} classes), which counts"
        )
    return replace(config, names=config.names or names, problems=tuple(problems))


def _check_lists(storage: Storage, lists: Mapping[str, Mapping[int, str]]) -> None:
    """Make sure that no folder has two lists that differ.

    Raises:
        InputError: one has.
    """
    first: dict[str, str] = {}
    for key, names in lists.items():
        other = first.setdefault(posixpath.dirname(key), key)
        if names != lists[other]:
            raise InputError(
                f"{storage.place(key)}: other classes than in {other}, in the same folder; keep "
                "one of them, or give the names with --classes FILE"
            )


def _nearest(folder: str, files: Sequence[str]) -> str:
    """Return the list of classes that is nearest to a folder of labels."""
    home = folder.rstrip("/").split("/")

    def distance(key: str) -> int:
        parts = key.split("/")[:-1]
        common = len(posixpath.commonprefix([home, parts]))
        return len(home) + len(parts) - 2 * common

    return min(files, key=distance)


def _lines(storage: Storage, key: str, encoding: str | None) -> list[str]:
    text = read_text(storage, key, limit=_LIMIT, encoding=encoding)
    return [line.strip() for line in text.rstrip().splitlines()]


def _read_darknet(storage: Storage, key: str, encoding: str | None) -> Config:
    """Read ``classes = 10``, ``train = data/train.txt``, ``names = data/obj.names``."""
    fields = dict(
        line.partition("=")[::2] for line in _lines(storage, key, encoding) if "=" in line
    )
    words = {name.strip(): value.strip() for name, value in fields.items()}
    return Config(
        key=key,
        splits={_SPLIT_KEYS[n]: (value,) for n, value in words.items() if n in _SPLIT_KEYS},
        extra={name: value for name, value in words.items() if name not in _SPLIT_KEYS},
    )


def _read_yaml(storage: Storage, key: str, encoding: str | None) -> Config | None:
    """Return what the file says, or None where it is about something else."""
    try:
        text = read_text(storage, key, limit=_LIMIT, encoding=encoding)
        # Names are text: "no", "on" and "1e3" are classes, too.
        words = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - BaseLoader makes only text
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or "not readable"
        raise InputError(f"{storage.place(key)}{line}: not valid YAML ({reason})") from error
    if not isinstance(words, dict) or not ({"names", "nc", "train"} & words.keys()):
        return None
    problems: list[str] = []
    names = _names(words, key, problems)
    shape = _shape(words.get("kpt_shape"), key, problems)
    return Config(
        key=key,
        names=names,
        splits={_SPLIT_KEYS[n]: _places(words[n]) for n in words if n in _SPLIT_KEYS and words[n]},
        path=words["path"] if isinstance(words.get("path"), str) else "",
        keypoints=shape,
        flip=_flip(words.get("flip_idx"), shape, key, problems),
        point_names=_point_names(words.get("kpt_names"), shape),
        task=words["task"] if isinstance(words.get("task"), str) else None,
        extra=_extra(values, key, problems),
        problems=tuple(problems),
    )


def _extra(values: Mapping[Any, Any], key: str, problems: list[str]) -> dict[str, Any]:
    """Return the fields that mean nothing here, as JSON values."""
    budget = [_MOST_VALUES]
    try:
        return {
            str(name): _plain(value, budget)
            for name, value in values.items()
            if name not in _OWN_KEYS
        }
    except (OverflowError, RecursionError):
        problems.append(f"{key}: more than {_MOST_VALUES:,} other values; they are not kept")
        return {}


def _plain(value: Any, budget: list[int]) -> Any:
    """Return a value as JSON; aliases in YAML may make a few lines a billion values."""
    budget[0] -= 1
    if budget[0] < 0:
        raise OverflowError
    if isinstance(value, dict):
        return {str(name): _plain(one, budget) for name, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(one, budget) for one in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _places(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(one for one in values if isinstance(one, str) and one)


def _names(words: Mapping[str, Any], key: str, problems: list[str]) -> dict[int, str]:
    given, count = words.get("names"), words.get("nc")
    pairs: Iterable[tuple[Any, Any]] = ()
    if isinstance(given, list):
        pairs = enumerate(given)
    elif isinstance(given, dict):
        pairs = given.items()
    elif isinstance(count, str) and count.isdigit():
        if len(count) > 6 or int(count) > _MOST_CLASSES:
            raise InputError(f"{key}: nc is {count[:20]}; expected at most {_MOST_CLASSES:,}")
        pairs = ((number, str(number)) for number in range(int(count)))
    names: dict[int, str] = {}
    taken: set[str] = set()
    for number, name in pairs:
        if not isinstance(name, str) or not str(number).isascii() or not str(number).isdigit():
            raise InputError(f"{key}: names: expected number and name, found {number!r}: {name!r}")
        if name in taken:
            problems.append(
                f"{key}: two classes are called {name!r}; {number} is '{name} {number}'"
            )
            name = f"{name} {number}"
        taken.add(name)
        names[int(number)] = name
        if len(names) > _MOST_CLASSES:
            raise InputError(f"{key}: names: more than {_MOST_CLASSES:,} classes")
    if isinstance(count, str) and count.isdigit() and given and int(count) != len(names):
        problems.append(f"{key}: nc is {count}, but there are {len(names)} names, which count")
    return names


def _shape(value: Any, key: str, problems: list[str]) -> tuple[int, int] | None:
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 2 and all(str(v).isdigit() for v in value):
        count, dimensions = int(value[0]), int(value[1])
        if 0 < count < 10_000 and dimensions in (2, 3):
            return count, dimensions
    problems.append(f"{key}: kpt_shape: expected [number, 2 or 3], found {value!r}; ignored")
    return None


def _flip(
    value: Any, shape: tuple[int, int] | None, key: str, problems: list[str]
) -> tuple[int, ...]:
    if value is None or shape is None:
        return ()
    if isinstance(value, list) and all(isinstance(v, str) and v.isdigit() for v in value):
        flip = tuple(map(int, value))
        if sorted(flip) == list(range(shape[0])) and all(flip[flip[i]] == i for i in flip):
            return flip
    problems.append(f"{key}: flip_idx: expected each of {shape[0]} keypoints paired; ignored")
    return ()


def _point_names(value: Any, shape: tuple[int, int] | None) -> tuple[str, ...]:
    if isinstance(value, dict) and value:
        value = next(iter(value.values()))
    named = isinstance(value, list) and shape and len(value) == shape[0]
    return tuple(map(str, value)) if named else ()


def resolve(
    place: str, bases: Sequence[str], exists: Callable[[str], bool]
) -> tuple[str, str] | None:
    """Return (what stands before, key) of a place that a file names, if it is in the dataset.

    Paths of another machine or folder are tried without their first parts: Roboflow writes
    "../train/images" for "train/images", Darknet "data/train.txt" for "train.txt".
    """
    parts = [part for part in place.replace("\\", "/").split("/") if part not in ("", ".")]
    for start in range(len(parts)):
        for base in bases:
            key = posixpath.normpath(posixpath.join(base, *parts[start:]))
            if not key.startswith("..") and exists(key):
                return place[: len(place) - len("/".join(parts[start:]))], key
    return None
