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


def test_a_recipe_may_choose_the_format_and_its_table(tmp_path):
    jobs.draw_noise(tmp_path / "in/1.png")
    head = "file,xmin,ymin,xmax,ymax,label\n"
    tables = {f"{name}.csv": f"{head}1.png,1,2,9,8,{name}\n" for name in ("ann", "bea")}
    write(tmp_path / "in", tables)
    recipe = jobs.recipe("variants: flip\nhints: {format: 'csv-boxes:bea.csv'}")
    augment(tmp_path / "in", tmp_path / "out", recipe=recipe, options=Options(workers=0))
    assert detect(open_storage(tmp_path / "out")).classes == ("bea",)
    # What is given by itself goes before it.
    found = detect(open_storage(tmp_path / "in"), name="csv-boxes:ann.csv", hints=recipe.hints)
    assert found.classes == ("ann",)
    with pytest.raises(UsageError, match=r"--format cocoa: expected one of .*did you mean"):
        detect(open_storage(tmp_path / "in"), hints=Hints(format="cocoa"))


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
