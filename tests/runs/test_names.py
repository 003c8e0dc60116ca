"""Names that an output cannot have, or must not: one image is quarantined, the others are made."""

import errno
import os
import tarfile
import zipfile

import pytest

import jobs
from variegate import Options, augment, convert, read_manifest
from variegate.errors import InputError, KeyRefusedError, OutputError
from variegate.runs.result_storage import ResultStorage, is_reserved
from variegate.runs.verify import verify
from variegate.storage import ObjectStorage, open_storage

TINY = {"recipe": jobs.recipe(jobs.TWO), "options": Options(workers=0, format="unlabelled")}


@pytest.fixture
def image(tmp_path):
    return jobs.draw_noise(tmp_path / "one.png").read_bytes()


def zipped(path, names, image):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, image)
    return path


def taken(path, names, image):
    """Return a tar file; it may hold a file and a folder of one name."""
    source = path.with_name("content.png")
    source.write_bytes(image)
    with tarfile.open(path, "w") as archive:
        for name in names:
            archive.add(source, arcname=name)
    return path


def reasons(output):
    found = read_manifest(output, columns=["key", "status", "reason"]).to_pylist()
    return {row["key"]: row["reason"] for row in found if row["status"] == "quarantined"}


def test_a_path_too_long_for_the_output_is_one_image(tmp_path, image):
    # Each part fits, and all together do in the archive, but not below the output.
    deep = "/".join(["d" * 200] * 20) + "/far.png"
    source = zipped(tmp_path / "in.zip", ["a.png", deep, "z.png"], image)
    summary = augment(source, tmp_path / "out", **TINY)
    assert (summary.counts.augmented, summary.counts.quarantined) == (2, 1)
    assert "the name is too long for this file system" in reasons(tmp_path / "out")[deep]
    assert verify(tmp_path / "out").ok


def test_a_name_that_is_file_and_folder_is_one_image(tmp_path, image):
    names = ["a.png", "a-v00.png/b.png", "a-v00.png/c.png", "z.png"]
    source = taken(tmp_path / "in.tar", names, image)
    results = []
    for workers in (0, 2):
        output = tmp_path / f"out{workers}"
        options = Options(workers=workers, shard_size=1, format="unlabelled")
        summary = augment(source, output, recipe=TINY["recipe"], options=options)
        assert (summary.counts.augmented, summary.counts.quarantined) == (2, 2)
        found = reasons(output)
        assert set(found) == {"a-v00.png/b.png", "a-v00.png/c.png"}
        assert all("'a.png'" in reason for reason in found.values())
        assert verify(output).ok
        results.append(summary.digest)
    assert results[0] == results[1]


def test_a_copied_file_that_is_a_folder_elsewhere_is_one_image(tmp_path, image):
    names = ["train/a.png", "val/x.png", "val/x.png/y.png", "val/z.png"]
    source = taken(tmp_path / "in.tar", names, image)
    summary = augment(source, tmp_path / "out", **TINY, allow_leaks=True)
    assert (summary.counts.augmented, summary.counts.copied) == (1, 2)
    assert set(reasons(tmp_path / "out")) == {"val/x.png/y.png"}
    assert verify(tmp_path / "out").ok


@pytest.mark.parametrize("length", [300, 256])
def test_a_class_of_many_letters_is_one_image_of_a_conversion(tmp_path, length, image):
    folder = tmp_path / "in"
    for name in ("1.png", "2.png", "3.png"):
        jobs.draw_noise(folder / name)
    lines = ["file,label", "1.png,cat", f"2.png,{'x' * length}", "3.png,dog"]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    summary = convert(folder, tmp_path / "out", to="classes", options=Options(workers=0))
    assert (summary.counts.copied, summary.counts.quarantined) == (2, 1)
    assert "fits no folder's name; rename the class" in reasons(tmp_path / "out")["2.png"]
    assert verify(tmp_path / "out").ok


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_or_a_store_without_permission_stops_the_run(
    tmp_path, image, monkeypatch, number
):
    source = zipped(tmp_path / "in.zip", ["a.png", "b.png"], image)
    real = os.replace

    def replace(one, other):
        if str(other).endswith("b-v00.png"):
            raise OSError(number, os.strerror(number))
        real(one, other)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        with pytest.raises(OutputError):
            augment(source, tmp_path / "out", **TINY)
    assert augment(source, tmp_path / "out", **TINY).counts.augmented == 2


