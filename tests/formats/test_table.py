"""CSV of files and labels, as people write it."""

import csv
import io

import pytest

from variegate import Hints
from variegate.errors import InputError, UsageError
from variegate.formats import Source, detect
from variegate.storage import open_storage


@pytest.fixture
def make(tmp_path):
    def make_set(table, *keys, name="labels.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(table if isinstance(table, bytes) else table.encode())
        for key in keys:
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).touch()
        return open_storage(tmp_path)

    return make_set


def labels(storage, **choice):
    dataset_format = detect(storage, **choice)
    assert dataset_format.name == "csv"
    sources = dataset_format.sources(storage)
    return {source.key: source.label for source in sources if source.key.endswith("g")}


@pytest.mark.parametrize(
    "table",
    [
        "file,label\n1.jpg,cat\n2.jpg,dog\n",
        "\ufefffile,label\r\n1.jpg,cat\r\n2.jpg,dog\r\n",
        "label;who;Image Name\ncat;me;1.jpg\ndog;me;2.jpg",
        'File_Name\tClass\n"1.jpg"\t"cat"\n2.jpg\tdog\n\n\n',
        '"path","species","note"\n"1.jpg","cat","a, ""b""\nc"\n./2.jpg,dog,\n',
        "image_id,label,class_name\n1,7,cat\n2,8,dog\n",
    ],
)
def test_usual_headers_delimiters_and_quotes_are_understood(make, table):
    assert labels(make(table, "1.jpg", "2.jpg")) == {"1.jpg": "cat", "2.jpg": "dog"}


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("labels.csv", ("pics/1.jpg", "pics/2.jpg")),
        ("labels.csv", ("1.jpg", "2.jpg")),
        ("labels.csv", ("1", "pics/2")),
        ("labels.csv", ("pics\\1.jpg", ".\\pics\\2.jpg")),
        ("pics/labels.csv", ("1.jpg", "2.jpg")),
        ("tables/labels.csv", ("../pics/1.jpg", "../pics/2.jpg")),
        ("tables/labels.tsv", ("pics/1.jpg", "pics/2.jpg")),
    ],
)
def test_files_are_found_by_relative_paths_and_bare_names(make, name, rows):
    table = f"file,label\n{rows[0]},cat\n{rows[1]},dog\n"
    assert labels(make(table, "pics/1.jpg", "pics/2.jpg", name=name)) == {
        "pics/1.jpg": "cat",
        "pics/2.jpg": "dog",
    }


def test_the_split_stands_in_a_column_or_in_the_folder(make, tmp_path):
    storage = make(
        "file,label,Split\n1.jpg,a,Validation\n2.jpg,b,train\n3.jpg,b,\n", "1.jpg", "2.jpg", "3.jpg"
    )
    dataset_format = detect(storage)
    assert dataset_format.description == (
        "table labels.csv (columns 'file', 'label', 'Split'): 2 classes, 3 images, "
        "split (train 1, val 1, in no split 1)"
    )
    assert [source.split for source in dataset_format.sources(storage)] == [
        "val",
        "train",
        None,
        None,
    ]

    (tmp_path / "labels.csv").unlink()
    for number in "123":
        (tmp_path / f"{number}.jpg").unlink()
    storage = make("file,label\n1.jpg,a\n2.jpg,b\n", "Train/1.jpg", "test/2.jpg")
    dataset_format = detect(storage)
    assert list(dataset_format.sources(storage))[:2] == [
        Source("Train/1.jpg", 0, "train", "a"),
        Source("labels.csv", 27, None, None),
    ]
    assert dataset_format.splits == ("train", "test")


