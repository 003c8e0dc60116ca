"""Real labelled sets, augmented and read again by parsers that are not ours."""

import contextlib
import csv
import io
import json
import time
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools import mask as run_lengths
from pycocotools.coco import COCO

import jobs
from variegate import (
    Options,
    Recipe,
    augment,
    convert,
    inspect,
    read_manifest,
    rebuild,
    verify,
)
from variegate.errors import UsageError

RECIPE = Recipe.parse("""
variants:
  each:
    - source
    - flip
    - rotate: {angle_degrees: [10, 30]}
    - perspective: {amount: [0.1, 0.2]}
    - mosaic
output: {format: png}
""")
ALONE = Recipe.parse("variants: {each: [source, flip, {rotate: {angle_degrees: [10, 30]}}]}")


def read_coco(folder: Path):
    """Return, by image, (category, x1, y1, x2, y2) of every object, by pycocotools."""
    found = {}
    for file in sorted(folder.rglob("*.json")):
        if ".variegate" in file.parts:
            continue
        data = json.loads(file.read_text())
        if any("segments_info" in one for one in data["annotations"]):
            # What pycocotools does not read: panoptic files, whose annotations have no ids.
            images = {one["id"]: one["file_name"] for one in data["images"]}
            names = {one["id"]: one["name"] for one in data["categories"]}
            parts = [(a["image_id"], p) for a in data["annotations"] for p in a["segments_info"]]
        else:
            with contextlib.redirect_stdout(io.StringIO()):
                coco = COCO(str(file))
            images = {number: one["file_name"] for number, one in coco.imgs.items()}
            names = {number: one["name"] for number, one in coco.cats.items()}
            parts = [(one["image_id"], one) for one in coco.anns.values()]
        for name in images.values():
            found.setdefault(Path(name).name, Counter())
        for number, part in parts:
            if "bbox" not in part:
                continue
            x, y, w, h = part["bbox"]
            one = rounded(names[part["category_id"]], x, y, x + w, y + h)
            found[Path(images[number]).name][one] += 1
    return found


def read_voc(folder: Path, first=1):
    """Return, by image, (category, x1, y1, x2, y2) of every object.

    Args:
        first: the number of the first pixel: VOC's own is 1, that of many others 0.
    """
    found = {}
    for file in folder.rglob("*.xml"):
        root = ET.parse(file).getroot()
        objects = found.setdefault(root.findtext("filename"), Counter())
        for one in chain(root.iter("object"), root.iter("part")):
            low = [float(one.findtext(f"bndbox/{side}")) - first for side in ("xmin", "ymin")]
            high = [float(one.findtext(f"bndbox/{side}")) for side in ("xmax", "ymax")]
            if low[0] < high[0] and low[1] < high[1]:
                objects[rounded(one.findtext("name"), *low, *high)] += 1
    return found


def read_yolo(folder: Path, size):
    names = yaml.safe_load((folder / "data.yaml").read_text())["names"]
    names = names if isinstance(names, dict) else dict(enumerate(names))
    found = {}
    for image in folder.rglob("images/**/*.*"):
        width, height = size(image)
        text = Path(str(image).replace("/images/", "/labels/")).with_suffix(".txt")
        objects = found.setdefault(image.name, Counter())
        for line in text.read_text().splitlines() if text.exists() else ():
            number, *values = line.split()
            x, y, w, h = map(float, values)
            box = ((x - w / 2) * width, (y - h / 2) * height)
            far = ((x + w / 2) * width, (y + h / 2) * height)
            objects[rounded(names[int(number)], *box, *far)] += 1
    return found


def rounded(name, *numbers):
    return (name, *(round(float(v), 3) + 0.0 for v in numbers))


def said(folder):
    """Return what the manifest's annotations say, by result."""
    rows = read_manifest(folder, columns=["output", "annotation"]).to_pylist()
    return {
        Path(row["output"]).name: Counter(
            rounded(one["category"], *one["box"])
            for one in json.loads(row["annotation"] or "{}").get("objects", ())
            if one.get("box")
        )
        for row in rows
        if row["output"]
    }


def assert_same(read, expected):
    for name, objects in expected.items():
        theirs = read.get(name, Counter())
        assert objects.total() == theirs.total(), name
        for one in objects.elements():
            close = [
                other
                for other in theirs
                if other[0] == one[0]
                and max(abs(a - b) for a, b in zip(one[1:], other[1:], strict=True)) < 2e-3
            ]
            assert close, (name, one, theirs)


def identity(folder):
    """Return name of the source -> name of the result that is the source as it was."""
    rows = read_manifest(folder, columns=["key", "output", "name"]).to_pylist()
    return {Path(r["key"]).name: Path(r["output"]).name for r in rows if r["name"] == "source"}


