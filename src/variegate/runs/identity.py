"""The identity of a job: everything that decides the bytes of its outputs, in one place.

An output knows what made it: ``.variegate/job.json``, the *record*. Whoever writes one, compares
two, takes the digest of one or rebuilds from one does it here, so that they cannot disagree: the
lock of an output, runs, events, rebuilding. Two runs with equal records write equal bytes.

Runs and events may share an output. Events list no inputs, so of a run and events only what both
know is compared. Events after a run may come with other libraries: every event's part tells for
itself what made it.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec

from variegate.errors import InputError
from variegate.formats import writer_from_json
from variegate.formats.hints import NO_HINTS, Hints
from variegate.recipes.plugins import Plugin
from variegate.recipes.recipe import Recipe
from variegate.runs.environment import machine
from variegate.runs.job import Job
from variegate.runs.manifest import FOLDER
from variegate.storage import printable

JOB = f"{FOLDER}/job.json"

# Counts changes of the record and of the manifest after which older ones would be misread.
_VERSION = 2

# What is read of a record without another look, and its kind.
_SHAPE: dict[str, Any] = {
    **dict.fromkeys(
        ("recipe", "writer", "options", "limits", "plugins", "versions", "hints"), dict
    ),
    "input": str,
    "format": str,
    "kind": str,
    "seed": int,
    "splits": bool,
    "input_files": dict | None,
}

# Fields of a recipe that are not compared as a part of it: words of its author; the seed has a line
# of its own.
_APART = frozenset(("description", "seed", "hints"))

# Of what differs: so many things are named, and so many letters of each value.
_SHOWN = 4
_LONGEST = 120


def record_of(
    job: Job,
    *,
    format: str,  # noqa: A002 - as the option is called
    label_pattern: str | None = None,
    hints: Hints = NO_HINTS,
    input_files: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what a job is known by, as JSON values.

    Args:
        job: what is to be done.
        format: how its input is read.
        label_pattern: regex with a group named label, for labels in file names.
        hints: what the user says of the input, besides the recipe's.
        input_files: numbers and digests of the listing; None where events bring the inputs.
    """
    recipe = Recipe.from_data(job.recipe)
    record = {
        "record_version": _VERSION,
        "recipe": job.recipe,
        "recipe_digest": recipe.digest,
        "seed": recipe.seed,
        "input": job.input,
        "input_files": input_files,
        "format": format,
        "label_pattern": label_pattern,
        "hints": hints.over(recipe.hints).to_data(),
        "splits": job.splits,
        "writer": job.writer,
        "kind": job.kind,
        "options": job.options,
        "limits": asdict(job.limits),
        "plugins": {plugin.name: plugin.sha256 for plugin in job.plugins},
        **machine(),
    }
    # As it will be read again: without tuples.
    return dict(json.loads(json.dumps(record)))


def read_record(data: bytes, place: str) -> dict[str, Any]:
    """Read the record of an output.

    Args:
        data: content of its file.
        place: of the output, for messages.

    Raises:
        InputError: it is damaged, or another version of variegate wrote it.
    """
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(place, str(error)) from error
    if not isinstance(record, dict):
        raise _damaged(place, "expected an object")
    if "record_version" not in record and "recipe" not in record:
        raise _damaged(place, "no record of variegate")
    if record.get("record_version") != _VERSION:
        versions = record.get("versions")
        known = isinstance(versions, dict) and versions.get("variegate")
        raise InputError(
            f"{printable(place)}: written by variegate {known or 'of another version'}, whose "
            "outputs this version cannot read; use that version for it, or write a new output"
        )
    for name, kinds in _SHAPE.items():
        if not isinstance(record.get(name), kinds):
            raise _damaged(place, f"{name}: {_shown(record.get(name))}")
    files = (record["input_files"] or {}).get("files", 0)
    if type(files) is not int:
        raise _damaged(place, f"input_files.files: {_shown(files)}")
    return record


def _damaged(place: str, why: str) -> InputError:
    return InputError(
        f"{printable(place)}/{JOB}: damaged ({why}); delete the output, or choose another"
    )


