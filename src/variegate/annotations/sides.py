"""Left and right in the names of keypoints: which of them a mirror image exchanges.

A side is a word ("left_eye", "eyeLeft", "L_Eye", "eye.r", "right eye"), a part of one ("lefteye"),
or one letter at the beginning or the end of the name ("lshoulder"), where the other side has it,
too.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

Pairs = tuple[tuple[int, int], ...]

# Words, also where only capitals tell where they begin: "eyeLeft", "LEye", "kneeR2".
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+|\d+")
_SIDES = {
    "left": "right",
    "l": "r",
    "lt": "rt",
    "lft": "rgt",
    "links": "rechts",
    "linke": "rechte",
    "linker": "rechter",
    "linkes": "rechtes",
    "gauche": "droite",
    "izq": "der",
    "izquierdo": "derecho",
    "izquierda": "derecha",
    "esquerdo": "direito",
    "esquerda": "direita",
    "sinistro": "destro",
    "sinistra": "destra",
}
_PARTS = {"left": "right", "links": "rechts", "\u5de6": "\u53f3"}
# Front, rear, hind, back, upper and lower, each of two sides.
_CORNERS = {two for end in "frhbul" for side in "lr" for two in (end + side, side + end)}
_Words = tuple[str, ...]


def pairs_by_name(names: Sequence[str]) -> Pairs:
    """Return indices (left, right) of the names that differ in their side alone."""
    words = [_words(name) for name in names]
    once = {one for one, times in Counter(words).items() if times == 1}
    index = {one: number for number, one in enumerate(words) if one in once}
    found: dict[int, int] = {}
    for counterparts in (_by_word, _by_part, _by_letter):
        taken = {*found, *found.values()}
        for one, left in index.items():
            rights = (index.get(other) for other in counterparts(one))
            right = next((r for r in rights if r is not None and r not in taken), None)
            if left not in taken and right is not None:
                found[left] = right
                taken |= {left, right}
    return tuple(found.items())


def are_known(names: Sequence[str], pairs: Pairs) -> bool:
    """Say whether names tell what a mirror exchanges: all sides are paired, no two are alike.

    Numbers say nothing of sides, and neither do "eye1" and "eye2".
    """
    paired = {index for pair in pairs for index in pair}
    alone = [_words(name) for number, name in enumerate(names) if number not in paired]
    if len(names) > 1 and any(map(_has_side, alone)):
        return False
    kinds = Counter(tuple(word for word in words if not word.isdigit()) for words in alone)
    return all(times == 1 for times in kinds.values()) and (() not in kinds or len(names) == 1)


def _words(name: str) -> _Words:
    return tuple(word.lower() for word in _WORD.findall(name))


def _has_side(words: _Words) -> bool:
    whole = (*_SIDES, *_SIDES.values(), *_CORNERS)
    parts = (*_PARTS, *_PARTS.values())
    return any(word in whole or any(part in word for part in parts) for word in words)


def _by_word(words: _Words) -> Iterator[_Words]:
    yield from _replaced(words, _SIDES.get)


def _by_part(words: _Words) -> Iterator[_Words]:
    for parts in _PARTS.items():
        yield from _replaced(words, partial(_with_other_part, *parts))


def _with_other_part(left: str, right: str, word: str) -> str:
    return word.replace(left, right)


def _by_letter(words: _Words) -> Iterator[_Words]:
    yield from _replaced(words, lambda word: f"r{word[1:]}" if word[:1] == "l" else None)
    yield from _replaced(words, lambda word: f"{word[:-1]}r" if word[-1:] == "l" else None)


def _replaced(words: _Words, other: Callable[[str], str | None]) -> Iterator[_Words]:
    for place, word in enumerate(words):
        if (side := other(word)) is not None and side != word:
            yield (*words[:place], side, *words[place + 1 :])
