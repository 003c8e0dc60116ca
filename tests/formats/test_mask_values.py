"""What the values of masks are: told by looking at them, said by the user, or asked for."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from rewriting import images

import jobs
from variegate import Options, augment
from variegate.codecs import decode, decode_mask, encode_mask
from variegate.datasets.convert import convert
from variegate.errors import InputError
from variegate.formats import Hints, detect
from variegate.storage import open_storage

SIZE = (60, 100)


def drawing(kind="PNG"):
    stream = io.BytesIO()
    Image.new("RGB", SIZE[::-1], (90, 120, 60)).save(stream, kind)
    return stream.getvalue()


def boxes(count, *, first=1, at=0):
    """A mask with `count` rectangles, numbered from `first`."""
    mask = np.zeros(SIZE, np.uint8)
    for number in range(count):
        left = 5 + 20 * number + at
        mask[10 + at : 40 + at, left : left + 12] = first + number
    return mask


def parted(count):
    """Each value in two places, as a class often is."""
    mask = boxes(count)
    mask[45:55] = mask[15:25]
    return mask


@pytest.fixture
def make(tmp_path):
    def make_set(*masks, images_in="images", masks_in="masks", encode=encode_mask, end="png"):
        storage = open_storage(tmp_path / "in", create=True)
        for number, mask in enumerate(masks):
            storage.write(f"{images_in}/{number}.png", drawing())
            storage.write(f"{masks_in}/{number}.{end}", encode(mask))
        return storage

    return make_set


def kind(storage, **hints):
    found = detect(storage, hints=Hints.of(**hints))
    assert found.name == "masks"
    annotations = [source.annotation for source in images(found, storage).values()]
    if found.instances:
        assert not any(one.mask_file for one in annotations)
        return [len(one.objects) for one in annotations]
    assert not any(one.objects for one in annotations)
    return "soft" if annotations[0].soft else "classes"


def test_the_set_of_the_tutorial_has_numbered_objects(data_dir):
    storage = open_storage(data_dir / "field_cases/masks-pngimages-pedmasks")
    assert kind(storage) == [2, 2]
    assert kind(storage, masks="instances") == [2, 2]
    assert kind(storage, masks="classes") == "classes"
    assert kind(storage, masks="soft") == "soft"
    found = detect(storage)
    assert "numbers of objects" in found.notes[0]
    assert "--masks classes" in found.notes[0]
    first = images(found, storage)["PNGImages/Ped00001.png"].annotation
    assert first.size == (120, 160)
    assert [one.box for one in first.objects] == [(20, 30, 60, 100), (100, 40, 130, 110)]
    assert [one.mask_value for one in first.objects] == [1, 2]


def test_values_that_count_up_differently_are_objects(make):
    assert kind(make(boxes(1), boxes(3), boxes(2), boxes(0))) == [1, 3, 2, 0]


@pytest.mark.parametrize(
    "masks",
    [
        [boxes(1), boxes(1, at=4), boxes(1, at=9)],
        [boxes(1) * 255, boxes(2) // 2 * 255],
        [boxes(1), boxes(3), boxes(1, first=2)],
        [boxes(3, first=5), boxes(2, first=5)],
        [np.where(boxes(2) == 0, 3, boxes(2)).astype(np.uint8), boxes(3) + np.uint8(1)],
        [boxes(2, at=number) for number in range(10)],
        [parted(3), parted(4)],
    ],
    ids=["one each", "black and white", "a gap", "from 5", "no background", "always two", "parts"],
)
def test_values_that_numbers_of_objects_would_not_have_are_classes(make, masks):
    assert kind(make(*masks)) == "classes"


def test_what_cannot_be_told_is_asked(make):
    storage = make(boxes(1), boxes(2))
    with pytest.raises(InputError, match=r"'masks/0.png'.*--masks classes or --masks instances"):
        detect(storage)
    assert kind(storage, masks="instances") == [1, 2]
    assert kind(storage, masks="classes") == "classes"


def test_a_file_of_class_names_says_that_they_are_classes(make):
    storage = make(boxes(1), boxes(3), boxes(2))
    storage.write("classes.txt", b"background\ncar\ntree\nroad\n")
    assert kind(storage) == "classes"


def test_the_one_class_that_is_named_is_that_of_the_objects(make):
    storage = make(boxes(1), boxes(3))
    assert detect(storage).classes == ("object",)
    assert detect(storage, hints=Hints.of(classes=("person",))).classes == ("person",)
    storage.write("classes.txt", b"_background_\nped\n")
    assert detect(storage).classes == ("ped",)


def test_a_border_of_255_is_said(make):
    bordered = boxes(3)
    bordered[9, 5:40] = 255
    storage = make(boxes(1), bordered)
    found = detect(storage, hints=Hints.of(masks="instances"))
    source = images(found, storage)["images/1.png"]
    assert len(source.annotation.objects) == 3
    assert source.problems == ("masks/1.png: value 255 is taken for the border around objects",)


def test_numbered_objects_move_with_their_image(make, tmp_path):
    storage = make(boxes(3), boxes(1), boxes(0), images_in="AImages", masks_in="AMasks")
    recipe = jobs.recipe("variants: flip\noutput: {format: png}\n")
    options = Options(workers=0, hints=Hints(masks="instances"))
    augment(tmp_path / "in", tmp_path / "out", recipe=recipe, options=options)
    for number, count in enumerate((3, 1, 0)):
        before = decode_mask(storage.read(f"AMasks/{number}.png"))
        after = decode_mask((tmp_path / f"out/AMasks/{number}-v00.png").read_bytes())
        np.testing.assert_array_equal(after, before[:, ::-1])
        assert len(np.unique(after)) == count + 1
    again = open_storage(tmp_path / "out")
    assert sorted(kind(again, masks="instances")) == [0, 1, 3]


def test_an_image_without_a_mask_gets_none(make, tmp_path):
    make(boxes(3), boxes(1)).write("images/lonely.png", drawing())
    recipe = jobs.recipe("variants: flip\noutput: {format: png}\n")
    options = Options(workers=0, hints=Hints(masks="instances"))
    augment(tmp_path / "in", tmp_path / "out", recipe=recipe, options=options)
    assert {path.name for path in (tmp_path / "out/masks").iterdir()} == {"0-v00.png", "1-v00.png"}


def test_numbered_objects_become_polygons(data_dir, tmp_path):
    source = data_dir / "field_cases/masks-pngimages-pedmasks"
    convert(source, tmp_path / "out", to="coco", options=Options(workers=0))
    data = json.loads((tmp_path / "out/annotations/instances.json").read_text())
    assert [one["bbox"] for one in data["annotations"]][:2] == [[20, 30, 40, 70], [100, 40, 30, 70]]
    assert {one["area"] for one in data["annotations"]} == {2800, 2100}


# Masks that were saved as JPEG


def jpeg(mask):
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "JPEG")
    return stream.getvalue()


def test_jpeg_masks_are_rounded_and_said(data_dir, tmp_path):
    source = data_dir / "field_cases/jpeg-masks"
    recipe = jobs.recipe("variants: {each: [source, flip]}\n")
    summary = augment(source, tmp_path / "out", recipe=recipe, options=Options(workers=0))
    assert "they are rounded to those that they had (0, 255)" in summary.notes[0]
    written = sorted((tmp_path / "out/masks").iterdir())
    assert len(written) == 6
    assert {path.suffix for path in written} == {".png"}
    for path in written:
        assert np.unique(decode(path.read_bytes())).tolist() == [0, 255]


def test_jpeg_masks_of_classes_are_refused_by_image(make, tmp_path):
    storage = make(boxes(3, first=20), boxes(2, first=30), encode=jpeg, end="jpg")
    found = detect(storage)
    assert found.notes[0].endswith("beyond repair; save them as PNG")
    recipe = jobs.recipe("variants: flip\n")
    summary = augment(tmp_path / "in", tmp_path / "out", recipe=recipe, options=Options(workers=0))
    assert (summary.counts.augmented, summary.counts.quarantined) == (0, 2)


def test_jpeg_masks_of_which_nothing_is_left_are_refused(make):
    storage = make(boxes(0), boxes(0), encode=jpeg, end="jpg")
    with pytest.raises(InputError, match=re.escape("hold nothing but 0: their values are lost")):
        detect(storage)
