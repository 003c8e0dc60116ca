"""WebDataset shards, read by ourselves and, written, by its own package."""

import io
import json
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rewriting import images, rewrite

from variegate.annotations.annotation import Annotation, Object, Rle
from variegate.codecs import decode_mask, encode_mask
from variegate.formats import detect
from variegate.formats.base import DatasetFormat, NotThisFormat
from variegate.formats.flat import NAME_RULES
from variegate.formats.scan import survey
from variegate.formats.webdataset.format import WebDataset
from variegate.formats.webdataset.schema import image_of, read_json, split_member, write_json
from variegate.formats.webdataset.writer import WebDatasetWriter
from variegate.formats.writer import DatasetInfo, Item
from variegate.storage import LocalStorage, fold_shards, open_storage, pack


def read(storage, *, chosen=False):
    return WebDataset.recognise(survey(storage, NAME_RULES), storage, chosen=chosen)


def found(storage, **choice):
    dataset_format = read(storage, **choice)
    assert isinstance(dataset_format, DatasetFormat), dataset_format
    return dataset_format


def image(color=(1, 2, 3), size=(3, 4), kind="JPEG"):
    data = io.BytesIO()
    Image.new("RGB", size[::-1], color).save(data, kind)
    return data.getvalue()


MASK = np.arange(12, dtype=np.uint8).reshape(3, 4)
ABOUT = {
    "url": "https://example.org/é",
    "objects": [
        {"category": "cat", "box": [0.1, 0, 2.5, 3], "score": 0.25},
        {"category": "dog", "polygons": [[[0, 0], [2, 0], [2, 2.125]]]},
        {"category": "pose", "keypoints": [[1, 2, 2], [0, 0, 0]]},
        {"category": "part", "mask_file": "part.png"},
    ],
    "size": [3, 4],
}
MEMBERS = {
    "jpg": image(),
    "cls": b"7",
    "txt": b"Zwei Katzen\n",
    "json": json.dumps(ABOUT).encode(),
    "seg.png": encode_mask(MASK),
    "part.png": encode_mask(MASK % 2),
    "npy": b"embedding \x00\xff",
}


