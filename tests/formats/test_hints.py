"""What the user says of a dataset, and what is asked for because files do not tell."""

import json

import pytest

import jobs
from variegate import Hints, Options, augment
from variegate.errors import InputError, RecipeError, UsageError
from variegate.formats import detect
from variegate.storage import open_storage


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def objects_of(found, storage):
    return {
        source.key: [one.category for one in source.annotation.objects]
        for source in found.sources(storage)
        if source.annotation is not None
    }


def test_each_folder_counts_by_its_own_classes(data_dir):
    storage = open_storage(data_dir / "field_cases/two-classes-txt")
    found = detect(storage)
    assert objects_of(found, storage) == {
        "train/train1.jpg": ["red", "green"],
        "val/val1.jpg": ["red", "green"],
    }
    assert any("merged by name" in note for note in found.notes)


def test_two_lists_that_contradict_each_other_are_refused(tmp_path):
    jobs.draw_noise(tmp_path / "1.png")
    write(tmp_path, {"1.txt": "0 .5 .5 .2 .2\n", "classes.txt": "cat\n", "obj.names": "dog\n"})
    with pytest.raises(InputError, match=r"other classes than in .*--classes FILE"):
        detect(open_storage(tmp_path))
    found = detect(open_storage(tmp_path), hints=Hints(classes=("bird",)))
    assert found.classes == ("bird",)


@pytest.mark.parametrize(
    ("case", "encoding", "names"),
    [
        ("classes-txt-gbk", "gbk", ("安全帽", "反光衣")),
        ("classes-txt-cp1252", "cp1252", ("Bär", "Käfer")),
    ],
)
def test_old_encodings_are_asked_for(case, encoding, names, data_dir):
    storage = open_storage(data_dir / "field_cases" / case)
    with pytest.raises(InputError, match=r"classes\.txt: line 1: not in UTF-8; .*--encoding"):
        detect(storage)
    assert detect(storage, hints=Hints(encoding=encoding)).classes == names


def test_a_mark_at_the_beginning_tells_the_encoding(tmp_path):
    jobs.draw_noise(tmp_path / "1.png")
    write(tmp_path, {"1.txt": "0 .5 .5 .2 .2\n", "classes.txt": "Bär\n".encode("utf-16")})
    assert detect(open_storage(tmp_path)).classes == ("Bär",)


def test_the_only_column_that_is_left_is_the_label(data_dir):
    storage = open_storage(data_dir / "field_cases/table-id-breed")
    found = detect(storage)
    assert (found.name, sum(found.images.values())) == ("csv", 8)
    assert {"beagle", "pug"} <= set(found.classes)
    assert found.label("train/a0.jpg") == "beagle"


@pytest.mark.parametrize("encoding", [None, "cp1252"])
def test_columns_are_named(encoding, tmp_path):
    jobs.draw_noise(tmp_path / "1.png")
    text = "which,kind,note\n1.png,Bär,x\n"
    write(tmp_path, {"t.csv": text.encode(encoding or "utf-8")})
    hints = Hints(columns={"file": "which", "label": "kind"}, encoding=encoding)
    assert detect(open_storage(tmp_path), hints=hints).label("1.png") == "Bär"
    for columns, words in (
        ({"file": "what"}, "it has no column 'what'"),
        ({"size": "note"}, "expected one of file, label, split"),
    ):
        with pytest.raises(InputError, match=words):
            detect(
                open_storage(tmp_path), name="csv", hints=Hints(columns=columns, encoding=encoding)
            )


def test_one_table_of_boxes_among_several_is_chosen(tmp_path):
    jobs.draw_noise(tmp_path / "1.png")
    head = "bild,xmin,ymin,xmax,ymax,art\n"
    write(tmp_path, {f"{name}.csv": f"{head}1.png,1,2,9,8,{name}\n" for name in ("ann", "bea")})
    storage = open_storage(tmp_path)
    hints = Hints(columns={"file": "bild", "label": "art"})
    with pytest.raises(InputError, match="both name"):
        detect(storage, hints=hints)
    found = detect(storage, name="csv-boxes:bea.csv", hints=hints)
    assert objects_of(found, storage) == {"1.png": ["bea"]}
    assert found.option == "csv-boxes:bea.csv"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nc: 1000000000\n", "nc is 1000000000; expected at most 100,000"),
        (f"nc: {'9' * 50}\n", r"nc is 9+; expected at most"),
        (f"names: [{', '.join(f'c{n}' for n in range(100_001))}]\n", "more than 100,000 classes"),
    ],
)
def test_numbers_of_classes_are_bounded(text, words, tmp_path):
    jobs.draw_noise(tmp_path / "1.png")
    write(tmp_path, {"1.txt": "0 .5 .5 .2 .2\n", "data.yaml": text})
    with pytest.raises(InputError, match=words):
        detect(open_storage(tmp_path))


def test_many_classes_are_many_classes(tmp_path):
    jobs.draw_noise(tmp_path / "1.png")
    write(tmp_path, {"1.txt": "0 .5 .5 .2 .2\n", "data.yaml": "nc: 40000\n"})
    assert len(detect(open_storage(tmp_path)).classes) == 40_000


def test_hints_go_with_a_recipe_and_are_recorded(data_dir, tmp_path):
    source = data_dir / "field_cases/classes-txt-gbk"
    recipe = jobs.recipe("variants: flip\nhints: {encoding: gbk}")
    augment(source, tmp_path / "out", recipe=recipe, options=Options(workers=0))
    record = json.loads((tmp_path / "out/.variegate/job.json").read_text())
    assert record["hints"] == {"encoding": "gbk"}
    assert detect(open_storage(tmp_path / "out")).classes == ("安全帽", "反光衣")


def test_hints_that_cannot_be_are_refused():
    with pytest.raises(RecipeError, match="unknown encoding 'klingon'"):
        Hints.of(encoding="klingon")
    with pytest.raises(UsageError, match=r"hints: .*splits"):
        Hints.of(splits={"a": "exam"})
