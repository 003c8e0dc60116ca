"""Runs from bucket to bucket: the same bytes, whatever the store does meanwhile."""

import json
import logging
import os
import re
import time
import urllib.parse
from itertools import pairwise
from pathlib import Path

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

import jobs
import servers
from variegate import Options, Recipe, augment, convert, read_manifest
from variegate.errors import OutputError, StoreError, UsageError
from variegate.formats.scan import seems_image
from variegate.runs.rebuild import rebuild
from variegate.runs.status import status
from variegate.runs.verify import verify
from variegate.storage import object_store as objects
from variegate.storage import open_storage

KINDS = ("moto", "s3rver")


@pytest.fixture(scope="session", params=KINDS)
def store(request, tmp_path_factory):
    """The URL of an S3."""
    started = (
        servers.moto()
        if request.param == "moto"
        else servers.s3rver(tmp_path_factory.mktemp("s3rver"))
    )
    with started as url:
        yield url


@pytest.fixture(scope="session")
def moto():
    with servers.moto() as url:
        yield url


def at(monkeypatch, url):
    """Let everything go to this endpoint."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**servers.CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def buckets(store, monkeypatch, request):
    """Two new buckets, their names, and what reaches them."""
    return new_buckets(store, monkeypatch, request)


@pytest.fixture
def moto_buckets(moto, monkeypatch, request):
    return new_buckets(moto, monkeypatch, request)


def new_buckets(url, monkeypatch, request):
    at(monkeypatch, url)
    s3 = servers.s3_client(url)
    tail = f"{abs(hash(request.node.name)) % 10**9}-{time.time_ns() % 10**9}"
    names = (f"raw-{tail}", f"more-{tail}")
    for name in names:
        s3.create_bucket(Bucket=name)
    return (*names, s3)


def upload(s3, bucket, folder: Path, prefix=""):
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            s3.upload_file(str(path), bucket, f"{prefix}{path.relative_to(folder).as_posix()}")


def download(s3, bucket, prefix=""):
    """Return the objects of a bucket, manifests aside."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [one["Key"] for page in pages for one in page.get("Contents", ())]
    return {
        key.removeprefix(prefix): s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        for key in keys
        if not key.endswith((".parquet", "job.json"))
    }


def local(folder: Path):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".parquet" and path.name != "job.json"
    }


def test_a_bucket_gets_the_same_bytes_as_a_folder(buckets, tmp_path):
    raw, more, s3 = buckets
    source = jobs.draw_set(tmp_path / "in", 12)
    upload(s3, raw, source, "photos/")
    here = augment(source, tmp_path / "out", recipe=jobs.recipe(), options=Options(workers=0))
    there = augment(
        f"s3://{raw}/photos", f"s3://{more}/a/b/", recipe=jobs.recipe(), options=Options(workers=2)
    )
    assert there.digest == here.digest
    assert download(s3, more, "a/b/") == local(tmp_path / "out")
    assert all(key.startswith("a/b/") for key in all_keys(s3, more))
    assert all_keys(s3, raw) == {f"photos/{key}" for key in local(source)}

    output = f"s3://{more}/a/b"
    assert verify(output).ok
    table = read_manifest(output)
    assert table.num_rows == here.counts.outputs
    key = table["output"][3].as_py()
    assert rebuild(output, key) == s3.get_object(Bucket=more, Key=f"a/b/{key}")["Body"].read()
    assert status(output).digest == here.digest
    again = augment(f"s3://{raw}/photos", output, recipe=jobs.recipe(), options=Options(workers=0))
    assert again.digest == here.digest
    with pytest.raises(OutputError, match="the seed"):
        augment(f"s3://{raw}/photos", output, recipe=jobs.recipe(), seed=99)


def test_azure_gets_the_same_bytes_as_a_folder(tmp_path, monkeypatch):
    source = jobs.draw_set(tmp_path / "in", 12)
    here = augment(source, tmp_path / "out", recipe=jobs.recipe(), options=Options(workers=0))
    with servers.azurite("raw", "more") as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        raw = open_storage("az://raw/photos", create=True)
        for path in source.rglob("*.*"):
            raw.write(path.relative_to(source).as_posix(), path.read_bytes())
        output = "az://more/a"
        there = augment("az://raw/photos", output, recipe=jobs.recipe(), options=Options(workers=2))
        assert there.digest == here.digest
        assert verify(output).ok
        key = read_manifest(output)["output"][3].as_py()
        assert rebuild(output, key) == (tmp_path / "out" / key).read_bytes()
        with pytest.raises(OutputError, match="the seed"):
            augment("az://raw/photos", output, recipe=jobs.recipe(), seed=99)
        with pytest.raises(StoreError, match="az://nowhere: there is no bucket 'nowhere'"):
            augment("az://nowhere", tmp_path / "never", recipe=jobs.recipe())