def test_an_output_that_is_gone_stops_the_run(tmp_path, image, monkeypatch):
    source = zipped(tmp_path / "in.zip", ["a.png", "b.png"], image)
    output = tmp_path / "out"
    real = os.replace

    def replace(one, other):
        if str(other).endswith("b-v00.png"):
            output.rename(tmp_path / "away")
            output.write_bytes(b"a file")
            raise NotADirectoryError(errno.ENOTDIR, "not a folder")
        real(one, other)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        with pytest.raises((InputError, OutputError)):
            augment(source, output, **TINY)


def test_a_name_too_long_for_a_bucket_is_told_before_it_is_sent():
    storage = ObjectStorage.of("s3://bucket/folder")
    for act in (storage.write, storage.write_later, storage.create):
        with pytest.raises(KeyRefusedError, match=r"1,032 bytes.*takes 1,024"):
            act("a" * 1025, b"")


@pytest.mark.parametrize(
    ("key", "reserved"),
    [
        (".variegate/job.json", True),
        (".variegate/parts/000000000000-000000000001.jsonl", True),
        (".VARIEGATE/x.png", True),
        (".variegate", True),
        (".variegate./x.png", True),
        ("manifest.parquet", True),
        ("Manifest.PARQUET", True),
        ("val/manifest.parquet", False),
        (".variegate-mine/x.png", False),
        ("a/.variegate/x.png", False),
    ],
)
def test_reserved_names(key, reserved):
    assert is_reserved(key) is reserved


HOSTILE = (
    "manifest.parquet",
    "MANIFEST.parquet",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_an_input_called_like_a_record_is_quarantined(tmp_path, image, name):
    folder = tmp_path / "in"
    names = {"a.png": "train", name: "val", "b.png": "train"}
    for one in names:
        (folder / one).parent.mkdir(parents=True, exist_ok=True)
        (folder / one).write_bytes(image)
    lines = ["file,label,split", *(f"{one},cat,{split}" for one, split in names.items())]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    options = {"recipe": jobs.recipe(jobs.TWO), "options": Options(workers=0, format="csv")}
    summary = augment(folder, tmp_path / "out", **options)
    assert summary.counts.augmented == 2
    assert "reserved" in reasons(tmp_path / "out")[name]
    assert verify(tmp_path / "out").ok
    again = augment(folder, tmp_path / "out", **options)
    assert again.digest == summary.digest


@pytest.mark.parametrize("name", [".variegate/job.json", ".Variegate/parts/x.png"])
def test_an_input_in_a_hidden_folder_of_records_is_skipped(tmp_path, image, name):
    for one in ("a.png", name):
        (tmp_path / "in" / one).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / one).write_bytes(image)
    options = Options(workers=0)
    counts = augment(
        tmp_path / "in", tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=options
    ).counts
    assert (counts.augmented, counts.skipped, counts.sources) == (1, 1, 2)
    assert verify(tmp_path / "out").ok


@pytest.mark.parametrize("label", [".variegate", ".VARIEGATE", "manifest.parquet"])
def test_a_class_called_like_a_record_touches_none(tmp_path, image, label):
    folder = tmp_path / "in"
    for one in ("1.png", "2.png"):
        jobs.draw_noise(folder / one)
    (folder / "labels.csv").write_text(f"file,label\n1.png,cat\n2.png,{label}\n")
    summary = convert(folder, tmp_path / "out", to="classes", options=Options(workers=0))
    assert (summary.counts.copied, summary.counts.quarantined) == (1, 1)
    assert verify(tmp_path / "out").ok


def test_nothing_that_is_quarantined_deletes_a_record(tmp_path):
    storage = open_storage(tmp_path / "out", create=True)
    storage.write(".variegate/job.json", b"{}")
    ResultStorage(storage).delete(".variegate/job.json")
    assert storage.exists(".variegate/job.json")
