"""What stands beside YOLO's labels: data.yaml or obj.data. Lists of classes: see `classes`."""

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import yaml

from variegate.annotations.splits import canonical_split
from variegate.errors import InputError
from variegate.formats.encodings import decode_text
from variegate.formats.notes import Information
from variegate.formats.pairing import parts_of
from variegate.formats.yolo.classes import class_lines, is_class_file, unique
from variegate.storage import Storage, printable

_LIMIT = 1 << 22
_MOST_FILES = 64
_MOST_VALUES = 10_000
_MOST_CLASSES = 100_000
_MOST_DIGITS = 18
_OWN_KEYS = {"path", "nc", "names", "kpt_shape", "flip_idx"}
# Written in C where PyYAML has it: a hundred thousand names take seconds otherwise.
_TEXT_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_VALUE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def is_config(key: str) -> bool:
    """Say whether a file may be a configuration or a list of classes, by its name."""
    name = key.rpartition("/")[2].lower()
    return is_class_file(key) or name.endswith((".yaml", ".yml", ".data"))


@dataclass(frozen=True, slots=True)
class Config:
    """What the files say.

    Attributes:
        key: of data.yaml or obj.data, if there is one.
        names: class number -> name; empty where no file says.
        lists: keys of the lists of classes that are files of their own, the likeliest first.
        splits: split -> the places of its images, as written.
        path: the folder that the places start from, as written.
        keypoints: number and dimensions.
        flip: for each keypoint the one that takes its place in a mirror image.
        point_names: of the keypoints.
        task: as written.
        extra: fields that mean nothing here.
        problems: what is wrong with the files.
        others: key -> the classes in further files of this kind.
    """

    key: str | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    path: str = ""
    keypoints: tuple[int, int] | None = None
    flip: tuple[int, ...] = ()
    point_names: tuple[str, ...] = ()
    task: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    others: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


def read_config(
    storage: Storage, keys: Sequence[str], folders: Iterable[str], encoding: str | None = None
) -> Config:
    """Read what is said about the labels in these folders.

    Args:
        storage: the dataset.
        keys: of the files that `is_config` names.
        folders: of the labels.
        encoding: of the files, as the user says.

    Raises:
        InputError: the file is there and cannot be read.
    """
    where = list(folders)

    def rank(key: str) -> tuple[int, bool, bool, str]:
        folder, stem, _ = parts_of(key)
        near = sum(label.startswith(folder) for label in where)
        return -near, len(folder) < 1, stem.lower() not in ("data", "dataset"), key

    ordered = sorted(keys, key=rank)
    config, others = Config(), dict[str, Mapping[int, str]]()
    yamls = (key for key in ordered if key.lower().endswith((".yaml", ".yml")))
    for key in ordered:
        if key.lower().endswith((".yaml", ".yml")):
            if (found := _read_yaml(storage, key, encoding)) is not None:
                config = found
                others = dict(_further_names(storage, islice(yamls, _MOST_FILES), key, encoding))
                break
        elif key.lower().endswith(".data"):
            config = _read_darknet(storage, key, encoding)
            break
    return replace(config, lists=tuple(filter(is_class_file, ordered)), others=others)


def _further_names(
    storage: Storage, keys: Iterable[str], taken: str, encoding: str | None
) -> Iterator[tuple[str, Mapping[int, str]]]:
    """Yield the classes in the other files of this kind: folders may number them in other ways."""
    for key in keys:
        found = None if key == taken else _read_yaml(storage, key, encoding)
        if found is not None and found.names:
            yield key, found.names


def _read_darknet(storage: Storage, key: str, encoding: str | None) -> Config:
    """Read ``classes = 10``, ``train = data/train.txt``, ``names = data/obj.names``."""
    problems: list[str] = []
    lines = class_lines(storage, key, encoding, problems)
    fields = dict(line.partition("=")[::2] for line in lines if "=" in line)
    words = {name.strip(): value.strip() for name, value in fields.items()}
    return Config(
        key=key,
        splits=_by_split({name: (value,) for name, value in words.items() if value}),
        extra={name: value for name, value in words.items() if not canonical_split(name)},
        problems=tuple(problems),
    )


def _by_split(places: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the places of each split, whatever it is called: "Train", "valid", "Validation"."""
    found: dict[str, tuple[str, ...]] = {}
    for name, some in places.items():
        if split := canonical_split(name):
            found[split] = (*found.get(split, ()), *some)
    return found


def _read_yaml(storage: Storage, key: str, encoding: str | None) -> Config | None:
    """Return what the file says, or None where it is about something else."""
    problems: list[str] = []
    text = decode_text(storage.read(key, limit=_LIMIT), printable(key), encoding, problems)
    try:
        # Names are text: "no", "on" and "1e3" are classes, too.
        words = yaml.load(text, Loader=_TEXT_LOADER)  # noqa: S506 - it makes only text
        values = yaml.load(text, Loader=_VALUE_LOADER)  # noqa: S506 - it makes only plain values
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or "not readable"
        raise InputError(f"{storage.place(key)}{line}: not valid YAML ({reason})") from error
    if not isinstance(words, dict) or not ({"names", "nc", "train", "Train"} & words.keys()):
        return None
    names = _names(words, key, problems)
    shape = _shape(words.get("kpt_shape"), key, problems)
    return Config(
        key=key,
        names=names,
        splits=_by_split({str(name): _places(value) for name, value in words.items() if value}),
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
            if name not in _OWN_KEYS and not canonical_split(str(name))
        }
    except (OverflowError, RecursionError):
        said = f"{key}: more than {_MOST_VALUES:,} other values; they are not kept"
        problems.append(Information(said))
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
    elif count is not None:
        pairs = ((number, str(number)) for number in range(_count(count, key, problems)))
    names: dict[int, str] = {}
    for number, name in pairs:
        if not isinstance(name, str) or not _is_number(number):
            raise InputError(
                f"{key}: names: expected number and name, found {number!r:.60}: {name!r:.60}"
            )
        names[int(number)] = name
        if len(names) > _MOST_CLASSES:
            raise InputError(f"{key}: names: more than {_MOST_CLASSES:,} classes")
    if given and _is_number(count) and int(str(count)) != len(names):
        problems.append(f"{key}: nc is {count}, but there are {len(names)} names, which count")
    return unique(names, key, problems)


def _is_number(value: Any) -> bool:
    text = str(value)
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _count(value: Any, key: str, problems: list[str]) -> int:
    """Return the number of classes without names; 0 where it cannot be one."""
    if _is_number(value) and int(value) <= _MOST_CLASSES:
        return int(value)
    problems.append(
        f"{key}: nc: expected a number of at most {_MOST_CLASSES:,} classes, found "
        f"{str(value)[:40]!r}; the classes are those in the label files"
    )
    return 0


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
