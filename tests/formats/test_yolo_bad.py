"""YOLO as nobody should write it: malformed lines, configurations that contradict, odd paths."""

import json
import time

import numpy as np
import pytest

from variegate.annotations.annotation import Object
from variegate.codecs import encode
from variegate.errors import InputError
from variegate.formats import detect, writer_to_json
from variegate.storage import open_storage

IMAGE = encode(np.full((20, 40, 3), 90, np.uint8), format="jpeg")
GOOD = "0 0.5 0.5 0.5 0.5\n"
LOST = "2 images are listed in train.txt but missing: 'images/lost.jpg', '../../../etc/passwd.jpg'"
POLYGON = "0 0.1 0.1 0.5 0.1 0.25 0.5\n"


@pytest.fixture
def make(tmp_path):
    def make_set(files):
        for key, data in files.items():
            place = tmp_path / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data if isinstance(data, bytes) else data.encode())
        return open_storage(tmp_path)

    return make_set


@pytest.fixture
def read(make):
    """Read a set with this label file of an image of 40 x 20; return the image's source."""

    def read_set(text, *, config="names: [cat, dog]\n", **more):
        files = {"images/7.jpg": IMAGE, "labels/7.txt": text, "data.yaml": config}
        # So many good lines beside it that what the set holds is not in doubt.
        usual = more.pop("usual", GOOD)
        files |= {"images/8.jpg": IMAGE, "labels/8.txt": usual * 50}
        storage = make({**files, **more})
        dataset_format = detect(storage)
        assert dataset_format.name == "yolo"
        return next(s for s in dataset_format.sources(storage) if s.key == "images/7.jpg")

    return read_set


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0 0.5 0.5 0.5", "4 numbers, expected 5; object left out"),
        ("0 0.5 0.5 0.5 0.5 9.5", "6 numbers, expected 5; object left out"),
        ("cat", "1 numbers, expected 5; object left out"),
        ("0 0.5 0.5 0.5 x", "'x' is no number; object left out"),
        ("0 0.5 0,5 0.5 0.5", "'0,5' is no number; object left out"),
        ("0 0.5 0.5 nan 0.5", "'nan' is not a finite number; object left out"),
        ("0 -inf 0.5 0.5 0.5", "'-inf' is not a finite number; object left out"),
        ("0 0.5 1e999 0.5 0.5", "'1e999' is no number; object left out"),
        ("0 0.5 " + "9" * 5000 + " 0.5 0.5", "is no number; object left out"),
        ("0 0.5 \u0665 0.5 0.5", "is no number; object left out"),
        ("2 0.5 0.5 0.5 0.5", "class 2 has no name, there are 2; object left out"),
        ("-1 0.5 0.5 0.5 0.5", "class -1 has no name, there are 2; object left out"),
        ("0.5 0.5 0.5 0.5 0.5", "class 0.5: expected a whole number; object left out"),
        ("0 0.5 0.5 0 0.5", "box with no area; object left out"),
        ("0 1.5 0.5 0.5 0.5", "box outside the image; object left out"),
        ("0 320 240 50 60", "look like pixels, expected shares of the image; object left out"),
    ],
)
def test_lines_that_cannot_be_are_left_out(read, line, problem):
    source = read(f"{GOOD}\n{line}\n")
    assert [one.box for one in source.annotation.objects] == [(10, 5, 30, 15)]
    (told,) = source.problems
    assert told.startswith("labels/7.txt:3: ")
    assert told.endswith(problem)
    assert len(told) < 120


@pytest.mark.parametrize(
    ("line", "box", "problem"),
    [
        ("0 0 0.5 0.5 0.5", (0, 5, 10, 15), "box partly outside the image; clipped"),
        ("0 0.9 0.5 0.5 0.5", (26, 5, 40, 15), "box partly outside the image; clipped"),
        ("0 0.5 0.5 -0.5 0.5", (10, 5, 30, 15), "corners in the wrong order; exchanged"),
    ],
)
def test_boxes_with_one_plain_meaning_are_mended(read, line, box, problem):
    source = read(line)
    assert [one.box for one in source.annotation.objects] == [box]
    assert source.problems == (f"labels/7.txt:1: {problem}",)


