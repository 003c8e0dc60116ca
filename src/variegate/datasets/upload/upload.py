"""A dataset into a project of Edge Impulse: every image once, where it belongs.

The images are read one after the other, and those that share category, label and metadata are
sent together, a few requests at a time. What is in memory is bounded: `_OPEN_BYTES` of images that
wait for others, and `_FLYING_BYTES` in requests.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from variegate.codecs import Limits
from variegate.datasets.prepare.threads import worked_on
from variegate.datasets.upload.edge_impulse import (
    ApiKey,
    EdgeImpulse,
    Endpoints,
    NotAnswered,
    Pace,
    ServiceAnswer,
)
from variegate.datasets.upload.log import SENDING, LogEntry, UploadLog
from variegate.datasets.upload.payload import MOST_FILES, Payload, prepared
from variegate.datasets.upload.selection import Choice, UploadImage, UploadSelection, selected
from variegate.datasets.upload.tally import (
    CONFLICT,
    DUPLICATE,
    FAILED,
    PRESENT,
    UNUSABLE,
    UPLOADED,
    UploadSummary,
)
from variegate.errors import ImageError, InputError, OutputError, StoreError
from variegate.seeding import generator
from variegate.storage import Storage, printable

CONCURRENCY = 4

# Those who read wait until four times as many images are dealt with.
_READERS, _REMOTE_READERS = 2, 8
_BATCH_BYTES = 8 << 20
_OPEN_BYTES = 32 << 20
_FLYING_BYTES = 64 << 20
# So often in a row, and nothing goes through: the service is not well.
_MOST_FAILURES = 20
_WAITING = "waiting"
_SENT = frozenset((SENDING, "failed", "stored"))
_LOOKS, _LOOK_PAUSE_S = 20, 0.5
_FAR = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions:
    """How an upload is carried out.

    Attributes:
        choice: of images, and where they go.
        limits: of decoding.
        log: file that says what was sent; None for one beside the working directory's files, named
            after the dataset.
        concurrency: requests at a time.
        project: number of the project, where it is known.
        job: number of the job that made the images, for blocks of synthetic data.
        dry_run: look at everything, send nothing.
    """

    choice: Choice = field(default_factory=Choice)
    limits: Limits = field(default_factory=Limits)
    log: Path | None = None
    concurrency: int = CONCURRENCY
    project: str | None = None
    job: str | None = None
    dry_run: bool = False


def upload(
    place: str | Path,
    key: ApiKey | None,
    endpoints: Endpoints,
    options: UploadOptions | None = None,
    *,
    on_selection: Callable[[UploadSelection], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> UploadSummary:
    """Upload a dataset to the project of a key.

    Args:
        place: a folder, zip or tar file, or bucket; nothing in it is changed.
        key: of the project; None in a dry run.
        endpoints: of the service.
        options: how.
        on_selection: told what will be uploaded, before anything is sent.
        on_progress: told how many images of how many are dealt with.

    Raises:
        UsageError: dataset, key or an option is not right.
        OutputError: the project drops boxes, or the log is another's.
        StoreError: the service does not answer; the same call resumes.
    """
    options, begun = options or UploadOptions(), time.monotonic()
    path = None if options.dry_run else options.log or default_log(str(place))
    summary = UploadSummary(
        str(place),
        endpoints.ingestion,
        dry_run=options.dry_run,
        log=None if path is None else str(path),
    )
    with selected(str(place), options.choice) as selection:
        summary.notes += selection.dataset_format.notes
        if on_selection:
            on_selection(selection)
        if key is None or options.dry_run:
            with closing(UploadLog(None, {})) as log:
                _Transfer(None, log, summary, options).run(selection, on_progress)
        else:
            rng = generator(int.from_bytes(os.urandom(7), "big"), "upload")
            with closing(EdgeImpulse(key, endpoints, Pace(rng), job=options.job)) as service:
                summary.project = service.project(options.project)
                target = {"endpoint": endpoints.ingestion, "project": summary.project}
                with closing(UploadLog(path, target)) as log:
                    _Transfer(service, log, summary, options).run(selection, on_progress)
    summary.elapsed_s = time.monotonic() - begun
    return summary


def default_log(place: str) -> Path:
    """Return where the log of an upload is: in the working directory, named after the dataset."""
    name = place.rstrip("/").rpartition("/")[2] or "dataset"
    return Path(f"{printable(name)}.edge-impulse.jsonl")


@dataclass(frozen=True, slots=True)
class _Looked:
    """An image that was read: its payload, or why there is none."""

    part: UploadImage
    payload: Payload | None
    fault: str | None
    notes: Counter[str]


class _Transfer:
    """One pass over the images. Whatever is counted is counted in the thread that calls `run`."""

    def __init__(
        self,
        service: EdgeImpulse | None,
        log: UploadLog,
        summary: UploadSummary,
        options: UploadOptions,
    ) -> None:
        self._service = service
        self._log = log
        self._summary = summary
        self._options = options
        self._notes: Counter[str] = Counter()
        self._open: dict[tuple[str, str | None, str], list[Payload]] = {}
        self._open_bytes = 0
        self._flying: dict[Future[list[ServiceAnswer]], list[Payload]] = {}
        self._failures = 0
        self._done = 0
        self._total = 0
        self._on_progress: Callable[[int, int], None] | None = None

    def run(
        self, selection: UploadSelection, on_progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Deal with every image."""
        self._total, self._on_progress = selection.total, on_progress
        pool = ThreadPoolExecutor(self._options.concurrency, thread_name_prefix="upload")
        try:
            for looked in self._looked(selection):
                self._take(looked, pool)
            while self._open:
                self._close_largest(pool)
            self._collect(until=0)
        finally:
            if self._service is not None:
                # Threads that wait for the service to be well again end now.
                self._service.halt()
            pool.shutdown(cancel_futures=True)
        for note, count in sorted(self._notes.items()):
            self._summary.notes.append(f"{count:,} x {note}")

    def _looked(self, selection: UploadSelection) -> Iterator[_Looked]:
        workers = _REMOTE_READERS if "://" in selection.storage.url else _READERS

        def look(storage: Storage, part: UploadImage) -> _Looked:
            return _look(part, storage, self._options.limits)

        for _, looked in worked_on(selection.parts(), self._summary.place, look, workers=workers):
            yield looked

    def _take(self, looked: _Looked, pool: ThreadPoolExecutor) -> None:
        part, payload = looked.part, looked.payload
        self._notes.update(looked.notes)
        if part.problems:
            what = "faults in annotations: repaired or left out (variegate inspect lists them)"
            self._notes[what] += len(part.problems)
        if payload is None:
            self._count(part, UNUSABLE, f"{printable(part.key)}: {looked.fault}")
        elif (state := self._known(payload)) is not None:
            self._count(part, state, printable(part.key) if state == CONFLICT else None)
        elif self._service is None:
            self._count_sent(payload)
            self._count(part, UPLOADED)
        elif payload.boxes and not self._log.boxes_seen:
            # One after the other, until it is seen that the project keeps boxes.
            self._collect(until=0)
            self._fly([payload], pool)
            self._collect(until=0)
        else:
            self._add(payload, pool)

    def _known(self, payload: Payload) -> str | None:
        """Return the state of bytes that were dealt with; None for those that are to be sent."""
        digest, meaning = payload.digest, payload.meaning
        entry = self._log.find(digest)
        if entry is None:
            self._log.mark(digest, LogEntry(_WAITING, meaning, here=True))
            return None
        if entry.here:
            return DUPLICATE if entry.meaning == meaning else CONFLICT
        # Whether the project kept its boxes was not seen: it is sent again, to be told its number.
        unseen = bool(payload.boxes) and not self._log.boxes_seen
        if entry.state in ("stored", "present") and not unseen:
            self._log.mark(digest, replace(entry, here=True))
            if entry.meaning != meaning:
                self._notes[
                    "images of which the log says that they were uploaded before, in another "
                    "split or with other labels: change those in the studio"
                ] += 1
                return CONFLICT
            if entry.state == "stored":
                self._summary.boxes += len(payload.boxes or ())
                return UPLOADED
            return PRESENT
        # It is sent again, and the same bytes under another name are not. What was sent with
        # another label, split or boxes is not taken for this image when the service has it.
        state = entry.state if entry.meaning == meaning else _WAITING
        self._log.mark(digest, LogEntry(state, meaning, here=True))
        return None

    def _add(self, payload: Payload, pool: ThreadPoolExecutor) -> None:
        batch = payload.batch
        if batch is None:
            self._fly([payload], pool)
            return
        waiting = self._open.setdefault(batch, [])
        size = sum(len(one.data) for one in waiting)
        if waiting and (len(waiting) >= MOST_FILES or size + len(payload.data) > _BATCH_BYTES):
            self._close(batch, pool)
            waiting = self._open.setdefault(batch, [])
        waiting.append(payload)
        self._open_bytes += len(payload.data)
        while self._open_bytes > _OPEN_BYTES or len(self._open) > MOST_FILES:
            self._close_largest(pool)

    def _close_largest(self, pool: ThreadPoolExecutor) -> None:
        self._close(max(self._open, key=lambda one: len(self._open[one])), pool)

    def _close(self, batch: tuple[str, str | None, str], pool: ThreadPoolExecutor) -> None:
        payloads = self._open.pop(batch)
        self._open_bytes -= sum(len(one.data) for one in payloads)
        self._fly(payloads, pool)

    def _fly(self, payloads: list[Payload], pool: ThreadPoolExecutor) -> None:
        """Send a batch, as soon as there is room for it."""
        size = sum(len(one.data) for one in payloads)
        self._collect(until=self._options.concurrency * 2 - 1)
        while self._flying and self._flying_bytes() + size > _FLYING_BYTES:
            self._collect(until=len(self._flying) - 1)
        self._flying[pool.submit(self._send, payloads)] = payloads

    def _flying_bytes(self) -> int:
        return sum(len(one.data) for some in self._flying.values() for one in some)

    def _send(self, payloads: list[Payload]) -> list[ServiceAnswer]:
        """Send a batch, in a thread; where it fails as a whole, its images one by one."""
        assert self._service is not None
        before = [self._log.find(one.digest) for one in payloads]
        self._log.sending(payloads)
        try:
            answers = self._service.send(payloads)
        except NotAnswered as error:
            if len(payloads) > 1:
                return [answer for one in payloads for answer in self._send([one])]
            answers = [ServiceAnswer("failed", None, str(error))]
        answers = [
            # Sent by an earlier command, whose connection was cut or which was killed.
            replace(answer, state="stored")
            if answer.state == "present" and entry is not None and entry.state in _SENT
            else answer
            for answer, entry in zip(answers, before, strict=True)
        ]
        self._log.answered(payloads, answers)
        return answers

    def _collect(self, *, until: int) -> None:
        """Take answers until at most `until` requests are on their way."""
        while len(self._flying) > until:
            done, _ = wait(self._flying, return_when=FIRST_COMPLETED)
            for future in done:
                payloads = self._flying.pop(future)
                self._answered(payloads, future.result())

    def _answered(self, payloads: Iterable[Payload], answers: Iterable[ServiceAnswer]) -> None:
        self._summary.requests += 1
        for payload, answer in zip(payloads, answers, strict=True):
            if answer.state == "failed":
                self._failures += 1
                self._count(payload.part, FAILED, f"{printable(payload.part.key)}: {answer.reason}")
                if self._failures >= _MOST_FAILURES:
                    raise StoreError(
                        f"{self._summary.endpoint}: refused {self._failures} images one after the "
                        f"other, the last one because: {answer.reason}; correct that and run the "
                        "same command again to resume"
                    )
                continue
            self._failures = 0
            if payload.boxes and not self._log.boxes_seen:
                self._see_boxes(payload, answer)
            if answer.state == "stored":
                self._count_sent(payload)
            self._count(payload.part, UPLOADED if answer.state == "stored" else PRESENT)

    def _count_sent(self, payload: Payload) -> None:
        self._summary.sent_bytes += len(payload.data)
        self._summary.boxes += len(payload.boxes or ())

    def _count(self, part: UploadImage, state: str, example: str | None = None) -> None:
        self._summary.count(part, state, example)
        self._done += 1
        if self._on_progress:
            self._on_progress(min(self._done, self._total), self._total)

    def _see_boxes(self, payload: Payload, answer: ServiceAnswer) -> None:
        """Read a sample back: a project of another labeling method drops boxes without a word.

        Raises:
            OutputError: they are not there, or nothing tells.
        """
        service, project = self._service, self._summary.project
        assert service is not None
        if project is None or not service.has_studio:
            raise OutputError(
                "whether the project keeps boxes cannot be seen: its number or the studio is not "
                "known; set EI_PROJECT_ID and EI_API_ENDPOINT, and use a key of the role admin"
            )
        if answer.sample is None:
            return  # the next one tells
        for look in range(_LOOKS):
            there = service.boxes(project, answer.sample)
            if there is not None:
                break
            time.sleep(_LOOK_PAUSE_S * (look > 0))
        if there is None:
            raise OutputError(
                f"sample {answer.sample} is still being processed, so that its boxes cannot be "
                "seen; run the same command again to resume"
            )
        if not _same_boxes(there, payload.boxes or ()):
            if answer.state == "present":
                # Somebody may have put it there with others: the next one tells.
                self._notes[
                    "images that were in the project already, with other boxes or none: not changed"
                ] += 1
                return
            raise OutputError(
                f"project {project} dropped boxes: sample {answer.sample} "
                f"({printable(payload.name)}) was sent with {len(payload.boxes or ()):,} and has "
                f"{len(there):,}; in its Dashboard set the labeling method to bounding boxes "
                f"(object detection), delete sample {answer.sample}, and run the same command again"
            )
        self._log.see_boxes()


def _look(part: UploadImage, storage: Storage, limits: Limits) -> _Looked:
    notes: Counter[str] = Counter()
    if part.fault is not None:
        return _Looked(part, None, part.fault, notes)
    try:
        data = storage.read(part.key, limit=limits.max_bytes)
        return _Looked(part, prepared(part, data, limits, notes), None, notes)
    except (ImageError, InputError) as error:
        return _Looked(part, None, printable(str(error)), notes)


def _same_boxes(there: Iterable[dict[str, object]], sent: Iterable[dict[str, object]]) -> bool:
    """Say whether two lists hold the same boxes, to a pixel, in any order."""

    def rows(boxes: Iterable[dict[str, object]]) -> list[tuple[str, list[float]]]:
        sides = ("x", "y", "width", "height")
        return sorted(
            (str(one.get("label")), [float(str(one.get(side, -9))) for side in sides])
            for one in boxes
        )

    one, two = rows(there), rows(sent)
    return len(one) == len(two) and all(
        label == other and all(abs(a - b) <= _FAR for a, b in zip(box, counterpart, strict=True))
        for (label, box), (other, counterpart) in zip(one, two, strict=True)
    )
