"""Split a dataset into parts: every class in its share, nothing that belongs together apart."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from variegate.datasets.convert import (
    PreparedConversion,
    carry_out,
    check_target,
    list_conversion,
    planned,
    targets,
)
from variegate.datasets.prepare.group_rule import GroupRule
from variegate.datasets.prepare.group_rules import group_rules
from variegate.datasets.prepare.image_table import NO_LABEL, ImageTable
from variegate.datasets.prepare.members import members
from variegate.datasets.prepare.parts import DEFAULT_PARTS, Parts, is_fold
from variegate.datasets.prepare.solver import Groups, solve
from variegate.datasets.prepare.split_report import SplitReport, describe
from variegate.datasets.prepare.split_table import PlacedImages, SplitRow, SplitTable
from variegate.errors import InputError, UsageError
from variegate.formats import DatasetFormat, detect
from variegate.formats.base import counted
from variegate.runs.run import Options, Progress, Summary, check_options
from variegate.seeding import check_seed
from variegate.storage import Snapshot, Storage, check_apart, open_storage, printable

GIVEN = "given"
_TOLD_EVERY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitChoice:
    """How to split.

    Attributes:
        parts: their shares, such as "70/15/15".
        folds: equal parts for cross-validation instead.
        fold: the fold that is for validation in a dataset that is written.
        group: what belongs together, by one rule or more.
        keep: a split.csv, or "given" for the splits that the dataset has: what is assigned stays.
        seed: decides between equal solutions.
    """

    parts: str = DEFAULT_PARTS
    folds: int | None = None
    fold: int | None = None
    group: Sequence[str] = ()
    keep: str | Path | None = None
    seed: int = 0

    def made(self) -> Parts:
        """Return the parts.

        Raises:
            UsageError: an option is out of range, or goes with another.
        """
        check_seed(self.seed)
        if self.folds is None:
            if self.fold is not None:
                raise UsageError(f"--fold {self.fold}: expected with --folds, such as --folds 5")
            return Parts.parse(self.parts)
        if self.parts != DEFAULT_PARTS:
            raise UsageError("--parts and --folds: expected one of them, got both")
        if self.fold is not None and not 1 <= self.fold <= self.folds:
            raise UsageError(f"--fold {self.fold}: expected 1 to {self.folds}, one of the folds")
        return Parts.folds(self.folds)


def split(
    source: str | Path,
    output: str | Path | None = None,
    *,
    csv: str | Path | None = None,
    choice: SplitChoice | None = None,
    to: str | None = None,
    allow_loss: bool = False,
    options: Options | None = None,
    on_split: Callable[[SplitReport], None] | None = None,
    on_plan: Callable[[PreparedConversion], None] | None = None,
    on_look: Callable[[int, int], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> tuple[SplitReport, Summary | None]:
    """Split a dataset; write the list of its images, and the dataset organized by split.

    Args:
        source: a folder, zip or tar file, or bucket.
        output: where the dataset goes, in its own format, as of a conversion; None for nowhere.
        csv: file for the list: file, split, group, class; None for none.
        choice: how to split.
        to: another format for the output.
        allow_loss: write it even if data is lost.
        options: how to read and run.
        on_split: told of the split before anything is written.
        on_plan: told what the output will be, before it is written.
        on_look: told how many images of how many were read.
        on_progress: told of the progress of the output, some times a second.

    Returns:
        What the split is like, and the summary of the output.

    Raises:
        UsageError: a split cannot be made, or input, output or an option is not right.
    """
    choice, options = choice or SplitChoice(), options or Options()
    check_options(options)
    parts = choice.made()
    if output is not None:
        check_apart(source, output)
        if choice.folds is not None and choice.fold is None:
            raise UsageError(
                "--folds: an output has one fold for validation and the others for training; say "
                "which, such as --fold 1, or leave out OUT and name a file with --csv"
            )
        if to is not None:
            check_target(to)
    with ExitStack() as stack:
        storage = open_storage(source)
        seen = stack.enter_context(Snapshot(storage))
        dataset_format = detect(
            seen, name=options.format, label_pattern=options.label_pattern, hints=options.hints
        )
        if output is not None and to is None:
            to = _own_format(dataset_format)
        found, table = stack.enter_context(
            _made(str(source), seen, dataset_format, parts, choice, on_look)
        )
        if on_split:
            on_split(found)
        if csv is not None:
            table.write(Path(csv))
            found.csv = str(csv)
        if output is None or to is None:
            return found, None
        fold = None if choice.fold is None else f"fold{choice.fold}"
        organized = PlacedImages.of(dataset_format, table, fold)
        listed = list_conversion(seen, organized, to=to, options=options)
        plan = stack.enter_context(planned(storage, listed, options))
        summary = carry_out(
            plan,
            output,
            allow_loss=allow_loss,
            options=options,
            on_plan=on_plan,
            on_progress=on_progress,
        )
        found.output = str(output)
        return found, summary


def _own_format(dataset_format: DatasetFormat) -> str:
    name = dataset_format.writer().name if dataset_format.name not in targets() else None
    found = name or dataset_format.name
    if found not in targets():
        raise UsageError(
            f"{dataset_format.name}: no output can be written in this format; choose another, such "
            "as --to classes, or leave out OUT and name a file with --csv"
        )
    return found


@contextmanager
def _made(
    place: str,
    seen: Storage,
    dataset_format: DatasetFormat,
    parts: Parts,
    choice: SplitChoice,
    on_look: Callable[[int, int], None] | None,
) -> Iterator[tuple[SplitReport, SplitTable]]:
    """Read the annotations, and decide."""
    rules = group_rules(choice.group, seen)
    found = SplitReport(
        place=place,
        format=dataset_format.name,
        description=dataset_format.description,
        notes=list(dataset_format.notes),
        seed=choice.seed,
        wanted=dict(zip(parts.names, parts.shares, strict=True)),
    )
    with ExitStack() as stack:
        images = stack.enter_context(ImageTable())
        old = _kept(choice, dataset_format, parts)
        if isinstance(old, SplitTable):
            stack.enter_context(old)
        _read(images, seen, dataset_format, rules, old, on_look)
        if not images.count:
            raise InputError(f"{place}: no images that can be used; see variegate inspect {place}")
        groups, columns = images.groups(parts.names)
        _check_groups(place, groups, parts, choice)
        numbers = solve(groups, parts.array, seed=choice.seed)
        table = stack.enter_context(SplitTable())
        names = images.names()
        for key, part, name, classes in images.put(numbers):
            shown = tuple(names[number] for number in classes if names[number] != NO_LABEL)
            table.add(SplitRow(key, parts.names[part], name, shown))
        describe(found, images, groups, columns, numbers, parts, rules)
        found.notes += _given_notes(dataset_format, choice)
        yield found, table


def _kept(
    choice: SplitChoice, dataset_format: DatasetFormat, parts: Parts
) -> "SplitTable | str | None":
    """Return where images are already: a table, "given", or None; all in parts that there are."""
    if choice.keep is None:
        return None
    if str(choice.keep) == GIVEN:
        known, where, old = list(dataset_format.splits), "the dataset", None
        if not known:
            raise InputError("--keep given: the dataset has no splits; leave it out")
    else:
        old = SplitTable.read(choice.keep)
        known, where = sorted(old.counts), str(choice.keep)
    other = [name for name in known if parts.number(name) < 0]
    if other:
        if old is not None:
            old.__exit__()
        wanted = "--folds" if all(map(is_fold, other)) else "--parts"
        raise UsageError(
            f"--keep: {where} has images in {', '.join(other)}, and the parts are "
            f"{', '.join(parts.names)}; choose others with {wanted}"
        )
    return GIVEN if old is None else old


def _read(
    images: ImageTable,
    seen: Storage,
    dataset_format: DatasetFormat,
    rules: list[GroupRule],
    old: "SplitTable | str | None",
    on_look: Callable[[int, int], None] | None,
) -> None:
    total = sum(dataset_format.images.values())
    for source in members(dataset_format, seen):
        groups = [rule.group(source) for rule in rules]
        before = near = None
        if isinstance(old, SplitTable):
            before = old.split_of(source.key)
            if before is None:
                near = _near(old, groups)
        elif old == GIVEN:
            before = source.split
        images.add(source, groups, old=before, near=near)
        if on_look and images.count % _TOLD_EVERY == 0:
            on_look(min(images.count, total), total)


def _near(old: SplitTable, groups: list[str | None]) -> str | None:
    """Return the part that an image's group was in, though its other images are gone."""
    names = (name for name in groups if name is not None)
    return min((part for name in names for part in old.splits_of_group(name)), default=None)


def _check_groups(place: str, groups: Groups, parts: Parts, choice: SplitChoice) -> None:
    """Make sure that no part has to stay empty.

    Raises:
        InputError: one has to.
    """
    fixed = {int(one) for one in np.unique(groups.fixed) if one >= 0}
    free = int((groups.fixed < 0).sum())
    if len(fixed) + free >= len(parts.names):
        return
    images = counted(int(groups.totals[0]), "image", "images")
    held = counted(groups.count, "group", "groups")
    remedy = (
        "choose fewer parts, or groups that are smaller"
        if choice.group
        else "choose fewer parts, or add images"
    )
    if fixed:
        remedy = "add images of other groups, or leave out --keep"
    raise InputError(
        f"{printable(place)}: its {images} in {held} cannot fill {len(parts.names)} parts "
        f"({', '.join(parts.names)}), for a group is never divided; {remedy}"
    )


def _given_notes(dataset_format: DatasetFormat, choice: SplitChoice) -> list[str]:
    if not dataset_format.splits or choice.keep is not None:
        return []
    there = ", ".join(f"{name} {dataset_format.images[name]:,}" for name in dataset_format.splits)
    return [f"the splits that it has ({there}) are made anew; --keep given keeps them"]
