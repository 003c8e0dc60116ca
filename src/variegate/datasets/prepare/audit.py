"""From a heap of files to what is in it: measures, flags, and groups of duplicates.

Measuring is a run as every other. What it leaves is read again at the end, and each time that the
same command is given: flags and groups follow from the measures, so other thresholds cost no
second look at the pixels.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from variegate.datasets.prepare.auditor import FEATURES, measures_of
from variegate.datasets.prepare.duplicates import Collection, find_duplicates
from variegate.datasets.prepare.flags import FLAGS, Thresholds, flags_of
from variegate.datasets.prepare.groups import Found, Group
from variegate.datasets.prepare.index import (
    INDEX,
    ImageIndex,
    KnownImage,
    index_head,
    index_line,
    known_images,
)
from variegate.datasets.prepare.labels import LabelAudit, LabelCounter
from variegate.datasets.prepare.relations import GRADES
from variegate.errors import OutputError
from variegate.formats import detect
from variegate.formats.base import counted
from variegate.formats.plain import PlainWriter
from variegate.recipes.recipe import Recipe
from variegate.runs import manifest
from variegate.runs.run import (
    Options,
    Prepared,
    Progress,
    check_options,
    check_problems,
    run,
    workers_of,
)
from variegate.runs.sources import Listing, spool
from variegate.storage import Snapshot, Storage, check_apart, key_to_text, open_storage, printable
from variegate.storage.json import dumped
from variegate.storage.local import LocalStorage

IMAGES, GROUPS, SUMMARY = "images.jsonl", "groups.jsonl", "audit.json"
#: One line for each image that shows what one of another audit's index shows.
KNOWN = "against.jsonl"
_EXAMPLES = 3
_MOST_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeCount:
    """How many images are duplicates of one grade.

    Attributes:
        images: beside those that represent them.
        examples: in words.
    """

    images: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstCount:
    """What a heap has in common with what was audited before.

    Attributes:
        place: of the images that are known, as their audit named it.
        images: that are known.
        found: images of the heap that show what one of them shows, by grade.
    """

    place: str
    images: int
    found: dict[str, GradeCount]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What is in a heap.

    Attributes:
        place, output: the heap, and where the tables are.
        description: its format, as far as it has one.
        images, quarantined, skipped: files; their sum is all of them.
        reasons: why files were quarantined, with counts.
        kinds, modes: of images, with counts.
        turned: images whose EXIF orientation is not upright.
        flags: images by flag.
        thresholds: that decided.
        groups, again: groups of duplicates; of what was photographed again.
        duplicates: by grade.
        judged: pairs that were registered.
        labels: what is known of the annotations; None without any.
        against: what is in another audit's index, too; None where none was named.
        features: identity of the model whose answers brought candidates; None for none.
        notes: what should be known.
        elapsed_s: seconds, of this command.
    """

    place: str
    output: str
    description: str
    images: int
    quarantined: int
    skipped: int
    reasons: dict[str, int]
    kinds: dict[str, int]
    modes: dict[str, int]
    turned: int
    flags: dict[str, int]
    thresholds: dict[str, float]
    groups: int
    again: int
    duplicates: dict[str, GradeCount]
    judged: int
    labels: LabelAudit | None = None
    against: AgainstCount | None = None
    features: str | None = None
    notes: tuple[str, ...] = ()
    elapsed_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def audit(
    source: str | Path,
    output: str | Path,
    *,
    thresholds: Mapping[str, str] | None = None,
    keep_exif: bool = False,
    against: str | Path | None = None,
    features: str | Path | None = None,
    options: Options | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_pairs: Callable[[int, int], None] | None = None,
) -> Audit:
    """Measure every image of a heap, flag what is odd, and group what shows the same.

    Args:
        source: a folder, zip or tar file, or bucket. Nothing in it is changed.
        output: a folder or bucket that is new, empty, or the same audit's. It gets `images.jsonl`,
            one line an image, `groups.jsonl`, one line a group, `audit.json`, and `prepare.index`,
            by which these images are recognised again without their files.
        thresholds: of flags, by name; see `Thresholds`.
        keep_exif: also keep camera and time of EXIF.
        against: `prepare.index` of another audit, or its folder: images that are known there are
            listed in `against.jsonl`.
        features: a model in a file, with its card beside it: images that it sees as similar are
            candidates, too.
        options: how to read and run.
        on_progress: told of the progress of measuring, some times a second.
        on_pairs: told how many candidates of at most how many were registered.

    Raises:
        UsageError: input, output or an option is not right.
    """
    begun, options = time.monotonic(), options or Options()
    levels = Thresholds.of(thresholds or {})
    check_options(options)
    check_apart(source, output)
    if str(output).lower().endswith((".zip", ".tar")):
        raise OutputError(f"{output}: an audit writes tables; name a folder or a bucket")
    asked = job_options(keep_exif=keep_exif, features=features)
    storage = open_storage(source)
    with ExitStack() as stack:
        index = None if against is None else stack.enter_context(ImageIndex.open(against))
        seen = stack.enter_context(Snapshot(storage))
        found = detect(
            seen, name=options.format, label_pattern=options.label_pattern, hints=options.hints
        )
        recipe = Recipe.from_data({"variants": "source"})
        # No result takes a name that another may want.
        listed = spool(seen, found, recipe, limit=options.limit, on_source=lambda _: None)
        listing = stack.enter_context(listed)
        check_problems(listing, found, options)
        prepared = Prepared(
            recipe,
            storage,
            found,
            listing,
            workers_of(options),
            fresh=PlainWriter(),
            kind="audit",
            options=asked,
        )
        summary = run(prepared, output, options, on_progress=on_progress)
        model = asked[FEATURES]["identity"] if FEATURES in asked else None
        made = _Evaluation(storage, open_storage(output), levels, options, listing, model)
        result = made.result(on_pairs, index)
    result = replace(result, description=summary.format, notes=(*summary.notes, *result.notes))
    open_storage(output).write(SUMMARY, dumped(result.to_json()) + b"\n")
    return replace(result, elapsed_s=time.monotonic() - begun)