def test_voc_read_by_elementtree(data_dir, tmp_path):
    options = Options(workers=0, limit=8)
    augment(data_dir / "bccd_voc", tmp_path / "out", recipe=RECIPE, options=options)
    read = read_voc(tmp_path / "out")
    assert sum(map(Counter.total, read.values())) > 200
    assert_same(read, said(tmp_path / "out"))
    sources = read_voc(data_dir / "bccd_voc" / "Annotations")
    for source, result in identity(tmp_path / "out").items():
        assert read[result] == sources[source]


@pytest.mark.parametrize("part", ["keypoints", "panoptic_segmentation"])
def test_coco_read_by_pycocotools(data_dir, tmp_path, part):
    source = data_dir / "coco_mini" / (part if part == "keypoints" else "")
    recipe = ALONE if part == "keypoints" else RECIPE
    options = Options(workers=0, limit=6, format="coco")
    augment(source, tmp_path / "out", recipe=recipe, options=options)
    expected = said(tmp_path / "out")
    assert sum(map(Counter.total, expected.values())) >= 3
    assert_same(read_coco(tmp_path / "out"), expected)


def test_keypoints_and_outlines_read_by_pycocotools(data_dir, tmp_path):
    source = data_dir / "coco_mini" / "keypoints"
    augment(source, tmp_path / "out", recipe=ALONE, options=Options(workers=0))
    (file,) = (one for one in (tmp_path / "out").glob("*.json"))
    with contextlib.redirect_stdout(io.StringIO()):
        before, after = COCO(str(source / "person_keypoints.json")), COCO(str(file))
    (one,) = before.anns.values()
    width = next(iter(before.imgs.values()))["width"]
    by_name = {after.imgs[a["image_id"]]["file_name"]: a for a in after.anns.values()}
    same, flipped, _ = (by_name[name] for name in sorted(by_name))
    assert same["keypoints"] == one["keypoints"]
    assert same["segmentation"] == one["segmentation"]
    # A mirror image: x becomes width - x, left and right change places.
    names = before.cats[one["category_id"]]["keypoints"]
    points = np.array(one["keypoints"]).reshape(-1, 3)
    for index, name in enumerate(names):
        other = name.replace("left", "~").replace("right", "left").replace("~", "right")
        x, y, v = points[names.index(other)]
        expected = (width - x, y, v) if v else (0, 0, 0)
        assert tuple(flipped["keypoints"][3 * index : 3 * index + 3]) == pytest.approx(expected)
    areas = [int(run_lengths.area(after.annToRLE(a))) for a in (same, flipped)]
    assert areas[0] == pytest.approx(areas[1], rel=0.01)


def test_yolo_read_as_text(data_dir, tmp_path):
    source = tmp_path / "in"
    options = Options(workers=0, limit=8)
    convert(data_dir / "bccd_voc", source, to="yolo", allow_loss=True, options=options)
    augment(source, tmp_path / "out", recipe=RECIPE, options=Options(workers=0))

    def size(path):
        with Image.open(path) as image:
            return image.size

    read = read_yolo(tmp_path / "out", size)
    assert sum(map(Counter.total, read.values())) > 200
    assert_same(read, said(tmp_path / "out"))
    sources = read_yolo(source, size)
    for name, result in identity(tmp_path / "out").items():
        assert_same({result: read[result]}, {result: sources[name]})