def write_shards(root, shards):
    """Write {shard: {sample: {extension: data}}} as tar files."""
    for shard, samples in shards.items():
        path = root / shard
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as archive:
            for sample, members in samples.items():
                for extension, data in members.items():
                    info = tarfile.TarInfo(f"{sample}.{extension}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    return open_storage(root)


@pytest.fixture
def shards(tmp_path):
    plain = {f"{n:06}": {"jpg": image((n, 0, 0)), "cls": str(n % 3).encode()} for n in range(4)}
    return write_shards(
        tmp_path / "in",
        {
            "train-000000.tar": {"full": MEMBERS, **plain},
            "train-000001.tar": {"a/000001": {"png": image(kind="PNG"), "cls": b"2"}},
            "val-000000.tar": {"000009": {"jpg": image(), "cls": b"0"}},
        },
    )


def test_samples_are_read_with_all_that_is_known(shards):
    dataset_format = found(shards)
    assert dataset_format.description == ("WebDataset: 4 classes, 7 images, split (train 6, val 1)")
    assert dataset_format.classes == ("0", "1", "2", "7")
    assert dataset_format.notes == (
        "carried through as they are, not moved with the pixels: '.npy'",
    )
    everything = list(dataset_format.sources(shards))
    assert [source.key for source in everything] == [entry.key for entry in shards.list()]
    sources = {source.key: source for source in everything}
    full = sources["train-000000.tar/full.jpg"]
    assert (full.split, full.label, full.problems, full.unusable) == ("train", "7", (), None)
    assert full.annotation == Annotation(
        size=(3, 4),
        objects=(
            Object(category="cat", box=(0.1, 0, 2.5, 3), extra={"score": 0.25}),
            Object(category="dog", polygons=(((0, 0), (2, 0), (2, 2.125)),)),
            Object(category="pose", keypoints=((1, 2, 2), (0, 0, 0))),
            Object(category="part", mask_file="train-000000.tar/full.part.png"),
        ),
        mask_file="train-000000.tar/full.seg.png",
        extra={
            "json": {"url": "https://example.org/é"},
            "text": "Zwei Katzen\n",
            "members": ["npy"],
        },
    )
    skips = {key.partition(".tar/full.")[2]: source.skip for key, source in sources.items()}
    assert {key: skip for key, skip in skips.items() if key} == {
        "jpg": None,
        "cls": "a label file",
        "txt": "a label file",
        "json": "a label file",
        "seg.png": "a mask",
        "part.png": "a mask",
        "npy": "carried through with its sample",
    }
    assert sources["train-000001.tar/a/000001.png"].label == "2"
    assert sources["val-000000.tar/000009.jpg"].split == "val"


def test_results_are_shards_of_their_own(shards, tmp_path):
    dataset_format = found(shards)
    _, items = rewrite(dataset_format, shards, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["train-000000-v05.tar", "train-000001-v05.tar", "val-000000-v05.tar"]
    out = open_storage(tmp_path / "out")
    again = found(out)
    reread = images(again, out)
    assert sorted(reread) == sorted(item.key for item in items)
    for item in items:
        source = reread[item.key]
        assert (source.label, source.split) == (item.label, item.split)
        expected = item.annotation
        if not expected.objects:
            # Nothing but objects needs the size.
            assert source.annotation.size is None
        assert source.annotation == Annotation(
            **{**_fields(expected), "size": source.annotation.size}
        )
    full = "train-000000-v05.tar/full-v05"
    assert out.read(f"{full}.npy") == MEMBERS["npy"]
    assert out.read(f"{full}.txt") == MEMBERS["txt"]
    assert np.array_equal(decode_mask(out.read(f"{full}.seg.png")), MASK)
    assert json.loads(out.read(f"{full}.json")) == ABOUT | {
        "objects": [
            {"category": "cat", "box": [0.1, 0, 2.5, 3], "extra": {"score": 0.25}},
            *ABOUT["objects"][1:],
        ]
    }


def _fields(annotation):
    return {name: getattr(annotation, name) for name in annotation.__struct_fields__}


# It leaves its tar files open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_its_own_package_reads_what_was_written(shards, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    _, items = rewrite(found(shards), shards, tmp_path / "out")
    urls = [str(path) for path in sorted((tmp_path / "out").glob("*.tar"))]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False))
    assert len(samples) == len(items) == 7
    by_key = {sample["__key__"]: sample for sample in samples}
    for item in items:
        sample = by_key[split_member(item.key.partition("/")[2])[0]]
        extension = split_member(item.key)[1]
        assert sample[extension] == shards.read(item.source)
        assert sample["cls"].decode() == item.label
    full = by_key["full-v05"]
    assert set(full) - {"__key__", "__url__", "__local_path__"} == set(MEMBERS)


def test_the_same_results_give_the_same_shards(shards, tmp_path):
    for name in ("one", "two"):
        rewrite(found(shards), shards, tmp_path / name)
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "two")
    )
    assert one == two


def test_a_single_tar_file_is_a_set_too(shards, tmp_path):
    samples = {f"{n}": {"png": image(kind="PNG"), "cls": b"x"} for n in range(3)}
    write_shards(tmp_path / "alone", {"birds.tar": samples})
    storage = open_storage(tmp_path / "alone/birds.tar")
    dataset_format = detect(storage)
    assert (dataset_format.name, dataset_format.classes, dataset_format.splits) == (
        "webdataset",
        ("x",),
        (),
    )
    assert [s.key for s in images(dataset_format, storage).values()] == ["0.png", "1.png", "2.png"]
    rewrite(dataset_format, storage, tmp_path / "out")
    out = open_storage(tmp_path / "out")
    assert list(images(found(out), out)) == [f"birds-v05.tar/{n}-v05.png" for n in range(3)]


def test_results_for_an_archive_are_not_folded(shards, tmp_path):
    _, items = rewrite(found(shards), shards, tmp_path / "x.tar.unpacked")
    out = open_storage(tmp_path / "x.tar.unpacked")
    assert type(out) is LocalStorage
    assert sorted(images(found(out), out)) == sorted(item.key for item in items)
    pack(out, tmp_path / "x.tar")
    packed = open_storage(tmp_path / "x.tar")
    assert sorted(images(found(packed), packed)) == sorted(item.key for item in items)