def test_what_does_not_match_is_counted_and_named(make):
    rows = [
        "1.jpg,cat",
        "2.jpg,dog",
        "gone.jpg,cat",
        "3.jpg,",
        "/x.jpg,cat",
        "../../y.jpg,cat",
        "C:\\z.jpg,dog",
    ]
    storage = make("file,label\n" + "\n".join(rows), "1.jpg", "2.jpg", "3.jpg", "new.jpg")
    dataset_format = detect(storage)
    assert dataset_format.notes == (
        r"3 files lie outside the dataset, says labels.csv: '../../y.jpg', '/x.jpg', 'C:\\z.jpg'",
        "1 file is listed in labels.csv but missing: 'gone.jpg'",
        "1 image is not listed in labels.csv and without a label: 'new.jpg'",
        "1 file has an empty label in labels.csv: '3.jpg'",
    )
    assert labels(storage) == {"1.jpg": "cat", "2.jpg": "dog", "3.jpg": None, "new.jpg": None}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("file,label\n1.jpg,cat\n1.jpg,dog\n", "line 3: '1.jpg' stands in an earlier line too"),
        ("file,label\n1.jpg,cat\n2.jpg\n", "line 3: expected 2 columns like the header, found 1"),
        ('file,label\n1.jpg,"cat\n2.jpg,dog\n', "check the quotes"),
        (b"file,label\n1.jpg,cr\xe8me\n", "may mean .cr.me. in cp1252, .* --encoding gbk"),
        (b"file,label\n1.jpg,\xff\xfe\xfd\n", "labels.csv: it is not in UTF-8.* --encoding gbk"),
        ("file,label,split\n1.jpg,cat,holdout\n", "line 2: split 'holdout': expected one of train"),
        ("file,label\n1,cat\n", r"'1' fits several files, one of them '1\.png'"),
    ],
)
def test_broken_tables_are_told_with_their_line(make, table, sentence):
    storage = make(table, "1.jpg", "2.jpg", "1.png")
    with pytest.raises(InputError, match=sentence):
        detect(storage)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("file,who\n1.jpg,me\n", "no column for the label"),
        ("label\ncat\n", "no column for the file"),
        ("", "no column for the file"),
        ("image,label,xmin,ymin\n1.jpg,cat,1,2\n", "boxes"),
        ("file,label\n1.jpg,cat\n", "lists 1 of 3 images"),
    ],
)
def test_tables_about_something_else_are_noted_and_left(make, table, reason):
    storage = make(table, "1.jpg", "2.jpg", "3.jpg")
    dataset_format = detect(storage)
    assert dataset_format.name == "unlabelled"
    [note] = dataset_format.notes
    assert reason in note
    assert note.startswith("not taken as csv: labels.csv")


def test_a_table_of_few_is_taken_when_the_user_says_so(make):
    storage = make("file,label\n1.jpg,cat\n", "1.jpg", "2.jpg", "3.jpg")
    assert labels(storage, name="csv") == {"1.jpg": "cat", "2.jpg": None, "3.jpg": None}
    with pytest.raises(InputError, match=r"--format csv: .*lists 0 of"):
        detect(make("file,label\nx.jpg,cat\n"), name="csv")


def test_a_table_goes_before_folders_unless_the_user_says_otherwise(make):
    storage = make("file,label\n1.jpg,cat\n2.jpg,dog\n", "a/1.jpg", "b/2.jpg")
    assert labels(storage) == {"a/1.jpg": "cat", "b/2.jpg": "dog"}
    assert detect(storage, name="classes").classes == ("a", "b")


def test_several_tables_are_refused(make):
    make("file,label\n1.jpg,cat\n", "1.jpg", name="old.csv")
    with pytest.raises(InputError, match=r"several tables.*'labels.csv', 'old.csv'"):
        detect(make("file,label\n1.jpg,cat\n"))


def test_the_index_of_the_output_is_a_table_like_the_inputs(make, tmp_path):
    table = "who;Split;File;class\nme;Validation;pics/1.jpg;cat\nme;train;pics/2.jpg;a;b\n"
    storage = make(table.replace("a;b", '"a;b"'), "pics/1.jpg", "pics/2.jpg", name="t/l.csv")
    dataset_format = detect(storage)
    out = open_storage(tmp_path / "out", create=True)
    rows = [
        Source("pics/1.jpg", 1, "val", "cat"),
        Source("pics/2-v0 (ü).jpg", 1, "train", "a;b"),
        Source("pics/3.jpg", 1, None, None),
    ]
    assert list(dataset_format.writer().write_index(out, iter(rows))) == ["t/l.csv"]
    written = csv.reader(io.StringIO(out.read("t/l.csv").decode()), delimiter=";")
    assert list(written) == [
        ["File", "class", "Split"],
        ["../pics/1.jpg", "cat", "Validation"],
        ["../pics/2-v0 (ü).jpg", "a;b", "train"],
        ["../pics/3.jpg", "", ""],
    ]
    for row in rows:
        out.write(row.key, b".")
    again = detect(out)
    assert [source for source in again.sources(out) if source.key.startswith("pics")] == rows


