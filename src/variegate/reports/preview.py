"""Contact sheets of what a recipe would make, and of what a run has made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from variegate.annotations.annotation import Annotation, Skeleton
from variegate.annotations.conversion import read as read_labels
from variegate.annotations.rules import LabelRule
from variegate.annotations.sample import Image, Size, size_of
from variegate.codecs import decode, decode_mask
from variegate.errors import ImageError, InputError, UsageError
from variegate.formats import Source, writer_from_json
from variegate.recipes.policies import Place, expand
from variegate.recipes.recipe import Recipe
from variegate.reports.captions import caption, from_operations
from variegate.reports.overlay import LabelledImage
from variegate.reports.sheet import Cell, SheetRow, contact_sheet
from variegate.runs.augmenter import make_variants, targets_of
from variegate.runs.estimate import evenly, spread
from variegate.runs.identity import JOB, read_record
from variegate.runs.job import Job
from variegate.runs.output import read_manifest
from variegate.runs.render import Rendered
from variegate.runs.rows import Row
from variegate.runs.run import Options, load_recipe, prepare
from variegate.storage import Storage, key_to_text, open_storage

# Some of the chosen may not be readable; others take their place.
_SPARE = 3


def preview(
    source: str | Path,
    *,
    recipe: Recipe | str | Path | None = None,
    options: Options | None = None,
    images: int = 6,
    variants: int = 7,
    name: str = "",
    labels: bool = True,
) -> Image:
    """Draw what a recipe would make of some images, evenly spread; nothing is written.

    Args:
        source: a folder or zip file.
        recipe: as for `variegate.augment`.
        options: how the input is read.
        images: rows.
        variants: columns besides the source, evenly spread over all variants.
        name: what to call the recipe in the title.
        labels: draw boxes, outlines, masks and keypoints over the images.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        UsageError: input, recipe or an option is not right.
    """
    loaded, options = load_recipe(recipe, None), options or Options()
    chosen = _chosen(loaded, variants)
    with prepare(source, loaded, options) as prepared:
        job = prepared.job(options)
        rows: list[SheetRow] = []
        for one in spread(prepared, images * _SPARE):
            try:
                rows.append(_previewed(job, prepared.source, one, chosen, labels=labels))
            except (ImageError, InputError):
                continue
        if not rows:
            raise InputError(f"{source}: none of the images tried can be read; try another folder")
        rows = [rows[number] for number in evenly(images, len(rows))]
    return contact_sheet(
        rows,
        title=f"{name or 'recipe'}: {_results(loaded.count())} an image, seed {loaded.seed}",
        subtitle=loaded.description,
        header=["source", *(f"variant {index}" for index in chosen)],
    )


def _chosen(recipe: Recipe, variants: int) -> list[int]:
    """Return numbers of variants, evenly spread; the source stands beside them anyway."""
    first = next(expand(recipe.policy, Place(recipe.seed, ""), (), 0))
    skipped = int(not first.steps and recipe.count() > 1)
    return [skipped + index for index in evenly(variants, recipe.count() - skipped)]


def _results(count: int) -> str:
    return "1 result" if count == 1 else f"{count:,} results"


def _previewed(
    job: Job, inputs: Storage, one: Source, chosen: list[int], *, labels: bool
) -> SheetRow:
    """Make a row: the source and the chosen variants, exactly as a run would make them."""
    data = inputs.read(one.key, limit=job.limits.max_bytes)
    skeletons = writer_from_json(job.writer).skeletons

    def cell(image: Image, words: str, made: Rendered | None = None) -> Cell:
        known = targets_of(job, one, made) if labels and one.annotation is not None else None
        over = LabelledImage(known, size_of(image), skeletons) if known is not None else None
        return Cell(image, words, over)

    source = decode(data, limits=job.limits, keep_alpha=True)
    cells = [cell(source, _source_caption(one.key, one.label))]
    for index in chosen:
        for made in make_variants(job, one, only=index):
            words = caption(made.variant.drawn) + _mixed(made.labels)
            cells.append(cell(decode(made.encoded, keep_alpha=True), words, made))
    return SheetRow(tuple(cells))


def _mixed(labels: Mapping[str, float]) -> str:
    """Return the classes of an image that is made of several: "; cat 0.7, dog 0.3"."""
    if not any(0 < share < 1 for share in labels.values()):
        return ""
    most = sorted(labels.items(), key=lambda item: -item[1])
    return "; " + ", ".join(f"{name} {share:.2f}" for name, share in most)


def _source_caption(key: str, label: str | None) -> str:
    name = key_to_text(key).rpartition("/")[2]
    return f"{name} ({label})" if label is not None else name


def preview_output(
    output: str | Path, *, images: int = 6, variants: int = 7, labels: bool = True
) -> Image:
    """Draw some of what a finished run has made, evenly spread, beside their sources.

    Labels are those of the written files.

    Raises:
        InputError: it is no finished output.
    """
    storage = open_storage(output)
    if not storage.exists(JOB):
        raise InputError(f"{output}: not an output of variegate: it holds no {JOB}")
    record = read_record(storage.read(JOB), storage.url)
    table = read_manifest(output, columns=["source", "status"])
    sources = pc.unique(table.filter(pc.equal(table["status"], "output"))["source"]).to_pylist()
    if not sources:
        raise InputError(f"{output}: the run made no variants; there is nothing to preview")
    wanted = [sources[number] for number in evenly(images, len(sources))]
    found = read_manifest(output, where={"source": wanted}).to_pylist()
    # The source stands beside them anyway.
    changed = sorted({row["variant"] for row in found if row["name"] != "source"})
    numbers = changed or sorted({row["variant"] for row in found})
    chosen = [numbers[place] for place in evenly(variants, len(numbers))]
    per_image = table.filter(pc.equal(table["source"], wanted[0])).num_rows
    inputs = _inputs(record["input"])
    recipe = Recipe.from_data(record["recipe"])
    reader = _WrittenLabels(storage, recipe.labels, writer_from_json(record["writer"]).skeletons)
    rows = []
    for number in wanted:
        made = {row["variant"]: Row.from_fields(row) for row in found if row["source"] == number}
        cells = (
            _made_cell(storage, made.get(index), reader if labels else None) for index in chosen
        )
        rows.append(SheetRow((_source_cell(inputs, next(iter(made.values()))), *cells)))
    return contact_sheet(
        rows,
        title=f"{len(sources):,} images x {per_image:,}, seed {record['seed']}",
        subtitle=recipe.description,
        header=["source", *(f"variant {index}" for index in chosen)],
    )


def _inputs(place: str) -> Storage | None:
    """Open the sources, if they are still there."""
    try:
        return open_storage(place)
    except UsageError:
        return None


def _source_cell(inputs: Storage | None, row: Row) -> Cell | None:
    if inputs is None:
        return None
    try:
        return Cell(
            decode(inputs.read(row.key), keep_alpha=True), _source_caption(row.key, row.label)
        )
    except (UsageError, ImageError):
        return None


def _made_cell(storage: Storage, row: Row | None, reader: "_WrittenLabels | None") -> Cell | None:
    if row is None or row.output is None:
        return None
    try:
        image = decode(storage.read(row.output), keep_alpha=True)
        known = reader.of(row, size_of(image)) if reader else None
    except (UsageError, ImageError):
        return None
    words = caption(from_operations(json.loads(row.operations or "[]")))
    return Cell(image, words + _mixed(json.loads(row.labels or "{}")), known)


@dataclass(frozen=True, slots=True)
class _WrittenLabels:
    """Reads what a run has written about its results."""

    storage: Storage
    rule: LabelRule
    skeletons: Mapping[str, Skeleton]

    def of(self, row: Row, size: Size) -> LabelledImage | None:
        if row.annotation is None:
            return None
        annotation = Annotation.from_json(json.loads(row.annotation))
        targets = read_labels(
            annotation,
            size,
            rule=self.rule,
            skeletons=self.skeletons,
            load_mask=lambda key: decode_mask(self.storage.read(key)),
        )
        return LabelledImage(targets, size, self.skeletons)
