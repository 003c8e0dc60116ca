"""Which layout is seen in which files, on real data and on made-up names."""

import pickle
import tracemalloc
import zipfile
from collections import Counter

import pytest

from variegate.errors import InputError, UsageError
from variegate.formats import FORMATS, Source, detect
from variegate.storage import Entry, LocalStorage, open_storage


@pytest.fixture
def make(tmp_path):
    def make_files(*keys):
        for key in keys:
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).touch()
        return open_storage(tmp_path)

    return make_files


def labels(storage, **choice):
    dataset_format = detect(storage, **choice)
    return {source.key: (source.split, source.label) for source in dataset_format.sources(storage)}


# ---- real data


def test_clothing_is_a_folder_per_class_with_splits(data_dir):
    storage = open_storage(data_dir / "clothing_classes")
    dataset_format = detect(storage)
    assert dataset_format.description == (
        "folder per class: 10 classes, 172 images, split (train 118, val 30, test 24)"
    )
    assert dataset_format.splits == ("train", "val", "test")
    assert dataset_format.classes[:3] == ("dress", "hat", "longsleeve")
    assert dataset_format.notes == (
        (
            "not taken as csv: images.csv: it has no column for the label, it may be any of "
            "'folder_label', 'sender_id', 'kids' and 1 more; say which it is, such as "
            "--columns label=folder_label"
        ),
    )
    sources = {source.key: source for source in dataset_format.sources(storage)}
    assert sources["LICENSE"].label is sources["images.csv"].split is None
    table = (data_dir / "clothing_classes/images.csv").read_text().splitlines()[1:]
    for path, split, label, *_ in (line.split(",") for line in table):
        short = {"validation": "val"}.get(split, split)
        assert (sources[path].split, sources[path].label) == (short, label)


def test_sign_digits_are_ten_classes_in_order(data_dir):
    dataset_format = detect(open_storage(data_dir / "sign_digits"))
    assert dataset_format.classes == tuple("0123456789")
    assert dataset_format.description == (
        "folder per class: 10 classes, 120 images, "
        "no splits (all of it is treated as training data)"
    )


def test_the_components_in_their_zip_have_five_labels(data_dir):
    storage = open_storage(
        data_dir / "electronic_components/electronic-components-png-original.zip"
    )
    dataset_format = detect(storage)
    assert dataset_format.name == "flat"
    assert dataset_format.description.startswith(
        "label in the file name, before the first dot: 5 classes"
    )
    counts = Counter(source.label for source in dataset_format.sources(storage))
    assert counts == dict.fromkeys(("background", "capacitor", "diode", "led", "resistor"), 50)


@pytest.mark.parametrize("below", ["", "files"])
def test_the_messy_folder_has_no_labels_whatever_lies_in_it(data_dir, below):
    storage = open_storage(data_dir / "messy_images" / below)
    dataset_format = detect(storage)
    assert dataset_format.name == "unlabelled"
    assert "no labels" in dataset_format.description
    files = sum(path.is_file() for path in (data_dir / "messy_images" / below).rglob("*"))
    sources = list(dataset_format.sources(storage))
    assert len(sources) == files
    assert {source.label for source in sources} == {None}


def test_other_real_sets(data_dir):
    assert detect(open_storage(data_dir / "exif_orientation")).classes == ("Landscape", "Portrait")
    assert detect(open_storage(data_dir / "bccd_voc")).name == "voc"
    assert detect(open_storage(data_dir / "nuclei_instances")).name == "object-masks"
    with pytest.raises(InputError, match="name the zip file itself"):
        detect(open_storage(data_dir / "electronic_components"))


# ---- folder per class


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        *(("Train", "train"), ("TRAINING", "train"), ("val", "val"), ("valid", "val")),
        *(("Validation", "val"), ("dev", "val"), ("test", "test"), ("testing", "test")),
    ],
)
def test_split_folders_are_known_by_any_usual_name(make, folder, split):
    found = labels(make(f"{folder}/cat/1.jpg", f"{folder}/dog/deep/er/2.jpg"))
    assert found == {
        f"{folder}/cat/1.jpg": (split, "cat"),
        f"{folder}/dog/deep/er/2.jpg": (split, "dog"),
    }


