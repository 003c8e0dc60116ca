"""Amazon S3, Google Cloud Storage and Azure Blob Storage as storages, through obstore.

Credentials come from where the store's own tools find them: the environment, a web identity, the
container or machine, and for S3 the profiles of ``~/.aws`` where boto3 is installed. They never
become part of a storage, so they never travel with a job.
"""

import io
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar, cast

from variegate.errors import InputError, LimitError, OutputError, StoreError, UsageError
from variegate.storage.base import Entry, OnSkip, Storage, log_skip
from variegate.storage.keys import check_key, printable
from variegate.storage.prefetch import Flow

SCHEMES = {"s3": "Amazon S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}

_URL = re.compile(r"(s3|gs|az)://([^/]+)/*(.*)", re.IGNORECASE | re.DOTALL)

# Throttling passes within seconds, a restarting service within minutes.
_RETRIES: dict[str, Any] = {
    "max_retries": 10,
    "retry_timeout": timedelta(minutes=3),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=15)},
}
_TIMES = {"timeout": "60s", "connect_timeout": "10s"}
_PIECE_BYTES = 1 << 20
_SPOOLED_BYTES = 8 << 20

Doing = Literal["list", "read", "write"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ObjectStorage(Storage):
    """The objects of a bucket (of Azure, a container) whose names begin with a prefix.

    Attributes:
        scheme: one of SCHEMES.
        bucket: its name.
        prefix: without slashes at its ends; "" for the whole bucket.
        url: how the user named it.
    """

    scheme: str
    bucket: str
    prefix: str
    url: str

    @classmethod
    def of(cls, url: str) -> "ObjectStorage":
        """Open what a URL such as "s3://bucket/folder" names; nothing is asked of the store yet.

        Raises:
            InputError: it names no bucket, or a folder that cannot be one.
        """
        found = _URL.fullmatch(url)
        if found is None:
            raise InputError(f"{printable(url)}: no bucket; write it as s3://bucket/folder")
        prefix = found[3].strip("/")
        if prefix:
            check_key(prefix)
        return cls(found[1].lower(), found[2], prefix, url)

    def list(self, prefix: str = "", *, on_skip: OnSkip = log_skip) -> Iterator[Entry]:
        self.flush()
        prefix = prefix.strip("/")
        if prefix:
            check_key(prefix)
        last = ""
        with self._asked("list", prefix):
            for page in self._pages(prefix):
                for one in page:
                    key = one["path"]
                    if key and key == last:
                        continue
                    if key < last:
                        raise StoreError(
                            f"{self.place(key)}: the store does not list names in order, so a run "
                            "could not be continued; copy the data elsewhere"
                        )
                    last = key
                    if key and not (key.endswith("/") and one["size"] == 0):
                        yield Entry(key, one["size"], one["last_modified"].timestamp())

    def _pages(self, prefix: str) -> Iterator[Sequence[Any]]:
        """Yield what is listed, page by page; one that breaks off is asked for again.

        A bucket of any size takes no more memory than a small one.
        """
        import obstore

        pages: Iterator[Sequence[Any]] | None = None
        last: str | None = None

        def following() -> Sequence[Any] | None:
            nonlocal pages
            if pages is None:
                pages = iter(obstore.list(self._store(), prefix=prefix or None, offset=last))
            try:
                return next(pages, None)
            except Exception:
                pages = None
                raise

        while page := _insist(following):
            last = page[-1]["path"]
            yield page

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        check_key(key)
        data = self._flow().taken(key)
        if data is None:
            data = self._fetched(key, limit)
        if limit is not None and len(data) > limit:
            raise LimitError(f"{self.place(key)}: {len(data):,} bytes, the limit is {limit:,}")
        return data

    def _fetched(self, key: str, limit: int | None) -> bytes:
        with self._asked("read", key):
            return _insist(lambda: self._whole(key, limit))

    def _whole(self, key: str, limit: int | None) -> bytes:
        import obstore

        found = obstore.get(self._store(), key)
        size = found.meta["size"]
        if limit is not None and size > limit:
            raise LimitError(f"{self.place(key)}: {size:,} bytes, the limit is {limit:,}")
        data = bytes(found.bytes())
        if len(data) != size:
            raise ConnectionError(f"{len(data):,} of {size:,} bytes")
        return data

    def read_ahead(self, entries: Sequence[Entry], *, limit: int) -> None:
        self._flow().expect(entries, lambda key: self._fetched(key, limit))

    def open_read(self, key: str) -> BinaryIO:
        return cast("BinaryIO", io.BufferedReader(_Ranges(self, key, self.size(key)), _PIECE_BYTES))

    def part(self, key: str, start: int, stop: int) -> bytes:
        """Return the bytes from `start` to before `stop`."""
        import obstore

        def get() -> bytes:
            data = bytes(obstore.get_range(self._store(), key, start=start, end=stop))
            if len(data) != stop - start:
                raise ConnectionError(f"{len(data):,} of {stop - start:,} bytes")
            return data

        with self._asked("read", key):
            return _insist(get)

    def size(self, key: str) -> int:
        return int(self._head(key)["size"])

    def version(self, key: str) -> str | None:
        try:
            found = self._head(key)
        except InputError:
            return None
        return str(found.get("version") or found.get("e_tag") or found["last_modified"])

    def _head(self, key: str) -> Any:
        import obstore

        check_key(key)
        self.flush()
        with self._asked("read", key):
            return obstore.head(self._store(), key)

    def exists(self, key: str) -> bool:
        try:
            self._head(key)
        except InputError:
            return False
        return True

    def write(self, key: str, data: bytes) -> None:
        import obstore

        check_key(key, OutputError)
        self.flush()
        with self._asked("write", key):
            obstore.put(self._store(), key, data)

    def write_later(self, key: str, data: bytes) -> None:
        check_key(key, OutputError)

        def put() -> None:
            import obstore

            with self._asked("write", key):
                obstore.put(self._store(), key, data)

        self._flow().later(put, len(data))

    def flush(self) -> None:
        self._flow().flush()

    def create(self, key: str, data: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        check_key(key, OutputError)
        with self._asked("write", key):
            try:
                obstore.put(self._store(), key, data, mode="create")
            except AlreadyExistsError:
                return False
        return True

    @contextmanager
    def open_write(self, key: str) -> Iterator[BinaryIO]:
        import obstore

        check_key(key, OutputError)
        self.flush()
        with tempfile.SpooledTemporaryFile(_SPOOLED_BYTES, prefix="variegate-") as file:
            yield cast("BinaryIO", file)

            def put() -> None:
                file.seek(0)
                # Large ones go up in parts; the object appears when all are there.
                obstore.put(self._store(), key, cast("Any", file))

            with self._asked("write", key):
                _insist(put)

    def delete(self, key: str) -> None:
        import obstore

        check_key(key, OutputError)
        self.flush()
        with self._asked("write", key):
            try:
                _insist(lambda: obstore.delete(self._store(), key))
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise

    def copy_to(self, key: str, file: BinaryIO) -> None:
        """Write the whole content into a file."""
        with self.open_read(key) as source:
            shutil.copyfileobj(source, file, _PIECE_BYTES)

    def _store(self) -> Any:
        return _opened(self.scheme, self.bucket, self.prefix, _settings())

    def _flow(self) -> Flow:
        return _flow(self.scheme, self.bucket, self.prefix, os.getpid())

    @contextmanager
    def _asked(self, doing: Doing, key: str) -> Iterator[None]:
        """Say in a sentence what the store's errors inside the block mean."""
        from obstore.exceptions import BaseError

        try:
            yield
        except UsageError:
            raise
        except (BaseError, OSError, ValueError) as error:
            raise self._meant(error, doing, key) from None

    def _meant(self, error: Exception, doing: Doing, key: str) -> UsageError:
        # Only codes and numbers are taken from the store's text: it may repeat what it was sent.
        text = str(error)
        found = re.search(r"<Code>(\w{1,60})</Code>", text)
        code = found[1] if found else ""
        number = re.search(r"status code: (\d{3})", text)
        status = int(number[1]) if number else 0
        where = printable(self.url.rstrip("/"))
        if code == "NoSuchBucket" or (doing == "list" and status == 404):
            return StoreError(
                f"{where}: there is no bucket {self.bucket!r}; check its name and the account"
            )
        if isinstance(error, FileNotFoundError):
            return InputError(
                f"{self.place(key)}: not found; check the spelling, or whether it was moved"
            )
        if code in _CREDENTIALS or type(error).__name__ == "UnauthenticatedError" or status == 401:
            return StoreError(
                f"{where}: the store does not accept the credentials ({code or status or 'none'}); "
                "renew them, or name others in the environment"
            )
        if _NO_CREDENTIALS.search(text):
            return StoreError(
                f"{where}: no credentials were found; set them in the environment, "
                "such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        redirected = "redirect without LOCATION" in text
        if redirected or status in (301, 307, 308) or code in _ELSEWHERE:
            return StoreError(
                f"{where}: the bucket is in another region; set AWS_REGION to the bucket's"
            )
        if status == 403 or type(error).__name__ == "PermissionDeniedError":
            return StoreError(
                f"{where}: no permission to {doing}{_right(self.scheme, doing)}; "
                "let the account's policy allow it"
            )
        if status in (429, 503):
            return StoreError(
                f"{where}: the store still asks to go slower after {_RETRIES['max_retries']} "
                "tries; run the same command again later, or with fewer workers"
            )
        if "InvalidPath" in type(error).__name__:
            name = re.search(r'parsing path "([^"]*)"', text, re.IGNORECASE)
            return StoreError(
                f"{where}: it holds {printable(name[1]) if name else 'a name'!s}, which is no path "
                "(empty or dotted part); rename that object"
            )
        if status:
            return StoreError(
                f"{where}: cannot {doing} {printable(key) or 'it'}: the store answers "
                f"{status} {code}".rstrip()
                + "; run the same command again"
            )
        endpoint = f" ({_endpoint()})" if _endpoint() else ""
        return StoreError(
            f"{where}: the store{endpoint} cannot be reached or breaks off; check the connection "
            "and the endpoint, then run the same command again"
        )


def _insist(action: Callable[[], T]) -> T:
    """Do something that may be done twice, again and again where an answer is cut short.

    All else that passes obstore repeats by itself.
    """
    from obstore.exceptions import GenericError

    backoff = _RETRIES["backoff"]
    pause, longest = (backoff[name].total_seconds() for name in ("init_backoff", "max_backoff"))
    for _ in range(_RETRIES["max_retries"]):
        try:
            return action()
        except (GenericError, ConnectionError) as error:
            if isinstance(error, GenericError) and not _CUT.search(str(error)):
                raise
            time.sleep(pause * secrets.SystemRandom().uniform(0.5, 1))
            pause = min(2 * pause, longest)
    return action()


_CUT = re.compile("response body")
_CREDENTIALS = frozenset(
    (
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"),
        *("TokenRefreshRequired", "AuthFailure", "AuthorizationHeaderMalformed"),
        *("InvalidClientTokenId", "UnrecognizedClientException", "RequestExpired"),
    )
)
_ELSEWHERE = frozenset(
    ("PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException")
)
_NO_CREDENTIALS = re.compile(r"169\.254\.169\.254|NoCredentials|missing credentials", re.IGNORECASE)


def _right(scheme: str, doing: Doing) -> str:
    rights = {"list": "s3:ListBucket", "read": "s3:GetObject", "write": "s3:PutObject"}
    return f" ({rights[doing]})" if scheme == "s3" else ""


class _Ranges(io.RawIOBase):
    """An object, read in ranges."""

    def __init__(self, storage: ObjectStorage, key: str, size: int) -> None:
        self._storage, self._key, self._size, self._at = storage, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        data = self._storage.part(self._key, self._at, self._at + wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _endpoint() -> str:
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _settings() -> tuple[str, bool]:
    """Return what of the environment decides how a store is opened."""
    keys = os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY")
    files = (
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE"),
        os.environ.get("AWS_CONFIG_FILE"),
        "~/.aws/credentials",
        "~/.aws/config",
    )
    profiles = any(file and Path(file).expanduser().is_file() for file in files)
    return _endpoint(), not keys and (profiles or bool(os.environ.get("AWS_PROFILE")))


@lru_cache(maxsize=16)
def _opened(scheme: str, bucket: str, prefix: str, settings: tuple[str, bool]) -> Any:
    from obstore.store import AzureStore, GCSStore, S3Store

    endpoint, profiles = settings
    client = {**_TIMES, "allow_http": endpoint.startswith("http://")}
    shared: Any = {
        "prefix": prefix or None,
        "client_options": client,
        "retry_config": _RETRIES,
    }
    if scheme == "gs":
        return GCSStore(bucket, **shared)
    if scheme == "az":
        return AzureStore(bucket, **shared)
    if endpoint:
        shared["config"] = {"endpoint": endpoint}
    if profiles:
        shared["credential_provider"] = _profile()
    return S3Store(bucket, **shared)


def _profile() -> Any:
    """Return what reads the profiles of ``~/.aws``."""
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        raise StoreError(
            "the profiles of ~/.aws are read by boto3: pip install 'variegate[aws]', "
            "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from error
    try:
        return Boto3CredentialProvider()
    except Exception as error:
        raise StoreError(
            f"the AWS profile {os.environ.get('AWS_PROFILE', 'default')!r} has no credentials; "
            "log in again, or name another in AWS_PROFILE"
        ) from error


@lru_cache(maxsize=16)
def _flow(scheme: str, bucket: str, prefix: str, process: int) -> Flow:
    # Of this process: threads do not outlive a fork.
    del scheme, bucket, prefix, process
    return Flow()
