"""What inspect says of files and annotations beside each other: copies, masks, outlines, strays."""

import json
import xml.etree.ElementTree as ET
from collections import Counter

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from variegate import Options, augment, inspect
from variegate.datasets.inspection.looks import MaskLook, looked_at
from variegate.datasets.inspection.masks import MaskCounter
from variegate.formats import Source
from variegate.seeding import generator


def noise(*shape, seed=3):
    return generator(seed, "noise", *shape).integers(0, 256, shape, np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def examples(found, kind):
    return found.findings[kind].examples if kind in found.findings else []


def test_hidden_files_are_listed_and_nothing_else(data_dir):
    found = inspect(data_dir / "field_cases/hidden-folders")
    assert found.images == {"": 2}
    assert {name: one.examples for name, one in found.hidden.items()} == {
        "__MACOSX/": ["__MACOSX/cat/._1.jpg"],
        ".ipynb_checkpoints/": ["cat/.ipynb_checkpoints/1-checkpoint.jpg"],
        "._*": ["cat/._1.jpg"],
    }
    assert not found.others
    assert not found.quarantined


def test_hidden_files_are_counted_by_what_hides_them(tmp_path):
    for number in range(5):
        save(tmp_path / f"cat/{number}.png", noise(4, 4, seed=number))
        save(tmp_path / f".thumbnails/{number}.png", noise(4, 4))
        (tmp_path / f"cat/._{number}.png").write_bytes(b"\0")
    (tmp_path / "cat/.DS_Store").write_bytes(b"\0")
    found = inspect(tmp_path)
    counts = {name: one.count for name, one in found.hidden.items()}
    assert counts == {".thumbnails/": 5, "._*": 5, ".DS_Store": 1}
    assert len(found.hidden["._*"].examples) == 3


def test_values_of_jpeg_masks_show_with_their_shares(data_dir):
    found = inspect(data_dir / "field_cases/jpeg-masks")
    files = sorted((data_dir / "field_cases/jpeg-masks/masks").iterdir())
    theirs = Counter()
    for file in files:
        theirs.update(np.array(Image.open(file)).ravel().tolist())
    assert found.masks.masks == len(files) == 3
    shares = {value: one.share for value, one in found.masks.values.items()}
    total = theirs.total()
    assert shares == pytest.approx({value: n / total for value, n in theirs.items()})
    assert len(shares) > 10
    (kind,) = [kind for kind in found.findings if "JPEG" in kind]
    assert found.findings[kind].count == 3


def test_values_of_colored_jpeg_masks_are_colors(tmp_path):
    save(tmp_path / "images/a.png", noise(16, 16, 3))
    save(tmp_path / "masks/a.jpg", np.full((16, 16, 3), (0, 0, 254), np.uint8), quality=100)
    theirs = np.array(Image.open(tmp_path / "masks/a.jpg"))[0, 0].astype(int).tolist()
    found = inspect(tmp_path)
    assert list(found.masks.values) == [theirs[0] + 256 * theirs[1] + 65_536 * theirs[2]]
    assert found.masks.colored == 1


def test_values_of_masks_are_counted_by_mask_and_pixel(tmp_path):
    for number, values in enumerate(([0, 1], [0, 2], [0, 2])):
        save(tmp_path / f"images/{number}.png", noise(10, 10, 3, seed=number))
        mask = np.full((10, 10), values[0], np.uint8)
        mask[:5, :5] = values[1]
        save(tmp_path / f"masks/{number}.png", mask)
    found = inspect(tmp_path)
    told = {v: (one.masks, round(one.share, 9)) for v, one in found.masks.values.items()}
    assert told == {0: (3, 0.75), 2: (2, round(50 / 300, 9)), 1: (1, round(25 / 300, 9))}
    assert not found.findings


def test_values_of_masks_are_bounded():
    counter, findings = MaskCounter(), {}
    for number in range(300):
        pixels = dict.fromkeys(range(number * 300, number * 300 + 300), 2)
        counter.add("a.png", MaskLook(pixels=pixels), findings)
    result = counter.result()
    assert len(result.values) == 256
    assert result.other_values == 300 * 300 - 256
    assert result.other_share == pytest.approx(1 - 256 / 90_000)


def coco(folder, annotations):
    save(folder / "a.png", noise(100, 100))
    for number, one in enumerate(annotations, 1):
        one.update(id=number, image_id=1, category_id=1, iscrowd=0)
    data = {
        "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "red"}],
        "annotations": annotations,
    }
    (folder / "annotations.json").write_text(json.dumps(data))


def test_boxes_that_disagree_with_their_outlines_are_named(tmp_path):
    square = [10, 10, 50, 10, 50, 50, 10, 50]
    mask = np.zeros((100, 100), np.uint8, order="F")
    mask[60:80, 60:80] = 1
    rle = coco_mask.encode(mask)
    rle["counts"] = rle["counts"].decode()
    annotations = [
        {"bbox": [10, 10, 40, 40], "segmentation": [square]},
        {"bbox": [12, 12, 40, 40], "segmentation": [square]},
        {"bbox": [50, 50, 40, 40], "segmentation": [square]},
        {"bbox": [0, 60, 20, 20], "segmentation": rle},
        {"bbox": [60, 60, 20, 20], "segmentation": rle},
        # Rounding of a small one is no disagreement.
        {"bbox": [3, 3, 1, 1], "segmentation": [[3, 3, 5, 3, 5, 5, 3, 5]]},
        {"bbox": [70, 0, 5, 5]},
    ]
    coco(tmp_path, annotations)
    found = inspect(tmp_path)
    assert found.outlines == 6
    (kind,) = found.findings
    assert found.findings[kind].count == 2
    first, second = found.findings[kind].examples
    assert first.startswith("a.png: object 3, red: box 50, 50, 90, 90, outline in 10, 10, 50, 50")
    assert second.startswith("a.png: object 4, red: box 0, 60, 20, 80")


def test_boxes_are_compared_with_masks_in_files(data_dir):
    found = inspect(data_dir / "coco_mini", format="coco")
    assert found.outlines == found.kinds["boxes"] == 222
    assert not any("outline" in kind for kind in found.findings)


def test_identical_files_in_two_classes_are_named(data_dir, tmp_path):
    assert examples(
        inspect(data_dir / "field_cases/hidden-folders"), "identical files in different classes"
    ) == ["cat/1.jpg (cat) = dog/2.jpg (dog)"]
    long = cv2.imencode(".bmp", noise(100, 100, 3))[1].tobytes()
    assert len(long) > 1 << 14
    # As long, and the same but for the last byte.
    other = long[:-1] + bytes([long[-1] ^ 1])
    for name, data in (("cat/1", long), ("cat/2", other), ("dog/1", long), ("dog/2", long)):
        path = tmp_path / f"{name}.bmp"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    found = inspect(tmp_path)
    assert found.identical_files == 3
    kind = "identical files in different classes"
    assert examples(found, kind) == ["cat/1.bmp (cat) = dog/1.bmp (dog) = dog/2.bmp (dog)"]
    assert len(found.findings) == 1


def test_identical_files_in_two_splits_are_named(tmp_path):
    pixels = noise(9, 9)
    for name in ("train/cat/1", "val/cat/2", "train/dog/3", "train/dog/4"):
        save(tmp_path / f"{name}.png", pixels if "cat" in name else noise(9, 9, seed=5))
    found = inspect(tmp_path)
    told = {kind: one.examples for kind, one in found.findings.items()}
    assert told == {
        "identical files in different splits": [
            "train/cat/1.png (train, cat) = val/cat/2.png (val, cat)"
        ],
        "identical files": ["train/dog/3.png (train, dog) = train/dog/4.png (train, dog)"],
    }


def test_only_files_of_one_size_and_beginning_are_read(tmp_path, monkeypatch):
    from variegate.datasets.inspection import copies

    read, digest = [], copies._digest

    def watched(storage, key):
        read.append(key)
        return digest(storage, key)

    monkeypatch.setattr(copies, "_digest", watched)
    for number in range(4):
        save(tmp_path / f"{number}.bmp", noise(100, 100, 3, seed=number // 2))
    assert inspect(tmp_path).identical_files == 4
    assert sorted(read) == ["0.bmp", "1.bmp", "2.bmp", "3.bmp"]
    read.clear()
    save(tmp_path / "1.bmp", noise(100, 100, 3, seed=9))
    assert inspect(tmp_path).identical_files == 2
    assert sorted(read) == ["2.bmp", "3.bmp"]


def test_exports_of_one_original_are_counted_and_those_in_several_splits_named(tmp_path):
    digests = iter(f"{number:032x}" for number in range(100))
    for split, name, count in (("train", "7_jpg", 3), ("val", "7_jpg", 1), ("train", "8_jpg", 2)):
        for _ in range(count):
            digest = next(digests)
            path = tmp_path / split / f"cat/{name}.rf.{digest}.jpg"
            save(path, noise(9, 9, seed=int(digest, 16)))
    save(tmp_path / "train/cat/9_png.rf.0123456789abcdef0123456789abcdef.jpg", noise(8, 8))
    save(tmp_path / "train/cat/plain.jpg", noise(7, 7))
    found = inspect(tmp_path).exports
    assert (found.originals, found.files, found.several) == (3, 7, 2)
    assert found.in_splits.count == 1
    assert found.in_splits.examples == ["7_jpg: 4 files, in train, val"]
    assert inspect(tmp_path, format="unlabelled").exports.originals == 3


def test_files_that_may_hold_annotations_are_named_where_no_format_uses_them(tmp_path):
    for number in range(4):
        save(tmp_path / f"cat/{number}.png", noise(4, 4, seed=number))
        (tmp_path / f"cat/{number}.json").write_text("{}")
    save(tmp_path / "dog/1.png", noise(5, 5))
    (tmp_path / "cat/classes.mat").write_text("")
    (tmp_path / "README.txt").write_text("Read me")
    (tmp_path / "code.py").write_text("")
    found = inspect(tmp_path)
    assert found.format == "classes"
    assert {name: one.count for name, one in found.side_files.items()} == {".json": 4, ".mat": 1}
    assert found.side_files[".json"].examples == ["cat/0.json", "cat/1.json", "cat/2.json"]


def test_files_that_a_format_uses_and_records_of_a_run_are_no_side_files(data_dir, tmp_path):
    assert not inspect(data_dir / "bccd_voc").side_files
    augment(data_dir / "bccd_voc", tmp_path / "out", options=Options(workers=0, limit=3))
    assert not inspect(tmp_path / "out").side_files


def test_objects_add_up_to_those_of_the_files(data_dir):
    found = inspect(data_dir / "bccd_voc")
    theirs = sum(
        len(ET.parse(file).findall("object"))
        for file in (data_dir / "bccd_voc/Annotations").glob("*.xml")
    )
    assert found.objects_in_files == theirs
    assert found.objects == 834
    assert found.objects_left_out == {"box with no area; object left out": 2}
    assert found.objects_quarantined == 0


def test_objects_of_images_that_cannot_be_used_are_counted(tmp_path):
    box = {"bbox": [10, 10, 40, 40]}
    coco(tmp_path, [dict(box), {"bbox": [1, 1, 0, 0]}, {"bbox": [50, 5, 9, 9]}])
    (tmp_path / "a.png").write_bytes(b"")
    found = inspect(tmp_path)
    assert (found.objects, found.objects_quarantined, found.objects_in_files) == (0, 2, 3)
    assert sum(found.objects_left_out.values()) == 1


def test_files_that_the_storage_refuses_are_named(tmp_path):
    save(tmp_path / "a.png", noise(4, 4))
    (tmp_path / "b.png").symlink_to(tmp_path / "nowhere.png")
    found = inspect(tmp_path)
    (kind,) = found.findings
    assert kind.startswith("not read: ")
    assert found.findings[kind].examples[0].startswith("b.png: ")


def test_threads_look_at_files_in_order():
    sources = [Source(f"{number}.png", number) for number in range(200)]

    def task_of(source):
        return (lambda one: MaskLook(fault=one.key)) if source.size % 3 else None

    alone = list(looked_at(sources, task_of, threads=1))
    assert [source for source, _ in alone] == sources
    assert list(looked_at(sources, task_of, threads=5)) == alone
    assert alone[4] == (sources[4], MaskLook(fault="4.png"))
    assert alone[6] == (sources[6], None)
