"""Inputs that have changed since their results were made, and kept their names and sizes.

A record holds a digest of the times at which the input's files were written. Where those differ, as
they do for a mere copy of a dataset, contents are compared with the digests that the manifest has:
times raise the question, digests answer it. Masks have no digest; of them only sizes are compared.
"""

import hashlib
import logging
from collections.abc import Iterable

from variegate.errors import OutputError, UnavailableError
from variegate.runs.rows import Row
from variegate.storage import Storage, printable

_log = logging.getLogger(__name__)


def check_unchanged(source: Storage, rows: Iterable[Row], place: str) -> None:
    """Make sure that results are of the inputs as they are now.

    Args:
        source: the dataset.
        rows: of the results.
        place: of the results, for messages.

    Raises:
        OutputError: an input has other bytes than its results were made of.
    """
    last = None
    for row in rows:
        if row.source_sha256 is None or row.source == last:
            continue
        if last is None:
            _log.warning("the input's files have other times than before: comparing their contents")
        last = row.source
        try:
            with source.open_read(row.key) as file:
                now = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        except UnavailableError:
            # Then nothing is made of it, either.
            continue
        if now != row.source_sha256:
            raise OutputError(
                f"{printable(place)}: holds results of {printable(row.key)} as it was before its "
                "content changed; choose another output, or delete this one"
            )
