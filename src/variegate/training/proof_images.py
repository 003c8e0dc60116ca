"""The images of a proof, dealt into folds: whole groups at a time."""

import csv
import hashlib
import json
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import cv2
import numpy as np

from variegate.codecs import decode
from variegate.datasets.inspection.figures import count_fault, kind_of_problem
from variegate.datasets.prepare.audit import GROUPS
from variegate.datasets.prepare.channel_sums import ChannelSums
from variegate.datasets.prepare.group_rules import group_rules
from variegate.datasets.prepare.leak_marks import (
    BYTES,
    DERIVED,
    ORIGINAL,
    PIXELS,
    Digests,
    SharedMarks,
)
from variegate.datasets.prepare.leaks import digest_of_pixels, leak_grade
from variegate.datasets.prepare.members import members
from variegate.datasets.prepare.split import SplitChoice, split
from variegate.datasets.prepare.split_table import SplitTable
from variegate.errors import ImageError, InputError
from variegate.formats import DatasetFormat, Source, detect
from variegate.formats.base import counted
from variegate.runs.run import Options
from variegate.storage import Snapshot, open_storage, printable
from variegate.training.contents import TEST, TRAIN, VALIDATION, TrainingImages, class_of
from variegate.training.options import TrainingRun
from variegate.training.proof import Proof, ProofDesign

#: In the output's folder.
FOLDS, GROUP_TABLE = "folds.csv", "groups.csv"
_LEAST_DEVIATION = 1 / 255