def all_keys(s3, bucket):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {one["Key"] for page in pages for one in page.get("Contents", ())}


def test_killed_runs_into_a_bucket_go_on(moto_buckets, tmp_path):
    raw, more, s3 = moto_buckets
    source = jobs.draw_set(tmp_path / "in", 30)
    upload(s3, raw, source)
    (tmp_path / "recipe.yaml").write_text(jobs.EIGHT)
    undisturbed = augment(
        source, tmp_path / "out", recipe=jobs.recipe(), options=Options(workers=2)
    )
    code = (
        "import sys; from pathlib import Path\n"
        "from variegate import Options, Recipe, augment\n"
        "source, output, recipe = sys.argv[1:]\n"
        "augment(source, output, recipe=Recipe.parse(Path(recipe).read_text()),"
        " options=Options(workers=2, shard_size=1))"
    )
    for wanted in (3, 40, 90, 170):
        process = jobs.python(code, f"s3://{raw}", f"s3://{more}", tmp_path / "recipe.yaml")
        deadline = time.monotonic() + 60
        while process.poll() is None and len(all_keys(s3, more)) < wanted:
            assert time.monotonic() < deadline
        jobs.kill_group(process)
    last = augment(f"s3://{raw}", f"s3://{more}", recipe=jobs.recipe(), options=Options(workers=2))
    assert last.digest == undisturbed.digest
    assert download(s3, more) == local(tmp_path / "out")


@pytest.fixture
def faulty(moto_buckets, moto, monkeypatch):
    """The buckets, and a proxy before them that everything but the test's own client goes through.

    Waiting between tries is short: how long is the store's business, not the test's.
    """
    proxy = servers.FaultyProxy(moto)
    at(monkeypatch, proxy.url)
    quick = {"init_backoff": objects.timedelta(milliseconds=1), "max_backoff": TENTH}
    monkeypatch.setitem(objects._RETRIES, "backoff", quick)
    monkeypatch.setitem(objects._TIMES, "timeout", "2s")
    objects._opened.cache_clear()
    yield (*moto_buckets, proxy)
    objects._opened.cache_clear()
    proxy.close()


TENTH = objects.timedelta(milliseconds=100)


@pytest.mark.parametrize(
    "faults",
    [
        lambda: [servers.sometimes(5, "54rc")],
        # One in twenty fails, one in fifty is cut short, and there are bursts.
        lambda: [servers.sometimes(20, "5r"), servers.sometimes(50, "c"), servers.in_bursts(60, 6)],
    ],
)
def test_a_store_that_throttles_resets_and_cuts_short_costs_nothing_but_time(
    faulty, tmp_path, faults
):
    raw, more, s3, proxy = faulty
    source = jobs.draw_set(tmp_path / "in", 20)
    upload(s3, raw, source)
    here = augment(source, tmp_path / "out", recipe=jobs.recipe(), options=Options(workers=0))
    proxy.faults += faults()
    there = augment(f"s3://{raw}", f"s3://{more}", recipe=jobs.recipe(), options=Options(workers=0))
    assert there.digest == here.digest
    assert there.counts.quarantined == 0
    assert download(s3, more) == local(tmp_path / "out")


@pytest.mark.parametrize("code", ["KeyTooLongError", "XMinioInvalidObjectName"])
def test_a_name_that_a_store_refuses_costs_its_image_alone(faulty, tmp_path, code):
    raw, more, s3, proxy = faulty
    source = jobs.draw_set(tmp_path / "in", 6)
    refused = sorted(path.relative_to(source) for path in source.rglob("*.*"))[2]
    upload(s3, raw, source)

    def refuse(handler):
        # Not the first of its results: others of it are there already.
        if handler.command != "PUT" or f"{refused.stem}-v01" not in handler.path:
            return False
        handler.answer(400, code)
        return True

    proxy.faults.append(refuse)
    told = []
    summary = augment(
        f"s3://{raw}",
        f"s3://{more}",
        recipe=jobs.recipe(jobs.TWO),
        options=Options(workers=0),
        on_progress=lambda progress: told.append(progress.counts.sources),
    )
    assert (summary.counts.augmented, summary.counts.quarantined) == (5, 1)
    (row,) = read_manifest(f"s3://{more}", where={"status": ["quarantined"]}).to_pylist()
    assert row["reason"].endswith(f"the store takes no such name ({code})")
    assert row["key"].endswith(refused.name)
    assert not [key for key in download(s3, more) if refused.stem in key]
    assert told[-1] == 6
    assert verify(f"s3://{more}").ok


