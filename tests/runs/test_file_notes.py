"""What is said of files: lost depth, missing end marks, broken profiles."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import jobs
from variegate import Options, augment, read_manifest, rebuild
from variegate.datasets.convert import convert
from variegate.datasets.inspect import inspect
from variegate.errors import RecipeError
from variegate.formats import Hints

SOURCE = "variants: source\noutput: {format: png}\n"


def problems(output: Path) -> dict[str, list[str]]:
    rows = read_manifest(output, columns=["key", "problems"]).to_pylist()
    return {row["key"]: json.loads(row["problems"]) for row in rows if row["problems"]}


@pytest.fixture
def deep(data_dir: Path) -> Path:
    return data_dir / "field_cases/deep-images"


def run(source: Path, output: Path, recipe: str = SOURCE, **options: object) -> list[np.ndarray]:
    augment(source, output, recipe=jobs.recipe(recipe), options=Options(workers=0, **options))
    return [np.asarray(Image.open(path)) for path in sorted(output.rglob("*.png"))]


def test_lost_depth_is_said(deep: Path, tmp_path: Path) -> None:
    options = Options(workers=0)
    summary = augment(deep, tmp_path / "out", recipe=jobs.recipe(SOURCE), options=options)
    assert len(summary.file_notes) == 1
    assert "2 of 2 images are deeper than 8 bits" in summary.file_notes[0]
    assert "1 to 16 gray levels" in summary.file_notes[0]
    assert problems(tmp_path / "out") == {
        "a/mode_I_0_1000.tif": [
            "a/mode_I_0_1000.tif: 32 bits a sample, 8 in its result, in 1 gray level"
        ],
        "a/twelve_bits.png": [
            "a/twelve_bits.png: 16 bits a sample, 8 in its result, in 16 gray levels"
        ],
    }
    found = inspect(deep)
    assert found.deep == 2
    assert found.notes[-1] == summary.file_notes[0]


def test_one_deep_image_of_two_is_said_as_one(deep: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/deep.tif").write_bytes((deep / "a/mode_I_0_1000.tif").read_bytes())
    jobs.draw_noise(tmp_path / "in/usual.png")
    options = Options(workers=0)
    summary = augment(
        tmp_path / "in", tmp_path / "out", recipe=jobs.recipe(SOURCE), options=options
    )
    said = "1 of 2 images is deeper than 8 bits; its result has 1 gray level"
    assert summary.file_notes[0].startswith(said)
    assert inspect(tmp_path / "in").notes[-1].startswith(said)


def test_a_window_is_the_same_by_option_hint_and_recipe(deep: Path, tmp_path: Path) -> None:
    window = (0, 4095)
    ways = {
        "hint": run(deep, tmp_path / "2", hints=Hints(depth=window)),
        "recipe": run(deep, tmp_path / "3", SOURCE + "hints: {depth: [0, 4095]}\n"),
        "option before recipe": run(
            deep, tmp_path / "4", SOURCE + "hints: {depth: auto}\n", hints=Hints(depth=window)
        ),
    }
    for found in ways.values():
        for image, one in zip(found, ways["recipe"], strict=True):
            np.testing.assert_array_equal(image, one)
    stored = np.asarray(Image.open(deep / "a/twelve_bits.png")).astype(float)
    np.testing.assert_array_equal(ways["hint"][1], np.rint(stored * 255 / 4095))
    assert len(np.unique(run(deep, tmp_path / "5", hints=Hints(depth="auto"))[0])) > 200


def test_a_window_is_remembered_by_its_output(deep: Path, tmp_path: Path) -> None:
    run(deep, tmp_path / "out", hints=Hints(depth="auto"))
    key = "a/twelve_bits-v00.png"
    written = (tmp_path / "out" / key).read_bytes()
    (tmp_path / "out" / key).unlink()
    assert rebuild(tmp_path / "out", key)
    assert (tmp_path / "out" / key).read_bytes() == written


@pytest.mark.parametrize("depth", ["deep", [5, 5], [1, 2, 3], [True, 5], 7])
def test_an_impossible_window_is_refused(depth: object) -> None:
    with pytest.raises(RecipeError, match=r"depth: expected full, auto or \[low, high\]"):
        Hints.of(depth=depth)


def test_a_missing_end_mark_is_noted(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "field_cases/jpeg-without-end-mark"
    options = Options(workers=0)
    summary = augment(folder, tmp_path / "out", recipe=jobs.recipe(SOURCE), options=options)
    assert summary.counts.augmented == 3
    assert summary.file_notes == ("1 image has no end mark, but all pixels",)
    key = "a/no_end_mark.jpg"
    assert problems(tmp_path / "out") == {key: [f"{key}: its end mark is missing"]}


def test_a_broken_profile_is_noted(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("empty-icc.jpeg", "icc-after-sof.jpg"):
        (tmp_path / "in" / name).write_bytes(
            (data_dir / "field_cases/decoders" / name).read_bytes()
        )
    options = Options(workers=0)
    summary = augment(
        tmp_path / "in", tmp_path / "out", recipe=jobs.recipe(SOURCE), options=options
    )
    assert summary.file_notes == ("2 images have a broken color profile; it is ignored",)


def test_an_end_mark_that_is_missing_with_pixels_is_no_note(data_dir: Path, tmp_path: Path) -> None:
    whole = next((data_dir / "bccd_voc/JPEGImages").glob("*.jpg")).read_bytes()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/mark.jpg").write_bytes(whole[:-2])
    (tmp_path / "in/pixels.jpg").write_bytes(whole[:-900])
    options = Options(workers=0)
    summary = augment(
        tmp_path / "in", tmp_path / "out", recipe=jobs.recipe(SOURCE), options=options
    )
    assert summary.counts.quarantined == 1
    assert summary.file_notes == ("1 image has no end mark, but all pixels",)


@pytest.mark.parametrize("name", ["1.gif", "1.tif", "1.webp"])
def test_frames_that_are_not_used_are_said(name: str, tmp_path: Path) -> None:
    shades = [Image.new("RGB", (20, 16), (shade, 40, 90)) for shade in (10, 120, 230)]
    (tmp_path / "in").mkdir()
    shades[0].save(tmp_path / "in" / name, save_all=True, append_images=shades[1:])
    shades[0].save(tmp_path / "in" / f"one-{name}")
    options = Options(workers=0)
    summary = augment(
        tmp_path / "in", tmp_path / "out", recipe=jobs.recipe(SOURCE), options=options
    )
    assert summary.file_notes == ("1 image has several frames; the first is used",)
    assert problems(tmp_path / "out") == {name: [f"{name}: 3 frames; the first is used"]}
    assert any("several frames" in what for what in inspect(tmp_path / "in").findings)


@pytest.mark.parametrize("form", ["jpg", "png", "tiff", "webp"])
def test_a_conversion_leaves_out_what_has_lost_pixels(form: str, tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.Philox(1))
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (64, 64, 3), np.uint8), (0, 0), 3)
    for name in ("cat/whole", "cat/cut", "dog/whole"):
        path = tmp_path / "in" / f"{name}.{form}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    data = (tmp_path / f"in/cat/cut.{form}").read_bytes()
    (tmp_path / f"in/cat/cut.{form}").write_bytes(data[: len(data) * 3 // 4])
    summary = convert(
        tmp_path / "in", tmp_path / "out", to="imagefolder", options=Options(workers=0)
    )
    assert (summary.counts.copied, summary.counts.quarantined) == (2, 1)
    rows = read_manifest(tmp_path / "out", columns=["key", "reason"]).to_pylist()
    assert [row["key"] for row in rows if row["reason"]] == [f"cat/cut.{form}"]
