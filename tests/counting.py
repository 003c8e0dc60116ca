"""A storage that writes down what is asked of it."""

import io
from collections import defaultdict
from itertools import pairwise

from variegate.storage import PassingStorage, log_skip


class CountingStorage(PassingStorage):
    """Passes everything on.

    Attributes:
        lists: how often it was listed, wholly or a folder of it.
        heads: how often it was asked whether a file is there, or how large it is.
        asked: key -> the ranges of bytes that were read, in order.
        whole: keys of files that were read as a whole.
    """

    def __init__(self, inner):
        super().__init__(inner)
        self.lists = self.heads = 0
        self.asked = defaultdict(list)
        self.whole = []

    def list(self, prefix="", *, on_skip=log_skip):
        self.lists += 1
        return super().list(prefix, on_skip=on_skip)

    def read(self, key, *, limit=None):
        data = super().read(key, limit=limit)
        self.asked[key].append((0, len(data)))
        self.whole.append(key)
        return data

    def open_read(self, key):
        return _Watched(super().open_read(key), self.asked[key])

    def size(self, key):
        self.heads += 1
        return super().size(key)

    def exists(self, key):
        self.heads += 1
        return super().exists(key)

    def twice(self):
        """Return the keys of files of which some bytes were read more than once."""
        return sorted(key for key, ranges in self.asked.items() if _overlap(ranges))


def _overlap(ranges):
    ordered = sorted(ranges)
    return any(two[0] < one[1] for one, two in pairwise(ordered))


class _Watched(io.RawIOBase):
    """A file whose reading is written down."""

    def __init__(self, file, ranges):
        self._file, self._ranges = file, ranges

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        return self._file.seek(offset, whence)

    def tell(self):
        return self._file.tell()

    def readinto(self, buffer):
        start = self._file.tell()
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        if data:
            self._ranges.append((start, start + len(data)))
        return len(data)

    def close(self):
        self._file.close()
        super().close()