def test_annotations_in_a_store_that_cuts_short_are_read_whole(faulty, data_dir, tmp_path):
    raw, more, s3, proxy = faulty
    source = data_dir / "annotation_formats/coco_dataset/coco_instances"
    upload(s3, raw, source)
    here = augment(source, tmp_path / "out", recipe=jobs.recipe(), options=Options(workers=0))
    proxy.faults.append(servers.sometimes(3, "c5r"))
    there = augment(f"s3://{raw}", f"s3://{more}", recipe=jobs.recipe(), options=Options(workers=0))
    assert there.counts == here.counts
    assert there.digest == here.digest
    assert download(s3, more) == local(tmp_path / "out")


def test_a_store_that_does_not_answer_in_time_is_asked_again(faulty, tmp_path):
    raw, more, s3, proxy = faulty
    source = jobs.draw_set(tmp_path / "in", 2)
    upload(s3, raw, source)
    slept = []

    def sleep_once(handler):
        if handler.command == "GET" and "list-type" not in handler.path and not slept:
            slept.append(handler.path)
            time.sleep(3)
        return False

    proxy.faults.append(sleep_once)
    there = augment(f"s3://{raw}", f"s3://{more}", recipe=jobs.recipe(), options=Options(workers=0))
    assert slept
    assert there.counts.quarantined == 0


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (servers.always(403, "AccessDenied", "PUT"), "no permission to write .s3:PutObject"),
        (servers.always(503, "SlowDown", "PUT"), "asks to go slower"),
        (servers.always(403, "ExpiredToken", "PUT"), "does not accept the credentials .Expired"),
        (servers.always(500, "InternalError", "PUT"), "answers 500 InternalError"),
    ],
    ids=["denied", "slow", "expired", "broken"],
)
def test_a_run_that_a_store_stops_says_why_and_goes_on_later(faulty, tmp_path, fault, sentence):
    raw, more, s3, proxy = faulty
    source = jobs.draw_set(tmp_path / "in", 8)
    upload(s3, raw, source)
    begun = []

    def later(handler):
        # The job's record and some images come through.
        begun.append(handler.path)
        return len(begun) > 30 and fault(handler)

    proxy.faults.append(later)
    options = Options(workers=0, shard_size=2)
    with pytest.raises(StoreError, match=sentence) as caught:
        augment(f"s3://{raw}", f"s3://{more}", recipe=jobs.recipe(), options=options)
    assert "\n" not in str(caught.value)
    proxy.faults.clear()
    here = augment(source, tmp_path / "out", recipe=jobs.recipe(), options=Options(workers=0))
    there = augment(f"s3://{raw}", f"s3://{more}", recipe=jobs.recipe(), options=options)
    assert there.digest == here.digest
    assert there.continued


def test_who_may_read_but_not_list_is_told(faulty, tmp_path):
    raw, more, s3, proxy = faulty
    upload(s3, raw, jobs.draw_set(tmp_path / "in", 1))

    def no_listing(handler):
        if "list-type" not in handler.path:
            return False
        handler.answer(403, "AccessDenied")
        return True

    proxy.faults.append(no_listing)
    with pytest.raises(StoreError, match=r"no permission to list \(s3:ListBucket"):
        augment(f"s3://{raw}", f"s3://{more}", recipe=jobs.recipe())


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((301, "PermanentRedirect"), "in another region; set AWS_REGION"),
        ((403, "InvalidAccessKeyId"), "does not accept the credentials"),
        ((403, "SignatureDoesNotMatch"), "does not accept the credentials"),
        ((404, "NoSuchBucket"), "there is no bucket"),
    ],
)
def test_what_is_wrong_with_an_account_is_one_sentence(faulty, answer, sentence):
    raw, more, _, proxy = faulty
    proxy.faults.append(servers.always(*answer))
    with pytest.raises(StoreError, match=sentence) as caught:
        augment(f"s3://{raw}", f"s3://{more}", recipe=jobs.recipe())
    assert "\n" not in str(caught.value)


def test_a_store_that_nobody_runs(monkeypatch):
    at(monkeypatch, f"http://127.0.0.1:{servers.free_port()}")
    monkeypatch.setitem(objects._RETRIES, "max_retries", 1)
    objects._opened.cache_clear()
    try:
        with pytest.raises(StoreError, match="cannot be reached"):
            augment("s3://raw", "s3://more", recipe=jobs.recipe())
    finally:
        objects._opened.cache_clear()


def test_secrets_appear_nowhere(faulty, tmp_path, monkeypatch, caplog):
    raw, more, s3, proxy = faulty
    secret = "very/secret+key/4711"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_SESSION_TOKEN", f"token-{secret}")
    objects._opened.cache_clear()
    caplog.set_level(logging.DEBUG)
    upload(s3, raw, jobs.draw_set(tmp_path / "in", 2))
    augment(f"s3://{raw}", f"s3://{more}", recipe=jobs.recipe(), options=Options(workers=1))
    pages = s3.list_objects_v2(Bucket=more)["Contents"]
    for one in pages:
        assert secret.encode() not in s3.get_object(Bucket=more, Key=one["Key"])["Body"].read()
    proxy.faults.append(servers.always(403, "AccessDenied"))
    with pytest.raises(UsageError) as caught:
        augment(f"s3://{raw}", f"s3://{more}/x", recipe=jobs.recipe())
    assert secret not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"
    assert secret not in caplog.text
    assert secret not in repr(open_storage(f"s3://{raw}"))


