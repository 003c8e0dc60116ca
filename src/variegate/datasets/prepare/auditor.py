"""An audit as a kind of job: every image is measured, and its row of the manifest is the result.

So an audit has workers, back ends, resume and quarantine as every other run. The measures stand in
the column `operations`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from variegate.codecs import Header
from variegate.datasets.prepare.measures import Measures, measure
from variegate.formats import Item, Source
from variegate.runs.rows import Row
from variegate.runs.worker import Result, Worker
from variegate.storage.json import dumped, loaded

#: The job's option that names a model.
FEATURES = "features"


@dataclass(frozen=True, slots=True)
class Auditor(Worker):
    """Measures every source.

    The job's options: `keep_exif` also keeps camera and time; `features` names a model whose
    answers are kept, as `embedding_spec` gave it.
    """

    def results(self, source: Source, data: bytes) -> Iterator[Result]:
        yield self._measured(source, data)

    def result_again(self, source: Source, data: bytes, row: Row) -> Result:
        del row
        return self._measured(source, data)

    def discard(self, source: Source) -> None:
        """Nothing was written."""

    def decodes(self, source: Source, header: Header) -> bool:
        """No result is made of the pixels, so no depth is lost."""
        return False

    def _measured(self, source: Source, data: bytes) -> Result:
        keep_exif = bool(self.options.get("keep_exif"))
        seen = None
        if spec := self.options.get(FEATURES):
            # Models are dear to import.
            from variegate.models.embeddings import embedding

            seen = partial(embedding, spec)
        found = measure(data, source.key, self.limits, keep_exif=keep_exif, seen=seen)
        item = Item(
            key=source.key,
            split=source.split,
            label=source.label,
            size=(found.height, found.width),
            source=source.key,
        )
        columns = {"operations": dumped(found.to_json()).decode()}
        return Result(item=item, content=None, sidecars=(), columns=columns)


def measures_of(row: Row) -> Measures | None:
    """Return the measures that a row of an audit's manifest holds; None where it has none."""
    return Measures.from_json(loaded(row.operations.encode())) if row.operations else None
