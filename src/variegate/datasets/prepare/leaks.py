"""What stands on two sides of a split, or in two datasets: by grade, from the surest on.

Digests and names of groups wait on disk (`leak_marks`); only what is on two sides comes back.
"""

import csv
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from variegate.codecs import Limits, decode
from variegate.datasets.inspection.figures import Faults, count_fault, kind_of_problem
from variegate.datasets.prepare.audit_rule import is_audit
from variegate.datasets.prepare.group_rule import GroupRule
from variegate.datasets.prepare.group_rules import OriginalRule, group_rules
from variegate.datasets.prepare.index import INDEX
from variegate.datasets.prepare.leak_marks import (
    BYTES,
    DERIVED,
    GROUP,
    ORIGINAL,
    PIXELS,
    Digests,
    SharedMarks,
)
from variegate.datasets.prepare.members import members
from variegate.datasets.prepare.split_table import placed
from variegate.datasets.prepare.threads import worked_on
from variegate.errors import ImageError, InputError, OutputError, UsageError, without_password
from variegate.formats import NO_HINTS, Hints, Source, detect
from variegate.formats.formulas import guarded
from variegate.storage import Snapshot, Storage, key_to_text, open_storage, printable

_SHOWN = 10
_FILES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """Images on two sides that should be on one.

    Attributes:
        name: of the group; "" where it has none.
        images: how many, by side.
        files: the first of each side.
    """

    name: str
    images: dict[str, int]
    files: dict[str, list[str]]


@dataclass(slots=True, kw_only=True)
class LeakGrade:
    """All leaks of one grade.

    Attributes:
        grade: "same bytes", "same pixels", "same source", "same original" or "same group".
        rule: of groups: what they go by.
        count: how many sets of images are on two sides.
        images: in them.
        examples: the first of them.
    """

    grade: str
    rule: str = ""
    count: int = 0
    images: int = 0
    examples: list[Leak] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class LeakReport:
    """What was found.

    Attributes:
        place: of the dataset.
        against: of the other one, or None.
        notes: what should be known.
        images: that were compared, by side.
        grades: every grade that was looked for, found or not.
        leaks: how many sets of images there are on two sides.
        unplaced: images that are in no split, which were not compared.
        not_decoded: images whose pixels could not be compared, by reason.
        csv: file that was written, or None.
    """

    place: str
    against: str | None = None
    notes: list[str] = field(default_factory=list)
    images: dict[str, int] = field(default_factory=dict)
    grades: list[LeakGrade] = field(default_factory=list)
    leaks: int = 0
    unplaced: int = 0
    not_decoded: Faults = field(default_factory=dict)
    csv: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakOptions:
    """How datasets are read and compared.

    Attributes:
        format, label_pattern, hints, limits: of the dataset.
        group: what belongs together besides, by one rule or more.
        splits: a split.csv, instead of the dataset's own splits.
        fold: of folds there, the one for validation.
        workers: threads; 0 for none but this one, None for one a processor.
    """

    format: str | None = None
    label_pattern: str | None = None
    hints: Hints = NO_HINTS
    limits: Limits = field(default_factory=Limits)
    group: Sequence[str] = ()
    splits: str | Path | None = None
    fold: int | None = None
    workers: int | None = None