def test_output_and_input_must_not_hold_each_other(monkeypatch):
    at(monkeypatch, "http://127.0.0.1:9")
    for source, output in (
        ("s3://b/in", "s3://b/in/out"),
        ("s3://b/x/in", "s3://b/x"),
        ("s3://b",) * 2,
    ):
        with pytest.raises(OutputError, match="hold each other"):
            augment(source, output, recipe=jobs.recipe())


def test_an_output_that_holds_something_else_is_refused(moto_buckets, tmp_path):
    raw, more, s3 = moto_buckets
    upload(s3, raw, jobs.draw_set(tmp_path / "in", 1))
    s3.put_object(Bucket=more, Key="thesis.doc", Body=b"x")
    with pytest.raises(OutputError, match=r"holds thesis\.doc and is not an output"):
        augment(f"s3://{raw}", f"s3://{more}", recipe=jobs.recipe())
    assert os.environ["AWS_ENDPOINT_URL"]


@pytest.fixture
def watched(monkeypatch, caplog):
    """Moto in this process, its own way in, and what is asked of it: (method, path, range)."""
    caplog.set_level(logging.ERROR, "werkzeug")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    proxy, asked = servers.FaultyProxy(f"http://{host}:{port}"), []
    at(monkeypatch, proxy.url)

    def note(handler):
        asked.append((handler.command, handler.path, handler.headers.get("Range")))
        return False

    proxy.faults.append(note)
    objects._opened.cache_clear()
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    yield backend, asked
    backend.reset()
    objects._opened.cache_clear()
    proxy.close()
    server.stop()


def large_coco(data_dir, folder):
    """Write a COCO set whose files are read in several pieces."""
    convert(data_dir / "bccd_voc", folder, to="coco", options=Options(workers=0))
    for file in folder.glob("annotations/*.json"):
        content = json.loads(file.read_bytes())
        file.write_text(json.dumps({**content, "note": "x" * 5_300_000}))
    return folder


def yolo(data_dir, folder):
    convert(data_dir / "bccd_voc", folder, to="yolo", allow_loss=True, options=Options(workers=0))
    return folder


@pytest.mark.parametrize(
    ("heading", "make"),
    [
        ("Pascal VOC", lambda data_dir, _: data_dir / "bccd_voc"),
        ("YOLO boxes", yolo),
        ("COCO", large_coco),
    ],
    ids=["voc", "yolo", "coco"],
)
def test_a_run_lists_a_large_bucket_once_and_reads_no_annotation_twice(
    watched, data_dir, tmp_path, heading, make
):
    backend, asked = watched
    source = make(data_dir, tmp_path / "in")
    backend.create_bucket("large", "us-east-1")
    kinds = (".jpg", ".xml", ".txt", ".yaml", ".json")
    found = local(source).items()
    files = {key: data for key, data in found if key.endswith(kinds) and key[0] != "."}
    # Others stand before and behind the set.
    others = {f"{'0z'[n % 2]}/{n:06}.bin": b"." for n in range(20_000 - len(files))}
    for key, data in (files | others).items():
        backend.put_object("large", key, data)
    summary = augment(
        "s3://large",
        tmp_path / "out",
        recipe=Recipe.from_data({"variants": "source"}),
        # With a limit, workers do not look into files that are neither images nor annotations.
        options=Options(workers=0, limit=59),
    )
    assert summary.format.startswith(heading)
    assert summary.counts.outputs == 59

    pages = [path for method, path, _ in asked if method == "GET" and "list-type" in path]
    # 20 of all of it, and before them one to see whether some of the names would do.
    assert len(pages) == 21
    ranges = {}
    for method, path, within in asked:
        key = urllib.parse.unquote(path.partition("?")[0].removeprefix("/large/"))
        if key in files and not seems_image(key) and method == "GET":
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", within or f"bytes=0-{len(files[key]) - 1}")
            ranges.setdefault(key, []).append((int(found[1]), int(found[2])))
    assert ranges.keys() == {key for key in files if key.endswith(kinds[1:])}
    for of_one in ranges.values():
        assert all(one[1] < two[0] for one, two in pairwise(sorted(of_one)))
    # Nor is it asked how large files are that the listing has named, but for those in pieces.
    heads = {
        urllib.parse.unquote(path).removeprefix("/large/") for m, path, _ in asked if m == "HEAD"
    }
    assert all(len(files[key]) > 1 << 20 for key in heads & ranges.keys())
