"""Images and masks in pairs, under all the names that people give them."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image
from rewriting import images, rewrite

from variegate.annotations.annotation import Annotation
from variegate.codecs import decode_mask, encode_mask, read_palette
from variegate.errors import InputError
from variegate.formats import detect
from variegate.formats.base import DatasetFormat, NotThisFormat
from variegate.formats.flat import NAME_RULES
from variegate.formats.mask_pairs.format import MaskPairs
from variegate.formats.mask_pairs.pairs import Pairing
from variegate.formats.mask_pairs.writer import MaskPairsWriter
from variegate.formats.scan import survey
from variegate.formats.writer import DatasetInfo, Item
from variegate.storage import open_storage


def read(storage, *, chosen=False):
    return MaskPairs.recognise(survey(storage, NAME_RULES), storage, chosen=chosen)


def found(storage, **choice):
    dataset_format = read(storage, **choice)
    assert isinstance(dataset_format, DatasetFormat), dataset_format
    return dataset_format


def image(size=(3, 4), kind="PNG"):
    data = io.BytesIO()
    Image.new("RGB", size[::-1], (1, 2, 3)).save(data, kind)
    return data.getvalue()


def mask(size=(3, 4), dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, 5, size).astype(dtype)


@pytest.fixture
def make(tmp_path):
    def make_set(*pairs):
        storage = open_storage(tmp_path / "in", create=True)
        for number, (one, two) in enumerate(pairs):
            storage.write(one, image(kind="JPEG" if one.lower().endswith("jpg") else "PNG"))
            if two:
                storage.write(two, encode_mask(mask(seed=number)))
        return storage

    return make_set


@pytest.mark.parametrize(
    "template",
    [
        ("images/{}.jpg", "masks/{}.png"),
        ("img/{}.jpg", "ann/{}_instances.png"),
        ("Images/{}.png", "Labels/{}.png"),
        ("img/{}.png", "gt/{}.png"),
        ("images/{}.jpg", "annotations/{}.PNG"),
        ("set/images/{}.jpg", "set/masks/{}.png"),
        ("train/images/{}.jpg", "train/masks/{}.png"),
        ("images/train/{}.jpg", "masks/train/{}.png"),
        ("train/{}.png", "trainannot/{}.png"),
        ("train/{}.jpg", "train_masks/{}_mask.gif"),
        ("val/{}.png", "val_labels/{}_L.png"),
        ("a/rgb/{}.png", "b/gt/{}.png"),
        ("images/{}.png", "images/masks/{}.png"),
        ("{}.png", "masks/{}.png"),
        ("day/{}.png", "day/masks/{}.png"),
        ("{}.jpg", "{}_mask.png"),
        ("{}.png", "{}_gt.png"),
        ("sub/{}_sat.jpg", "sub/{}_mask.png"),
        ("images/{}.jpg", "masks/{}_mask.png"),
        ("images/image_{}.png", "masks/gt_{}.png"),
        ("images/{}_rgb.png", "masks/{}_seg.png"),
        (
            "leftImg8bit/train/aachen/{}_leftImg8bit.png",
            "gtFine/train/aachen/{}_gtFine_labelIds.png",
        ),
    ],
)
def test_usual_names_are_understood_and_written_alike(make, tmp_path, template):
    pairs = [[part.format(number) for part in template] for number in ("001", "002", "010")]
    storage = make(*pairs)
    dataset_format = found(storage)
    sources = {source.key: source for source in dataset_format.sources(storage)}
    assert list(sources) == sorted(key for pair in pairs for key in pair)
    for one, two in pairs:
        assert sources[one].annotation == Annotation(size=(3, 4), mask_file=two)
        assert (sources[one].skip, sources[one].problems, sources[one].unusable) == (None, (), None)
        assert sources[two].skip == "a mask"
        assert sources[two].annotation is None
    assert sum(dataset_format.images.values()) == 3

    out, items = rewrite(dataset_format, storage, tmp_path / "out")
    again = found(out)
    reread = images(again, out)
    assert list(reread) == sorted(item.key for item in items)
    for item in items:
        assert item.key != item.source
        assert reread[item.key].annotation == item.annotation
        assert reread[item.key].split == item.split
        name = item.annotation.mask_file
        assert np.array_equal(decode_mask(out.read(name)), item.masks[name])
        assert name.endswith(template[1][-4:].replace("gif", "png"))
    # Nothing is left over: every file is an image or its mask.
    assert len(list(out.list())) == 2 * len(items) == 6


@pytest.mark.parametrize(
    ("folder", "split"),
    [("train", "train"), ("Validation", "val"), ("test", "test"), ("val2017", "val")],
)
@pytest.mark.parametrize("shape", ["{0}/images/{1}", "images/{0}/{1}"])
def test_splits_stand_above_or_below(make, folder, split, shape):
    key = shape.format(folder, "1.png")
    storage = make((key, key.replace("images", "masks")))
    dataset_format = found(storage)
    assert dataset_format.images == {split: 1}
    assert images(dataset_format, storage)[key].split == split


def test_splits_may_stand_in_the_names_of_both_folders(make):
    keys = [f"{split}_images/{n}.png" for split in ("train", "valid", "test") for n in (1, 2)]
    storage = make(*((key, key.replace("images", "masks")) for key in keys))
    dataset_format = found(storage)
    assert dataset_format.images == {"train": 2, "val": 2, "test": 2}
    assert dataset_format.notes == ()
    masks = {key: one.annotation.mask_file for key, one in images(dataset_format, storage).items()}
    assert masks == {key: key.replace("images", "masks") for key in keys}


@pytest.mark.parametrize(
    ("template", "soft"),
    [
        (("images/{}.png", "mattes/{}.png"), True),
        (("images/{}.png", "alpha/{}.png"), True),
        (("{}.png", "{}_matte.png"), True),
        (("images/{}.png", "masks/{}.png"), False),
    ],
)
def test_masks_are_soft_where_the_name_says_so(make, template, soft):
    storage = make(*([part.format(n) for part in template] for n in "12"))
    dataset_format = found(storage)
    assert [s.annotation.soft for s in images(dataset_format, storage).values()] == [soft, soft]
    assert any("soft" in note for note in dataset_format.notes) is soft


@pytest.mark.parametrize(
    ("folder", "count", "splits", "example"),
    [
        (
            *("camvid_dataset", 4, {"train": 1, "val": 1, "test": 2}),
            ("test/0001TP_008550.png", "testannot/0001TP_008550.png"),
        ),
        (
            *("common_semantic_segmentation_dataset/dataset", 2, {"": 2}),
            ("images/0001.png", "masks/0001.png"),
        ),
        (
            *("common_semantic_segmentation_dataset/non_standard_dataset", 2, {"": 2}),
            ("images/image_0001.png", "masks/gt_0001.png"),
        ),
        (
            *("cityscapes_dataset/train_dataset", 4, {"train": 1, "val": 1, "test": 2}),
            (
                "leftImg8bit/val/defaultcity/defaultcity_000001_000019_leftImg8bit.png",
                "gtFine/val/defaultcity/defaultcity_000001_000019_gtFine_labelTrainIds.png",
            ),
        ),
        ("kaggle_dataset/image_mask", 2, {"": 2}, ("images/001.png", "masks/001.png")),
    ],
)
def test_real_small_sets_make_the_round_trip(data_dir, tmp_path, folder, count, splits, example):
    storage = open_storage(data_dir / "annotation_formats" / folder)
    dataset_format = found(storage)
    assert dataset_format.images == splits
    sources = images(dataset_format, storage)
    assert len(sources) == count
    assert sources[example[0]].annotation.mask_file == example[1]
    assert all(not source.problems and not source.unusable for source in sources.values())

    out, items = rewrite(dataset_format, storage, tmp_path)
    again = found(out)
    assert again.images == splits
    assert again.classes == dataset_format.classes
    assert again.pairing == dataset_format.pairing
    for item, (key, source) in zip(items, images(again, out).items(), strict=True):
        assert (item.key, item.annotation) == (key, source.annotation)
        stored = np.array(Image.open(io.BytesIO(out.read(item.annotation.mask_file))))
        before = storage.read(sources[item.source].annotation.mask_file)
        assert np.array_equal(stored, np.array(Image.open(io.BytesIO(before))))


def test_names_of_classes_are_read_and_kept(data_dir, tmp_path):
    path = data_dir / "annotation_formats/common_semantic_segmentation_dataset/dataset"
    storage = open_storage(path)
    dataset_format = found(storage)
    assert dataset_format.classes == ("Void", "Animal", "Archway", "Bicyclist", "Child", "Road")
    out, _ = rewrite(dataset_format, storage, tmp_path)
    assert out.read("dataset_meta.json") == storage.read("dataset_meta.json")


def test_coco_mini_is_read_from_the_folder_above(data_dir):
    storage = open_storage(data_dir / "coco_mini")
    dataset_format = found(storage, chosen=True)
    assert dataset_format.images == {"train": 12, "val": 12, "": 1}
    assert dataset_format.classes[:3] == ("unlabeled", "person", "bicycle")
    sources = images(dataset_format, storage)
    source = sources["images/val2017/000000000785.jpg"]
    assert source.annotation == Annotation(
        size=(425, 640), mask_file="semantic_segmentation/masks/val2017/000000000785.png"
    )
    lonely = [source for source in sources.values() if source.annotation.mask_file is None]
    assert [source.key.partition("/")[0] for source in lonely] == ["keypoints"]
    assert len(lonely[0].problems) == 1


def test_masks_without_their_images_are_refused_by_name(data_dir):
    storage = open_storage(data_dir / "coco_mini/semantic_segmentation")
    with pytest.raises(InputError, match=r"24 masks, but no images: config.yaml says"):
        read(storage)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_depth_and_values_survive(make, tmp_path, dtype):
    storage = make(("images/1.png", None))
    values = mask(dtype=dtype) * dtype(np.iinfo(dtype).max // 300 % 2**22)
    storage.write("masks/1.png", encode_mask(values))
    out, _ = rewrite(found(storage), storage, tmp_path / "out")
    again = decode_mask(out.read("masks/1-v05.png"))
    assert again.dtype == dtype
    assert np.array_equal(again, values)


def test_each_mask_keeps_its_palette_or_has_none(make, tmp_path):
    names = "abc"
    storage = make(*((f"images/{n}.png", None) for n in names))
    palettes = [bytes(range(30)), bytes(range(9, 30)), None]
    for name, palette in zip(names, palettes, strict=True):
        storage.write(f"masks/{name}.png", encode_mask(mask(), palette))
    dataset_format = found(storage)
    extras = [source.annotation.extra for source in images(dataset_format, storage).values()]
    assert extras == [{}, {"palette": palettes[1].hex()}, {"palette": ""}]
    out, _ = rewrite(dataset_format, storage, tmp_path / "out")
    assert [read_palette(out.read(f"masks/{n}-v05.png")) for n in names] == palettes


@pytest.mark.parametrize("kind", ["bmp", "tif"])
def test_masks_of_other_kinds_become_png(make, tmp_path, kind):
    storage = make(("images/1.png", None))
    data = io.BytesIO()
    Image.fromarray(mask()).save(data, {"bmp": "BMP", "tif": "TIFF"}[kind])
    storage.write(f"masks/1.{kind}", data.getvalue())
    rewrite(found(storage), storage, tmp_path / "out")
    assert np.array_equal(np.array(Image.open(tmp_path / "out/masks/1-v05.png")), mask())


def test_results_whose_extension_changes_find_their_masks():
    pairing = Pairing(folders=(("images", "masks"),), mask=("", "_mask"))
    writer = MaskPairsWriter(pairing=pairing)
    key = writer.key("images/7.png", suffix="-v05", extension=".jpg", own_extensions=(".jpg",))
    assert key == "images/7.png-v05.jpg"
    mask_key = writer.mask_key("masks/7_mask.PNG", source="images/7.png", output=key)
    assert mask_key == "masks/7.png-v05_mask.PNG"
    assert pairing.mask_stem(key) + ".PNG" == mask_key


def test_what_stands_beside_is_named(make):
    storage = make(("images/1.png", "masks/1.png"), ("images/2.png", "masks/2.png"))
    storage.write("readme.txt", b"x")
    storage.write("preview.png", image())
    storage.write("masks/.hidden.png", image())
    sources = {source.key: source.skip for source in found(storage).sources(storage)}
    assert sources["preview.png"] == "it stands outside of the images and masks"
    assert sources["readme.txt"] is None
    assert len(sources) == 7


def test_a_second_folder_of_masks_is_told(make):
    storage = make(("images/1.png", "masks/1.png"), ("images/2.png", "masks/2.png"))
    for number in "12":
        storage.write(f"instances/{number}.png", encode_mask(mask()))
    dataset_format = found(storage)
    assert dataset_format.notes == ("further masks are left out, in 'instances'",)
    assert dataset_format.images == {"": 2}


@pytest.fixture
def flawed(make):
    storage = make(*((f"images/{n}.png", f"masks/{n}.png") for n in "abcdefgh"))
    storage.delete("masks/b.png")
    storage.delete("images/c.png")
    storage.write("masks/d.png", encode_mask(mask((4, 3))))
    storage.write("masks/e.png", b"no image")
    storage.write("images/f.jpg", image(kind="JPEG"))
    return storage


def test_what_is_wrong_is_named_with_its_file(flawed):
    sources = {source.key: source for source in found(flawed).sources(flawed)}
    assert sources["images/a.png"].problems == ()
    assert sources["images/b.png"].problems == (
        "images/b.png: no mask 'masks/b.png'; it goes on without one",
    )
    assert sources["images/b.png"].annotation == Annotation(size=(3, 4))
    assert sources["masks/c.png"].skip == "a mask without an image"
    assert sources["masks/c.png"].problems == (
        "masks/c.png: a mask without an image; it is left out",
    )
    assert sources["images/d.png"].unusable == (
        "its mask masks/d.png does not fit: 3 x 4 pixels, its image has 4 x 3"
    )
    assert sources["images/e.png"].unusable.startswith("its mask masks/e.png cannot be read: not a")
    assert sources["images/f.jpg"].unusable is None
    assert sources["images/f.png"].unusable == (
        "masks/f.png: the mask of 'images/f.jpg' too; rename one of them"
    )
    assert [key for key, s in sources.items() if s.unusable or s.problems] == [
        *("images/b.png", "images/d.png", "images/e.png", "images/f.png", "masks/c.png"),
    ]


@pytest.mark.parametrize(
    "keys",
    [
        ("cats/1.png", "dogs/2.png"),
        ("images/1.png", "masks/2.png"),
        ("with_mask/1.png", "without_mask/1.png"),
        ("mask/1.png", "no_mask/2.png"),
        ("train/cats/1.png", "val/cats/1.png"),
        ("a.png", "b.png"),
        ("1_mask.png", "2_mask.png"),
    ],
)
def test_other_sets_are_left_alone(make, keys):
    assert isinstance(read(make(*((key, None) for key in keys))), NotThisFormat)


@pytest.mark.parametrize(
    "name", ["sign_digits", "electronic_components", "clothing_classes", "nuclei_instances"]
)
def test_real_sets_of_other_layouts_are_left_alone(data_dir, name):
    assert isinstance(read(open_storage(data_dir / name)), NotThisFormat)


def test_a_set_from_another_format_gets_folders_and_class_names(tmp_path):
    writer = MaskPairsWriter.fresh(
        DatasetInfo(
            classes=("sky", "road"),
            skeletons={},
            splits=("train",),
            extra={"palette": bytes(range(9)).hex()},
        )
    )
    key = writer.fresh_key("JPEGImages/7.jpg", split="train", label=None, extension=".jpg")
    assert key == "images/train/7.jpg"
    name = writer.mask_key("SegmentationClass/7.png", source="JPEGImages/7.jpg", output=key)
    assert name == "masks/train/7.png"
    item = Item(
        key=key,
        split="train",
        label=None,
        size=(3, 4),
        annotation=Annotation(size=(3, 4), mask_file=name),
        masks={name: mask() % 2},
    )
    out = open_storage(tmp_path / "out", create=True)
    out.write(key, image(kind="JPEG"))
    for sidecar in writer.sidecars(item):
        out.write(*sidecar)
    writer.write_index(out, [item])
    dataset_format = found(out)
    assert dataset_format.classes == ("sky", "road")
    assert images(dataset_format, out)[key].annotation == item.annotation
    assert read_palette(out.read(name)) == bytes(range(9))


def test_the_layout_travels_through_a_zip_file(data_dir, tmp_path):
    path = data_dir / "annotation_formats/camvid_dataset"
    shutil.make_archive(str(tmp_path / "camvid"), "zip", path)
    folder, packed = open_storage(path), open_storage(tmp_path / "camvid.zip")
    assert list(found(packed).sources(packed)) == list(found(folder).sources(folder))


def test_masks_in_a_folder_of_unknown_name_are_a_question_and_no_class(tmp_path):
    storage = open_storage(tmp_path / "in", create=True)
    for number in range(3):
        photo = np.random.default_rng(number).integers(0, 255, (20, 30, 3), dtype=np.uint8)
        data = io.BytesIO()
        Image.fromarray(photo).save(data, "PNG")
        storage.write(f"shots/{number}.png", data.getvalue())
        storage.write(f"truth_maps/{number}_x.png", encode_mask(mask((20, 30), seed=number)))
    with pytest.raises(InputError, match=r"those in 'truth_maps' look like masks: rename .* --for"):
        detect(storage)
    assert detect(storage, name="classes").classes == ("shots", "truth_maps")