def test_noise_of_rounding_is_no_problem(read):
    source = read("0 0.166667 0.5 0.333335 0.5")
    assert source.problems == ()
    assert source.annotation.objects[0].box[0] == pytest.approx(-0.00002)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0 0.5 0.5 0.5 0.5", None),
        ("0 0.1 0.1 0.5 0.5 0.2 0.2 0.3", "8 numbers, expected 5, or 7 and more that are odd"),
        ("0 0.1 0.1 0.5 0.1 0.5 0.1", "polygon with 2 different points, expected 3"),
        ("0 0.1 0.1 0.5 0.1 0.3 0.1", "polygon with no area"),
        ("0 1.1 0.1 1.5 0.1 1.3 0.3", "polygon outside the image"),
    ],
)
def test_polygons_that_cannot_be_are_left_out(read, line, problem):
    source = read(line, usual=POLYGON)
    assert len(source.annotation.objects) == (problem is None)
    expected = () if problem is None else (f"labels/7.txt:1: {problem}; object left out",)
    assert source.problems == expected


def test_a_polygon_that_reaches_out_is_kept_for_the_mover_to_clip(read):
    source = read("0 0.5 0.5 1.5 0.5 0.5 0.9", usual=POLYGON)
    assert source.annotation.objects[0].polygons == (((20, 10), (60, 10), (20, 18)),)
    assert source.problems == (
        "labels/7.txt:1: polygon partly outside the image; kept, and clipped when it moves",
    )


def test_the_same_object_twice_is_one(read):
    source = read(GOOD + GOOD)
    assert source.annotation.objects == (Object(category="cat", box=(10, 5, 30, 15)),)
    assert source.problems == ("labels/7.txt:2: the same as in line 1; object left out",)


def test_keypoints_of_another_number_are_left_out(read):
    config = "names: [cat, dog]\nkpt_shape: [2, 3]\n"
    good = "0 0.5 0.5 0.5 0.5 0.1 0.1 2 0.2 0.2 7\n"
    source = read(good + good[:-8], config=config, usual=good)
    assert source.annotation.objects[0].keypoints == ((4, 2, 2), (8, 4, 2))
    assert source.problems == ("labels/7.txt:2: 9 numbers, expected 11; object left out",)


def test_bytes_that_are_no_text_are_malformed_lines(read):
    source = read(b"\xff\xfe0\x00 \x00\n\x00" + GOOD.encode())
    assert source.annotation.objects == ()
    assert len(source.problems) == 2


def test_an_empty_file_shows_nothing(read):
    source = read("")
    assert (source.annotation.objects, source.problems, source.unusable) == ((), (), None)


def test_an_image_without_a_size_cannot_have_shares_of_it(make):
    storage = make({"7.jpg": b"no image", "7.txt": GOOD, "8.jpg": IMAGE, "8.txt": GOOD})
    (source, *_) = detect(storage).sources(storage)
    assert source.unusable == "the size of the image, which its labels need, cannot be read"


def test_what_is_missing_is_counted(make):
    storage = make(
        {
            "images/1.jpg": IMAGE,
            "images/2.jpg": IMAGE,
            "labels/1.txt": GOOD,
            "labels/gone.txt": GOOD,
            "data.yaml": "names: [cat]\ntrain: train.txt\nval: val.txt\ntest: nowhere\n",
            "train.txt": "images/1.jpg\nimages/lost.jpg\n../../../etc/passwd.jpg\n",
        }
    )
    dataset_format = detect(storage)
    assert dataset_format.notes == (
        LOST,
        "data.yaml: val: 'val.txt' is not there",
        "data.yaml: test: 'nowhere' is not there",
        "1 label file has no image: 'labels/gone.txt'",
        "1 image has no label file, so nothing to detect: 'images/2'",
        (
            "1 image is in no split, beside others that are in one, and copied unchanged; --split "
            "NAME=FOLDER says otherwise"
        ),
    )
    assert {s.key: s.split for s in dataset_format.sources(storage) if s.annotation} == {
        "images/1.jpg": "train",
        "images/2.jpg": None,
    }