def test_other_layouts_write_no_index(tmp_path):
    (tmp_path / "1.jpg").touch()
    out = open_storage(tmp_path / "out", create=True)
    assert not list(detect(open_storage(tmp_path)).writer().write_index(out, []))
    assert list(out.list()) == []


# ---- columns of other names


def test_a_column_that_alone_can_be_the_label_is_taken(data_dir):
    storage = open_storage(data_dir / "field_cases/table-id-breed")
    for hints in (Hints(), Hints(columns={"file": "id", "label": "breed"})):
        found = detect(storage, hints=hints)
        told = {s.key: (s.split, s.label) for s in found.sources(storage) if s.label}
        assert told == {
            "train/a0.jpg": ("train", "beagle"),
            "train/a1.jpg": ("train", "pug"),
            "train/a2.jpg": ("train", "beagle"),
            "train/a3.jpg": ("train", "pug"),
        }
        assert ("only column" in found.notes[0]) is not bool(hints.columns)


MANY = "shot,kind,farm\n1.jpg,hen,north\n2.jpg,hen,south\n3.jpg,cow,north\n4.jpg,cow,south\n"


def test_several_columns_are_a_question_and_the_answer_counts(make):
    storage = make(MANY, "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    with pytest.raises(InputError, match=r"any of 'kind', 'farm'; say .* --columns label=kind"):
        detect(storage)
    hints = Hints(columns={"label": "farm"})
    assert labels(storage, hints=hints)["2.jpg"] == "south"
    assert detect(storage, name="unlabelled").classes == ()


def test_folders_of_classes_go_before_a_column_of_an_unknown_name(make):
    table = "file,who\nhen/1.jpg,ann\nhen/2.jpg,ann\ncow/3.jpg,bob\ncow/4.jpg,bob\n"
    storage = make(table, "hen/1.jpg", "hen/2.jpg", "cow/3.jpg", "cow/4.jpg")
    found = detect(storage)
    assert (found.name, found.classes) == ("classes", ("cow", "hen"))
    assert "--columns label=who" in found.notes[0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [({"label": "race"}, "has no such column; it has 'shot'"), ({"lable": "kind"}, "did you mean")],
)
def test_columns_that_are_not_there_are_told(make, columns, message):
    with pytest.raises(UsageError, match=message):
        detect(make(MANY, "1.jpg"), hints=Hints(columns=columns))


def test_one_of_several_tables_is_chosen(make, tmp_path):
    storage = make("file,label\n1.jpg,a\n2.jpg,b\n", "1.jpg", "2.jpg")
    make("file,label\n1.jpg,c\n2.jpg,d\n", name="deep/er/than/usual/other.csv")
    make("file,label\n1.jpg,e\n2.jpg,f\n", name="second.csv")
    with pytest.raises(InputError, match=r"several tables .* --format csv:labels\.csv"):
        detect(storage)
    assert labels(storage, name="csv:second.csv") == {"1.jpg": "e", "2.jpg": "f"}
    found = detect(storage, name="csv:deep/er/than/usual/other.csv")
    assert (found.classes, found.option) == (("c", "d"), "csv:deep/er/than/usual/other.csv")
    with pytest.raises(InputError, match=r"no table 'gone\.csv'; there are 'labels\.csv'"):
        detect(storage, name="csv:gone.csv")


def test_labels_that_are_numbers_get_names(make):
    storage = make("file,label\n1.jpg,1\n2.jpg,0\n", "1.jpg", "2.jpg")
    named = Hints(classes=("cat", "dog"))
    assert labels(storage, hints=named) == {"1.jpg": "dog", "2.jpg": "cat"}
    with pytest.raises(InputError, match="line 2: label '1': none of the 1 of --classes"):
        detect(storage, hints=Hints(classes=("cat",)))


BOXES = "pic,what,xmin,ymin,xmax,ymax\n1.jpg,cat,1,1,9,9\n2.jpg,dog,1,1,9,9\n"


def test_tables_of_boxes_take_columns_and_choices_too(make):
    storage = make(BOXES, "1.jpg", "2.jpg")
    make(BOXES.replace("cat", "hen"), name="other.csv")
    hints = Hints(columns={"file": "pic", "label": "what"})
    with pytest.raises(InputError, match=r"choose one: --format csv-boxes:other\.csv"):
        detect(storage, name="csv-boxes", hints=hints)
    found = detect(storage, name="csv-boxes:other.csv", hints=hints)
    assert found.classes == ("dog", "hen")
    make(BOXES.replace("xmin", "left_px"), name="other.csv")
    hints = Hints(columns={"file": "pic", "label": "what", "xmin": "left_px"})
    again = detect(storage, name="csv-boxes:other.csv", hints=hints)
    boxes_read = [s.annotation.objects[0].box for s in again.sources(storage) if s.annotation]
    assert boxes_read == [(1, 1, 9, 9)] * 2


def test_tables_of_boxes_may_have_ids_and_one_column_of_words(make):
    table = "image_id,xmin,ymin,xmax,ymax,breed,score\n1,1,1,9,9,pug,0.5\n2,1,1,9,9,hound,1\n"
    storage = make(table, "imgs/1.jpg", "imgs/2.jpg")
    found = detect(storage)
    assert (found.name, found.classes) == ("csv-boxes", ("hound", "pug"))
    (note,) = found.notes
    assert "the class is taken from 'breed', the only column that can hold it" in note
    images = {one.key: one.objects for one in found.sources(storage) if one.annotation}
    assert images == {"imgs/1.jpg": 1, "imgs/2.jpg": 1}


def test_an_id_that_two_files_have_is_not_guessed_at(make):
    table = "image_id,xmin,ymin,xmax,ymax,class\n1,1,1,9,9,pug\n2,1,1,9,9,pug\n"
    storage = make(table, "1.jpg", "1.png", "2.jpg")
    found = detect(storage)
    assert any("1 image is listed in labels.csv but missing: '1'" in one for one in found.notes)
    assert sum(one.objects_left_out for one in found.sources(storage)) == 1


@pytest.mark.parametrize(
    "head", ["pic,xmin,ymin,xmax,ymax,what", "image,xmin,ymin,xmax,ymax,what,who"]
)
def test_a_table_of_boxes_that_cannot_be_used_is_never_passed_over(make, head):
    storage = make(f"{head}\n1.jpg,1,1,9,9,cat,me\n", "1.jpg")
    with pytest.raises(InputError, match="it has boxes, but no column for the file, or none for"):
        detect(storage)
    assert detect(storage, name="unlabelled").images == {"": 1}


# ---- tables that would be lost without a word


def test_names_on_another_computer_are_matched_by_their_last_part(make):
    table = "path,label\n" + "".join(f"C:\\me\\{n}.jpg,{'ab'[n % 2]}\n" for n in range(4))
    storage = make(table, *(f"imgs/{n}.jpg" for n in range(4)))
    assert labels(storage)["imgs/1.jpg"] == "b"
    assert "4 names lead out of the dataset" in detect(storage).notes[0]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("file,label\nother.jpg,cat\n", r"lists 0 of 2 images \(it has 'other.jpg'\)"),
        ("image_id,label\n0001,cat\n0002,dog\n", r"lists 0 of 2 images \(it has '0001'\)"),
        ("1.jpg,cat\n2.jpg,cat\n", "'1.jpg', is no header; write one above it"),
        ("image,mel,nev\n1,1.0,0.0\n2,0.0,1.0\n", "it has no column for the label"),
    ],
)
def test_a_table_of_labels_that_cannot_be_used_is_never_passed_over(make, table, sentence):
    storage = make(table, "1.jpg", "2.jpg")
    with pytest.raises(InputError, match=sentence):
        detect(storage)
    assert detect(storage, name="unlabelled").classes == ()
