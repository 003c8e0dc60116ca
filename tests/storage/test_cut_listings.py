"""Listings of a store whose answers are cut short or garbled on their way: asked for again."""

import pytest

import servers
from variegate.errors import StoreError
from variegate.storage import object_store, open_storage

NAMES = [f"{number:04}.txt" for number in range(1010)]


@pytest.fixture(scope="module")
def moto():
    with servers.moto() as url:
        s3 = servers.s3_client(url)
        s3.create_bucket(Bucket="many")
        for name in NAMES:
            s3.put_object(Bucket="many", Key=name, Body=b"x")
        yield url


@pytest.fixture
def proxy(moto, monkeypatch):
    made = servers.FaultyProxy(moto)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**servers.CREDENTIALS, "AWS_ENDPOINT_URL": made.url}.items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


def answering(handler, body, *, length=None):
    handler.send_response_only(200)
    if length is None:
        handler.send_header("Connection", "close")
    else:
        handler.send_header("Content-Length", str(length))
    handler.send_header("Content-Type", "application/xml")
    handler.end_headers()
    handler.wfile.write(body)
    handler.reset()


HALF = b'<?xml version="1.0"?><ListBucketResult><Name>many</Name><Contents><Key>0000.txt</K'

FAULTS = {
    "cut": lambda handler: handler.pass_on(cut=True),
    "reset": lambda handler: handler.reset(),
    "half a document, length unknown": lambda handler: answering(handler, HALF),
    "half a document": lambda handler: answering(handler, HALF, length=len(HALF)),
    "nothing": lambda handler: answering(handler, b"", length=0),
    "nothing, length unknown": lambda handler: answering(handler, b""),
    "another program's page": lambda handler: answering(handler, b"<p>busy<br></p>", length=15),
    "a gateway's error": lambda handler: handler.answer(502, "BadGateway"),
}


def some(kind, which):
    """Return a fault that these listings meet, counted from 0."""
    count = [-1]

    def fault(handler):
        if handler.command != "GET" or "list-type" not in handler.path:
            return False
        count[0] += 1
        if count[0] not in which:
            return False
        FAULTS[kind](handler)
        return True

    return fault


@pytest.mark.parametrize("kind", FAULTS)
def test_a_listing_that_is_cut_is_asked_for_again(proxy, kind, monkeypatch):
    monkeypatch.setattr(object_store.time, "sleep", lambda _: None)
    # The first page, then the second one twice.
    proxy.faults.append(some(kind, {0, 2, 3}))
    assert [entry.key for entry in open_storage("s3://many").list()] == NAMES


def test_a_listing_that_is_always_cut_ends_in_a_sentence(proxy, monkeypatch):
    pauses = []
    monkeypatch.setattr(object_store.time, "sleep", pauses.append)
    proxy.faults.append(some("half a document", range(1000)))
    with pytest.raises(StoreError, match="something else than a store does"):
        list(open_storage("s3://many").list())
    assert len(pauses) == object_store._TRIES_OF_GARBLED
    assert pauses[-1] > pauses[0]
