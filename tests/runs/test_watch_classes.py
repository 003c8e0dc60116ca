"""A watched folder and a recipe that names classes."""

import threading

import pytest

import jobs
from variegate import Options, Recipe, augment, read_manifest
from variegate.errors import RecipeError
from variegate.runs.events import Naming
from variegate.runs.watch import Watcher

STEPS = {"each": ["source", "flip", "invert"]}
CLASSES = Naming("classes")


def recipe(**more):
    return Recipe.from_data({"variants": STEPS, **more})


@pytest.fixture
def inbox(tmp_path):
    for key in ("6/a.png", "9/b.png", "dot/c.png"):
        jobs.draw_noise(tmp_path / "inbox" / key)
    return tmp_path / "inbox"


def watcher(inbox, made, naming=CLASSES):
    return Watcher(inbox, inbox.parent / "out", recipe=made, naming=naming)


@pytest.mark.parametrize(
    "more",
    [{"forbid": {"flip": ["6"]}}, {"classes": ["6"], "variants_by_class": {"6": 2}}],
)
def test_results_are_those_of_a_run(more, inbox, tmp_path):
    made, stop = recipe(**more), threading.Event()
    watching = watcher(inbox, made)
    for number, _ in enumerate(watching.outcomes(stop, settle_s=0.0)):
        if number == 2:
            stop.set()
    assert watching.notes == ()
    augment(inbox, tmp_path / "whole", recipe=made, options=Options(workers=0))
    columns = ["key", "variant", "name", "status", "sha256"]
    one, other = (
        sorted(map(repr, read_manifest(tmp_path / name, columns=columns).to_pylist()))
        for name in ("out", "whole")
    )
    assert one == other
    assert len(one) == (4 if "classes" in more else 9)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"forbid": {"flip": ["Dot"]}},
            "forbid: flip: .*no folder of a class 'Dot'; did you mean 'dot'",
        ),
        (
            {"classes": ["7"]},
            "classes: .*no folder of a class '7'; it has '6', '9', 'dot'; .*make its folder first",
        ),
    ],
)
def test_classes_without_a_folder_are_an_error(more, sentence, inbox):
    with pytest.raises(RecipeError, match=sentence):
        watcher(inbox, recipe(**more))


def test_classes_of_which_images_are_to_come_need_a_folder(inbox):
    (inbox / "7").mkdir()
    assert watcher(inbox, recipe(classes=["7"])).notes == ()


def test_an_empty_folder_tells_no_classes(tmp_path):
    (tmp_path / "inbox").mkdir()
    (note,) = watcher(tmp_path / "inbox", recipe(forbid={"flip": ["6"]})).notes
    assert note == "forbid: flip: whether there will be a class '6' is not known yet"


def test_classes_of_a_split(tmp_path):
    (tmp_path / "inbox/train/6").mkdir(parents=True)
    naming = Naming("classes", splits=True)
    assert watcher(tmp_path / "inbox", recipe(classes=["6"]), naming).notes == ()
    with pytest.raises(RecipeError, match="a class '9'"):
        watcher(tmp_path / "inbox", recipe(classes=["9"]), naming)


def test_images_without_classes_are_an_error(inbox):
    with pytest.raises(RecipeError, match=r"images have none.*--classes"):
        watcher(inbox, recipe(forbid={"flip": ["6"]}), Naming())
