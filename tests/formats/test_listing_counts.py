"""What recognising a dataset and listing a run's sources ask of the place where it is."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from counting import CountingStorage
from variegate import Options, Recipe, convert
from variegate.formats import FORMATS
from variegate.formats.flat import NAME_RULES
from variegate.formats.scan import seems_image, survey
from variegate.runs import run
from variegate.storage import Snapshot, open_storage

# Formats whose annotations are images, or the names of folders and files.
WITHOUT_FILES = {"object-masks", "masks", "classes", "flat", "unlabelled"}


def shared(*places):
    return lambda data, _: [data / place for place in places]


def converted(source, to):
    def make(data, folder):
        convert(data / source, folder, to=to, allow_loss=True, options=Options(workers=0, limit=6))
        return [folder]

    return make


def image_folders(data, folder):
    """Make sets with metadata of all three kinds, one of them in two folders."""
    rows = [{"file_name": f"{n}.png", "text": f"a caption {n}"} for n in range(4)]
    for place in ("jsonl", "parquet/train", "parquet/test", "csv"):
        (folder / place).mkdir(parents=True)
        for row in rows:
            Image.new("RGB", (8, 8)).save(folder / place / row["file_name"])
    (folder / "jsonl/metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table = "\n".join(f"{row['file_name']},{row['text']}" for row in rows)
    (folder / "csv/metadata.csv").write_text(f"file_name,text\n{table}\n")
    for split in ("train", "test"):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"parquet/{split}/metadata.parquet")
    return [folder / name for name in ("jsonl", "csv", "parquet")]


CASES = {
    "coco": shared(
        "coco_mini",
        "annotation_formats/coco_dataset/coco_panoptic",
        "annotation_formats/coco_dataset/coco_person_keypoints",
    ),
    "csv-boxes": shared("annotation_formats/vott_csv_dataset/dataset"),
    "voc": shared("bccd_voc", "annotation_formats/voc_dataset/voc_dataset1"),
    "yolo": shared(
        "annotation_formats/yolo_dataset/strict",
        "annotation_formats/dota_dataset",
        "annotation_formats/roboflow_dataset/yolo_obb",
    ),
    "labelme": converted("bccd_voc", "labelme"),
    "deeplabcut": converted("annotation_formats/coco_dataset/coco_person_keypoints", "deeplabcut"),
    "imagefolder": image_folders,
    "webdataset": converted("bccd_voc", "webdataset"),
    "object-masks": shared("nuclei_instances"),
    "masks": shared("annotation_formats/camvid_dataset"),
    "csv": converted("sign_digits", "csv"),
    "classes": shared("sign_digits"),
    "flat": shared("exif_orientation"),
    "unlabelled": shared("annotation_formats/segment_anything_dataset"),
}


def test_every_format_has_a_case():
    assert list(CASES) == [kind.name for kind in FORMATS]


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_a_run_lists_its_input_once_and_reads_no_annotation_twice(
    kind, data_dir, tmp_path, monkeypatch
):
    for place in CASES[kind.name](data_dir, tmp_path / "set"):
        storage = CountingStorage(open_storage(place))
        monkeypatch.setattr(run, "open_storage", lambda _, one=storage: one)
        with run.prepare(place, Recipe.load("light"), Options(workers=0)) as prepared:
            assert isinstance(prepared.dataset_format, kind)
            sources = list(prepared.listing.sources())
            # Workers and previews read images from the place itself.
            assert prepared.source is storage
        images = {one.key for one in sources if one.skip is None and seems_image(one.key)}
        files = {key for key in storage.asked if not seems_image(key)}
        assert storage.lists == 1
        assert storage.heads == 0
        assert not files.intersection(storage.twice())
        assert files or kind.name in WITHOUT_FILES
        # Of images only the headers are needed, those of masks aside.
        assert images
        assert not images.intersection((*storage.whole, *storage.twice()))


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_a_snapshot_hides_nothing(kind, data_dir, tmp_path):
    for place in CASES[kind.name](data_dir, tmp_path / "set"):
        storage = open_storage(place)
        plain = kind.recognise(*_survey(storage), chosen=False)
        with Snapshot(storage) as seen:
            found = kind.recognise(*_survey(seen), chosen=False)
            assert found.description == plain.description
            assert (found.notes, found.writer()) == (plain.notes, plain.writer())
            assert list(found.sources(seen)) == list(plain.sources(storage))


def _survey(storage):
    return survey(storage, NAME_RULES), storage
