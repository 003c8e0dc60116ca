"""What the user says of a dataset, and what is asked for because files do not tell."""

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import jobs
from variegate import Hints, Options, Recipe, augment
from variegate.cli import app
from variegate.codecs import encode_mask
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


# ---- the same answers everywhere


WAYS = {
    "splits": (
        ["--split", "train=erste", "--split", "val=zweite"],
        {"splits": {"erste": "train", "zweite": "val"}},
    ),
    "classes": (["--classes", "FILE"], {"classes": ["red", "green"]}),
    "images": (["--images", "b"], {"images": "b"}),
    "columns": (
        ["--columns", "file=bild,label=art"],
        {"columns": {"file": "bild", "label": "art"}},
    ),
    "format": (["--format", "csv-boxes:bea.csv"], {"format": "csv-boxes:bea.csv"}),
    "pairs": (["--pairs", "a=b"], {"pairs": [["a", "b"]]}),
    "masks": (["--masks", "instances"], {"masks": "instances"}),
    "encoding": (["--encoding", "gbk"], {"encoding": "gbk"}),
    "depth": (["--depth", "0:4095"], {"depth": [0, 4095]}),
}


def needing(name, folder):
    """Write a dataset that is read in another way, or not at all, without the answer."""
    keys = {
        "splits": ("erste/cat/1.png", "erste/dog/2.png", "zweite/cat/3.png", "zweite/dog/4.png")
    }
    keys["images"] = ("a/1.png", "b/1.png")
    for key in keys.get(name, ("1.png", "2.png")):
        jobs.draw_noise(folder / key)
    head = "file,xmin,ymin,xmax,ymax,label\n"
    point = {"label": "a", "shape_type": "point", "points": [[9, 9]], "group_id": 1}
    box = {"label": "cat", "shape_type": "rectangle", "points": [[1, 2], [20, 21]], "group_id": 1}
    shapes = [box, point, {**point, "label": "b", "points": [[12, 9]]}]
    deep = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 5
    mask = np.zeros((24, 32), np.uint8)
    mask[4:9, 4:9], mask[12:20, 12:20] = 1, 2
    write(
        folder,
        {
            "splits": {},
            "classes": {f"{n}.txt": f"{n - 1} .5 .5 .4 .4\n" for n in (1, 2)},
            "images": {"t.csv": f"{head}1.png,1,2,9,8,cat\n"},
            "columns": {"t.csv": "bild,art,ort\n1.png,cat,x\n2.png,dog,x\n"},
            "format": {f"{n}.csv": f"{head}1.png,1,2,9,8,{n}\n" for n in ("ann", "bea")},
            "pairs": {"1.json": json.dumps({"shapes": shapes})},
            "masks": {},
            "encoding": {"t.csv": "file,label\n1.png,猫\n2.png,狗\n".encode("gbk")},
            "depth": {},
        }[name],
    )
    if name == "masks":
        for n in (1, 2):
            (folder / "images").mkdir(exist_ok=True)
            (folder / f"{n}.png").rename(folder / f"images/{n}.png")
            write(folder, {f"masks/{n}.png": encode_mask(mask)})
    if name == "depth":
        write(folder, {"1.png": cv2.imencode(".png", deep)[1].tobytes()})


@pytest.mark.parametrize("name", WAYS)
def test_answers_are_the_same_in_commands_in_python_and_in_recipes(name, tmp_path):
    needing(name, tmp_path / "in")
    (tmp_path / "classes.txt").write_text("red\ngreen\n")
    words, data = WAYS[name]
    words = [str(tmp_path / "classes.txt") if word == "FILE" else word for word in words]
    plain = tmp_path / "plain.yaml"
    plain.write_text("variants: flip\n")
    told = tmp_path / "told.yaml"
    told.write_text(f"variants: flip\nhints: {json.dumps(data)}\n")

    def command(recipe, out, *more):
        call = ["augment", tmp_path / "in", tmp_path / out, "-r", recipe, "-w", "0", *more]
        done = CliRunner().invoke(app, [*map(str, call), "--json"])
        return None if done.exit_code else made(json.loads(done.stdout)["digest"], out)

    def made(digest, out):
        files = jobs.tree(tmp_path / out).items()
        return digest, {key: one for key, one in files if not key.startswith((".", "manifest"))}

    options = Options(workers=0, hints=Hints.of(**data))
    python = augment(tmp_path / "in", tmp_path / "o1", recipe=Recipe.load(plain), options=options)
    expected = made(python.digest, "o1")
    assert command(plain, "o2", *words) == expected
    assert command(told, "o3") == expected
    # Without the answer it is another dataset, or none.
    assert command(plain, "o4") != expected
