"""Which class of a model is which of a dataset: found, asked, or refused."""

import pytest

from variegate.errors import InputError, UsageError
from variegate.models.class_names import matched, read_class_names


@pytest.fixture(scope="module")
def imagenet(data_dir):
    return read_class_names(data_dir / "models/imagenet_labels.txt")


def test_imagenets_list_with_its_two_cranes(imagenet):
    names, notes = imagenet
    assert len(names) == len(set(names)) == 1000
    assert names[0] == "tench, Tinca tinca"
    assert (names[134], names[517]) == ("crane (134)", "crane (517)")
    assert "crane (134)" in notes[0]


def test_numbers_decide_the_order(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("1,dog\n0,cat, kitten\n")
    assert read_class_names(path)[0] == ("cat, kitten", "dog")
    path.write_text("cat\ndog\n")
    assert read_class_names(path)[0] == ("cat", "dog")
    path.write_text("1,dog\n3,cat\n")
    with pytest.raises(InputError, match="numbers 0 to 1, each once"):
        read_class_names(path)
    path.write_text("\n")
    with pytest.raises(InputError, match="got none"):
        read_class_names(path)


def test_the_same_names_in_another_order():
    match = matched(("dog", "cat"), ("cat", "dog"))
    assert match.classes == ("cat", "dog")
    assert match.numbers == (1, 0)
    assert not match.plain
    assert not match.notes


def test_case_and_dashes_do_not_matter_and_are_told():
    match = matched(("T_Shirt", "Dress"), ("t-shirt", "dress"))
    assert match.numbers == (0, 1)
    assert "'t-shirt' is the model's 'T_Shirt'" in match.notes[0]


def test_synonyms_and_exact_names_first(imagenet):
    names, _ = imagenet
    # 264 is "Cardigan, Cardigan Welsh corgi", a dog.
    match = matched(names, ("cardigan", "jean"))
    assert [n for n, place in enumerate(match.numbers) if place == 0] == [474]
    assert [n for n, place in enumerate(match.numbers) if place == 1] == [608]


def test_what_may_be_several_is_asked(imagenet):
    names, _ = imagenet
    with pytest.raises(UsageError, match=r"'crane' may be .*\(134\) or .*\(517\) .*=134"):
        matched(names, ("crane",))
    assert matched(names, ("crane",), {"crane": ["517"]}).numbers[517] == 0


def test_old_and_new_names_of_coco(data_dir):
    old = tuple((data_dir / "models/coco_names.txt").read_text().split("\n")[:80])
    new = ("airplane", "motorcycle", "couch", "tv", "potted plant", "dining table", "person")
    match = matched(old, new)
    assert match.known == len(new)
    assert "'airplane' is the model's 'aeroplane'" in match.notes[0]


def test_other_classes_are_an_error_that_names_the_option():
    with pytest.raises(UsageError, match=r"no class 'shoes'; did you mean 'shoe'.*--map-class 'sh"):
        matched(("shoe", "hat"), ("shoes", "hat"))
    match = matched(("shoe", "boot", "hat"), ("shoes", "hat"), {"shoes": ["shoe", "boot"]})
    assert match.classes == ("shoes", "hat")
    assert match.numbers == (0, 0, 1)
    left = matched(("shoe", "hat"), ("shoes", "hat"), {"shoes": []})
    assert left.left_out == ("shoes",)
    assert left.classes == ("hat", "shoe")
    assert left.known == 1


def test_mistakes_in_the_option_are_told():
    with pytest.raises(UsageError, match="the dataset has no class 'sheos'; did you mean 'shoes'"):
        matched(("shoe",), ("shoes",), {"sheos": ["shoe"]})
    with pytest.raises(UsageError, match="shoes=sho: the model has none; did you mean 'shoe'"):
        matched(("shoe",), ("shoes",), {"shoes": ["sho"]})
    with pytest.raises(UsageError, match="would be both 'a' and 'b'"):
        matched(("x",), ("a", "b"), {"a": ["x"], "b": ["x"]})
