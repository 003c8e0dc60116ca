"""Transforms that look at an image's objects, in whole runs: a row of the manifest is enough."""

from pathlib import Path

import pytest

from variegate import Options, Recipe, augment, read_manifest, rebuild

RECIPE = Recipe.parse("""
variants:
  each:
    draws: 2
    steps:
      - safe_crop: {area: 0.1}
      - random_erasing: {inside: objects, shape: any, area: [0.1, 0.3]}
      - sequence: [flip, {grid_shuffle: {cells: 2, fraction: 0.5}}]
      - sequence: [copy_paste, text_overlay]
      - sequence: [safe_crop, fourier_adaptation, histogram_match, thin_plate, piecewise_affine]
output: {format: png}
""")


def labels(folder: Path, output: str) -> list[list[float]]:
    (file,) = (folder / "instance_segmentation").rglob(f"{Path(output).stem}.txt")
    return [[*map(float, line.split())] for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def made(data_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("objects") / "out"
    options = Options(workers=0, limit=6, format="yolo:instance_segmentation")
    augment(data_dir / "coco_mini", out, recipe=RECIPE, options=options)
    return out, read_manifest(out).to_pylist()


def test_every_row_rebuilds_its_result(made):
    out, rows = made
    assert len({row["name"] for row in rows if row["name"]}) == 5
    for row in rows:
        if row["name"] and row["variant"] % 3 == 0:
            assert rebuild(out, row["output"]) == (out / row["output"]).read_bytes()


def test_safe_crops_lose_no_object_and_pasted_images_have_one_partner(made, data_dir):
    out, rows = made
    counted = 0
    for row in rows:
        if row["name"] not in ("safe_crop", "copy_paste+text_overlay"):
            continue
        (source,) = (data_dir / "coco_mini/instance_segmentation").rglob(
            f"{Path(row['key']).stem}.txt"
        )
        before, after = len(source.read_text().splitlines()), len(labels(out, row["output"]))
        if row["name"] == "safe_crop":
            assert after == before
            counted += 1
        else:
            assert row["operations"].count('"partners":') == 1
    assert counted == 6
