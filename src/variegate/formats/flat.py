"""Label in the file name: ``resistor.fd3c38e8.png``, ``resistor_001.png``, or by a pattern."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from variegate.errors import UsageError
from variegate.formats.base import DatasetFormat, NotThisFormat, Recognised, counted, named
from variegate.formats.plain import FlatNamesWriter
from variegate.formats.scan import LabelRule, Survey
from variegate.storage import Storage, printable

# A label has at least one letter; what follows it must not be part of another label.
_LETTER = r"[^\W\d_]"
_BEFORE_DOT = re.compile(rf"(?P<label>[^./]*{_LETTER}[^./]*)\.[^/]+\.[^./]+")
_BEFORE_NUMBER = re.compile(
    rf"(?P<label>[^/]*{_LETTER}[^/]*?)(?:[ _-]+\d+|[ _-]*\(\d+\))(?:\.[^./]+)?"
)
# What cameras, phones and programs call every image.
_CAMERA_WORDS = {
    *("cimg", "dji", "dsc", "dscf", "dscn", "gopr", "imag", "img", "mvi", "p", "pict", "pxl"),
    *("sam", "vid", "wp"),
    *("copy", "file", "frame", "image", "pic", "picture", "photo", "scan", "screenshot"),
    *("untitled", "video"),
}
# This share of the images must have a label that others have too.
_REPEATED = 0.9


@dataclass(frozen=True, slots=True)
class NameRule:
    """Takes the label from a key; a class, so that a format can be pickled."""

    heading: str
    pattern: re.Pattern[str]
    whole_key: bool = False

    def __call__(self, key: str) -> str | None:
        if self.whole_key:
            found = self.pattern.search(key)
        else:
            found = self.pattern.fullmatch(key[key.rfind("/") + 1 :])
        return found["label"] or None if found else None


NAME_RULES: Mapping[str, LabelRule] = {
    "dot": NameRule("label in the file name, before the first dot", _BEFORE_DOT),
    "number": NameRule("label in the file name, before the number", _BEFORE_NUMBER),
}


def pattern_rules(pattern: str) -> Mapping[str, LabelRule]:
    """Return the one rule that a user's `--label-pattern` makes.

    Raises:
        UsageError: it is no regular expression, or has no group called "label".
    """
    example = r"such as '(?P<label>[^_]+)_\d+'"
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"--label-pattern {pattern!r}: not a regular expression: {error}; write one {example}"
        ) from error
    if "label" not in compiled.groupindex:
        raise UsageError(
            f"--label-pattern {pattern!r}: no group called 'label'; put one around what is the "
            f"label, {example}"
        )
    return {"pattern": NameRule(f"label by the pattern {pattern!r}", compiled, whole_key=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatNames(DatasetFormat):
    """The label is a part of each file's name; folders above name splits at most."""

    name: ClassVar[str] = "flat"
    bare: ClassVar[bool] = True

    rule: NameRule

    @classmethod
    def recognise(cls, survey: Survey, storage: Storage, *, chosen: bool) -> Recognised:
        by_pattern = "pattern" in survey.rules
        if (survey.groups or survey.stray_folders) and not chosen:
            return NotThisFormat("images stand in folders")
        problem = "no rule fits"
        for name, rule in survey.rules.items():
            counts = survey.tally.labels.get(name)
            trusted = by_pattern or chosen
            problem = _problem(counts, survey.tally.count, trusted=trusted)
            if not problem and counts and isinstance(rule, NameRule):
                return cls._of(survey, rule, counts)
        return NotThisFormat(problem)

    @classmethod
    def _of(cls, survey: Survey, rule: NameRule, counts: Counter[str]) -> DatasetFormat:
        unlabelled = survey.tally.count - counts.total()
        count = counted(unlabelled, "image has", "images have")
        return cls(
            root=survey.prefix,
            split_folders=survey.split_folders,
            classes=tuple(sorted(counts)),
            images=survey.images,
            notes=(f"{count} no label in the name",) if unlabelled else (),
            rule=rule,
        )

    @property
    def heading(self) -> str:
        return printable(self.rule.heading)

    def label(self, key: str) -> str | None:
        return None if self.inside(key) is None else self.rule(key)

    def writer(self) -> FlatNamesWriter:
        return FlatNamesWriter(classes=self.classes)


def _problem(counts: Counter[str] | None, images: int, *, trusted: bool) -> str:
    """Say why these labels cannot be labels, or return ""."""
    if counts is None:
        return "the names do not repeat"
    if not counts:
        return "no name holds a label"
    if trusted:
        return ""
    repeated = {label: count for label, count in counts.items() if count > 1}
    if len(repeated) < 2 or sum(repeated.values()) < _REPEATED * images:
        return "the names do not share two or more labels"
    if words := [label for label in repeated if label.lower() in _CAMERA_WORDS]:
        return f"the names are those that cameras and programs give, {named(words)}"
    return ""
