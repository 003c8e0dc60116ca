"""Sums over pixels as a kind of job, for back ends on other machines.

Every image is decoded, and its row of the manifest is the result: the column `operations` holds its
sums, whole numbers as text, for JSON knows none of any size.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from variegate.codecs import Header, decode
from variegate.datasets.prepare.channel_sums import ChannelSums
from variegate.formats import Item, Source
from variegate.runs.rows import Row
from variegate.runs.worker import Result, Worker
from variegate.storage.json import dumped, loaded

#: The kind of job.
KIND = "stats"


@dataclass(frozen=True, slots=True)
class PixelCounter(Worker):
    """Sums the pixels of every source."""

    def results(self, source: Source, data: bytes) -> Iterator[Result]:
        yield self._counted(source, data)

    def result_again(self, source: Source, data: bytes, row: Row) -> Result:
        del row
        return self._counted(source, data)

    def discard(self, source: Source) -> None:
        """Nothing was written."""

    def decodes(self, source: Source, header: Header) -> bool:
        """No result is made of the pixels, so no depth is lost."""
        return False

    def _counted(self, source: Source, data: bytes) -> Result:
        image = decode(data, limits=self.limits)
        sums = ChannelSums.of(image)
        item = Item(
            key=source.key,
            split=source.split,
            label=source.label,
            size=(image.shape[0], image.shape[1]),
            source=source.key,
        )
        told = {
            "size": [image.shape[0], image.shape[1]],
            "gray": sums.gray,
            "sums": list(map(str, sums.sums)),
            "squares": list(map(str, sums.squares)),
        }
        return Result(
            item=item, content=None, sidecars=(), columns={"operations": dumped(told).decode()}
        )


def sums_of(row: Row) -> tuple[ChannelSums, tuple[int, int]]:
    """Return the sums and the size, (height, width), that a row of such a job holds."""
    assert row.operations is not None
    told = loaded(row.operations.encode())
    height, width = told["size"]
    sums = ChannelSums(
        1,
        height * width,
        told["gray"],
        list(map(int, told["sums"])),
        list(map(int, told["squares"])),
    )
    return sums, (height, width)