def job_options(*, keep_exif: bool, features: str | Path | None) -> dict[str, Any]:
    """Return the options of an audit's job.

    Raises:
        UsageError: the model cannot be used.
    """
    asked: dict[str, Any] = {"keep_exif": True} if keep_exif else {}
    if features is not None:
        # Models are dear to import.
        from variegate.models.embeddings import embedding_spec

        asked[FEATURES] = embedding_spec(features)
    return asked


@dataclass(slots=True)
class _Tally:
    """Counts of images, and what flags need to know of all of them."""

    counts: dict[str, Counter[str]] = field(
        default_factory=lambda: {
            name: Counter() for name in ("status", "reason", "kind", "mode", "flag")
        }
    )
    turned: int = 0
    unseen: int = 0


class _Evaluation:
    """What follows from the measures."""

    def __init__(
        self,
        source: Storage,
        output: Storage,
        thresholds: Thresholds,
        options: Options,
        listing: Listing,
        model: str | None,
    ) -> None:
        self._source = source
        self._output = output
        self._thresholds = thresholds
        self._options = options
        self._collection = Collection()
        self._tally = _Tally()
        self._listing = listing
        self._model = model
        self._labels = LabelCounter(thresholds)

    def result(
        self, on_pairs: Callable[[int, int], None] | None, index: ImageIndex | None
    ) -> Audit:
        """Read the measures, find groups, write the tables."""
        usual = self._read()
        local = type(self._source) is LocalStorage
        threads = min(_MOST_THREADS, os.cpu_count() or 1) if local else 1
        limits = self._options.hints.decoding(self._options.limits)
        found = find_duplicates(
            self._collection, self._source, limits, threads=threads, on_progress=on_pairs
        )
        against = None
        if index is None:
            # What an earlier audit left is of another index.
            self._output.delete(KNOWN)
        else:
            known = known_images(
                index,
                self._collection,
                self._source,
                limits,
                features=self._model,
                threads=threads,
                on_progress=on_pairs,
            )
            self._write_known(known)
            against = _against(index, known)
        self._write_images(found, usual)
        self._write_groups(found)
        counts = self._tally.counts
        return Audit(
            place=self._source.url,
            output=self._output.url,
            description="",
            images=len(self._collection),
            quarantined=counts["status"]["quarantined"],
            skipped=counts["status"]["skipped"],
            reasons=_ordered(counts["reason"]),
            kinds=_ordered(counts["kind"]),
            modes=_ordered(counts["mode"]),
            turned=self._tally.turned,
            flags={name: counts["flag"][name] for name in FLAGS},
            thresholds=self._thresholds.to_json(),
            groups=len(found.groups),
            again=len(found.again),
            duplicates=self._grades(found),
            judged=found.judged,
            labels=self._labels.result(),
            against=against,
            features=self._model,
            notes=tuple(self._notes(index)),
        )

    def _notes(self, index: ImageIndex | None) -> Iterator[str]:
        if self._model is not None and self._tally.unseen:
            images = counted(self._tally.unseen, "image", "images")
            yield f"{images} of which the model of --features sees nothing"
        if index is not None and index.features != self._model:
            yield (
                "--against: its index was made "
                f"{'without' if index.features is None else 'with another model for'} --features; "
                "what is known is searched by hashes and words alone"
            )

    def _read(self) -> float:
        """Take all measures; return the usual longest side."""
        sides: list[int] = []
        counts = self._tally.counts
        rows = zip(manifest.rows(self._output), self._listing.sources(), strict=True)
        for row, listed in rows:
            one = measures_of(row)
            self._labels.problems(listed)
            if one is None:
                counts["status"][row.status] += 1
                if row.status == "quarantined":
                    counts["reason"][kind_of_reason(row.reason or "")] += 1
                continue
            self._collection.add(row.key, one)
            self._tally.unseen += not one.features
            self._labels.add(listed, (one.height, one.width))
            sides.append(max(one.height, one.width))
            counts["kind"][one.kind] += 1
            counts["mode"][one.mode] += 1
            self._tally.turned += one.orientation != 1
        return float(np.median(sides)) if sides else 1.0

    def _write_images(self, found: Found, usual: float) -> None:
        """Write one line an image, or a file that is none, in the order of the listing."""
        groups = {n: g for g in found.groups for n in (g.representative, *g.members)}
        again = {n: g for g in found.again for n in (g.representative, *g.members)}
        keys, number = self._collection.keys, 0
        with (
            self._output.open_write(IMAGES) as file,
            self._output.open_write(INDEX) as index,
        ):
            index.write(index_head(self._source.url, len(keys), self._model))
            for row in manifest.rows(self._output):
                line: dict[str, Any] = {"key": key_to_text(row.key), "status": row.status}
                one = measures_of(row)
                if one is None:
                    line["reason"] = row.reason
                else:
                    flags = flags_of(one, self._thresholds, usual)
                    self._tally.counts["flag"].update(flags)
                    line |= {"status": "image", "label": row.label, "split": row.split}
                    line |= {"flags": flags, **one.to_json()}
                    del line["words"], line["small"], line["features"]
                    index.write(index_line(row.key, one))
                    for name, by_number in (("group", groups), ("again", again)):
                        if number in by_number:
                            best = by_number[number].representative
                            line[name] = key_to_text(keys[best])
                    number += 1
                shown = {name: value for name, value in line.items() if value is not None}
                file.write(dumped(shown) + b"\n")

    def _write_groups(self, found: Found) -> None:
        keys = self._collection.keys
        with self._output.open_write(GROUPS) as file:
            for what, groups in (("same", found.groups), ("again", found.again)):
                for group in groups:
                    best = keys[group.representative]
                    members = [
                        {
                            "key": key_to_text(keys[number]),
                            **asdict(relation),
                            "sentence": relation.sentence(printable(best), printable(keys[number])),
                        }
                        for number, relation in group.members.items()
                    ]
                    line = {"group": what, "representative": key_to_text(best), "members": members}
                    file.write(dumped(line) + b"\n")

    def _write_known(self, known: Iterable[KnownImage]) -> None:
        with self._output.open_write(KNOWN) as file:
            for one in known:
                line = {
                    "key": key_to_text(one.key),
                    "known": key_to_text(one.known),
                    **asdict(one.relation),
                    "sentence": one.sentence,
                }
                file.write(dumped(line) + b"\n")

    def _grades(self, found: Found) -> dict[str, GradeCount]:
        sentences: dict[str, list[str]] = {grade: [] for grade in GRADES}
        counts = Counter[str]()
        for group, number in _members((*found.groups, *found.again)):
            relation = group.members[number]
            counts[relation.grade] += 1
            if len(sentences[relation.grade]) < _EXAMPLES:
                names = (self._collection.keys[one] for one in (group.representative, number))
                sentences[relation.grade].append(relation.sentence(*map(printable, names)))
        return {
            grade: GradeCount(images=counts[grade], examples=tuple(sentences[grade]))
            for grade in GRADES
        }


def _against(index: ImageIndex, known: list[KnownImage]) -> AgainstCount:
    by_grade: dict[str, list[KnownImage]] = {grade: [] for grade in GRADES}
    for one in known:
        by_grade[one.relation.grade].append(one)
    return AgainstCount(
        place=index.place,
        images=len(index.collection),
        found={
            grade: GradeCount(
                images=len(ones), examples=tuple(one.sentence for one in ones[:_EXAMPLES])
            )
            for grade, ones in by_grade.items()
        },
    )


def _members(groups: Iterable[Group]) -> Iterator[tuple[Group, int]]:
    for group in groups:
        for number in group.members:
            yield group, number


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def kind_of_reason(reason: str) -> str:
    """Return a reason without what differs from file to file, and without the remedy."""
    return re.split(r" \(|; |:", reason, maxsplit=1)[0]
