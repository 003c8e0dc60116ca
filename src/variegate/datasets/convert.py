"""From one format to another: the same core as every run, with nothing done to the images.

First one pass over the sources: what the new format cannot represent is counted, and names that
    would meet are found. Only then is anything written, image by image, so a conversion has
    workers, can be resumed, and can be verified and rebuilt, as any other output.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from variegate.errors import (
    ImageError,
    InputError,
    KeyRefusedError,
    OutputError,
    UsageError,
    did_you_mean,
)
from variegate.formats import DatasetFormat, Source, Writer, detect
from variegate.formats.conversion.areas import area_names, area_values
from variegate.formats.conversion.capabilities import Capabilities, Conversion
from variegate.formats.conversion.filenames import Names, first_naming, new_key, own_extension
from variegate.formats.conversion.losses import Loss, LossTally, is_carried
from variegate.formats.mask_pairs.values import read_mask
from variegate.formats.writer import WRITERS, DatasetInfo
from variegate.recipes.recipe import Recipe
from variegate.runs.run import (
    Options,
    Prepared,
    Progress,
    Summary,
    check_options,
    check_problems,
    run,
    workers_of,
)
from variegate.runs.sources import Listing, spool
from variegate.storage import Snapshot, Storage, check_apart, open_storage

# Keeps every result where its source was, so it is no format of a new set.
_NO_TARGET = "plain"


@dataclass(frozen=True, slots=True)
class PreparedConversion:
    """A conversion that has been checked: it can be carried out.

    Attributes:
        prepared: as for every run.
        to: name of the new format.
        losses: what changes, and what the new format cannot represent; data loss first.
        naming: how images are named, one of `naming.NAMINGS`, by its number.
        objects: how many there are.
    """

    prepared: Prepared
    to: str
    losses: tuple[Loss, ...]
    naming: int
    objects: int


def targets() -> list[str]:
    """Return the names of the formats that can be written."""
    return sorted(name for name in WRITERS if name != _NO_TARGET)


def convert(
    source: str | Path,
    output: str | Path,
    *,
    to: str,
    allow_loss: bool = False,
    oriented_boxes: bool = False,
    polygons: bool = False,
    options: Options | None = None,
    on_plan: Callable[[PreparedConversion], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Write a dataset in another format.

    Args:
        source: a folder, zip or tar file.
        output: a folder that is new, empty, or the same conversion's; or a zip file to be written.
        to: name of the new format, one of `targets()`.
        allow_loss: convert even if data is lost.
        oriented_boxes: boxes become oriented boxes, where the new format has them.
        polygons: masks become polygons, where the new format has both.
        options: how to read and run.
        on_plan: told what will be written and lost, before anything is.
        on_progress: told of the progress, some times a second.

    Raises:
        UsageError: the format is unknown, input, output or an option is not right, or data would
            be lost.
    """
    options, begun = options or Options(), time.monotonic()
    check_apart(source, output)
    with prepare_conversion(
        source, to=to, oriented_boxes=oriented_boxes, polygons=polygons, options=options
    ) as plan:
        summary = carry_out(
            plan,
            output,
            allow_loss=allow_loss,
            options=options,
            on_plan=on_plan,
            on_progress=on_progress,
        )
    return replace(summary, elapsed_s=time.monotonic() - begun)


