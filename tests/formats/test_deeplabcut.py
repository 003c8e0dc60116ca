"""DeepLabCut's tables of keypoints."""

import numpy as np
import pytest

from variegate import Options, Recipe, augment, convert
from variegate.codecs import decode, encode
from variegate.datasets.inspect import inspect
from variegate.errors import InputError
from variegate.formats import detect
from variegate.formats.hints import Hints
from variegate.runs.verify import verify
from variegate.storage import open_storage

HERE = Options(workers=0)
SIZE = (40, 60)
ONE = """\
scorer,Bea,Bea,Bea,Bea
bodyparts,left_ear,left_ear,right_ear,right_ear
coords,x,y,x,y
labeled-data/night/a.png,10.5,20.5,30.5,25.5
labeled-data/night/b.png,5.5,6.5,,
"""
SEVERAL = """\
scorer,,,Bea,Bea,Bea,Bea,Bea,Bea,Bea,Bea,Bea,Bea
individuals,,,m1,m1,m1,m1,m2,m2,m2,m2,single,single
bodyparts,,,left_ear,left_ear,right_ear,right_ear,left_ear,left_ear,right_ear,right_ear,door,door
coords,,,x,y,x,y,x,y,x,y,x,y
labeled-data,night,a.png,10.5,20.5,30.5,25.5,,,7.5,8.5,1.5,2.5
labeled-data,night,b.png,5.5,6.5,NaN,NaN,,,,,,
"""
TABLE = "labeled-data/night/CollectedData_Bea.csv"


@pytest.fixture
def project(tmp_path):
    def make(table=ONE, folder="labeled-data/night/", where=TABLE, name="in"):
        root = tmp_path / name
        (root / folder).mkdir(parents=True)
        for image in "ab":
            data = np.full((*SIZE, 3), ord(image), np.uint8)
            (root / folder / f"{image}.png").write_bytes(encode(data, format="png"))
        (root / where).parent.mkdir(parents=True, exist_ok=True)
        (root / where).write_text(table)
        return root

    return make


def known(root, **choice):
    storage = open_storage(root)
    found = detect(storage, **choice)
    return {
        one.key: [(thing.category, thing.keypoints) for thing in one.annotation.objects]
        for one in found.sources(storage)
        if one.seems_usable
    }


def test_one_animal(project):
    root = project()
    assert detect(open_storage(root)).name == "deeplabcut"
    assert known(root) == {
        "labeled-data/night/a.png": [("animal", ((10.5, 20.5, 2), (30.5, 25.5, 2)))],
        "labeled-data/night/b.png": [("animal", ((5.5, 6.5, 2), (0, 0, 0)))],
    }


def test_several_animals_and_what_is_there_once(project):
    assert known(project(SEVERAL)) == {
        "labeled-data/night/a.png": [
            ("animal", ((10.5, 20.5, 2), (30.5, 25.5, 2))),
            ("animal", ((0, 0, 0), (7.5, 8.5, 2))),
            ("single", ((1.5, 2.5, 2),)),
        ],
        "labeled-data/night/b.png": [("animal", ((5.5, 6.5, 2), (0, 0, 0)))],
    }


@pytest.mark.parametrize(
    ("folder", "where"),
    [
        ("", "CollectedData_Bea.csv"),
        ("night/", "night/CollectedData_Bea.csv"),
        ("my project/labeled-data/night/", f"my project/{TABLE}"),
    ],
    ids=["the video's folder", "labeled-data", "a folder above"],
)
@pytest.mark.parametrize("table", [ONE, SEVERAL, ONE.replace("/night/", "\\night\\")])
def test_wherever_the_project_is_cut_names_stay_as_they_are(
    project, tmp_path, folder, where, table
):
    root = project(table, folder, where)
    assert [*known(root)] == [f"{folder}a.png", f"{folder}b.png"]
    augment(root, tmp_path / "out", recipe=Recipe.from_data({"variants": "source"}), options=HERE)
    assert verify(tmp_path / "out").ok
    again = (tmp_path / "out" / where).read_text()
    renamed = table.replace("a.png", "a-v00.png").replace("b.png", "b-v00.png")
    assert again == renamed.replace("NaN", "").replace("\\", "/")


@pytest.mark.parametrize("table", [ONE, SEVERAL])
def test_a_mirror_exchanges_left_and_right(project, tmp_path, table):
    recipe = Recipe.from_data({"variants": {"flip": {"axis": "horizontal"}}})
    augment(project(table), tmp_path / "out", recipe=recipe, options=HERE)
    (first, *_), (second,) = known(tmp_path / "out").values()
    assert first == ("animal", ((29.5, 25.5, 2), (49.5, 20.5, 2)))
    assert second == ("animal", ((0, 0, 0), (54.5, 6.5, 2)))


@pytest.mark.parametrize("table", [ONE, SEVERAL])
def test_a_mosaic_gets_more_individuals(project, tmp_path, table):
    recipe = Recipe.from_data({"variants": {"mosaic": {}}, "seed": 3})
    summary = augment(project(table), tmp_path / "out", recipe=recipe, options=HERE)
    found = known(tmp_path / "out")
    animals = [thing for things in found.values() for thing in things]
    assert len(animals) == summary.counts.objects_written
    assert max(map(len, found.values())) > 3