@dataclass(frozen=True, slots=True, eq=False)
class ProofImages:
    """The images of all folds, in one order.

    Attributes:
        place: of the dataset.
        dataset_format: in which it is.
        sources: the images.
        labels: (N,) numbers of their classes.
        folds: (N,) in which each is held out, from 1 on.
        groups: (N,) numbers of what belongs together.
        sums: of the channels of each.
        classes: names.
        digest: of names, classes, folds and bytes.
    """

    place: str
    dataset_format: DatasetFormat
    sources: tuple[Source, ...]
    labels: np.ndarray
    folds: np.ndarray
    groups: np.ndarray
    sums: tuple[ChannelSums, ...]
    classes: tuple[str, ...]
    digest: str

    def group_sizes(self) -> list[int]:
        """Return how many images each group has."""
        return [int(one) for one in np.unique(self.groups, return_counts=True)[1]]

    def parts(self, fold: int, *, search: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return which images are learned, and which are asked about.

        Of the search what is asked about is the first fold's validation part: the second fold,
        and the first is not touched.
        """
        if search:
            return self.folds > 2, self.folds == 2
        return self.folds != fold, self.folds == fold

    def training(self, learned: np.ndarray, judged: np.ndarray) -> TrainingImages:
        """Return some images as those of a training; mean and deviation are of what is learned."""

        def chosen(places: np.ndarray) -> tuple[Source, ...]:
            return tuple(self.sources[one] for one in np.flatnonzero(places).tolist())

        def added(one: ChannelSums, other: ChannelSums) -> ChannelSums:
            one.add(other)
            return one

        kept = (self.sums[one] for one in np.flatnonzero(learned).tolist())
        figures = reduce(added, kept, ChannelSums()).figures
        assert figures is not None
        return TrainingImages(
            place=self.place,
            dataset_format=self.dataset_format,
            classes=self.classes,
            sources={TRAIN: chosen(learned), VALIDATION: (), TEST: chosen(judged)},
            mean=tuple(figures.mean),
            std=tuple(max(one, _LEAST_DEVIATION) for one in figures.std),
            digest=self.digest,
        )


def proof_images(
    source: str | Path, folder: Path, design: ProofDesign, run: TrainingRun, proof: Proof
) -> ProofImages:
    """Deal the images into folds.

    Args:
        source: a dataset of images with one class each.
        folder: gets folds and groups.
        design: how many folds.
        run: how it is read.
        proof: gets notes, and what is left out.

    Raises:
        InputError: there is nothing to learn, or the same image is in two folds.
    """
    group = [*run.group]
    if design.audit is not None:
        write_groups(design.audit, folder / GROUP_TABLE)
        group.append(f"{folder / GROUP_TABLE}:group")
    options = Options(
        format=run.format, label_pattern=run.label_pattern, hints=run.hints, limits=run.limits
    )
    choice = SplitChoice(folds=design.folds, group=tuple(group), seed=design.seed)
    split(source, csv=folder / FOLDS, choice=choice, options=options)
    if not group:
        proof.notes.append(
            "every image is taken for a group of its own; if some show the same thing, name what "
            "belongs together with --group or --audit, or the result is too good"
        )
    return _Reader(str(source), run, design, proof).read(folder / FOLDS)


class _Reader:
    """Looks at every image once."""

    def __init__(self, place: str, run: TrainingRun, design: ProofDesign, proof: Proof) -> None:
        self._place, self._run, self._gray, self._proof = place, run, design.gray, proof

    def read(self, folds: Path) -> ProofImages:
        place, run = self._place, self._run
        limits = run.hints.decoding(run.limits)
        storage = open_storage(place)
        kept: list[Source] = []
        sums: list[ChannelSums] = []
        digest = hashlib.sha256()
        with (
            Snapshot(storage) as seen,
            SplitTable.read(folds) as table,
            SharedMarks() as marks,
        ):
            found = detect(seen, name=run.format, label_pattern=run.label_pattern, hints=run.hints)
            rows = {one.key: one for one in table.rows()}
            rules, number = group_rules((), seen), marks.take_manifest(place)
            for one in members(found, seen):
                if len(one.shares) != 1:
                    self._leave_out(one, "not of one class")
                    continue
                try:
                    data = storage.read(one.key, limit=limits.max_bytes)
                    image = decode(data, limits=limits)
                except (ImageError, InputError) as error:
                    self._leave_out(one, str(error))
                    continue
                if one.key in rows:
                    kept.append(one)
                    sums.append(self._sums(image))
                    told = f"{one.key}\t{class_of(one)}\t{rows[one.key].split}\t"
                    digest.update(told.encode("utf-8", "surrogateescape"))
                    content = hashlib.sha256(data).digest()
                    digest.update(content)
                    digests = Digests(content, digest_of_pixels(image))
                    marks.add(one, rows[one.key].split, digests, rules, number)
            _refuse_leaks(place, marks)
        if not kept:
            raise InputError(f"{printable(place)}: no image has one class as a whole")
        classes = tuple(sorted({class_of(one) for one in kept}))
        if len(classes) < 2:
            raise InputError(f"{printable(place)}: expected at least two classes")
        numbers = {name: number for number, name in enumerate(classes)}
        names = [rows[one.key].group or one.key for one in kept]
        return ProofImages(
            place=place,
            dataset_format=found,
            sources=tuple(kept),
            labels=np.array([numbers[class_of(one)] for one in kept]),
            folds=np.array([int(rows[one.key].split.removeprefix("fold")) for one in kept]),
            groups=np.unique(names, return_inverse=True)[1],
            sums=tuple(sums),
            classes=classes,
            digest=digest.hexdigest()[:16],
        )

    def _leave_out(self, source: Source, reason: str) -> None:
        example = f"{printable(source.key)}: {reason}"
        count_fault(self._proof.left_out, kind_of_problem(reason), example)

    def _sums(self, image: np.ndarray) -> ChannelSums:
        if self._gray and image.ndim == 3:
            image = cv2.cvtColor(np.ascontiguousarray(image[:, :, :3]), cv2.COLOR_RGB2GRAY)
        return ChannelSums.of(image)


def _refuse_leaks(place: str, marks: SharedMarks) -> None:
    """Make sure that nothing is in two folds.

    Raises:
        InputError: something is.
    """
    grades = [leak_grade(marks, one, "") for one in (BYTES, PIXELS, DERIVED, ORIGINAL)]
    worst = next((one for one in grades if one.count), None)
    if worst is None:
        return
    files = [f"{part}: {names[0]}" for part, names in worst.examples[0].files.items()]
    sets = counted(sum(one.count for one in grades), "set of images is", "sets of images are")
    raise InputError(
        f"{printable(place)}: {sets} in two folds, such as {', '.join(files)} ({worst.grade}); "
        "name what belongs together with --audit (the folder of variegate audit) or --group, or "
        "give the originals alone"
    )


def write_groups(audited: str | Path, path: Path) -> None:
    """Write the groups of an audit as a table of files and groups; what touches is one group.

    Raises:
        InputError: it is no folder of an audit.
    """
    storage = open_storage(audited)
    if not storage.exists(GROUPS):
        raise InputError(f"--audit {printable(str(audited))}: there is no {GROUPS}")
    parents: dict[str, str] = {}

    def top(name: str) -> str:
        while parents.setdefault(name, name) != name:
            name = parents[name]
        return name

    with storage.open_read(GROUPS) as lines:
        for line in lines:
            one = json.loads(line)
            for member in one["members"]:
                first, second = sorted((top(one["representative"]), top(member["key"])))
                parents[second] = first
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "group"))
        writer.writerows((name, top(name)) for name in sorted(parents))