@pytest.mark.parametrize(
    ("source", "extension", "own", "expected"),
    [
        ("a.tar/7.jpg", ".jpg", (".jpg", ".jpeg"), "a-v05.tar/7-v05.jpg"),
        ("a.tar/7.JPEG", ".jpg", (".jpg", ".jpeg"), "a-v05.tar/7-v05.JPEG"),
        ("x/a.tar/b/7.png", ".jpg", (".jpg",), "x/a-v05.tar/b/7-v05.jpg"),
        ("a.tar/7.image.png", ".jpg", (".jpg",), "a-v05.tar/7-v05.image.jpg"),
        ("a.tar/7.image.png", ".png", (".png",), "a-v05.tar/7-v05.image.png"),
        ("7.jpg", ".jpg", (".jpg",), "7-v05.jpg"),
    ],
)
def test_names_of_results_keep_one_dot_before_their_extensions(source, extension, own, expected):
    writer = WebDatasetWriter()
    assert writer.key(source, suffix="-v05", extension=extension, own_extensions=own) == expected


@pytest.mark.parametrize(
    ("extensions", "image_extension"),
    [
        (["cls", "jpg"], "jpg"),
        (["seg.png", "png"], "png"),
        (["mask.png", "image.png"], "image.png"),
        (["seg.png", "cls"], None),
        (["png", "jpg"], "jpg"),
        (["TIF"], "TIF"),
    ],
)
def test_the_image_of_a_sample_is_found(extensions, image_extension):
    assert image_of(extensions) == image_extension


def test_soft_masks_are_told_by_their_name(tmp_path):
    members = {"jpg": image(), "matte.png": encode_mask(MASK)}
    storage = write_shards(tmp_path / "in", {"s.tar": {"1": members}})
    assert images(found(storage), storage)["s.tar/1.jpg"].annotation.soft


def test_what_is_wrong_is_named_with_its_file(tmp_path):
    objects = [
        {"category": "a", "box": [0, 0, 1, 1]},
        {"category": "a", "box": [2, 0, 1, 1]},
        {"category": "a", "box": [0, 0, 1, "x"]},
        {"category": "a", "box": [0, 0, 1]},
        {"category": "a", "polygons": [[[0, 0], [1, 1]]]},
        {"category": "a", "keypoints": [[0, 0]]},
        {"category": "a", "corners": [[0, 0], [1, 1]]},
        {"category": "a", "mask_file": "../../x.png"},
        {"category": "a", "rle": [1, 2]},
    ]
    nan = b'{"objects": [{"category": "a", "box": [0, 0, NaN, 1]}]}'
    lost = {"objects": [{"category": "a", "mask_file": "gone.png"}]}
    storage = write_shards(
        tmp_path / "in",
        {
            "s.tar": {
                "1": {"jpg": image(), "json": json.dumps({"objects": objects}).encode()},
                "2": {"jpg": image(), "json": b"{", "cls": b"\xff"},
                "3": {"jpg": image(), "json": nan},
                "4": {"jpg": image(), "json": json.dumps(lost).encode()},
                "5": {"cls": b"1"},
                "6": {"jpg": image(), "json": b'[1, "list"]'},
                "7": {"jpg": image(), "json": b'{"objects": "many", "size": 3}'},
            }
        },
    )
    sources = {source.key: source for source in found(storage).sources(storage)}
    assert sources["s.tar/1.jpg"].annotation.objects == (Object(category="a", box=(0, 0, 1, 1)),)
    problems = sources["s.tar/1.jpg"].problems
    assert len(problems) == 8
    for number, (problem, words) in enumerate(
        zip(
            problems,
            [
                *("box without area", "box: expected numbers", "length 4, got 3 - at `$.box`"),
                *("fewer than three points", "at `$.keypoints", "length 4, got 2 - at `$.corners`"),
                *("no member's extension", "object left out"),
            ],
            strict=True,
        ),
        start=1,
    ):
        assert problem.startswith(f"s.tar/1.json: objects[{number}]: ")
        assert words in problem
    assert [p.partition(":")[0] for p in sources["s.tar/2.jpg"].problems] == [
        *("s.tar/2.cls", "s.tar/2.json")
    ]
    assert sources["s.tar/2.jpg"].label is None
    assert "expected numbers" in sources["s.tar/3.jpg"].problems[0]
    assert sources["s.tar/4.jpg"].unusable == "its mask s.tar/4.gone.png is missing"
    assert sources["s.tar/5.cls"].skip == "a sample without an image"
    assert sources["s.tar/6.jpg"].annotation.extra == {"json": [1, "list"]}
    converted = sources["s.tar/7.jpg"].annotation
    assert converted.extra == {"json": {"objects": "many", "size": 3}}
    assert json.loads(write_json(converted)) == {"objects": "many", "size": 3}


