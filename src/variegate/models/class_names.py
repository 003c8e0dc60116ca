"""Names of a model's classes, and which of a dataset's classes each of them is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from variegate.errors import InputError, UsageError, did_you_mean

_NAMED = 5
# What Pascal VOC, Darknet's list of COCO and COCO itself call the same thing.
_COCO_NAMES = {
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
    "tv monitor": "tv",
}


def read_class_names(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read class names, one a line in the order of the model's answers.

    A line may begin with the class's number and a comma, as in "7,cock"; numbers then decide the
    order. Lines may be as they are in ImageNet's lists, of synonyms: "jersey, T-shirt, tee shirt".

    Returns:
        The names, and notes about them.

    Raises:
        InputError: the file cannot be read, or numbers are missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{path}: expected a class name in each line, got none")
    heads = [line.partition(",")[0].strip() for line in lines]
    if all(head.isdecimal() and head.isascii() for head in heads) and all("," in n for n in lines):
        numbered = {
            int(head): line.partition(",")[2].strip()
            for head, line in zip(heads, lines, strict=True)
        }
        if sorted(numbered) != list(range(len(lines))):
            raise InputError(f"{path}: expected the numbers 0 to {len(lines) - 1}, each once")
        lines = [numbered[number] for number in range(len(lines))]
    return distinct(lines)


def distinct(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names, those that appear twice with their number, and a note about them."""
    twice = {name for name, count in Counter(names).items() if count > 1}
    if not twice:
        return tuple(names), ()
    made = tuple(f"{one} ({n})" if one in twice else one for n, one in enumerate(names))
    renamed = [one for one in made if one not in names]
    return made, (f"classes of the model have one name and are told apart: {_listed(renamed)}",)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(one) for one in names[:_NAMED])
    more = len(names) - _NAMED
    return f"{shown} and {more:,} more" if more > 0 else shown


@dataclass(frozen=True, slots=True)
class ClassMatch:
    """Which class of a dataset each class of a model is.

    Attributes:
        classes: those of the dataset that the model knows, in the dataset's order, then those of
            the model that are none of them.
        numbers: for each class of the model, its number in `classes`.
        known: how many of `classes` are the dataset's.
        left_out: classes of the dataset that the user says the model does not know.
        notes: what was assumed.
    """

    classes: tuple[str, ...]
    numbers: tuple[int, ...]
    known: int
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the numbers of the model's classes stay; their names may still differ."""
        return self.numbers == tuple(range(len(self.classes)))


def matched(
    model: Sequence[str], dataset: Sequence[str], given: Mapping[str, Sequence[str]] | None = None
) -> ClassMatch:
    """Find each class of a dataset among those of a model.

    A name is found as it is, or else without regard to case, "_" and "-", or else as one of the
    synonyms that a comma separates, or else by the name that COCO or Pascal VOC has for it.

    Args:
        model: classes in the order of its answers.
        dataset: classes of its labels.
        given: dataset's class -> the model's classes that are it, by name, synonym or number; none
            of them: images of this class are left out.

    Raises:
        UsageError: a class of the dataset is not found, or might be several.
    """
    given = given or {}
    if strange := [one for one in given if one not in dataset]:
        close = did_you_mean(strange[0], dataset)
        raise UsageError(f"--map-class: the dataset has no class {strange[0]!r}{close}")
    index = _Index(model)
    found: dict[str, list[int]] = {}
    missing, assumed = [], []
    for name in dataset:
        numbers = (
            [index.one(other, name) for other in given[name]]
            if name in given
            else index.several(name)
        )
        if len(numbers) > 1 and name not in given:
            options = " or ".join(f"{model[n]!r} ({n})" for n in numbers)
            raise UsageError(
                f"class {name!r} may be {options} of the model; say which with "
                f"--map-class {name}={numbers[0]}"
            )
        if not numbers and name not in given:
            missing.append(name)
        found[name] = numbers
        assumed += [f"{name!r} is the model's {model[n]!r}" for n in numbers if model[n] != name]
    if missing:
        raise UsageError(_unknown(missing, model))
    return _match(model, found, assumed)