def leaks(
    source: str | Path,
    *,
    against: str | Path | None = None,
    csv: str | Path | None = None,
    options: LeakOptions | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> LeakReport:
    """Find what is on two sides of a dataset's splits, or in two datasets.

    Args:
        source: a folder, zip or tar file, or bucket.
        against: another dataset, such as a public test set; then splits do not matter.
        csv: file for all that is found: grade, set, file, side; None for none.
        options: how to read and compare.
        on_progress: told how many images of how many are done.

    Raises:
        UsageError: a dataset cannot be read, or there is nothing to compare.
    """
    options = options or LeakOptions()
    here = without_password(str(source))
    there = None if against is None else without_password(str(against))
    if here == there:
        raise UsageError(f"--against {there}: expected another dataset than the first")
    if against is not None and _is_index(str(against)):
        raise UsageError(
            f"--against {there}: an index of variegate audit holds no images; variegate audit "
            f"{here} OUT --against {there} finds what both have, by grade"
        )
    report = LeakReport(place=here, against=there)
    with SharedMarks() as marks:
        if against is None:
            rules = _look(marks, report, str(source), None, options, on_progress)
            if len(report.images) < 2:
                raise InputError(
                    f"{source}: its images are not in two splits; name its split.csv with "
                    "--splits, or another dataset with --against"
                )
        else:
            rules = _look(marks, report, str(source), here, options, on_progress)
            other = LeakOptions(group=options.group, workers=options.workers, limits=options.limits)
            _look(marks, report, str(against), there, other, on_progress)
        wanted = [(BYTES, ""), (PIXELS, ""), (DERIVED, ""), (ORIGINAL, "")]
        wanted += [(GROUP, one.description) for one in rules if not isinstance(one, OriginalRule)]
        for grade, rule in wanted:
            report.grades.append(leak_grade(marks, grade, rule))
        report.leaks = sum(one.count for one in report.grades)
        if csv is not None:
            _write(marks, wanted, Path(csv))
            report.csv = str(csv)
    return report


def _is_index(place: str) -> bool:
    return place.rstrip("/").endswith(INDEX) or is_audit(place)


def _look(
    marks: "SharedMarks",
    report: LeakReport,
    place: str,
    side: str | None,
    options: LeakOptions,
    on_progress: Callable[[int, int], None] | None,
) -> list[GroupRule]:
    """Take the images of a dataset; all of them on one side, or each in its split's."""
    limits = options.hints.decoding(options.limits)
    with Snapshot(open_storage(place)) as seen:
        detected = detect(
            seen, name=options.format, label_pattern=options.label_pattern, hints=options.hints
        )
        rules = group_rules(options.group, seen)
        number = marks.take_manifest(place)
        with placed(detected, options.splits, options.fold) as dataset_format:
            report.notes += dataset_format.notes
            total = sum(dataset_format.images.values())

            def work(storage: Storage, one: Source) -> Digests:
                return _digests(storage, one, limits)

            sources = members(dataset_format, seen)
            done = worked_on(sources, place, work, workers=options.workers)
            for count, (one, digests) in enumerate(done, 1):
                where = side or one.split
                if on_progress:
                    on_progress(min(count, total), total)
                if digests.fault is not None:
                    example = f"{printable(one.key)}: {digests.fault}"
                    kind = kind_of_problem(digests.fault)
                    count_fault(report.not_decoded, kind, example)
                if where is None:
                    report.unplaced += 1
                    continue
                report.images[where] = report.images.get(where, 0) + 1
                marks.add(one, where, digests, rules, number)
        report.notes += [note for rule in rules for note in rule.notes()]
    return rules


def _digests(storage: Storage, source: Source, limits: Limits) -> Digests:
    content = None
    try:
        data = storage.read(source.key, limit=limits.max_bytes)
        # As the manifest has it.
        content = hashlib.sha256(data).digest()
        return Digests(content, digest_of_pixels(decode(data, limits=limits)))
    except (ImageError, InputError) as error:
        reason = str(error).removeprefix(f"{storage.place(source.key)}: ")
        return Digests(content, fault=reason)


def digest_of_pixels(image: np.ndarray) -> bytes:
    """Return what tells an upright image's pixels; gray ones are those of three equal channels."""
    rgb = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image
    digest = hashlib.blake2b(repr(rgb.shape).encode(), digest_size=16)
    digest.update(rgb.data)
    return digest.digest()


def leak_grade(marks: SharedMarks, grade: str, rule: str) -> LeakGrade:
    """Return all of a grade."""
    found = LeakGrade(grade=grade, rule=rule)
    for name, rows in marks.sets(grade, rule):
        found.count += 1
        found.images += len(rows)
        if len(found.examples) < _SHOWN:
            found.examples.append(_leak(name, rows))
    return found


def _leak(name: str, rows: list[tuple[str, str]]) -> Leak:
    images: dict[str, int] = {}
    files: dict[str, list[str]] = {}
    for key, side in rows:
        images[side] = images.get(side, 0) + 1
        shown = files.setdefault(side, [])
        if len(shown) < _FILES_SHOWN:
            shown.append(key_to_text(key))
    return Leak(name=name, images=images, files=files)


def _write(marks: SharedMarks, wanted: Iterable[tuple[str, str]], path: Path) -> None:
    """Write all sets, a line for each image.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("grade", "rule", "set", "name", "file", "side"))
            for grade, rule in wanted:
                for number, (name, rows) in enumerate(marks.sets(grade, rule), 1):
                    for key, side in rows:
                        cells = (grade, rule, number, key_to_text(name), key_to_text(key), side)
                        writer.writerow(map(guarded, cells))
    except OSError as error:
        raise OutputError(
            f"{printable(str(path))}: cannot be written ({error.strerror}); name another file"
        ) from error
