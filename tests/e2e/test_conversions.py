"""From format to format: what arrives, what is said to be lost, what a kill costs."""

import json
import time
from collections import Counter

import numpy as np
import pytest

import jobs
from variegate import Options, convert
from variegate.annotations import rle
from variegate.annotations.polygons import rasterised
from variegate.codecs import decode_mask
from variegate.errors import OutputError, UsageError
from variegate.formats import detect
from variegate.runs.rebuild import rebuild
from variegate.runs.verify import verify
from variegate.storage import open_storage

OPTIONS = Options(workers=0)
IMAGES = (".jpg", ".png")
BOXES = ("coco", "csv-boxes", "imagefolder", "labelme", "voc", "webdataset", "yolo")
OUTLINES = ("coco", "imagefolder", "labelme", "webdataset", "yolo")


def read(place, chosen=None):
    """Return, by the images' names without extensions, what is known of each."""
    storage = open_storage(place)
    found = detect(storage, name=chosen)
    return {
        # Shards of WebDataset become part of a name where they were folders.
        source.key.rpartition("/")[2].rpartition(".")[0].rpartition("BloodImage")[2]: source
        for source in found.sources(storage)
        if source.skip is None and source.unusable is None and source.key.endswith(IMAGES)
    }


def boxes(place, chosen=None, digits=9):
    return {
        name: Counter(
            (one.category, *(round(v, digits) for v in one.box))
            for one in (source.annotation.objects if source.annotation else ())
            if one.box is not None
        )
        for name, source in read(place, chosen).items()
    }


def near(one, other, within):
    """Whether two sets have the same objects, coordinates within so many pixels."""
    assert one.keys() == other.keys()
    for name, found in one.items():
        ours, theirs = sorted(found.elements()), sorted(other[name].elements())
        assert [a[0] for a in ours] == [b[0] for b in theirs]
        for category in {a[0] for a in ours}:
            mine = np.array([a[1:] for a in ours if a[0] == category])
            rest = [b[1:] for b in theirs if b[0] == category]
            for box in mine:
                away = [np.abs(np.array(b) - box).max() for b in rest]
                assert min(away) <= within
                del rest[int(np.argmin(away))]
    return True


@pytest.mark.parametrize("to", BOXES)
def test_boxes_survive_the_way_there_and_back(data_dir, tmp_path, to):
    source = data_dir / "bccd_voc"
    limited = Options(workers=0, limit=12)
    convert(source, tmp_path / "voc", to="voc", options=limited)
    there = convert(tmp_path / "voc", tmp_path / "there", to=to, allow_loss=True, options=OPTIONS)
    assert there.counts.quarantined == 0
    assert verify(tmp_path / "there").ok
    before = boxes(tmp_path / "voc")
    assert sum(map(Counter.total, before.values())) > 100
    # YOLO writes shares of the image's sides, the others numbers of pixels.
    assert near(before, boxes(tmp_path / "there"), 1e-6)
    convert(tmp_path / "there", tmp_path / "back", to="voc", allow_loss=True, options=OPTIONS)
    assert near(before, boxes(tmp_path / "back"), 1e-6)


def test_voc_to_coco_to_yolo_and_back(data_dir, tmp_path):
    steps = ("coco", "yolo", "coco", "voc")
    place = data_dir / "bccd_voc"
    first = boxes(place)
    for number, to in enumerate(steps):
        target = tmp_path / f"{number}-{to}"
        convert(place, target, to=to, allow_loss=True, options=OPTIONS)
        place = target
    assert near(first, boxes(place), 1e-6)


def coco_of_outlines(data_dir, tmp_path):
    """Return the instances of coco_mini, from YOLO polygons, as COCO."""
    dataset_format = Options(workers=0, format="yolo")
    convert(
        data_dir / "coco_mini",
        tmp_path / "coco",
        to="coco",
        allow_loss=True,
        options=dataset_format,
    )
    return tmp_path / "coco"


def outlines(place):
    found = {}
    for name, source in read(place).items():
        objects = source.annotation.objects if source.annotation else ()
        found[name] = Counter(
            (one.category, tuple(tuple((round(x, 3), round(y, 3)) for x, y in r) for r in rings))
            for one in objects
            if (rings := one.polygons) is not None
        )
    return found


@pytest.mark.parametrize("to", OUTLINES)
def test_outlines_survive_the_way_there_and_back(data_dir, tmp_path, to):
    source = coco_of_outlines(data_dir, tmp_path)
    before = outlines(source)
    assert sum(map(Counter.total, before.values())) > 50
    convert(source, tmp_path / "there", to=to, allow_loss=True, options=OPTIONS)
    convert(tmp_path / "there", tmp_path / "back", to="coco", allow_loss=True, options=OPTIONS)
    assert outlines(tmp_path / "back") == before


@pytest.mark.parametrize("to", ["coco", "deeplabcut", "labelme", "webdataset", "yolo"])
def test_keypoints_survive_the_way_there_and_back(data_dir, tmp_path, to):
    source = data_dir / "coco_mini" / "keypoints"

    def points(place):
        return {
            name: [
                [(round(x, 3), round(y, 3), v) for x, y, v in one.keypoints if v]
                for one in found.annotation.objects
                if one.keypoints
            ]
            for name, found in read(place).items()
        }

    before = points(source)
    assert len(before["000000000785"][0]) > 10
    there = tmp_path / "there"
    convert(source, there, to=to, allow_loss=True, options=OPTIONS)
    convert(there, tmp_path / "back", to="coco", allow_loss=True, options=OPTIONS)
    assert points(tmp_path / "back") == before