def test_a_class_may_be_called_like_a_split(make):
    found = labels(make("train/1.jpg", "bus/1.jpg", "car/1.jpg"))
    assert found["train/1.jpg"] == (None, "train")


def test_folders_beside_those_of_the_splits_are_refused(make):
    storage = make("train/cat/1.jpg", "test/cat/1.jpg", "extra/cat/2.jpg")
    for choice in (None, "classes"):
        with pytest.raises(InputError, match="'extra' stand beside those of the splits"):
            detect(storage, name=choice)


def test_a_mix_of_images_and_class_folders_is_refused_until_it_is_named(make):
    storage = make("cat/1.jpg", "dog/1.jpg", "loose.jpg")
    with pytest.raises(
        InputError,
        match=r"unknown format .*images \(1\) stand beside the folders 'cat', 'dog'.*--format",
    ):
        detect(storage)
    assert labels(storage, name="classes") == {
        "cat/1.jpg": (None, "cat"),
        "dog/1.jpg": (None, "dog"),
        "loose.jpg": (None, None),
    }
    assert detect(storage, name="classes").notes == (
        "1 image stands in no class folder and without a label",
    )
    assert detect(storage, name="unlabelled").classes == ()


def test_hidden_files_and_side_files_have_no_label(make):
    found = labels(make("cat/1.jpg", "cat/._1.jpg", "dog/1.jpg", ".git/x/1.jpg", "dog/Thumbs.db"))
    assert found["cat/._1.jpg"] == found[".git/x/1.jpg"] == (None, None)
    assert found["dog/Thumbs.db"] == (None, "dog")


def test_one_folder_is_no_class_unless_the_user_says_so(make):
    storage = make("photos/1.jpg", "photos/2.jpg")
    assert detect(storage).name == "unlabelled"
    assert labels(storage, name="classes")["photos/1.jpg"] == (None, "photos")
    assert detect(storage, name="classes").classes == ("photos",)


def test_images_without_extensions_are_images_where_there_are_no_others(make):
    assert detect(make("a/1", "a/2", "b/1", "LICENSE")).description.startswith(
        "folder per class: 2 classes, 3 images"
    )


def test_lone_folders_around_it_all_are_looked_through(make):
    found = labels(make("set/data/train/cat/1.jpg", "set/data/test/dog/2.jpg", "readme.md"))
    assert found["set/data/train/cat/1.jpg"] == ("train", "cat")
    assert found["set/data/test/dog/2.jpg"] == ("test", "dog")
    assert found["readme.md"] == (None, None)


def test_a_zip_of_one_folder_is_looked_through(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("parts/led.1.png", "parts/led.2.png", "parts/coil.1.png", "parts/coil.2.png"):
            archive.writestr(name, b"")
            archive.writestr(f"__MACOSX/{name}", b"")
    storage = open_storage(tmp_path / "x.zip")
    found = labels(storage)
    assert found["parts/led.1.png"] == (None, "led")
    assert found["__MACOSX/parts/led.1.png"] == (None, None)


# ---- labels in names


@pytest.mark.parametrize("split", ["", "train/"])
@pytest.mark.parametrize(
    "names",
    [
        ["led.fd3c38e8.png", "led.0a.png", "t-shirt.x.png", "t-shirt.y.z.png"],
        ["led_001.png", "led_002.jpg", "t-shirt_1.png", "t-shirt_2.png"],
        ["led-1.png", "led-12.jpg", "t-shirt-1.png", "t-shirt-2.png"],
        ["led (1).png", "led (2).jpg", "t-shirt (1).png", "t-shirt (3).png"],
    ],
)
def test_labels_in_names_are_recognised(make, split, names):
    found = labels(make(*(split + name for name in names)))
    expected = [label for label in ("led", "t-shirt") for _ in range(2)]
    assert [label for _, label in found.values()] == expected
    assert {folder for folder, _ in found.values()} == {split[:-1] or None}


@pytest.mark.parametrize(
    "names",
    [
        ["IMG_0001.jpg", "IMG_0002.jpg", "DSC_0001.jpg", "DSC_0002.jpg"],
        ["photo (1).jpg", "photo (2).jpg", "image (1).jpg", "image (2).jpg"],
        ["led_1.jpg", "led_2.jpg", "led_3.jpg"],
        ["a_1.jpg", "b_1.jpg", "c_1.jpg"],
        ["2024-01-01.jpg", "2024-01-02.jpg", "2025-01-01.jpg", "2025-01-02.jpg"],
        ["led_1.jpg", "led_2.jpg", "coil_1.jpg", "coil_2.jpg", "x.jpg", "y.jpg"],
        ["f8ed83e3-5d6f-11.jpg", "aa8c2c36-a267-12.jpg"],
    ],
)
def test_names_that_only_look_labelled_are_not(make, names):
    assert detect(make(*names)).name == "unlabelled"


def test_a_few_images_without_label_are_counted(make):
    names = [f"{label}_{i}.png" for label in ("led", "coil") for i in range(10)]
    dataset_format = detect(make(*names, "logo.png"))
    assert dataset_format.classes == ("coil", "led")
    assert dataset_format.notes == ("1 image has no label in the name",)


def test_a_pattern_takes_the_label_from_anywhere_in_the_key(make):
    storage = make("s1/x-led.png", "s2/y-coil.png", "s2/z.png", "notes.txt")
    dataset_format = detect(storage, label_pattern=r"-(?P<label>\w+)\.")
    assert dataset_format.name == "flat"
    assert dataset_format.description.startswith("label by the pattern")
    assert dataset_format.classes == ("coil", "led")
    assert dataset_format.notes == ("1 image has no label in the name",)
    assert next(dataset_format.sources(storage)) == Source("notes.txt", 0, None, None)


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        (r"(?P<label>", "not a regular expression"),
        (r"(\w+)_", "no group called 'label'"),
        (r"(?P<label>\w+)_nowhere", "matches no image"),
    ],
)
def test_impossible_patterns_are_told(make, pattern, sentence):
    with pytest.raises(UsageError, match=sentence):
        detect(make("led_1.png"), label_pattern=pattern)


