"""From a heap to a clean dataset: audited, decided, written normally, and accounted for."""

import hashlib
import io
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from variegate.datasets.prepare.account import Account, account_of
from variegate.datasets.prepare.audit import SUMMARY, audit, job_options
from variegate.datasets.prepare.auditor import FEATURES
from variegate.datasets.prepare.cleaner import KINDS_WRITTEN
from variegate.datasets.prepare.decisions import DECISIONS, DecisionTable, write_decisions
from variegate.datasets.prepare.flags import Thresholds
from variegate.datasets.prepare.names import check_scheme
from variegate.datasets.prepare.proposal import dropped_flags, proposed
from variegate.datasets.prepare.selection import Selection
from variegate.errors import InputError, OutputError, RecipeError, did_you_mean
from variegate.formats import detect
from variegate.recipes.recipe import Recipe
from variegate.runs import manifest
from variegate.runs.identity import JOB, differences, read_record, record_of
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
from variegate.runs.update import PREVIOUS
from variegate.storage import Snapshot, Storage, check_apart, open_storage, printable
from variegate.storage.archive import ArchiveStorage
from variegate.storage.json import dumped
from variegate.storage.sharded import ShardedTarStorage

#: What the folder of an audit holds of a preparation, beside the decisions.
REPORT = "prepare.json"
# The decisions as they were proposed last: others were edited.
_PROPOSAL = f"{manifest.FOLDER}/proposal.csv"
#: How the folder of the audit is called, behind the name of the output.
AUDIT = ".audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """How a clean dataset is written.

    Attributes:
        kind: of its files: "jpeg", "png", or "auto", which keeps these two and makes JPEG files of
            what usually was compressed with loss already, PNG files of the rest.
        names: scheme: "keep", "numbered" or "digest".
        longest_side: larger images are reduced to it; None for any.
        quality: of JPEG files that are encoded.
        keep_metadata: EXIF stays, and in files that are not encoded anew everything else, too.
    """

    kind: str = "auto"
    names: str = "keep"
    longest_side: int | None = None
    quality: int = 95
    keep_metadata: bool = False

    def recipe(self) -> Recipe:
        """Return what is made of every image.

        Raises:
            RecipeError: a value is not right.
        """
        if self.kind not in KINDS_WRITTEN:
            raise RecipeError(
                f"--to {self.kind}: expected {', '.join(KINDS_WRITTEN[:-1])} or "
                f"{KINDS_WRITTEN[-1]}{did_you_mean(self.kind, list(KINDS_WRITTEN))}"
            )
        if self.longest_side is not None and self.longest_side < 1:
            raise RecipeError(f"longest_side: expected at least 1, got {self.longest_side}")
        output = {"quality": self.quality, "subsampling": "same"}
        return Recipe.from_data({"variants": "source", "output": output})

    def to_json(self) -> dict[str, Any]:
        """Return the options of the job."""
        return {
            "kind": self.kind,
            "longest_side": self.longest_side or 0,
            "keep_metadata": self.keep_metadata,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Who is told how far it is.

    Attributes:
        on_measured: of the progress of measuring.
        on_pairs: how many candidates of at most how many were registered.
        on_written: of the progress of writing.
    """

    on_measured: Callable[[Progress], None] | None = None
    on_pairs: Callable[[int, int], None] | None = None
    on_written: Callable[[Progress], None] | None = None


def prepare_dataset(
    source: str | Path,
    output: str | Path,
    *,
    cleaning: Cleaning | None = None,
    audit_folder: str | Path | None = None,
    decisions: str | Path | None = None,
    drop: str = "",
    thresholds: Mapping[str, str] | None = None,
    features: str | Path | None = None,
    against: str | Path | None = None,
    options: Options | None = None,
    listeners: Listeners | None = None,
) -> Account:
    """Make a clean dataset of a heap.

    Args:
        source: a folder, zip or tar file, or bucket. Nothing in it is changed.
        output: a folder that is new, empty, or the same preparation's, which then follows the
            decisions as they are now; a bucket; or a zip file to be written.
        cleaning: how it is written.
        audit_folder: for the tables of the audit, and the decisions; beside the output by default,
            its name with ".audit" behind it. An audit that is there is gone on with, or used.
        decisions: a table of decisions, edited perhaps; None to apply what is proposed.
        drop: flags, with commas between them; what has one is removed, in what is proposed.
        thresholds: of flags, by name; see `Thresholds`.
        features: a model whose answers bring more candidates; see `audit`.
        against: `prepare.index` of another audit, or its folder: what shows the same as an image
            that is known there is removed, in what is proposed.
        options: how to read and run.
        listeners: told of the progress.

    Raises:
        UsageError: input, output, decisions or an option is not right.
    """
    begun, options = time.monotonic(), options or Options()
    cleaning, listeners = cleaning or Cleaning(), listeners or Listeners()
    recipe, scheme = cleaning.recipe(), check_scheme(cleaning.names)
    flags = dropped_flags(drop)
    if flags and decisions is not None:
        raise RecipeError("--drop: it proposes decisions, and --decisions brings those to apply")
    check_options(options)
    check_apart(source, output)
    beside = f"{str(output).rstrip('/')}{AUDIT}"
    folder = str(audit_folder or beside).rstrip("/")
    check_apart(source, folder)
    check_apart(output, folder)
    if against is not None and decisions is not None:
        raise RecipeError("--against: it proposes decisions, and --decisions brings those to apply")
    search = _Search(thresholds or {}, features, against)
    audited = _audited(source, folder, search, options, listeners)
    if decisions is None:
        _propose(audited, flags, against=against is not None)
        decisions = f"{folder}/{DECISIONS}"
    storage = open_storage(source)
    with ExitStack() as stack:
        table = stack.enter_context(DecisionTable(decisions))
        seen = stack.enter_context(Snapshot(storage))
        found = detect(
            seen, name=options.format, label_pattern=options.label_pattern, hints=options.hints
        )
        chosen = Selection(audited, table, found, scheme, storage.url)
        listing = stack.enter_context(
            spool(seen, found, recipe, limit=options.limit, on_source=lambda _: None, change=chosen)
        )
        _check_same(audited, listing, chosen)
        chosen.check_names()
        check_problems(listing, found, options)
        prepared = Prepared(
            recipe,
            storage,
            found,
            listing,
            workers_of(options),
            kind="prepare",
            options=cleaning.to_json(),
            raw_labels=options.raw_labels,
        )
        follows = _is_other(prepared, output, options)
        options = replace(options, update=follows, prune=follows)
        summary = run(prepared, output, options, on_progress=listeners.on_written)
    account = account_of(storage.url, str(decisions), audited, summary)
    audited.write(REPORT, dumped(account.to_json()) + b"\n")
    return replace(account, elapsed_s=time.monotonic() - begun)