def _match(
    model: Sequence[str], found: Mapping[str, Sequence[int]], assumed: Sequence[str]
) -> ClassMatch:
    known = [name for name, numbers in found.items() if numbers]
    left_out = tuple(name for name, numbers in found.items() if not numbers)
    owner: dict[int, str] = {}
    for name in known:
        for number in found[name]:
            if owner.setdefault(number, name) != name:
                raise UsageError(
                    f"the model's class {model[number]!r} would be both {owner[number]!r} and "
                    f"{name!r}; correct --map-class"
                )
    others = [number for number in range(len(model)) if number not in owner]
    # A class of the model that is called like one of the dataset's, and said to be none of it.
    names = [f"{model[n]} (model)" if model[n] in found else model[n] for n in others]
    places = {name: place for place, name in enumerate(known)}
    places_of_others = {number: len(known) + place for place, number in enumerate(others)}
    numbers = tuple(
        places[owner[n]] if n in owner else places_of_others[n] for n in range(len(model))
    )
    notes = []
    if assumed:
        more = len(assumed) - _NAMED
        notes.append("; ".join(assumed[:_NAMED]) + (f"; and {more:,} more" if more > 0 else ""))
    if left_out:
        notes.append(f"images of {_listed(left_out)} are left out, as --map-class says")
    if others:
        notes.append(
            f"{len(others):,} classes of the model are none of the dataset's; an answer with one "
            "of them is wrong"
        )
    return ClassMatch((*known, *names), numbers, len(known), left_out, tuple(notes))


def _unknown(missing: Sequence[str], model: Sequence[str]) -> str:
    first = missing[0]
    close = did_you_mean(first, [part for name in model for part in _synonyms(name)])
    if not model:
        return "the names of the model's classes are not known; give them with --model-classes FILE"
    return (
        f"the model knows no class {_listed(missing)}{close}; it has {len(model):,}, such as "
        f"{_listed(model[:3])}; say which it is with --map-class '{first}=CLASS', or leave its "
        f"images out with --map-class '{first}='"
    )


def _synonyms(name: str) -> list[str]:
    return [part.strip() for part in name.split(",")]


def _folded(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


class _Index:
    """Finds a model's classes by name."""

    def __init__(self, model: Sequence[str]) -> None:
        self._model = model
        self._tables: tuple[dict[str, list[int]], ...] = ({}, {}, {}, {})
        for number, name in enumerate(model):
            exact, folded, parts, renamed = self._tables
            plain = _folded(name)
            exact.setdefault(name, []).append(number)
            folded.setdefault(plain, []).append(number)
            renamed.setdefault(_COCO_NAMES.get(plain, plain), []).append(number)
            # "crane (134)" is one of two that the model calls "crane".
            own = name.removesuffix(f" ({number})")
            for part in dict.fromkeys(map(_folded, _synonyms(own))):
                parts.setdefault(part, []).append(number)

    def several(self, name: str) -> list[int]:
        """Return the classes that a name may mean: the best kind of match that there is."""
        exact, folded, parts, renamed = self._tables
        plain = _folded(name)
        found = exact.get(name) or folded.get(plain) or parts.get(plain)
        return found or renamed.get(_COCO_NAMES.get(plain, plain)) or []

    def one(self, text: str, name: str) -> int:
        """Return the class that the user names, by name, synonym or number."""
        numbers = self.several(text)
        if not numbers and text.isdecimal() and int(text) < len(self._model):
            return int(text)
        if len(numbers) != 1:
            known = [part for one in self._model for part in _synonyms(one)]
            several = " or ".join(f"{self._model[n]!r} ({n})" for n in numbers)
            raise UsageError(
                f"--map-class {name}={text}: "
                + (f"may be {several}; give the number" if numbers else "the model has none")
                + ("" if numbers else did_you_mean(text, known))
            )
        return numbers[0]