def test_to_coco_and_back(project, tmp_path):
    root = project(SEVERAL)
    convert(root, tmp_path / "coco", to="coco", options=HERE)
    convert(tmp_path / "coco", tmp_path / "back", to="deeplabcut", allow_loss=True, options=HERE)
    assert [*known(tmp_path / "back").values()] == [*known(root).values()]


def test_a_table_that_gathers_others_is_not_taken_a_second_time(project):
    root = project()
    gathered = root / "training-datasets/it0/CollectedData_Bea.csv"
    gathered.parent.mkdir(parents=True)
    gathered.write_text(ONE)
    found = detect(open_storage(root))
    assert [table.key for table in found.tables] == [TABLE]
    assert any("training-datasets/it0/CollectedData_Bea.csv names only" in n for n in found.notes)


def test_a_copy_beside_a_table_is_told_and_does_not_stop_a_strict_run(project, tmp_path):
    root = project()
    (root / TABLE).with_suffix(".h5").write_bytes(b"")
    (root / "labeled-data/other.h5").write_bytes(b"")
    found = detect(open_storage(root))
    (note,) = found.notes
    assert note.startswith("1 .h5 file is not read (DeepLabCut has the same")
    options = Options(workers=0, strict=True)
    assert augment(root, tmp_path / "out", options=options).counts.augmented
    assert inspect(root).side_files[".h5"].examples == ["labeled-data/other.h5"]


def test_body_parts_that_tables_have_in_other_orders_are_told_by_name(project, tmp_path):
    root = project()
    other = root / "labeled-data/day"
    other.mkdir()
    other.joinpath("c.png").write_bytes((root / "labeled-data/night/a.png").read_bytes())
    other.joinpath("CollectedData_Bea.csv").write_text(
        "scorer,Bea,Bea,Bea,Bea\nbodyparts,nose,nose,left_ear,left_ear\ncoords,x,y,x,y\n"
        "labeled-data/day/c.png,1.5,2.5,3.5,4.5\n"
    )
    assert known(root)["labeled-data/day/c.png"] == [
        ("animal", ((1.5, 2.5, 2), (3.5, 4.5, 2), (0, 0, 0)))
    ]
    assert known(root)["labeled-data/night/a.png"] == [
        ("animal", ((0, 0, 0), (10.5, 20.5, 2), (30.5, 25.5, 2)))
    ]
    augment(root, tmp_path / "out", recipe=Recipe.from_data({"variants": "source"}), options=HERE)
    assert (tmp_path / "out" / TABLE).read_text() == ONE.replace(".png", "-v00.png")


def test_pairs_that_the_user_gives(project):
    root = project(ONE.replace("left_ear", "A").replace("right_ear", "B"))
    (skeleton,) = detect(open_storage(root), hints=Hints(pairs=(("A", "B"),))).skeletons.values()
    assert skeleton.pairs == ((0, 1),)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("coords,x,y,x,y", "coords,x,y,likelihood,x"), "predictions with likelihoods"),
        (("coords,x,y,x,y", "coords,y,x,y,x"), "not x and y by turns"),
        (("bodyparts,left_ear,left_ear", "bodyparts,left_ear,nose"), "a body part of its own"),
        (("scorer", "who"), "first lines are not scorer"),
    ],
)
def test_other_tables_are_refused(project, changed, words):
    root = project(ONE.replace(*changed))
    with pytest.raises(InputError, match=words):
        detect(open_storage(root), name="deeplabcut")


def test_two_rows_of_one_image_are_refused(project):
    root = project(ONE.replace("b.png", "a.png"))
    with pytest.raises(InputError, match=r"line 5: 'labeled-data/night/a\.png' has a row already"):
        detect(open_storage(root))


def test_names_that_may_mean_several_images_are_refused(project):
    root = project(folder="x/labeled-data/night/", where="CollectedData_Bea.csv")
    project(folder="y/labeled-data/night/", where="other.txt", name="in/z")
    with pytest.raises(InputError, match="may be any of"):
        detect(open_storage(root), name="deeplabcut")


def test_what_is_no_number_is_said(project):
    root = project(ONE.replace("30.5,25.5", "30.5,inf").replace("5.5,6.5,,", "5.5,6.5"))
    storage = open_storage(root)
    first, second = (one for one in detect(storage).sources(storage) if one.seems_usable)
    assert len(first.problems) == 1
    assert first.problems[0].startswith(f"{TABLE}: line 4: x '30.5' and y 'inf' of 'right_ear'")
    assert first.problems[0].endswith("are not two numbers; keypoint left out")
    assert second.problems == (
        f"{TABLE}: line 5: expected 4 coordinates, found 2; taken from the left",
    )


def test_images_without_points_stay_in_their_table(project, tmp_path):
    root = project(ONE.replace("5.5,6.5,,", ",,,"))
    recipe = Recipe.from_data({"variants": {"flip": {"axis": "vertical"}}})
    augment(root, tmp_path / "out", recipe=recipe, options=HERE)
    assert [*known(tmp_path / "out").values()][1] == []
    turned = decode((tmp_path / "out/labeled-data/night/b-v00.png").read_bytes())
    assert turned.shape[:2] == SIZE