def carry_out(
    plan: PreparedConversion,
    output: str | Path,
    *,
    allow_loss: bool,
    options: Options,
    on_plan: Callable[[PreparedConversion], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Write what was prepared; see `convert`.

    Raises:
        OutputError: data would be lost, or the output cannot be written.
    """
    if on_plan:
        on_plan(plan)
    grave = [loss.text for loss in plan.losses if loss.grave]
    if grave and not allow_loss:
        raise OutputError(
            f"{plan.to} cannot represent all of {plan.prepared.source.url}: {'; '.join(grave)}; "
            "allow that with --allow-loss (allow_loss=True), or choose another format"
        )
    return run(plan.prepared, output, options, on_progress=on_progress)


@contextmanager
def prepare_conversion(
    source: str | Path,
    *,
    to: str,
    oriented_boxes: bool = False,
    polygons: bool = False,
    options: Options | None = None,
) -> Iterator[PreparedConversion]:
    """Look through the sources once, and say what a conversion would write and lose.

    Raises:
        UsageError: the format is unknown, or input or an option is not right.
    """
    options = options or Options()
    check_options(options)
    check_target(to)
    storage = open_storage(source)
    with Snapshot(storage) as seen:
        dataset_format = detect(
            seen, name=options.format, label_pattern=options.label_pattern, hints=options.hints
        )
        listed = list_conversion(
            seen,
            dataset_format,
            to=to,
            oriented_boxes=oriented_boxes,
            polygons=polygons,
            options=options,
        )
    with planned(storage, listed, options) as plan:
        yield plan


def check_target(to: str) -> None:
    """Make sure that a format can be written.

    Raises:
        UsageError: there is none of that name.
    """
    if to not in targets():
        raise UsageError(
            f"format {to!r}: expected one of {', '.join(targets())}{did_you_mean(to, targets())}"
        )


@dataclass(frozen=True, slots=True)
class ListedConversion:
    """The one pass over the sources of a conversion, done. Its listing is to be closed.

    Attributes:
        dataset_format: how they are read.
        listing: the sources.
        to: name of the new format.
        look: what was seen.
    """

    dataset_format: DatasetFormat
    listing: Listing
    to: str
    look: "_Preparation"


def list_conversion(
    seen: Snapshot,
    dataset_format: DatasetFormat,
    *,
    to: str,
    oriented_boxes: bool = False,
    polygons: bool = False,
    options: Options,
) -> ListedConversion:
    """Look through the sources of a conversion once."""
    recipe = Recipe.from_data({"variants": "source"})
    look = _Preparation(dataset_format, seen, to, oriented_boxes=oriented_boxes, polygons=polygons)
    listing = spool(seen, dataset_format, recipe, limit=options.limit, on_source=look.add)
    return ListedConversion(dataset_format, listing, to, look)


@contextmanager
def planned(
    storage: Storage, listed: ListedConversion, options: Options
) -> Iterator[PreparedConversion]:
    """Say what a conversion of the listed sources would write and lose."""
    look = listed.look
    with listed.listing as listing:
        check_problems(listing, listed.dataset_format, options)
        writer, conversion = look.result(listing)
        prepared = Prepared(
            Recipe.from_data({"variants": "source"}),
            storage,
            listed.dataset_format,
            listing,
            workers_of(options),
            fresh=writer,
            kind="convert",
            options=conversion.to_json(),
            raw_labels=options.raw_labels,
        )
        losses = look.tally.losses(look.skeletons, look.mask_names)
        yield PreparedConversion(prepared, listed.to, losses, conversion.naming, look.tally.objects)


class _Preparation:
    """The one pass over the sources."""

    def __init__(
        self,
        dataset_format: DatasetFormat,
        storage: Storage,
        to: str,
        *,
        oriented_boxes: bool,
        polygons: bool,
    ) -> None:
        self._source_format = dataset_format
        self._storage = storage
        self._old = dataset_format.writer()
        self._kind = WRITERS[to]
        self.skeletons = dict(dataset_format.skeletons or self._old.skeletons)
        self.mask_names = tuple(self._old.set_extra.get("mask_classes", ()))
        self._writer = self._fresh(dataset_format.classes)
        self._conversion = Conversion.between(
            self._old, self._writer, oriented_boxes=oriented_boxes, polygons=polygons
        )
        self._areas = area_names(self.mask_names)
        self._has_areas = False
        self.tally = LossTally(Capabilities(self._writer, self._conversion))
        self._names = Names()

    def add(self, source: Source) -> str | None:
        """Take the next source; say why it can have no place in the new set, or None."""
        if is_carried(source):
            try:
                self._names.add(self._key(source, 0))
            except KeyRefusedError as error:
                return str(error)
        self._add_areas(source)
        self.tally.add(source)
        return None

    def _add_areas(self, source: Source) -> None:
        """Find the classes of a semantic mask that becomes objects."""
        annotation = source.annotation
        if not is_carried(source) or annotation is None or annotation.mask_file is None:
            return
        if not self.tally.fit.parts(annotation):
            return
        if not self.mask_names:
            # Nothing but the masks says which classes there are.
            with suppress(ImageError, InputError):
                values = area_values(read_mask(self._storage, annotation.mask_file))
                self._areas |= {value: str(value) for value in values}
        self._has_areas = True

    def result(self, listing: Listing) -> tuple[Writer, Conversion]:
        """Return the writer that knows all classes, and how labels come to it.

        Raises:
            OutputError: a class or a name cannot be written in this format.
        """
        naming = 0
        if self._names.repeat():
            naming = first_naming(
                lambda way: (self._key(s, way) for s in listing.sources() if is_carried(s))
            )
        # Those that no file of the set names come behind, whatever the order of the images.
        known = self._source_format.classes
        areas = tuple(sorted(self._areas.items())) if self._has_areas else ()
        if areas:
            # What is no object is no class either.
            others = {*self.mask_names} - {*self._areas.values()} - self.tally.categories
            known = tuple(name for name in known if name not in others)
            known = (*known, *(name for _, name in areas if name not in known))
        classes = (*known, *sorted(self.tally.categories - set(known)))
        more = {}
        if self.tally.painted:
            names = self.mask_names or ("background",)
            more["mask_classes"] = (*names, *(one for one in classes if one not in names))
        return self._fresh(classes, **more), replace(self._conversion, naming=naming, areas=areas)

    def _key(self, source: Source, naming: int) -> str:
        label = self.tally.fit.label(source)
        return new_key(self._writer, source, label, own_extension(source.key), naming)

    def _fresh(self, classes: tuple[str, ...], **more: Any) -> Writer:
        extra = {"images": sum(self._source_format.images.values()), **self._old.set_extra, **more}
        return self._kind.fresh(
            DatasetInfo(
                classes=classes,
                skeletons=self.skeletons,
                splits=self._source_format.splits,
                extra=extra,
            )
        )


def conversion_as_data(plan: PreparedConversion) -> dict[str, Any]:
    """Return JSON values of what a conversion would write and lose."""
    return {
        "to": plan.to,
        "images": plan.prepared.outputs,
        "objects": plan.objects,
        "losses": [asdict(loss) for loss in plan.losses],
    }
