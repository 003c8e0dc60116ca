"""A heap with everything planted in known numbers becomes a clean dataset, counted and compared."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import heaps
from variegate import Options, verify
from variegate.codecs import decode, is_plain, probe
from variegate.datasets.prepare.prepare import Cleaning, prepare_dataset
from variegate.errors import InputError, OutputError, RecipeError
from variegate.runs.rebuild import rebuild

INLINE = Options(workers=0)


@pytest.fixture(scope="module")
def heap(data_dir, tmp_path_factory):
    return heaps.plant(tmp_path_factory.mktemp("heap") / "heap", data_dir)


@pytest.fixture(scope="module")
def prepared(heap, tmp_path_factory):
    output = tmp_path_factory.mktemp("prepared") / "clean"
    return prepare_dataset(heap, output, options=INLINE), output


@pytest.fixture
def again(prepared, tmp_path):
    """Copies of the audit and the result, to go on with."""
    _, output = prepared
    shutil.copytree(output, tmp_path / "clean")
    shutil.copytree(f"{output}.audit", tmp_path / "clean.audit")
    return tmp_path / "clean", tmp_path / "clean.audit"


def _files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".variegate" not in path.parts
    }


def _table(audit):
    with (audit / "decisions.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def _write(path, rows):
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, list(next(iter(rows))))
        out.writeheader()
        out.writerows(rows)


def test_everything_planted_is_accounted_for(heap, prepared):
    found, _ = prepared
    figures = found.to_json()
    assert {name: figures[name] for name in heaps.EXPECTED} == heaps.EXPECTED
    files = sum(path.is_file() for path in heap.rglob("*"))
    assert found.inputs == files == sum(heaps.EXPECTED.values())
    classes = {name: (one.found, one.kept) for name, one in found.classes.items()}
    assert classes == {"coat": (9, 4), "dress": (10, 8), "hat": (1, 0)}
    assert found.notes[0].startswith("1 class is left with nothing: 'hat'")
    # webp, four inks, turned, and none else.
    assert found.kept - found.as_they_were == 3


def test_the_heap_is_not_changed(data_dir, heap, prepared, tmp_path):
    heaps.plant(tmp_path / "heap", data_dir)
    assert _files(heap) == _files(tmp_path / "heap")


def test_proposals_follow_the_rules(prepared):
    _, output = prepared
    table = _table(output.with_name("clean.audit"))
    decided = {name: row["decision"] for name, row in table.items()}
    removed = {name for name, word in decided.items() if word == "remove"}
    assert removed == {
        *("coat/bytes.png", "coat/pixels.bmp", "coat/outvoted.jpg"),
        *("dress/half.jpg", "dress/photo3.jpg"),
    }
    quarantined = {name for name, word in decided.items() if word == "quarantine"}
    assert quarantined == {"coat/photo6.jpg", "hat/undecided.jpg", "coat/cut.jpg"}
    assert "class dress by 2 of 3" in table["coat/outvoted.jpg"]["reason"]
    assert "none with more than half: coat: 1, hat: 1" in table["hat/undecided.jpg"]["reason"]
    assert table["dress/mirrored.jpg"]["group"] == table["dress/photo3.jpg"]["group"]
    assert "mirrored" in table["dress/photo3.jpg"]["relation"]
    assert "notes.txt" not in table


def test_every_file_is_plain_and_says_nothing_of_its_maker(prepared):
    _, output = prepared
    files = {name: data for name, data in _files(output).items() if name != "manifest.parquet"}
    assert len(files) == heaps.EXPECTED["kept"]
    for name, data in files.items():
        assert is_plain(data), name
        assert probe(data).kind == ("png" if name.endswith(".png") else "jpeg"), name
        for told in (b"Exif", b"Secret", b"taken at home", b"a video"):
            assert told not in data, name


def test_pixels_are_those_of_the_heap(heap, prepared):
    _, output = prepared
    for name in ("dress/placed.jpg", "coat/photo0.jpg", "dress/photo1.jpg", "coat/photo2.jpg"):
        with Image.open(heap / name) as before, Image.open(output / name) as after:
            assert np.array_equal(np.asarray(before), np.asarray(after)), name
    with (
        Image.open(heap / "dress/clear.png") as before,
        Image.open(output / "dress/clear.png") as after,
    ):
        assert after.mode == "RGBA"
        assert np.array_equal(np.asarray(before), np.asarray(after))
    with (
        Image.open(heap / "dress/turned.jpg") as before,
        Image.open(output / "dress/turned.jpg") as after,
    ):
        # EXIF's 6 is shown turned by a quarter to the right.
        upright = np.rot90(np.asarray(before), -1).astype(int)
        assert after.size == (240, 320)
        assert abs(np.asarray(after) - upright).mean() < 2


def test_a_result_is_verified_and_any_file_rebuilt(prepared):
    _, output = prepared
    assert verify(output).ok
    for key in ("dress/turned.jpg", "dress/placed.jpg", "coat/inks.jpg"):
        assert rebuild(output, key, write=False) == (output / key).read_bytes()


def test_the_same_decisions_give_the_same_bytes_with_other_workers(heap, prepared, again, tmp_path):
    first, output = prepared
    table = again[1] / "decisions.csv"
    options = Options(workers=2, shard_size=3)
    second = prepare_dataset(heap, tmp_path / "two", decisions=table, options=options)
    assert second.digest == first.digest
    assert _files(tmp_path / "two") == _files(output)


def test_edited_decisions_are_applied_in_place(heap, again):
    output, audit = again
    rows = _table(audit)
    rows["hat/undecided.jpg"] |= {"decision": "keep", "class_decided": ""}
    rows["coat/photo6.jpg"]["decision"] = "remove"
    rows["dress/web.webp"]["decision"] = "remove"
    rows["dress/photo5.jpg"]["class_decided"] = "coat"
    # As a spreadsheet sorts and saves it.
    edited = audit / "edited.csv"
    _write(edited, sorted(rows.values(), key=lambda row: row["decision"]))
    edited.write_bytes(b"\xef\xbb\xbf" + edited.read_bytes().replace(b"\r\n", b"\n"))
    found = prepare_dataset(heap, output, decisions=edited, options=INLINE)
    assert (found.kept, found.duplicates, found.left_out, found.quarantined) == (12, 6, 1, 1)
    classes = {name: one.kept for name, one in found.classes.items()}
    assert classes == {"coat": 5, "dress": 6, "hat": 1}
    assert (output / "hat/undecided.jpg").exists()
    assert (output / "coat/photo5.jpg").exists()
    assert not (output / "dress/photo5.jpg").exists()
    assert not (output / "dress/web.jpg").exists()
    assert verify(output).ok
    assert (
        rebuild(output, "coat/photo5.jpg", write=False) == (output / "coat/photo5.jpg").read_bytes()
    )
    fresh = output.with_name("fresh")
    assert prepare_dataset(heap, fresh, decisions=edited, options=INLINE).digest == found.digest
    assert _files(fresh) == _files(output)


def test_edited_decisions_are_not_overwritten(heap, again):
    output, audit = again
    table = audit / "decisions.csv"
    table.write_text(table.read_text().replace("dress,keep", "dress,remove", 1))
    edited = table.read_bytes()
    with pytest.raises(OutputError, match="was edited since it was proposed"):
        prepare_dataset(heap, output, options=INLINE)
    assert table.read_bytes() == edited


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("coat/inks.jpg", "file", "coat/ink.jpg"),
            r"line 4: 'coat/ink.jpg' is no image .* did you mean 'coat/inks.jpg'",
        ),
        (
            ("coat/inks.jpg", "decision", "kepe"),
            r"line 4: decision 'kepe': expected keep, remove or quarantine; did you mean 'keep'",
        ),
        (
            ("coat/inks.jpg", "class_decided", "dres"),
            r"line 4: class_decided 'dres': no class of .* did you mean 'dress'",
        ),
        (
            ("coat/inks.jpg", "file", "coat/cut.jpg"),
            r"line 4: 'coat/cut.jpg' stands in line 3 already",
        ),
    ],
)
def test_what_is_not_known_is_refused_with_its_line(heap, again, change, message):
    output, audit = again
    name, column, value = change
    rows = _table(audit)
    rows[name][column] = value
    edited = audit / "edited.csv"
    _write(edited, rows.values())
    before = _files(output)
    with pytest.raises(InputError, match=message):
        prepare_dataset(heap, output, decisions=edited, options=INLINE)
    assert _files(output) == before


def test_an_image_without_a_line_is_asked_for(heap, again):
    output, audit = again
    rows = _table(audit)
    del rows["coat/inks.jpg"]
    edited = audit / "edited.csv"
    _write(edited, rows.values())
    with pytest.raises(InputError, match=r"1 image has no line, such as 'coat/inks.jpg'"):
        prepare_dataset(heap, output, decisions=edited, options=INLINE)


def test_other_columns_may_be_missing(heap, again):
    output, audit = again
    rows = [{"Decision": row["decision"], "file": name} for name, row in _table(audit).items()]
    edited = audit / "edited.csv"
    _write(edited, rows)
    edited.write_text(edited.read_text().replace(",", ";"))
    found = prepare_dataset(heap, output, decisions=edited, options=INLINE)
    assert found.kept == heaps.EXPECTED["kept"]


def test_flags_are_dropped_only_if_that_is_said(heap, tmp_path):
    found = prepare_dataset(heap, tmp_path / "clean", drop="blurred", options=INLINE)
    table = _table(tmp_path / "clean.audit")
    blurred = {name for name, row in table.items() if "blurred" in row["flags"].split(", ")}
    assert blurred
    assert found.left_out == len(blurred)
    assert found.kept == heaps.EXPECTED["kept"] - len(blurred)
    assert all(table[name]["reason"] == "flagged: blurred" for name in blurred)


@pytest.mark.parametrize(
    ("cleaning", "names"),
    [
        (Cleaning(names="numbered", kind="png"), r"(coat|dress)/00000[1-8]\.png"),
        (Cleaning(names="digest", kind="jpeg"), r"(coat|dress)/[0-9a-f]{16}\.jpg"),
    ],
)
def test_names_follow_one_scheme(heap, again, tmp_path, cleaning, names):
    import re

    _, audit = again
    output = tmp_path / "named"
    prepare_dataset(heap, output, cleaning=cleaning, audit_folder=audit, options=INLINE)
    found = [name for name in _files(output) if name != "manifest.parquet"]
    assert len(found) == heaps.EXPECTED["kept"]
    assert all(re.fullmatch(names, name) for name in found), found
    assert verify(output).ok


def test_large_images_are_reduced_and_small_ones_left(heap, again, tmp_path):
    _, audit = again
    output = tmp_path / "small"
    prepare_dataset(
        heap, output, cleaning=Cleaning(longest_side=300), audit_folder=audit, options=INLINE
    )
    sides = {
        name: max(decode(data).shape[:2])
        for name, data in _files(output).items()
        if name != "manifest.parquet"
    }
    assert max(sides.values()) == 300
    assert sides["dress/turned.jpg"] == 300


def test_metadata_is_kept_on_request(heap, again, tmp_path):
    _, audit = again
    output = tmp_path / "told"
    prepare_dataset(
        heap, output, cleaning=Cleaning(keep_metadata=True), audit_folder=audit, options=INLINE
    )
    assert (output / "dress/placed.jpg").read_bytes() == (heap / "dress/placed.jpg").read_bytes()
    with Image.open(output / "dress/turned.jpg") as image:
        exif = image.getexif()
        assert (exif[0x0112], exif[0x010F]) == (1, "Secret Camera")
        assert image.size == (240, 320)


def test_a_heap_that_changed_since_the_audit_is_reported(heap, again, tmp_path):
    _, audit = again
    changed = tmp_path / "heap"
    shutil.copytree(heap, changed)
    (changed / "coat" / "more.jpg").write_bytes((heap / "coat/photo4.jpg").read_bytes())
    table = audit / "decisions.csv"
    with pytest.raises(InputError, match="its files are others than those that were audited"):
        prepare_dataset(
            changed, tmp_path / "new", audit_folder=audit, decisions=table, options=INLINE
        )
    (changed / "coat" / "more.jpg").unlink()
    data = bytearray((changed / "dress/placed.jpg").read_bytes())
    data[-1] ^= 1
    (changed / "dress/placed.jpg").write_bytes(data)
    found = prepare_dataset(
        changed, tmp_path / "new", audit_folder=audit, decisions=table, options=INLINE
    )
    assert any("1 file has changed since the audit" in one for one in found.notes)


def test_a_zip_file_gives_the_same_as_its_folder(heap, prepared, tmp_path):
    first, _ = prepared
    shutil.make_archive(str(tmp_path / "heap"), "zip", heap)
    found = prepare_dataset(tmp_path / "heap.zip", tmp_path / "clean.zip", options=INLINE)
    assert (found.kept, found.duplicates) == (first.kept, first.duplicates)
    assert verify(tmp_path / "clean.zip").ok


def test_the_report_of_it_is_kept_beside_the_decisions(prepared):
    found, output = prepared
    written = json.loads((output.with_name("clean.audit") / "prepare.json").read_text())
    assert written == json.loads(json.dumps(replace(found, elapsed_s=0.0).to_json()))


def test_options_that_are_none_are_named(heap, tmp_path):
    for given, message in (
        ({"drop": "blury"}, "did you mean 'blurred'"),
        ({"cleaning": Cleaning(names="number")}, "did you mean 'numbered'"),
        ({"cleaning": Cleaning(kind="jpg")}, "did you mean 'jpeg'"),
        ({"drop": "blurred", "decisions": "x.csv"}, "--decisions brings those"),
    ):
        with pytest.raises(RecipeError, match=message):
            prepare_dataset(heap, tmp_path / "out", options=INLINE, **given)


def test_the_command_prints_the_account(heap, again):
    output, _ = again
    command = [sys.executable, "-m", "variegate", "prepare", str(heap), str(output), "-w", "0"]
    told = json.loads(subprocess.run([*command, "--json"], check=True, capture_output=True).stdout)
    assert {name: told[name] for name in heaps.EXPECTED} == heaps.EXPECTED
    shown = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "9 not compressed again, 3 encoded" in shown.stdout
    assert "1 class is left with nothing: 'hat'" in shown.stderr
    strict = subprocess.run([*command, "--strict"], capture_output=True, text=True, check=False)
    assert strict.returncode == 3
