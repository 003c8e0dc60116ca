"""Amazon S3, Google Cloud Storage and Azure Blob Storage as storages, through obstore.

Credentials come from where the store's own tools find them: the environment, a web identity, the
container or machine, and for S3 the profiles of ``~/.aws`` where boto3 is installed. They never
become part of a storage, so they never travel with a job.
"""

import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar, cast
from urllib.parse import urlsplit

from variegate.errors import (
    InputError,
    KeyRefusedError,
    LateRefusalError,
    StoreError,
    UnavailableError,
    UsageError,
)
from variegate.storage.base import Entry, OnSkip, Storage, log_skip
from variegate.storage.keys import check_key, printable
from variegate.storage.prefetch import Flow
from variegate.storage.ranges import open_ranges

SCHEMES = ("s3", "gs", "az")

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
# Bytes of an object's name: S3 and Google; Azure counts letters, of which there are fewer.
_LONGEST_NAME = 1024
_MOST_AT_ONCE_BYTES = 64 << 20

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
        if "@" in found[2]:
            # It would be written into records, and a bucket's name has none.
            raise InputError(
                f"{printable(url)}: credentials do not belong into a URL; set them in the "
                "environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
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
        pages: Iterator[Sequence[Any]] | None = None
        last: str | None = None

        def following() -> Sequence[Any] | None:
            nonlocal pages
            if pages is None:
                pages = iter(self._store().list(prefix or None, offset=last))
            try:
                return next(pages, None)
            except Exception:
                pages = None
                raise

        while page := _insist(following):
            last = page[-1]["path"]
            yield page

    @property
    def lists_from_anywhere(self) -> bool:
        """Whether a listing begins at a name without listing those before it; Azure's does not."""
        return self.scheme in ("s3", "gs")

    def page_after(self, key: str | None, *, most: int) -> Sequence[Entry]:
        """Return the files that come first after a name; None for the first of all."""
        with self._asked("list", ""):
            page = _insist(
                lambda: next(iter(self._store().list(None, offset=key, chunk_size=most)), ())
            )
        return [Entry(one["path"], one["size"], one["last_modified"].timestamp()) for one in page]

    def read(self, key: str, *, limit: int | None = None) -> bytes:
        check_key(key)
        data = self._flow().taken(key)
        if data is None:
            data = self._fetched(key, limit)
        self._check_size(key, len(data), limit)
        return data

    def _fetched(self, key: str, limit: int | None) -> bytes:
        def get() -> bytes:
            found = self._store().get(key)
            size = found.meta["size"]
            self._check_size(key, size, limit)
            return _whole(found.bytes(), size)

        with self._asked("read", key):
            return _insist(get)

    def read_ahead(self, entries: Sequence[Entry], *, limit: int) -> None:
        self._flow().expect(entries, lambda key: self._fetched(key, limit))

    def open_read(self, key: str) -> BinaryIO:
        size = self.size(key)

        def part(start: int, stop: int) -> bytes:
            stop = min(stop, size)
            if stop <= start:
                return b""

            def get() -> bytes:
                return _whole(self._store().get_range(key, start=start, end=stop), stop - start)

            with self._asked("read", key):
                return _insist(get)

        return open_ranges(part, lambda: size, buffer_bytes=_PIECE_BYTES)

    def size(self, key: str) -> int:
        return int(self._head(key)["size"])

    def version(self, key: str) -> str | None:
        try:
            found = self._head(key)
        except InputError:
            return None
        return str(found.get("version") or found.get("e_tag") or found["last_modified"])

    def _head(self, key: str) -> Any:
        check_key(key)
        self.flush()
        with self._asked("read", key):
            return self._store().head(key)

    def exists(self, key: str) -> bool:
        return self.version(key) is not None

    def write(self, key: str, data: bytes) -> None:
        self._check_writable(key)
        self.flush()
        self._put(key, data)

    def _check_writable(self, key: str) -> None:
        """Make sure that the store takes an object of this name.

        Raises:
            KeyRefusedError: it does not.
        """
        check_key(key, KeyRefusedError)
        name = f"{self.prefix}/{key}".lstrip("/")
        length = len(name.encode("utf-8", "surrogateescape"))
        if length > _LONGEST_NAME:
            raise KeyRefusedError(
                f"{self.place(key)}: a name of {length:,} bytes with its folders, and a store "
                f"takes {_LONGEST_NAME:,}; use shorter ones"
            )

    def _put(self, key: str, data: bytes) -> None:
        with self._asked("write", key):
            self._store().put(key, data)

    def write_later(self, key: str, data: bytes) -> None:
        self._check_writable(key)
        self._flow().later(lambda: self._put_behind(key, data), len(data))

    def _put_behind(self, key: str, data: bytes) -> None:
        try:
            self._put(key, data)
        except KeyRefusedError as error:
            # It is told while something else is written.
            raise LateRefusalError(str(error)) from None

    def flush(self) -> None:
        self._flow().flush()

    def create(self, key: str, data: bytes) -> bool:
        self._check_writable(key)
        return self._put_new(key, data)

    def _put_new(self, key: str, data: bytes) -> bool:
        """Put an object if there is none of its name; say whether it was put."""
        from obstore.exceptions import AlreadyExistsError, BaseError

        with self._asked("write", key):
            try:
                self._store().put(key, data, mode="create")
            except AlreadyExistsError:
                return False
            except (BaseError, NotImplementedError) as error:
                if not _UNCONDITIONAL.search(f"{type(error).__name__} {error}"):
                    raise
                if self.exists(key):
                    return False
                self._store().put(key, data)
        return True

    @contextmanager
    def open_write(self, key: str, *, replace: bool = True) -> Iterator[BinaryIO]:
        self._check_writable(key)
        self.flush()
        with tempfile.SpooledTemporaryFile(_SPOOLED_BYTES, prefix="variegate-") as file:
            yield cast("BinaryIO", file)

            if not replace:
                if self.exists(key):
                    return
                # In parts, as large ones go, nothing can be put on a condition.
                if file.seek(0, os.SEEK_END) <= _MOST_AT_ONCE_BYTES:
                    file.seek(0)
                    self._put_new(key, file.read())
                    return

            def put() -> None:
                file.seek(0)
                # Large ones go up in parts; the object appears when all are there.
                self._store().put(key, file)

            with self._asked("write", key):
                _insist(put)

    def delete(self, key: str) -> None:
        self._check_writable(key)
        self.flush()
        with self._asked("write", key):
            try:
                _insist(lambda: self._store().delete(key))
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise

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
        except (BaseError, OSError, ValueError) as error:
            raise self._meant(error, doing, key) from None

    def _meant(self, error: Exception, doing: Doing, key: str) -> UsageError:
        # Only codes and numbers are taken from the store's text: it may repeat what it was sent.
        text, kind = str(error), type(error).__name__
        found = re.search(r"<Code>(\w{1,60})</Code>", text)
        code = found[1] if found else ""
        number = re.search(r"status code: (\d{3})", text)
        status = int(number[1]) if number else 0
        if code == "NoSuchBucket" or (doing == "list" and status == 404):
            why = f"there is no bucket {self.bucket!r}; check its name and the account"
        elif isinstance(error, FileNotFoundError):
            return UnavailableError(
                f"{self.place(key)}: not found; check the spelling, or whether it was moved"
            )
        elif code in _CREDENTIALS or kind == "UnauthenticatedError" or status == 401:
            why = (
                f"the store does not accept the credentials ({code or status or 'none'}); "
                "renew them, or name others in the environment"
            )
        elif _NO_CREDENTIALS.search(text):
            why = (
                "no credentials were found; set them in the environment, "
                "such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        elif doing == "write" and code in _REFUSED_NAMES:
            return KeyRefusedError(f"{self.place(key)}: the store takes no such name ({code})")
        elif "redirect without LOCATION" in text or status in _MOVED or code in _ELSEWHERE:
            why = "the bucket is in another region; set AWS_REGION to the bucket's"
        elif status == 403 or kind == "PermissionDeniedError":
            right = f" ({_RIGHTS[doing]})" if self.scheme == "s3" else ""
            why = f"no permission to {doing}{right}; let the account's policy allow it"
        elif status in (429, 503):
            why = (
                f"the store still asks to go slower after {_RETRIES['max_retries']} tries; "
                "run the same command again later, or with fewer workers"
            )
        elif "InvalidPath" in kind:
            name = re.search(r'parsing path "([^"]*)"', text, re.IGNORECASE)
            why = (
                f"it holds {printable(name[1]) if name else 'a name'}, which is not a path "
                "(empty or dotted part); rename that object"
            )
        elif status:
            answer = f"{status} {code}".rstrip()
            why = (
                f"cannot {doing} {printable(key) or 'it'}: the store answers {answer}; "
                "run the same command again"
            )
        elif _GARBLED.search(text):
            why = (
                "it answers with something else than a store does; check the endpoint "
                f"({_endpoint() or 'of the store'}), then run the same command again"
            )
        else:
            endpoint = f" ({_endpoint()})" if _endpoint() else ""
            why = (
                f"the store{endpoint} cannot be reached, or the connection breaks off; check the "
                "connection and the endpoint, then run the same command again"
            )
        return StoreError(f"{printable(self.url.rstrip('/'))}: {why}")


def _insist(action: Callable[[], T]) -> T:
    """Do something that may be done twice, again and again where an answer is cut or garbled.

    All else that passes obstore repeats by itself.
    """
    from obstore.exceptions import GenericError

    backoff = _RETRIES["backoff"]
    pause, longest = (backoff[name].total_seconds() for name in ("init_backoff", "max_backoff"))
    for number in range(_RETRIES["max_retries"]):
        try:
            return action()
        except (GenericError, ConnectionError) as error:
            # What is no listing may as well be the page of a server that is no store.
            garbled = _GARBLED.search(str(error)) and number < _TRIES_OF_GARBLED
            if isinstance(error, GenericError) and not (_CUT.search(str(error)) or garbled):
                raise
            time.sleep(pause * secrets.SystemRandom().uniform(0.5, 1))
            pause = min(2 * pause, longest)
    return action()


def _whole(data: Any, size: int) -> bytes:
    """Return the bytes of an answer, unless it is cut short."""
    if len(data) != size:
        raise ConnectionError(f"{len(data):,} of {size:,} bytes")
    return bytes(data)


_CUT = re.compile("response body")
_GARBLED = re.compile(r"invalid \w+ response")
_TRIES_OF_GARBLED = 6
# What a store answers that knows no puts on a condition.
_UNCONDITIONAL = re.compile(r"NotSupported|NotImplemented|status code: 501", re.IGNORECASE)
_CREDENTIALS = frozenset(
    (
        *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"),
        *("TokenRefreshRequired", "AuthFailure", "AuthorizationHeaderMalformed"),
        *("InvalidClientTokenId", "UnrecognizedClientException", "RequestExpired"),
    )
)
# What stores answer, each in its own words, where they do not take a name.
_REFUSED_NAMES = frozenset(
    (
        *("KeyTooLongError", "KeyTooLong", "InvalidObjectName", "InvalidKey", "InvalidURI"),
        *("XMinioInvalidObjectName", "XMinioObjectExistsAsDirectory", "ParentIsObject"),
        *("InvalidResourceName", "InvalidUri", "InvalidBlobName"),
    )
)
_ELSEWHERE = frozenset(
    ("PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException")
)
_MOVED = (301, 307, 308)
_RIGHTS = {"list": "s3:ListBucket", "read": "s3:GetObject", "write": "s3:PutObject"}
_NO_CREDENTIALS = re.compile(r"169\.254\.169\.254|NoCredentials|missing credentials", re.IGNORECASE)


_ENDPOINT = re.compile(r"""https?://[^\s"<>\\^`{|}\0-\x1f\x7f-\U0010ffff]+""")


def is_endpoint(url: str) -> bool:
    """Say whether a URL can be that of a store; what reaches one accepts less than it survives."""
    try:
        parts = urlsplit(url)
        return bool(_ENDPOINT.fullmatch(url) and parts.hostname) and parts.port != 0
    except ValueError:
        return False


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
    if endpoint and not is_endpoint(endpoint):
        # Not what came: it may hold a password.
        raise StoreError(
            "the endpoint of the store (--endpoint or AWS_ENDPOINT_URL): expected a URL such as "
            "https://store.example"
        )
    client = {**_TIMES, "allow_http": endpoint.startswith("http://")}
    shared: Any = {
        "prefix": prefix or None,
        "client_options": client,
        "retry_config": _RETRIES,
    }
    if scheme != "s3":
        return {"gs": GCSStore, "az": AzureStore}[scheme](bucket, **shared)
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
