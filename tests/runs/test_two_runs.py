"""Two runs of one job at the same output, with no lock between them: the race is forced."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

import jobs
import servers
from variegate import Options, augment
from variegate.errors import InputError, OutputError
from variegate.runs import manifest
from variegate.runs import run as run_module
from variegate.runs.rows import Row
from variegate.runs.verify import verify
from variegate.storage import ObjectStorage, open_storage

TINY = {"recipe": jobs.recipe(jobs.TWO), "options": Options(workers=0, shard_size=1)}

# Where the second run is when the first one does all of its work.
POINTS = {
    "before its first look": (manifest, "parts"),
    "before it looks for gaps": (manifest, "gaps"),
    "before its end": (run_module, "_finish"),
    "before the index files": (manifest, "items"),
    "after the index files": (manifest, "write_index_record"),
    "before the merge": (manifest, "merge"),
    "in the merge": (manifest, "write_lines"),
    "before the parts go": (manifest, "delete_parts"),
}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "in"
    for number in range(4):
        jobs.draw_noise(folder / f"{number}.png")
    lines = ["file,label", *(f"{number}.png,{'ab'[number % 2]}" for number in range(4))]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def no_locks(monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", flock)


def meet(monkeypatch, point, other):
    """Let `other` happen once, when this point is reached."""
    module, name = POINTS[point]
    real, met = getattr(module, name), []

    def met_by(*arguments, **options):
        if not met:
            met.append(True)
            other()
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, met_by)
    return met


@pytest.mark.parametrize("point", POINTS)
def test_the_second_run_leaves_what_the_first_made(source, tmp_path, monkeypatch, no_locks, point):
    alone = augment(source, tmp_path / "alone", **TINY)
    output = tmp_path / "out"
    met = meet(monkeypatch, point, lambda: augment(source, output, **TINY))
    summary = augment(source, output, **TINY)
    assert met
    assert (summary.digest, summary.counts) == (alone.digest, alone.counts)
    assert jobs.tree(output) == jobs.tree(tmp_path / "alone")
    assert verify(output).ok
    assert not list((output / ".variegate").glob("parts/*"))


def test_the_second_run_into_a_zip_file_leaves_what_the_first_made(
    source, tmp_path, monkeypatch, no_locks
):
    alone = augment(source, tmp_path / "alone.zip", **TINY)
    output = tmp_path / "out.zip"
    met = meet(monkeypatch, "before the index files", lambda: augment(source, output, **TINY))
    summary = augment(source, output, **TINY)
    assert met
    assert summary.digest == alone.digest
    assert verify(output).ok


def test_two_runs_into_one_bucket_folder(source, tmp_path, monkeypatch):
    alone = augment(source, tmp_path / "alone", **TINY)
    with servers.moto() as url:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {**servers.CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        servers.s3_client(url).create_bucket(Bucket="more")
        for point in ("before the merge", "before the index files", "in the merge"):
            output = f"s3://more/{point.replace(' ', '-')}"
            with monkeypatch.context() as patched:
                met = meet(patched, point, lambda output=output: augment(source, output, **TINY))
                summary = augment(source, output, **TINY)
            assert met
            assert (summary.digest, summary.counts) == (alone.digest, alone.counts)
            assert verify(output).ok
        check_conditional_puts(monkeypatch)


def check_conditional_puts(monkeypatch):
    storage = open_storage("s3://more/puts")

    def write(data):
        with storage.open_write("one", replace=False) as file:
            file.write(data)
        return storage.read("one")

    assert write(b"first") == b"first"
    assert write(b"second") == b"first"
    # What a look before the put would have missed.
    with monkeypatch.context() as patched:
        patched.setattr(ObjectStorage, "exists", lambda *_: False)
        assert write(b"third") == b"first"
        assert not storage.create("one", b"fourth")
        assert storage.create("two", b"2")


@pytest.fixture
def storage(tmp_path):
    return open_storage(tmp_path / "kept", create=True)


@pytest.mark.parametrize("error", [None, errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_that_is_there_stays_with_and_without_hard_links(storage, monkeypatch, error):
    if error:

        def no_links(*_):
            raise OSError(error, "no links")

        monkeypatch.setattr(os, "link", no_links)
    for data in (b"first", b"second"):
        with storage.open_write("a/one", replace=False) as file:
            file.write(data)
    assert storage.read("a/one") == b"first"
    assert storage.create("a/two", b"2")
    assert not storage.create("a/two", b"3")
    assert storage.read("a/two") == b"2"
    assert {path.name for path in Path(storage.root, "a").iterdir()} == {"one", "two"}


def rows(*numbers):
    return [
        Row(source=number, key=f"{number}.png", status="skipped", reason="x") for number in numbers
    ]


@pytest.mark.parametrize("left", [(), (0,), (0, 1)])
def test_an_empty_or_smaller_merge_replaces_no_manifest(storage, left):
    for number in range(3):
        manifest.write_part(storage, number, number + 1, rows(number))
    manifest.merge(storage)
    before = storage.read(manifest.MANIFEST)
    for number in set(range(3)) - set(left):
        storage.delete(manifest.part_key(number, number + 1))
    manifest.merge(storage)
    assert storage.read(manifest.MANIFEST) == before


def test_parts_stay_where_the_manifest_tells_of_fewer(storage):
    manifest.write_part(storage, 0, 1, rows(0))
    manifest.merge(storage)
    manifest.write_part(storage, 1, 3, rows(1, 2))
    with pytest.raises(OutputError, match="tells of 1 of 3 inputs"):
        manifest.delete_parts(storage)
    assert len(list(manifest.parts(storage))) == 2


@pytest.mark.parametrize("content", [b"", b"PAR1", b"{}"])
def test_parts_stay_where_the_manifest_cannot_be_read_back(storage, content):
    manifest.write_part(storage, 0, 1, rows(0))
    storage.write(manifest.MANIFEST, content)
    with pytest.raises(OutputError, match="tells of 0 of 1 inputs"):
        manifest.delete_parts(storage)
    manifest.merge(storage)
    manifest.delete_parts(storage)
    assert manifest.totals(storage).counts.skipped == 1


def test_a_part_that_vanishes_while_it_is_merged_is_no_manifest(storage):
    for number in range(2):
        manifest.write_part(storage, number, number + 1, rows(number))
    listed = list(manifest.parts(storage))
    storage.delete(listed[1].key)
    with pytest.raises(InputError, match="not found"):
        manifest.merge(storage, listed)
    assert not storage.exists(manifest.MANIFEST)


def test_an_output_with_an_empty_manifest_is_healed_by_the_same_command(source, tmp_path):
    output = tmp_path / "out"
    whole = augment(source, output, **TINY)
    tree = jobs.tree(output)
    (output / manifest.MANIFEST).unlink()
    (output / "labels.csv").write_text("file,label\n")
    manifest.merge(open_storage(output))
    assert manifest.totals(open_storage(output)).counts.sources == 0
    again = augment(source, output, **TINY)
    assert (again.digest, again.counts) == (whole.digest, whole.counts)
    assert jobs.tree(output) == tree


def test_without_locks_the_files_a_neighbour_is_writing_are_spared(source, tmp_path, no_locks):
    output = tmp_path / "out"
    young, old = (output / f".variegate-tmp-{name}" for name in ("young", "old"))
    augment(source, output, **TINY)
    (output / manifest.MANIFEST).unlink()
    for path in (young, old):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    augment(source, output, **TINY)
    assert young.exists()
    assert not old.exists()
