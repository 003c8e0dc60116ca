"""Places with keys: where images are read from and results are put.

A key is a file's path inside the place: relative, POSIX, as in ``cats/7.jpg``. Local folders, zip
and tar files, and object stores.
"""

from variegate.storage.base import Entry, OnSkip, Storage, log_skip
from variegate.storage.keys import check_key, is_archive_name, key_from_text, key_to_text, printable
from variegate.storage.local import LocalStorage
from variegate.storage.object_store import SCHEMES, ObjectStorage
from variegate.storage.open import check_apart, open_storage
from variegate.storage.pack import pack
from variegate.storage.sampled import SampledStorage
from variegate.storage.sharded import ShardedTarStorage, fold_shards
from variegate.storage.snapshot import Snapshot
from variegate.storage.tar import TarStorage
from variegate.storage.wrapper import PassingStorage
from variegate.storage.zip import ZipStorage

__all__ = [
    "SCHEMES",
    "Entry",
    "LocalStorage",
    "ObjectStorage",
    "OnSkip",
    "PassingStorage",
    "SampledStorage",
    "ShardedTarStorage",
    "Snapshot",
    "Storage",
    "TarStorage",
    "ZipStorage",
    "check_apart",
    "check_key",
    "fold_shards",
    "is_archive_name",
    "key_from_text",
    "key_to_text",
    "log_skip",
    "open_storage",
    "pack",
    "printable",
]