@pytest.mark.parametrize(
    "place", ["../../../etc", "/etc", "..", "~/data", "a/../../..", "\\\\server\\x", "C:\\x"]
)
def test_places_outside_are_never_looked_at(read, place):
    source = read(GOOD, config=f"names: [cat, dog]\ntrain: '{place}'\n")
    assert (source.split, len(source.annotation.objects)) == (None, 1)


@pytest.mark.parametrize(
    ("config", "note"),
    [
        ("names: [cat, dog]\nnc: 3\n", "data.yaml: nc is 3, but there are 2 names, which count"),
        ("names: [cat, cat]\n", "data.yaml: two classes are called 'cat'; 1 is 'cat 1'"),
        (
            "names: [cat, dog]\nkpt_shape: [17, 5]\n",
            "data.yaml: kpt_shape: expected [number, 2 or 3], found ['17', '5']; ignored",
        ),
    ],
)
def test_configurations_that_contradict_are_told(make, config, note):
    storage = make({"images/7.jpg": IMAGE, "labels/7.txt": GOOD, "data.yaml": config})
    assert note in detect(storage).notes


def test_a_flip_that_is_no_flip_is_ignored(make):
    line = "0 0.5 0.5 0.5 0.5 0.1 0.1 0.2 0.2\n"
    config = "names: [cat]\nkpt_shape: [2, 2]\nflip_idx: [1, 7]\n"
    storage = make({"images/7.jpg": IMAGE, "labels/7.txt": line, "data.yaml": config})
    dataset_format = detect(storage)
    assert (
        "data.yaml: flip_idx: expected each of 2 keypoints paired; ignored" in dataset_format.notes
    )
    assert dataset_format.skeletons["cat"].pairs == ()


def test_a_list_of_classes_that_disagrees_is_told(make):
    files = {"images/7.jpg": IMAGE, "labels/7.txt": GOOD, "data.yaml": "names: [cat, dog]\n"}
    dataset_format = detect(make({**files, "classes.txt": "cat\n"}))
    assert dataset_format.classes == ("cat", "dog")
    assert dataset_format.notes == (
        "classes.txt (1 classes) disagrees with data.yaml (2 classes), which counts",
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("names: [cat\nx: y", r"data\.yaml:2: not valid YAML"),
        ("names: {a: cat}", r"data\.yaml: names: expected number and name, found 'a': 'cat'"),
        ("names: [[cat]]", r"data\.yaml: names: expected number and name"),
        ("names: !!python/object/apply:os.system ['true']", "not valid YAML"),
        (b"names: [\xff]", "not in UTF-8"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_an_error(make, config, message):
    storage = make({"images/7.jpg": IMAGE, "labels/7.txt": GOOD, "data.yaml": config})
    with pytest.raises(InputError, match=message):
        detect(storage)


def test_aliases_that_multiply_do_not(make):
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 25)]
    config = "\n".join([*lines, "names: [cat, dog]", ""])
    storage = make({"images/7.jpg": IMAGE, "labels/7.txt": GOOD, "data.yaml": config})
    start = time.monotonic()
    dataset_format = detect(storage)
    assert dataset_format.classes == ("cat", "dog")
    assert dataset_format.notes == ("data.yaml: more than 10,000 other values; they are not kept",)
    assert len(json.dumps(writer_to_json(dataset_format.writer()))) < 1000
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("text", ["a photo of a cat\n", "1 2 3\n4 5 6\n", "0.93\n"])
def test_other_texts_beside_images_are_not_taken_for_labels(make, text):
    storage = make({f"{n}.jpg": IMAGE for n in "123"} | {f"{n}.txt": text for n in "123"})
    assert detect(storage).name != "yolo"
    with pytest.raises(InputError, match="hold no numbers as YOLO has them"):
        detect(storage, name="yolo")


@pytest.mark.parametrize(
    "text", ["0,0.4,0.4,0.2,0.2\n", "cat 0.4 0.4 0.2 0.2\n", "0;.4;.4;.2;.2\n"]
)
def test_numbers_that_are_written_otherwise_are_asked_about_and_not_left(make, text):
    storage = make({f"{n}.jpg": IMAGE for n in "123"} | {f"{n}.txt": text for n in "123"})
    with pytest.raises(InputError, match=r"with spaces between; .* --format unlabelled"):
        detect(storage)
    assert detect(storage, name="unlabelled").name == "unlabelled"