def job_of(
    record: dict[str, Any],
    *,
    input: str,  # noqa: A002 - as the job has it
    output: str,
    plugins: Sequence[Plugin],
) -> Job:
    """Return the job that a record tells of, at the places where its files are now."""
    kept = ("recipe", "splits", "limits", "writer", "kind", "options")
    told = {name: record[name] for name in kept}
    try:
        job = Job.from_json(told | {"input": input, "output": output})
        writer_from_json(job.writer)
    except (TypeError, ValueError, LookupError, msgspec.MsgspecError) as error:
        raise _damaged(output, f"{type(error).__name__}: {error}") from error
    return replace(job, plugins=tuple(plugins))


def is_of_events(record: dict[str, Any]) -> bool:
    """Say whether an output was begun by events (`variegate.runs.events`), which list no inputs.

    A run of the same job over the same place may go on with it, and its record takes the place.
    """
    return record.get("input_files", {}) is None


def digest_of(record: dict[str, Any]) -> str:
    """Return what tells the results of a job of events from another's, libraries included."""
    decides = [list(_shared(record)), record["versions"]]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]


def differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Return what distinguishes two jobs' records, with both values; nothing if they are equal."""
    found = []
    for name, one, two in _compared(there, here):
        found += [
            f"{name}{path} ({_shown(left)} there, {_shown(right)} now)"
            for path, left, right in _unequal(one, two)
        ]
    return (
        found if len(found) <= _SHOWN else [*found[:_SHOWN], f"{len(found) - _SHOWN} more things"]
    )


def _compared(there: dict[str, Any], here: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    events = is_of_events(there) or is_of_events(here)
    one, two = dict(_shared(there)), dict(_shared(here))
    for name in dict.fromkeys((*one, *two)):
        if events or name != "the place of the inputs":
            yield name, one.get(name), two.get(name)
    if events:
        if not is_of_events(here):
            # A run does not look at the parts of events, which must be right about its files.
            yield "the versions", there.get("versions"), here["versions"]
        return
    listed = _inputs(there["input_files"], here["input_files"])
    yield listed
    yield "the format", there.get("format"), here["format"]
    yield "the kind of job", there.get("kind"), here["kind"]
    yield "the format of the output", _format(there), _format(here)
    yield "oriented boxes", _oriented(there), _oriented(here)
    if listed[1] == listed[2] and _format(there) == _format(here):
        yield "the writer", there.get("writer"), here["writer"]
        if _oriented(there) == _oriented(here):
            yield "the options", _deciding(there), _deciding(here)
    yield "the versions", there.get("versions"), here["versions"]


def _shared(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the name and value of everything that runs and events have in common."""
    for part, value in sorted(record["recipe"].items()):
        if part not in _APART:
            yield f"the recipe's {part}", value
    yield "the hints", record["hints"]
    yield "the seed", record["seed"]
    yield "the place of the inputs", str(record["input"]).rstrip("/")
    yield "the choice of splits", record["splits"]
    yield "the limits", record["limits"]
    yield "the plugins", record["plugins"]


def _format(record: dict[str, Any]) -> str:
    """Return the format into which a job converts."""
    if record.get("kind") != "convert":
        return "that of the input"
    return str(record.get("writer", {}).get("name"))


def _oriented(record: dict[str, Any]) -> bool:
    return bool((record.get("options") or {}).get("oriented_boxes"))


def _deciding(record: dict[str, Any]) -> dict[str, Any]:
    """Return the options that decide what is written: not that leaks were accepted.

    Nor where a model is: its identity is another option.
    """
    options = record.get("options") or {}
    return {name: value for name, value in options.items() if name not in ("allow_leaks", "model")}


def _inputs(there: dict[str, Any], here: dict[str, Any]) -> tuple[str, Any, Any]:
    """Return what distinguishes two listings: the plainest of it."""
    kinds = {
        "files": "the number of the input's files",
        "names": "the names of the input's files, here by their digest",
        "bytes": "the bytes of the input's files",
        "sizes": "the sizes of the input's files, here by their digest",
        "labels": "the labels and splits of the input's files, here by their digest",
    }
    key = next((key for key in kinds if there.get(key) != here[key]), "files")
    return kinds[key], there.get(key), here[key]


def _unequal(one: Any, two: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the places where two JSON values differ, as deep inside as their shapes are alike."""
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() & two.keys():
        for key in sorted(one.keys() | two.keys()):
            yield from _unequal(one.get(key), two.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for index, (left, right) in enumerate(zip(one, two, strict=True)):
            yield from _unequal(left, right, f"{path}[{index}]")
    elif one != two:
        yield path, one, two


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = f"{value:,}" if type(value) is int else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