def test_tar_files_of_other_sets_are_left_alone(tmp_path):
    storage = write_shards(tmp_path / "in", {"s.tar": {f"cats/{n}": {"jpg": b""} for n in "123"}})
    assert isinstance(read(storage), NotThisFormat)
    (tmp_path / "flat").mkdir()
    for name in ("1.jpg", "1.cls"):
        (tmp_path / "flat" / name).write_bytes(b"")
    assert isinstance(read(open_storage(tmp_path / "flat")), NotThisFormat)
    assert found(open_storage(tmp_path / "flat"), chosen=True).images == {"": 1}


def test_sets_of_other_formats_are_dealt_into_shards(tmp_path):
    writer = WebDatasetWriter.fresh(
        DatasetInfo(classes=("cat",), splits=("train",), extra={"images": 5000})
    )
    assert writer.shards == 3
    keys = [
        writer.fresh_key(f"cats/{n}.v2.png", split="train", label="cat", extension=".png")
        for n in range(300)
    ]
    assert len(set(keys)) == 300
    assert {key.partition("/")[0] for key in keys} == {f"train-{n:06}.tar" for n in range(3)}
    assert keys[7].partition("/")[2] == "cats/7-v2.png"
    key = keys[7]

    def mask_key(name):
        return writer.mask_key(name, source="cats/7.v2.png", output=key)

    sample = key.removesuffix(".png")
    names = [
        *(mask_key("SegmentationClass/7.v2.png"), mask_key("SegmentationObject/7.v2.png")),
        *(mask_key("7/masks/abc.tif"), mask_key("7/masks/def.png")),
    ]
    assert names == [
        *(f"{sample}.SegmentationClass.seg.png", f"{sample}.SegmentationObject.seg.png"),
        *(f"{sample}.masks-abc.seg.png", f"{sample}.masks-def.seg.png"),
    ]
    objects = (
        Object(category="cat", mask_file=names[2], box=(0, 0, 1, 1)),
        Object(category="cat", rle=Rle(3, 4, "04")),
    )
    annotation = Annotation(size=(3, 4), objects=objects, mask_file=names[0])
    masks = {names[0]: MASK, names[2]: MASK % 2}
    item = Item(
        key=key, split="train", label="cat", size=(3, 4), annotation=annotation, masks=masks
    )
    out = open_storage(tmp_path / "out", create=True)
    out.write(key, image(kind="PNG"))
    for name, content in writer.sidecars(item):
        out.write(name, content)
    fold_shards(out)
    again = open_storage(tmp_path / "out")
    source = images(found(again), again)[key]
    assert (source.label, source.annotation) == ("cat", annotation)


numbers = st.floats(-1e6, 1e6) | st.integers(0, 500)
points = st.tuples(numbers, numbers)
texts = st.text(max_size=6)
things = st.builds(
    Object,
    category=texts,
    box=st.none() | st.just((0.1, 0.2, 1e3, 7)),
    corners=st.none() | st.tuples(points, points, points, points),
    polygons=st.none() | st.lists(st.lists(points, min_size=3).map(tuple), min_size=1).map(tuple),
    keypoints=st.none()
    | st.lists(st.tuples(numbers, numbers, st.integers(0, 2)), max_size=3).map(tuple),
    mask_value=st.none() | st.integers(0, 9),
    mask_file=st.none() | st.just("s.tar/7.part.png"),
    extra=st.dictionaries(texts, st.none() | numbers | texts, max_size=2),
)


@settings(max_examples=100)
@given(
    st.lists(things, min_size=1, max_size=3).map(tuple),
    st.dictionaries(texts, st.floats(0, 1), max_size=3),
    st.booleans(),
    st.none() | st.tuples(st.integers(1, 99), st.integers(1, 99)),
)
def test_annotations_survive_their_json(objects, labels, soft, size):
    annotation = Annotation(objects=objects, labels=labels, soft=soft, size=size)
    assert read_json(write_json(annotation), "s.tar/7") == (annotation, [])
