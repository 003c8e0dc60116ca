"""A folder that is watched: drop an image in, its variants appear.

Every file that is there or comes goes through the same `events.EventWorker` that works behind a
bucket, so the results are those of `variegate.augment`, and what was done before is known again.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from variegate.errors import InputError, RecipeError, UsageError, did_you_mean
from variegate.formats import is_hidden
from variegate.formats.base import named
from variegate.recipes.plugins import load_plugins
from variegate.recipes.recipe import Recipe
from variegate.recipes.trial import try_recipe
from variegate.runs.class_names import unknown_classes
from variegate.runs.events import EventOutcome, EventWorker, Naming
from variegate.runs.job import Job
from variegate.runs.rows import Counts
from variegate.runs.run import load_recipe
from variegate.storage import LocalStorage, check_apart, open_storage, printable

_log = logging.getLogger(__name__)

# How long a file must stay as it is before it counts as whole: whoever writes it may pause.
SETTLE_S = 1.0

_LOOK_S = 0.2
_AGAIN_S = 5.0
_POLL_S = 1.0


@dataclass(slots=True)
class _Waiting:
    """A file that may still be written to."""

    seen: tuple[int, int]
    since: float


def _class_folders(root: Path, naming: Naming) -> set[str]:
    """Return the classes for which there are folders, with images or not yet."""
    inner = "*/*/" if naming.splits else "*/"
    below = chain(root.glob("*/"), root.glob(inner))
    keys = (f"{folder.relative_to(root).as_posix()}/." for folder in below if folder.is_dir())
    return {label for key in keys if (label := naming.source(key).label) and not is_hidden(label)}


class Watcher:
    """Works on the files of a folder, as they are there and as they come.

    Args:
        source: the folder.
        output: a folder beside it, or a bucket.
        recipe: as for `variegate.augment`; one that makes results of single images.
        seed: instead of the recipe's.
        naming: what folders say about images.
        plugins: files with transforms.
        polling: look at all files again and again, for network drives that tell nothing.

    Raises:
        UsageError: input, output or recipe is not right.
    """

    def __init__(
        self,
        source: str | Path,
        output: str | Path,
        *,
        recipe: Recipe | str | Path | None = None,
        seed: int | None = None,
        naming: Naming | None = None,
        plugins: tuple[str | Path, ...] = (),
        polling: bool = False,
    ) -> None:
        if find_spec("watchfiles") is None:
            raise UsageError(
                "watching a folder needs the package watchfiles: pip install 'variegate[watch]'"
            )
        loaded_plugins = load_plugins(plugins)
        loaded = load_recipe(recipe, seed)
        try_recipe(loaded)
        check_apart(source, output)
        storage = open_storage(source)
        if not isinstance(storage, LocalStorage):
            raise InputError(f"{storage.url}: expected a folder of this machine to watch")
        self._storage, self._polling = storage, polling
        job = Job(
            recipe=loaded.to_data(),
            input=storage.url,
            output=str(output),
            plugins=loaded_plugins,
        )
        naming = naming or Naming()
        self._event_worker = EventWorker(job, naming)
        if isinstance(target := open_storage(output, create=True), LocalStorage):
            # Another program may be writing there now, but takes no minute for a file.
            target.delete_leftovers(older_than_s=60)
        self._waiting: dict[str, _Waiting] = {}
        self.counts = Counts()
        self.notes = tuple(self._class_notes(loaded, naming))

    def _class_notes(self, recipe: Recipe, naming: Naming) -> Iterator[str]:
        """Yield which of the recipe's classes nobody can know yet.

        Raises:
            RecipeError: there are folders of classes, and one is not among them.
        """
        known = _class_folders(Path(self._storage.root), naming)
        for where, name in unknown_classes(recipe, known):
            if known:
                close = did_you_mean(name, sorted(known)) or f"; it has {named(sorted(known))}"
                raise RecipeError(
                    f"{where}: {printable(self._storage.url)} has no folder of a class "
                    f"{name!r}{close}; if images of it are to come, make its folder first"
                )
            yield f"{where}: whether there will be a class {name!r} is not known yet"

    def outcomes(
        self,
        stop: threading.Event,
        *,
        settle_s: float = SETTLE_S,
        on_fault: Callable[[str, str], None] = lambda _key, _reason: None,
    ) -> Iterator[EventOutcome]:
        """Work until `stop` is set, or for ever.

        Args:
            stop: ends it, within a moment.
            settle_s: how long a file must stay as it is before it counts as whole.
            on_fault: told of a key that could not be worked on for now, and why; it is tried again.

        Yields:
            What became of each file, as it is done. One that was done before is "known".
        """
        begun = False
        for keys in self._news(stop):
            if not begun:
                # Only now are changes told: what was there before is looked at now.
                begun = True
                for entry in self._storage.list():
                    self._expect(entry.key, at_once=True)
            for key in keys:
                # Of what is deleted the results stay: an image that is moved away may have done
                # its work.
                self._waiting.pop(key, None)
                self._expect_below(key)
            yield from self._worked(settle_s, on_fault, stop)

    def _news(self, stop: threading.Event) -> Iterator[Collection[str]]:
        """Yield the keys of what has come, changed or gone, several times a second; often none."""
        from watchfiles import watch

        root = Path(self._storage.root)
        try:
            for changes in watch(
                root,
                stop_event=stop,
                yield_on_timeout=True,
                rust_timeout=round(_LOOK_S * 1000),
                debounce=round(_LOOK_S * 1000),
                force_polling=self._polling or None,
                raise_interrupt=False,
            ):
                yield {Path(path).relative_to(root).as_posix() for _, path in changes}
        except RuntimeError as error:
            # Its own kind of it: it ends at a name that is not UTF-8, for example.
            _log.warning(
                "%s: changes are not told (%s), so all its files are looked at every %g s",
                *(printable(self._storage.url), printable(str(error)), _POLL_S),
            )
            yield from self._polled(stop)

    def _polled(self, stop: threading.Event) -> Iterator[Collection[str]]:
        """Yield the same as `_news`, from looking at all files again and again."""
        known: dict[str, tuple[int, int] | None] = {}
        looked = -_POLL_S
        while not stop.wait(_LOOK_S):
            changed: list[str] = []
            if time.monotonic() - looked >= _POLL_S:
                looked = time.monotonic()
                now = {entry.key: self._seen(entry.key) for entry in self._storage.list()}
                changed = [key for key, seen in now.items() if known.get(key) != seen]
                known = now
            yield changed

    def _expect_below(self, key: str) -> None:
        """Wait for a file; of a folder that has come, for all its files."""
        if (Path(self._storage.root) / key).is_dir():
            for entry in self._storage.list(key):
                self._expect(entry.key)
        else:
            self._expect(key)

    def _expect(self, key: str, *, at_once: bool = False) -> None:
        seen = self._seen(key)
        if seen is None:
            return
        # A file that was last written to long ago is whole.
        old = at_once and time.time_ns() - seen[1] > SETTLE_S * 1e9
        self._waiting[key] = _Waiting(seen, 0.0 if old else time.monotonic())

    def _seen(self, key: str) -> tuple[int, int] | None:
        try:
            status = (Path(self._storage.root) / key).stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns

    def _worked(
        self, settle_s: float, on_fault: Callable[[str, str], None], stop: threading.Event
    ) -> Iterator[EventOutcome]:
        """Work on the files that have settled."""
        for key, waiting in sorted(self._waiting.items()):
            if stop.is_set():
                return
            seen, now = self._seen(key), time.monotonic()
            if seen is None:
                del self._waiting[key]
            elif seen != waiting.seen:
                self._waiting[key] = _Waiting(seen, now)
            elif now - waiting.since >= settle_s:
                try:
                    outcome = self._event_worker.handle(key)
                except InputError as error:
                    on_fault(key, str(error))
                    self._waiting[key] = _Waiting(seen, now + _AGAIN_S)
                    continue
                del self._waiting[key]
                if outcome.kind == "made":
                    self.counts.add(outcome.counts)
                yield outcome