def masks(place):
    """Return the digest of every object's mask, by image."""
    storage = open_storage(place)
    found = {}
    for name, source in read(place).items():
        shapes = []
        for one in source.annotation.objects if source.annotation else ():
            if one.mask_file is not None:
                values = decode_mask(storage.read(one.mask_file))
                mask = values != 0 if one.mask_value is None else values == one.mask_value
            elif one.rle is not None:
                mask = rle.decode(one.rle)
            else:
                mask = rasterised([np.array(ring) for ring in one.polygons or ()], (1, 1))
            shapes.append((mask.shape, int(mask.sum()), hash(np.ascontiguousarray(mask).tobytes())))
        found[name] = Counter((*shape[:2],) for shape in shapes)
    return found


@pytest.mark.parametrize("to", ["coco", "labelme", "webdataset", "object-masks"])
def test_masks_survive_the_way_there_and_back(data_dir, tmp_path, to):
    source = data_dir / "nuclei_instances"
    before = masks(source)
    assert sum(map(Counter.total, before.values())) > 100
    there = tmp_path / "there"
    convert(source, there, to=to, allow_loss=True, options=OPTIONS)
    convert(there, tmp_path / "back", to="coco", allow_loss=True, options=OPTIONS)
    after = masks(tmp_path / "back")
    assert sorted(map(sorted, (c.elements() for c in after.values()))) == sorted(
        map(sorted, (c.elements() for c in before.values()))
    )


def test_what_is_lost_is_said_before_anything_is_written(data_dir, tmp_path):
    source = data_dir / "bccd_voc"
    told = []
    with pytest.raises(OutputError, match=r"834 objects of which only a box is known.*allow-loss"):
        convert(source, tmp_path / "out", to="masks", options=OPTIONS, on_plan=told.append)
    assert not (tmp_path / "out").exists()
    assert any(loss.grave for loss in told[0].losses)
    with pytest.raises(UsageError, match=r"format 'coc'.*did you mean 'coco'"):
        convert(source, tmp_path / "out", to="coc")


@pytest.mark.parametrize(
    ("to", "lost"),
    [
        ("imagefolder", "keypoints of 1 object"),
        ("yolo", "polygons of 1 object: only the boxes"),
        ("deeplabcut", "boxes and outlines of 1 object"),
    ],
)
def test_what_a_format_has_no_place_for_is_named(data_dir, tmp_path, to, lost):
    with pytest.raises(OutputError, match=lost):
        convert(data_dir / "coco_mini" / "keypoints", tmp_path / "out", to=to, options=OPTIONS)


def test_images_are_copied_byte_for_byte(data_dir, tmp_path):
    source = data_dir / "bccd_voc"
    convert(source, tmp_path / "out", to="coco", options=OPTIONS)
    before = {path.name: path.read_bytes() for path in (source / "JPEGImages").iterdir()}
    after = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.jpg")}
    assert before == after


@pytest.mark.parametrize("to", ["coco", "yolo", "webdataset"])
def test_any_number_of_workers_and_a_kill_give_the_same_bytes(data_dir, tmp_path, to):
    source = data_dir / "bccd_voc"
    convert(source, tmp_path / "a", to=to, allow_loss=True, options=OPTIONS)
    convert(source, tmp_path / "b", to=to, allow_loss=True, options=Options(workers=2))
    expected = jobs.tree(tmp_path / "a")
    assert jobs.tree(tmp_path / "b") == expected
    code = (
        "import sys; from variegate import Options, convert\n"
        "convert(*sys.argv[1:3], to=sys.argv[3], allow_loss=True,"
        " options=Options(workers=1, shard_size=1))"
    )
    for wanted in (5, 40):
        process = jobs.python(code, source, tmp_path / "c", to)
        deadline = time.monotonic() + 60
        while process.poll() is None and len(list((tmp_path / "c").rglob("*"))) < wanted:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        jobs.kill_group(process)
    convert(source, tmp_path / "c", to=to, allow_loss=True, options=Options(workers=2))
    assert jobs.tree(tmp_path / "c") == expected


def test_files_of_a_conversion_are_made_again(data_dir, tmp_path):
    out = tmp_path / "out"
    convert(data_dir / "bccd_voc", out, to="yolo", allow_loss=True, options=OPTIONS)
    text = next(path for path in sorted(out.rglob("Blood*.txt")))
    kept = text.read_bytes()
    text.write_bytes(kept[:-2])
    assert not verify(out).ok
    rebuild(out, text.relative_to(out).as_posix())
    assert text.read_bytes() == kept
    assert verify(out).ok


def test_the_order_of_classes_stays(tmp_path):
    names = ["zebra", "apple", "mole"]
    folder = tmp_path / "in"
    source = jobs.draw_set(folder / "images", 3)
    files = sorted(path.relative_to(folder / "images") for path in source.rglob("*.*"))
    images = [
        {"id": n, "file_name": file.as_posix(), "width": 64, "height": 48}
        for n, file in enumerate(files, 1)
    ]
    known = [
        {"id": n, "image_id": n, "category_id": 30 - n, "bbox": [1, 2, 10, 12], "iscrowd": 0}
        for n in (1, 2, 3)
    ]
    classes = [{"id": 30 - n, "name": name} for n, name in enumerate(names, 1)]
    data = {"images": images, "annotations": known, "categories": classes}
    (folder / "annotations.json").write_text(json.dumps(data))
    place = folder
    for number, to in enumerate(("yolo", "labelme", "coco", "yolo")):
        convert(place, tmp_path / f"{number}", to=to, allow_loss=True, options=OPTIONS)
        place = tmp_path / f"{number}"
        if to in ("yolo", "coco"):
            found = detect(open_storage(place)).classes
            assert [one for one in found if one in names] == (names if number < 1 else list(found))
    assert set(detect(open_storage(place)).classes) == set(names)