# ---- no layout


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ((), "no images found: it is empty"),
        (("a.txt", "b.txt", "c.md"), r"no images found among 3 files \(.txt, .md\)"),
        ((".hidden/1.jpg",), "no images found among 1 file"),
        (("README",), "no images found among 1 file"),
    ],
)
def test_no_images_is_an_error(make, keys, sentence):
    with pytest.raises(InputError, match=sentence):
        detect(make(*keys))


def test_unknown_names_of_layouts_are_told(make):
    with pytest.raises(UsageError, match=r"expected one of .*; did you mean 'classes'\?"):
        detect(make("1.jpg"), name="clases")
    with pytest.raises(UsageError, match="--label-pattern goes with --format flat"):
        detect(make("1.jpg"), name="classes", label_pattern="(?P<label>x)")


@pytest.mark.parametrize(("name", "clause"), [("classes", "no class folders"), ("flat", "holds a")])
def test_a_format_that_cannot_be_is_told(make, name, clause):
    with pytest.raises(InputError, match=f"--format {name}: .*{clause}"):
        detect(make("1.jpg"), name=name)


def test_every_file_is_a_source_in_the_order_of_the_listing(make):
    storage = make("b/1.jpg", "a/1.jpg", "a.txt", "a-b/x", "ü/1.jpg")
    keys = [source.key for source in detect(storage).sources(storage)]
    assert keys == [entry.key for entry in storage.list()] == sorted(keys)


def test_layouts_can_be_sent_to_another_process(make):
    storage = make("a_1.jpg", "a_2.jpg", "b_1.jpg", "b_2.jpg")
    dataset_format = detect(storage)
    copy = pickle.loads(pickle.dumps(dataset_format))
    assert copy == dataset_format
    assert list(copy.sources(storage)) == list(dataset_format.sources(storage))


def test_names_of_formats_differ():
    assert len({kind.name for kind in FORMATS}) == len(FORMATS)


class Huge(LocalStorage):
    """A listing of a size that no test wants on a disk."""

    def list(self, prefix="", *, on_skip=None):
        for folder in range(1000):
            for name in range(50):
                yield Entry(f"{folder:04}/{folder * 50 + name:07}_{name}.jpg", 1)


def test_memory_does_not_grow_with_the_number_of_images():
    tracemalloc.start()
    dataset_format = detect(Huge("/nowhere", "huge"))
    count = sum(1 for _ in dataset_format.sources(Huge("/nowhere", "huge")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000
    assert len(dataset_format.classes) == 1000
    assert peak < 2_000_000