def test_pixels_for_shares_are_called_so(make):
    storage = make({"7.jpg": IMAGE, "7.txt": "0 4 3 4 4\n"})
    (problem,) = next(s.problems for s in detect(storage).sources(storage) if s.key == "7.jpg")
    assert problem.endswith("look like pixels, expected shares of the image; object left out")


def test_images_elsewhere_and_other_files_are_passed_over(make):
    storage = make(
        {
            "images/1.jpg": IMAGE,
            "images/2.jpg": IMAGE,
            "labels/1.txt": GOOD,
            "labels/2.txt": GOOD,
            "docs/figure.jpg": IMAGE,
            "LICENSE": "free",
            "data.yaml": "names: [cat]\n",
        }
    )
    dataset_format = detect(storage)
    assert {s.key: s.skip for s in dataset_format.sources(storage) if s.annotation is None} == {
        "LICENSE": None,
        "data.yaml": "the description of the dataset",
        "docs/figure.jpg": "an image outside the folders that have annotations",
        "labels/1.txt": "a label file",
        "labels/2.txt": "a label file",
    }


SQUARE = "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5"
RING = ((4, 2), (20, 2), (20, 10), (4, 10))


@pytest.mark.parametrize(
    ("plain", "usual", "expected"),
    [
        ("0 0.5 0.5 0.5 0.5", GOOD, Object(category="cat", box=(10, 5, 30, 15))),
        (
            SQUARE,
            f"{SQUARE} 0.5\n0 0.1 0.1 0.5 0.1 0.3 0.3 0.2\n",
            Object(category="cat", polygons=(RING,)),
        ),
        (SQUARE, f"{SQUARE} 0.5\n", Object(category="cat", corners=RING)),
    ],
    ids=["box", "polygon", "oriented box"],
)
def test_a_confidence_is_dropped_and_its_object_kept(read, plain, usual, expected):
    source = read(f"{plain} 0.91\n1{plain[1:]} 1\n", usual=usual)
    assert source.annotation.objects == (expected, expected.changed(category="dog"))
    problem = (
        "2 lines have one number more than expected, between 0 and 1: taken as a confidence; it is "
        "dropped, the object is kept"
    )
    assert source.problems == (f"labels/7.txt:1: {problem}",)


@pytest.mark.parametrize(
    ("plain", "ends", "expected"),
    [
        ("0 0.5 0.5 0.5 0.5", ("0.9 1", "0.8 17"), Object(category="cat", box=(10, 5, 30, 15))),
        ("0 0.5 0.5 0.5 0.5", ("12", "3"), Object(category="cat", box=(10, 5, 30, 15))),
        (SQUARE, ("0.9 1", "0.8 17"), Object(category="cat", corners=RING)),
    ],
    ids=["box", "box without confidence", "oriented box"],
)
def test_the_number_of_a_track_is_dropped_and_its_object_kept(read, plain, ends, expected):
    lines = f"{plain} {ends[0]}\n1{plain[1:]} {ends[1]}\n"
    source = read(lines, usual=lines)
    assert source.annotation.objects == (expected, expected.changed(category="dog"))
    assert source.problems[-1].startswith("labels/7.txt:1: 2 lines have one number more than")
    assert "that of a track" in source.problems[-1]
    assert len(source.problems) == len(ends[0].split())


def test_triangles_are_no_boxes_with_tracks(read):
    triangle = "0 0.1 0.1 0.5 0.1 0.5 1\n"
    source = read(triangle, usual=triangle)
    assert source.annotation.objects[0].polygons is not None


def test_a_confidence_of_some_oriented_boxes_alone(read):
    source = read(f"{SQUARE} 0.5\n", usual=f"{SQUARE}\n")
    assert source.annotation.objects == (Object(category="cat", corners=RING),)


def test_the_field_case_keeps_every_object(data_dir):
    storage = open_storage(data_dir / "field_cases/augment-hides-faults")
    found = [one for one in detect(storage).sources(storage) if one.annotation]
    assert [len(one.annotation.objects) for one in found] == [2, 2, 2]
    assert [len(one.problems) for one in found] == [1, 1, 1]
