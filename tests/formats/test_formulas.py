"""Cells of CSV files that are written: none is computed, and what is read is what was written."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

import jobs
from variegate import Options, augment, convert
from variegate.formats.delimited import csv_rows
from variegate.formats.formulas import guarded
from variegate.storage import open_storage

LABELS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "'=quoted", "plain", "-1.5"]
OPTIONS = Options(workers=0)


def dataset(folder, labels):
    folder.mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label"])
        for number, label in enumerate(labels):
            jobs.draw_noise(folder / f"{number}.png")
            writer.writerow([f"{number}.png", guarded(label)])
    return folder


def cells(path):
    with path.open(newline="") as file:
        return [cell for row in csv.reader(file) for cell in row]


def computed(path):
    """Return the cells that a spreadsheet would compute."""
    return [one for one in cells(path) if one[:1] in tuple("=+-@\t\r") and one != "-1.5"]


def labels_of(folder):
    found = {}
    for _, row in csv_rows(open_storage(folder), "labels.csv"):
        found[row[0]] = row[1]
    return found


def test_a_table_computes_nothing_and_is_read_as_it_was(tmp_path):
    source = dataset(tmp_path / "in", LABELS)
    augment(source, tmp_path / "out", recipe=jobs.recipe(jobs.TWO), options=OPTIONS)
    assert not computed(tmp_path / "out/labels.csv")
    written = labels_of(tmp_path / "out")
    assert {label.strip() for label in LABELS} <= {label.strip() for label in written.values()}
    again = augment(
        tmp_path / "out", tmp_path / "twice", recipe=jobs.recipe(jobs.TWO), options=OPTIONS
    )
    assert again.counts.augmented == 2 * len(LABELS)
    assert set(labels_of(tmp_path / "twice").values()) == set(written.values())


@pytest.mark.parametrize("to", ["csv", "imagefolder"])
def test_neither_does_one_of_a_conversion(tmp_path, to):
    source = dataset(tmp_path / "in", LABELS)
    convert(source, tmp_path / "out", to=to, options=OPTIONS)
    assert not [one for path in (tmp_path / "out").rglob("*.csv") for one in computed(path)]


def test_labels_stay_raw_where_that_is_wanted(tmp_path):
    source = dataset(tmp_path / "in", ["=1+1", "b"])
    convert(source, tmp_path / "out", to="csv", options=Options(workers=0, raw_labels=True))
    assert "=1+1" in cells(tmp_path / "out/labels.csv")
    convert(source, tmp_path / "safe", to="csv", options=OPTIONS)
    assert "'=1+1" in cells(tmp_path / "safe/labels.csv")


@given(st.text(st.sampled_from("=+-@'a1.\t\r"), max_size=6))
def test_what_is_read_is_what_was_written(tmp_path_factory, cell):
    storage = open_storage(tmp_path_factory.mktemp("cell"))
    with storage.open_write("one.csv") as file:
        text = f'"{guarded(cell)}","x"\n'
        file.write(text.encode())
    assert next(csv_rows(storage, "one.csv"))[1][0] == cell


@pytest.mark.parametrize("number", ["-1.5", "+3", "-2e-5", -4, 1.5, None])
def test_numbers_stay_as_they_are(number):
    assert guarded(number) == number
