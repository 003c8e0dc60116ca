"""Parts of a dataset between which no image is divided."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Sequence

from variegate.errors import InputError
from variegate.formats import Source
from variegate.runs.manifest import MANIFEST, rows
from variegate.storage import Storage, printable

# What tells variants of one image apart: variegate's own numbers, and Roboflow's.
_VARIANT = re.compile(r"-v\d{2,}(?=\.[^./]*(?:/|$))|\.rf\.[0-9a-z]+(?=[-.])", re.IGNORECASE)


def parts_of_sources(
    sources: Sequence[Source], fractions: Sequence[float], *, seed: int, storage: Storage
) -> list[tuple[Source, ...]]:
    """Deal sources into parts, all that was made of one image into the same.

    Args:
        sources: of a dataset.
        fractions: of the images, one for each part.
        seed: by which images are dealt; the same gives the same parts.
        storage: the dataset. Where it is an output of variegate, its manifest tells the images.

    Raises:
        InputError: the fractions do not add up to 1, a part would be empty, or results are made of
            several images.
    """
    shares = [float(one) for one in fractions]
    if not shares or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise InputError(f"fractions: expected parts of 1 such as [0.8, 0.2], got {shares}")
    origins = _origins(storage)
    groups: dict[str, list[int]] = defaultdict(list)
    for number, source in enumerate(sources):
        groups[_VARIANT.sub("", origins.get(source.key, source.key))].append(number)
    dealt = sorted(groups, key=lambda name: _place(seed, name))
    parts, begun, share = [], 0, 0.0
    for one in shares:
        share += one
        end = round(share * len(dealt))
        if end == begun:
            raise InputError(
                f"fractions: a part of {one:g} of {len(dealt)} images would be empty; "
                "choose larger fractions"
            )
        numbers = sorted(number for name in dealt[begun:end] for number in groups[name])
        parts.append(tuple(sources[number] for number in numbers))
        begun = end
    return parts


def _origins(storage: Storage) -> dict[str, str]:
    """Return of which image each file of an output was made; nothing for other datasets."""
    if not storage.exists(MANIFEST):
        return {}
    origins = {}
    for row in rows(storage):
        if row.output is None:
            continue
        if any("partners" in one for one in json.loads(row.operations or "[]")):
            raise InputError(
                f"{printable(storage.url)}: it holds results of several images "
                f"({printable(row.output)}), which belong to no single part; split the originals"
            )
        origins[row.output] = row.key
    return origins


def _place(seed: int, name: str) -> bytes:
    """Return by what an image is placed among the others, in every process and on every machine."""
    text = f"{seed}/{name}".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=16).digest()