@pytest.mark.parametrize("labels", ["object_detection", "instance_segmentation"])
def test_one_of_several_folders_of_labels_is_chosen(data_dir, tmp_path, labels):
    options = Options(workers=0, limit=6, format=f"yolo:{labels}")
    augment(data_dir / "coco_mini", tmp_path / "out", recipe=RECIPE, options=options)
    folders = {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert folders == {".variegate", "images", labels}
    points = {}
    for source, result in identity(tmp_path / "out").items():
        (theirs,) = (data_dir / "coco_mini" / labels).rglob(f"{Path(source).stem}.txt")
        (ours,) = (tmp_path / "out" / labels).rglob(f"{Path(result).stem}.txt")
        before, after = ([*map(float, p.read_text().split())] for p in (theirs, ours))
        assert before == after
        points[result] = len(after)
    assert sum(points.values()) >= 40
    # Other images' labels are in a mosaic; they are found in the same folder.
    rows = read_manifest(tmp_path / "out").to_pylist()
    (mosaic, *_) = (row for row in rows if row["name"] == "mosaic")
    assert (
        rebuild(tmp_path / "out", mosaic["output"])
        == Path(tmp_path / "out" / mosaic["output"]).read_bytes()
    )
    with pytest.raises(UsageError, match=r"--format coco:x: a folder or file goes with .*yolo"):
        augment(
            data_dir / "coco_mini",
            tmp_path / "no",
            options=Options(format="coco:x"),
            recipe=RECIPE,
        )


def test_object_masks_are_mirrored_pixel_for_pixel(data_dir, tmp_path):
    options = Options(workers=0, limit=300)
    augment(data_dir / "nuclei_instances", tmp_path / "out", recipe=ALONE, options=options)
    rows = read_manifest(tmp_path / "out").to_pylist()
    checked = 0
    for row in rows:
        if row["name"] != "flip":
            continue
        folder = data_dir / "nuclei_instances" / Path(row["key"]).parts[0] / "masks"
        before = [np.asarray(Image.open(path)) > 0 for path in sorted(folder.glob("*.png"))]
        written = tmp_path / "out" / Path(row["output"]).parts[0] / "masks"
        after = [np.asarray(Image.open(path)) > 0 for path in sorted(written.glob("*.png"))]
        ours = Counter(mask.tobytes() for mask in after)
        assert ours == Counter(np.fliplr(mask).tobytes() for mask in before)
        checked += len(after)
    assert checked > 50


def miniatures(root):
    """Return every folder below those of the formats that is an annotated set of a format of ours.

    Those that hold others are left out.
    """
    found = {}
    for folder in sorted(path for path in root.glob("*_dataset/**") if path.is_dir()):
        if len(folder.relative_to(root).parts) > 2:
            continue
        try:
            known = inspect(folder)
        except UsageError:
            continue
        labelled = known.objects or known.kinds.get("semantic masks")
        # A set of test images has nothing to augment.
        if labelled and {"", "train"} & set(known.images):
            found[folder] = known
    inner = {path.parent for path in found}
    return {path: known for path, known in found.items() if path not in inner}


def read_text_files(folder, images):
    """Return, by image, the points of every object in YOLO's and DOTA's text files."""
    files = {path.stem: path for path in folder.rglob("*.txt")}
    found = {}
    for path in images:
        with Image.open(path) as image:
            width, height = image.size
        shapes = found.setdefault(path.name, Counter())
        file = files.get(path.stem)
        for line in file.read_text().splitlines() if file else ():
            words = line.split()
            if len(words) == 5:
                x, y, w, h = (
                    float(v) * s for v, s in zip(words[1:], (width, height) * 2, strict=True)
                )
                shapes[rounded("", x - w / 2, y - h / 2, x + w / 2, y + h / 2)] += 1
            elif len(words) == 10:
                shapes[rounded("", *map(float, words[:8]))] += 1
    return found


def read_tables(folder):
    """Return, by image, (category, x1, y1, x2, y2) of every object in VoTT's tables."""
    found = {}
    for path in folder.rglob("*-export.csv"):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                box = (row[side] for side in ("xmin", "ymin", "xmax", "ymax"))
                found.setdefault(row["image"], Counter())[rounded(row["label"], *box)] += 1
    return found


def said_shapes(folder):
    """Return what the manifest's annotations say, by result, as points without categories."""
    rows = read_manifest(folder, columns=["output", "annotation"]).to_pylist()
    return {
        Path(row["output"]).name: Counter(
            rounded("", *(chain(*one["corners"]) if "corners" in one else one["box"]))
            for one in json.loads(row["annotation"] or "{}").get("objects", ())
        )
        for row in rows
        if row["output"]
    }


def distinct(found):
    return {name: Counter(set(objects)) for name, objects in found.items()}


def _first_pixel(folder):
    sides = ("xmin", "ymin")
    roots = [ET.parse(path).getroot() for path in folder.rglob("*.xml")]
    found = (float(one.text) for root in roots for side in sides for one in root.iter(side))
    return 0 if min(found) < 1 else 1


def assert_read_again(folder, source, format_name):
    """Check that parsers that are not ours find what the manifest says, where they can read it."""
    if format_name == "coco":
        # Several files may tell of one object.
        assert_same(distinct(read_coco(folder)), distinct(said(folder)))
    elif format_name == "voc":
        assert_same(read_voc(folder, _first_pixel(source)), said(folder))
    elif format_name == "csv-boxes":
        assert_same(read_tables(folder), said(folder))
    elif format_name == "yolo":
        images = [path for path in folder.rglob("*.*") if path.suffix in (".jpg", ".png")]
        assert_same(read_text_files(folder, images), said_shapes(folder))
    else:
        assert format_name == "masks"
        rows = read_manifest(folder, columns=["output", "annotation", "height", "width"])
        for row in rows.to_pylist():
            mask = json.loads(row["annotation"] or "{}").get("mask_file")
            if row["output"] and mask:
                with Image.open(folder / mask) as image:
                    assert image.size == (row["width"], row["height"]), mask


@pytest.mark.parametrize("preset", ["detection", "segmentation"])
def test_miniature_sets_are_read_again_by_others(data_dir, tmp_path, preset):
    formats = Counter()
    for folder in miniatures(data_dir / "annotation_formats"):
        out = tmp_path / f"{formats.total()}"
        # Miniatures show the same image on all sides.
        options = Options(workers=0)
        augment(folder, out, recipe=preset, seed=3, options=options, allow_leaks=True)
        assert verify(out).ok, folder
        name = inspect(folder).format
        assert inspect(out).format == name, folder
        assert_read_again(out, folder, name)
        formats[name] += 1
    assert {"coco", "voc", "yolo", "csv-boxes", "masks"} == set(formats), formats
    assert formats.total() >= 25


def test_miniature_sets_keep_their_objects(data_dir, tmp_path):
    """As they are and mirrored, every object that was read is written, in the same format."""
    recipe = Recipe.parse("variants: {each: [source, flip]}\nlabels: {min_side: 0, min_visible: 0}")
    for number, (folder, before) in enumerate(miniatures(data_dir / "annotation_formats").items()):
        out = tmp_path / f"{number}"
        options = Options(workers=0)
        summary = augment(folder, out, recipe=recipe, options=options, allow_leaks=True)
        assert verify(out).ok, folder
        after = inspect(out)
        assert after.format == before.format, folder
        assert_read_again(out, folder, before.format)
        passed = any(split in ("val", "test") for split in before.images)
        if not passed and not summary.counts.quarantined:
            assert after.objects == 2 * before.objects, folder
            assert after.kinds == {kind: 2 * count for kind, count in before.kinds.items()}, folder


def test_masks_of_images_that_pass_through_are_not_touched(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    for split in ("train", "val"):
        jobs.draw_noise(source / split / "images/a.png", size=(48, 64))
        (source / split / "masks").mkdir()
        values = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64) % 5
        Image.fromarray(values).save(source / split / "masks/a.bmp")
    augment(source, out, recipe=ALONE, options=Options(workers=0), allow_leaks=True)
    (mask,) = out.glob("val/masks/*")
    assert mask.read_bytes() == (source / "val/masks/a.bmp").read_bytes()
    assert verify(out).ok
    mask.unlink()
    rebuild(out, "val/masks/a.bmp")
    assert mask.read_bytes() == (source / "val/masks/a.bmp").read_bytes()


@pytest.mark.parametrize("to", ["voc", "yolo", "coco"])
def test_the_promises_hold_for_annotations(data_dir, tmp_path, to):
    source = tmp_path / "in"
    options = Options(workers=0, limit=10)
    convert(data_dir / "bccd_voc", source, to=to, allow_loss=True, options=options)
    augment(source, tmp_path / "a", recipe=RECIPE, options=Options(workers=0))
    augment(source, tmp_path / "b", recipe=RECIPE, options=Options(workers=2, shard_size=1))
    expected = jobs.tree(tmp_path / "a")
    assert jobs.tree(tmp_path / "b") == expected
    (tmp_path / "r.yaml").write_text(json.dumps(RECIPE.to_data()))
    code = (
        "import sys; from variegate import Options, augment\n"
        "augment(*sys.argv[1:3], recipe=sys.argv[3], options=Options(workers=2, shard_size=1))"
    )
    process = jobs.python(code, source, tmp_path / "c", tmp_path / "r.yaml")
    deadline = time.monotonic() + 60
    while process.poll() is None and len(list((tmp_path / "c").rglob("*.png"))) < 12:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    jobs.kill_group(process)
    augment(source, tmp_path / "c", recipe=RECIPE, options=Options(workers=2))
    assert jobs.tree(tmp_path / "c") == expected

    extensions = {"voc": ".xml", "yolo": ".txt", "coco": ".json"}
    files = sorted(
        path
        for path in (tmp_path / "c").rglob(f"*{extensions[to]}")
        if ".variegate" not in path.parts and "ImageSets" not in path.parts
    )
    kept = files[0].read_bytes()
    files[0].write_bytes(bytes([*kept[:-3], kept[-3] ^ 1, *kept[-2:]]))
    assert not verify(tmp_path / "c").ok
    if to != "coco":
        rebuild(tmp_path / "c", files[0].relative_to(tmp_path / "c").as_posix())
        assert files[0].read_bytes() == kept
        assert verify(tmp_path / "c").ok
