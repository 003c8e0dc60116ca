"""`verify` finds every kind of damage; `rebuild` gives the same bytes or says why not."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import variegate
from variegate.codecs import encode
from variegate.datasets.samples import draw_images
from variegate.errors import InputError, OutputError
from variegate.runs.identity import JOB
from variegate.runs.output import read_manifest
from variegate.runs.rebuild import rebuild
from variegate.runs.run import Options
from variegate.runs.verify import Verification, verify


def drawn(folder: Path, count: int = 6) -> Path:
    for key, one in draw_images(count, size=(48, 64)):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(one.image, format="jpeg", quality=90))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return drawn(tmp_path / "source")


@pytest.fixture
def output(source: Path, tmp_path: Path) -> Path:
    variegate.augment(source, tmp_path / "out", recipe="light", options=Options(workers=0))
    return tmp_path / "out"


def images(output: Path) -> list[Path]:
    return sorted(output.rglob("*.jpg"))


def counts(found: Verification) -> tuple[int, int, int]:
    return found.missing, found.changed, found.unknown


def test_undamaged_output_is_ok_and_every_file_was_read(output):
    found = verify(output)
    assert found.ok
    assert found.files == len(images(output))
    assert found.bytes == sum(path.stat().st_size for path in images(output))


def flip_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def put_a_folder_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: list[tuple[Callable[[Path], None], tuple[int, int, int], str]] = [
    (flip_one_bit, (0, 1, 0), "sha256"),
    (cut_short, (0, 1, 0), "bytes"),
    (Path.unlink, (1, 0, 0), "not there"),
    (put_a_folder_there, (1, 0, 0), "not there"),
    (lambda path: path.rename(path.with_name("other.jpg")), (1, 0, 1), "not there"),
    (lambda path: path.with_name("new.jpg").write_bytes(b"new"), (0, 0, 1), "does not name"),
]


@pytest.mark.parametrize(("damage", "expected", "detail"), DAMAGES)
def test_damage_is_found_and_named(damage, expected, detail, output):
    damage(images(output)[7])
    found = verify(output)
    assert not found.ok
    assert counts(found) == expected
    assert detail in found.problems[0].detail


def test_exchanged_files_are_both_changed(output):
    one, other = images(output)[2:4]
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert counts(verify(output)) == (0, 2, 0)


def test_more_problems_than_are_kept_are_counted(output, monkeypatch):
    monkeypatch.setattr("variegate.runs.verify._KEPT", 10)
    for number in range(25):
        (output / f"new-{number}.txt").touch()
    found = verify(output)
    assert found.unknown == 25
    assert len(found.problems) == 10


def test_zip_output_is_verified_too(source, tmp_path):
    summary = variegate.augment(source, tmp_path / "out.zip", options=Options(workers=0))
    found = verify(tmp_path / "out.zip")
    assert found.ok
    assert found.digest == summary.digest
    assert found.files == summary.counts.outputs


def test_table_that_the_layout_writes_is_known(tmp_path):
    folder = drawn(tmp_path / "table")
    rows = [f"{path.relative_to(folder)},{path.parent.name}" for path in images(folder)]
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows]))
    out = tmp_path / "out"
    variegate.augment(folder, out, options=Options(workers=0))
    assert (out / "labels.csv").is_file()
    assert verify(out).ok


def test_progress_reaches_the_end(output):
    told: list[tuple[int, int]] = []
    verify(output, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(images(output)),) * 2
    assert [done for done, _ in told] == list(range(1, len(told) + 1))


def test_folder_that_is_no_output_is_refused(source):
    for call in (verify, read_manifest, lambda place: rebuild(place, "a.jpg")):
        with pytest.raises(InputError, match="not an output of variegate"):
            call(source)


def test_manifest_is_read_by_columns_and_values(output):
    table = read_manifest(output, columns=["output"], where={"variant": [3, 5], "label": ["led"]})
    assert table.column_names == ["output"]
    assert table.num_rows == 2
    assert read_manifest(output, where={"status": []}).num_rows == 0
    assert read_manifest(output).num_rows == len(images(output))


def test_every_output_is_rebuilt_to_the_same_bytes(output):
    for path in images(output):
        data = path.read_bytes()
        path.unlink()
        assert rebuild(output, str(path.relative_to(output))) == data
        assert path.read_bytes() == data
    assert verify(output).ok


def test_copied_file_is_rebuilt_too(tmp_path):
    folder = tmp_path / "split"
    for split in ("train", "val"):
        drawn(folder / split)
    out = tmp_path / "out"
    # The same images are in both.
    variegate.augment(folder, out, options=Options(workers=0), allow_leaks=True)
    copied = sorted((out / "val").rglob("*.jpg"))
    assert len(copied) == 6
    data = copied[0].read_bytes()
    copied[0].write_bytes(b"damaged")
    assert rebuild(out, str(copied[0].relative_to(out))) == data
    assert verify(out).ok


def test_rebuild_without_writing_leaves_the_output_alone(output):
    path = images(output)[3]
    data = path.read_bytes()
    path.unlink()
    assert rebuild(output, str(path.relative_to(output)), write=False) == data
    assert not path.exists()


def test_rebuild_from_a_zip_output_can_only_be_returned(source, tmp_path):
    place = tmp_path / "out.zip"
    variegate.augment(source, place, options=Options(workers=0))
    row = read_manifest(place).to_pylist()[0]
    data = rebuild(place, row["output"], write=False)
    assert hashlib.sha256(data).hexdigest() == row["sha256"]
    with pytest.raises(OutputError, match="archives are only read"):
        rebuild(place, row["output"])


def test_rebuild_finds_sources_that_were_moved(source, output, tmp_path):
    key = str(images(output)[0].relative_to(output))
    data = (output / key).read_bytes()
    source.rename(tmp_path / "moved")
    with pytest.raises(InputError, match=r"source.*not found.*--source"):
        rebuild(output, key)
    assert rebuild(output, key, source=tmp_path / "moved") == data


def test_rebuild_refuses_a_changed_or_missing_source(source, output):
    row = read_manifest(output).to_pylist()[0]
    path = source / row["key"]
    flip_one_bit(path)
    before = (output / row["output"]).read_bytes()
    with pytest.raises(InputError, match="the source has changed since"):
        rebuild(output, row["output"])
    path.unlink()
    with pytest.raises(InputError, match="the source is not there"):
        rebuild(output, row["output"])
    assert (output / row["output"]).read_bytes() == before


def test_rebuild_of_an_unknown_key_names_the_nearest(output):
    key = str(images(output)[0].relative_to(output))
    with pytest.raises(InputError, match=f"did you mean '{key}'"):
        rebuild(output, key.replace("capacitor-", "capaciter-"))
    with pytest.raises(InputError, match=r"no output is called 'x'$"):
        rebuild(output, "x")


def record(output: Path, **changes: object) -> None:
    path = output / JOB
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_rebuild_blames_other_versions_for_other_bytes(output):
    # The first is the source's own file, whatever the quality.
    key = str(images(output)[1].relative_to(output))
    before = (output / key).read_bytes()
    versions = json.loads((output / JOB).read_text())["versions"]
    # As if another version of the codec had been used: another quality gives other bytes.
    job = json.loads((output / JOB).read_text())
    other = {**job["recipe"], "output": {"quality": 50}}
    record(output, recipe=other, versions={**versions, "numpy": "1.0"})
    with pytest.raises(InputError, match=r"other bytes came out, because of numpy 1\.0 then"):
        rebuild(output, key)
    record(output, recipe=other, versions=versions)
    with pytest.raises(InputError, match="other bytes came out, with the same libraries"):
        rebuild(output, key)
    assert (output / key).read_bytes() == before


def test_rebuild_of_a_name_that_is_no_text(tmp_path):
    odd = os.fsdecode(b"caf\xe9.jpg")
    folder, out = drawn(tmp_path / "source"), tmp_path / "out"
    try:
        images(folder)[0].rename(folder / "led" / odd)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    variegate.augment(folder, out, options=Options(workers=0))
    assert verify(out).ok
    key = next(str(path.relative_to(out)) for path in images(out) if "\udce9" in path.name)
    data = (out / key).read_bytes()
    (out / key).unlink()
    assert verify(out).problems[0].key == key.replace("\udce9", "\\xe9")
    assert rebuild(out, key) == data