@dataclass(frozen=True, slots=True)
class _Search:
    """How a heap is audited."""

    thresholds: Mapping[str, str]
    features: str | Path | None
    against: str | Path | None


def _audited(
    source: str | Path,
    folder: str,
    search: _Search,
    options: Options,
    listeners: Listeners,
) -> Storage:
    """Return the tables of the audit, made now or before."""
    # What is known elsewhere is searched anew: the index may be another one now.
    if search.against is not None or not _is_audited(folder, search):
        audit(
            source,
            folder,
            thresholds=search.thresholds,
            features=search.features,
            against=search.against,
            options=options,
            on_progress=listeners.on_measured,
            on_pairs=listeners.on_pairs,
        )
    return open_storage(folder)


def _is_audited(folder: str, search: _Search) -> bool:
    """Say whether an audit like this is finished, and nothing is to be tried again."""
    levels = json.loads(dumped(Thresholds.of(search.thresholds).to_json()))
    asked = job_options(keep_exif=False, features=search.features)
    try:
        tables = open_storage(folder)
        if not tables.exists(SUMMARY) or not tables.exists(manifest.MANIFEST):
            return False
        summary = json.loads(tables.read(SUMMARY))
        same = summary.get("thresholds") == levels
        if FEATURES in asked:
            same = same and summary.get("features") == asked[FEATURES]["identity"]
        return same and not manifest.totals(tables).transient
    except (InputError, ValueError, AttributeError):
        # Not there yet, or damaged: it is made, or made anew.
        return False


def _propose(audited: Storage, flags: Collection[str], *, against: bool) -> None:
    """Write the proposed decisions, unless a person has edited those that are there.

    Raises:
        OutputError: somebody has.
    """
    with tempfile.TemporaryFile() as binary:
        text = io.TextIOWrapper(binary, "utf-8", newline="")
        write_decisions(text, proposed(audited, flags, against=against))
        text.flush()
        if audited.exists(DECISIONS):
            there, last = _digest(audited, DECISIONS), _digest(audited, _PROPOSAL)
            binary.seek(0)
            if there not in (last, hashlib.file_digest(binary, "sha256").digest()):
                place = printable(audited.place(DECISIONS))
                raise OutputError(
                    f"{place}: was edited since it was proposed; apply it with --decisions "
                    f"{place}, or delete it to propose anew"
                )
        for key in (DECISIONS, _PROPOSAL):
            binary.seek(0)
            with audited.open_write(key) as file:
                shutil.copyfileobj(binary, file)
        text.detach()


def _digest(storage: Storage, key: str) -> bytes:
    if not storage.exists(key):
        return b""
    with storage.open_read(key) as file:
        return hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]


def _check_same(audited: Storage, listing: Listing, chosen: Selection) -> None:
    """Make sure that the files listed are those that were audited.

    Raises:
        InputError: their number, names, sizes or times are others.
    """
    record = read_record(audited.read(JOB), audited.url)
    there = record["input_files"] or {}
    if any(there.get(name) != listing.identity[name] for name in ("files", "names", "sizes")):
        raise chosen.changed()


def _is_other(prepared: Prepared, output: str | Path, options: Options) -> bool:
    """Say whether an output is finished that followed other decisions.

    Raises:
        OutputError: it cannot be changed.
    """
    try:
        there = open_storage(output)
        if not there.exists(JOB):
            return False
        record = read_record(there.read(JOB), there.url)
    except InputError:
        return False
    if there.exists(PREVIOUS):
        return True
    now = record_of(
        prepared.job(options, str(output)),
        format=prepared.dataset_format.option,
        label_pattern=options.label_pattern,
        hints=options.hints,
        input_files=prepared.listing.identity,
    )
    if not there.exists(manifest.MANIFEST) or not differences(record, now):
        return False
    if isinstance(there, ArchiveStorage | ShardedTarStorage):
        raise OutputError(
            f"{printable(there.url)}: holds the results of other decisions or options, and what is "
            "packed cannot follow; choose another output, or delete this one"
        )
    return True
