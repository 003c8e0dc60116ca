"""Places with keys: where pictures are read from and results are put.

A key is a file's path inside the place: relative, POSIX, as in ``cats/7.jpg``. Local folders and
zip files today; object stores come as further files here and further lines in `opening.SCHEMES`.
"""

from variegate.storage.base import Entry, OnSkip, Storage, log_skip
from variegate.storage.keys import check_key, key_from_text, key_to_text, printable
from variegate.storage.local import LocalStorage
from variegate.storage.noting import NotingStorage
from variegate.storage.opening import check_apart, open_storage
from variegate.storage.packing import pack_zip
from variegate.storage.zipped import ZipStorage

__all__ = [
    "Entry",
    "LocalStorage",
    "NotingStorage",
    "OnSkip",
    "Storage",
    "ZipStorage",
    "check_apart",
    "check_key",
    "key_from_text",
    "key_to_text",
    "log_skip",
    "open_storage",
    "pack_zip",
    "printable",
]
