"""What the commands do when all is well."""

import json
import os
import zipfile
from pathlib import Path

import cv2
import pytest
import yaml

from variegate.cli import main
from variegate.cli.application import QUARANTINED
from variegate.recipes.recipe import Recipe, presets
from variegate.runs.output import read_manifest


def test_augment_counts_every_input(parts, tmp_path, run):
    (parts / "led/broken.jpg").write_bytes(b"not a jpeg")
    (parts / "notes.txt").write_text("not an image")
    result = run("augment", parts, tmp_path / "out", "--workers", 0, "--json")
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    counts = summary["counts"]
    assert counts["augmented"] == 10
    assert counts["quarantined"] == 1
    assert counts["skipped"] == 1
    assert counts["inputs"] == 12
    assert counts["outputs"] == 10 * Recipe.load("light").count()
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == counts["outputs"]


def test_augment_says_what_it_understood_and_what_to_do_next(parts, tmp_path, run):
    (parts / "led/broken.jpg").write_bytes(b"not a jpeg")
    out = tmp_path / "out"
    result = run("augment", parts, out, "--workers", 0, "--seed", 5)
    assert "folder per class: 5 classes" in result.stderr
    assert "light" in result.stderr
    assert "seed 5" in result.stderr
    assert "quarantined: led/broken.jpg: not an image" in result.stdout
    assert f"variegate verify {out}" in result.stdout
    assert "10" in result.stdout


def test_faults_in_annotations_are_told_and_strict_stops_at_the_first(data_dir, tmp_path, run):
    fault = "Annotations/BloodImage_00338.xml:163: box with no area; object left out"
    arguments = ("augment", data_dir / "bccd_voc", tmp_path / "out", "--workers", 0)
    stopped = run(*arguments, "--strict")
    assert stopped.exit_code == 2
    assert fault in stopped.stderr
    assert not (tmp_path / "out").exists()
    told = run(*arguments, "--limit", 60)
    assert told.exit_code == 0
    assert "2 faults in annotations, repaired or left out" in told.stderr
    assert fault in told.stderr


def test_augment_strict_ends_with_3_if_anything_is_quarantined(parts, tmp_path, run):
    arguments = ("augment", parts, tmp_path / "out", "--workers", 0, "--strict")
    assert run(*arguments).exit_code == 0
    (parts / "led/broken.jpg").write_bytes(b"not a jpeg")
    arguments = ("augment", parts, tmp_path / "out2", "--workers", 0, "--strict")
    assert run(*arguments).exit_code == QUARANTINED == 3


def test_augment_with_a_limit_takes_so_many_images(parts, tmp_path, run):
    out = tmp_path / "out"
    assert run("augment", parts, out, "--limit", 3, "--workers", 0).exit_code == 0
    assert len(read_manifest(out, columns=["key"])["key"].unique()) == 3


def test_limits_quarantine_larger_images(parts, tmp_path, run):
    result = run("augment", parts, tmp_path / "out", "--max-pixels", 100, "--workers", 0, "--json")
    assert json.loads(result.stdout)["counts"]["quarantined"] == 10


def test_label_pattern_tells_labels(parts, tmp_path, run):
    flat, out = tmp_path / "flat", tmp_path / "out"
    flat.mkdir()
    for path in parts.rglob("*.jpg"):
        path.rename(flat / f"2024_{path.parent.name}_{path.name}")
    pattern = r"^\d+_(?P<label>[a-z]+)_"
    result = run("augment", flat, out, "--label-pattern", pattern, "--workers", 0)
    assert result.exit_code == 0
    labels = read_manifest(out, columns=["label"])["label"].to_pylist()
    assert set(labels) == {"capacitor", "chip", "diode", "led", "resistor"}


def test_augment_from_zip_to_zip(parts, tmp_path, run):
    source, out = tmp_path / "in.zip", tmp_path / "out.zip"
    with zipfile.ZipFile(source, "w") as archive:
        for path in parts.rglob("*.jpg"):
            archive.write(path, path.relative_to(parts))
    assert run("augment", source, out, "--workers", 0).exit_code == 0
    result = run("verify", out)
    assert result.exit_code == 0, result.stdout


def test_same_call_again_finds_all_complete(parts, tmp_path, run):
    arguments = ("augment", parts, tmp_path / "out", "--workers", 0, "--json")
    first, second = (json.loads(run(*arguments).stdout) for _ in range(2))
    assert first["digest"] == second["digest"]
    assert "already complete" in run(*arguments[:-1]).stdout


def test_plan_promises_what_augment_makes(parts, tmp_path, run):
    (parts / "led/broken.jpg").write_bytes(b"not a jpeg")
    planned = json.loads(run("plan", parts, "--preset", "chain", "--json").stdout)
    made = json.loads(run("augment", parts, tmp_path / "out", "--preset", "chain", "--json").stdout)
    assert planned["outputs"] == 11 * 64
    assert planned["unreadable"] == 1
    assert made["counts"]["outputs"] == 10 * 64
    size = made["counts"]["bytes"]
    assert 0.8 * size < planned["bytes"]["middle"] < 1.2 * size
    text = run("plan", parts, "--preset", "chain").stdout
    assert "704 (11 x 64)" in text
    assert not (tmp_path / ".variegate").exists()


def test_verify_ends_with_1_and_names_what_is_wrong(parts, tmp_path, run):
    out = tmp_path / "out"
    run("augment", parts, out, "--workers", 0)
    assert run("verify", out).exit_code == 0
    victim = next(out.rglob("*.jpg"))
    data = bytearray(victim.read_bytes())
    data[-10] ^= 1
    victim.write_bytes(data)
    result = run("verify", out)
    assert result.exit_code == 1
    assert f"changed: {victim.relative_to(out)}" in result.stdout
    found = json.loads(run("verify", out, "--json").stdout)
    assert (found["ok"], found["changed"], found["missing"]) == (False, 1, 0)


def test_rebuild_makes_the_file_again(parts, tmp_path, run):
    out = tmp_path / "out"
    run("augment", parts, out, "--workers", 0)
    victim = next(out.rglob("*.jpg"))
    key, data = victim.relative_to(out), victim.read_bytes()
    victim.unlink()
    assert run("rebuild", out, key).exit_code == 0
    assert victim.read_bytes() == data
    assert run("rebuild", out, key, "--to", tmp_path / "copy.jpg").exit_code == 0
    assert (tmp_path / "copy.jpg").read_bytes() == data


def test_rebuild_of_an_unknown_key_suggests_the_nearest(parts, tmp_path, run):
    out = tmp_path / "out"
    run("augment", parts, out, "--workers", 0)
    result = run("rebuild", out, "led/led-0000-v3.jpg")
    assert result.exit_code == 2
    assert "did you mean 'led/led-0000-v" in result.stderr


def test_preview_of_a_recipe_and_of_results(parts, tmp_path, run):
    sheet, out = tmp_path / "sheet.png", tmp_path / "out"
    options = ("--out", sheet, "--rows", 2, "--variants", 3)
    assert run("preview", parts, "--preset", "chain", *options).exit_code == 0
    planned = cv2.imread(str(sheet))
    run("augment", parts, out, "--workers", 0)
    assert run("preview", out, *options).exit_code == 0
    made = cv2.imread(str(sheet))
    assert planned.shape[1] == made.shape[1]
    assert made.std() > 10


def test_preview_of_single_transforms(parts, tmp_path, run):
    sheet = tmp_path / "sheet.png"
    result = run("preview", parts, "-t", "flip, invert", "-o", sheet, "--rows", 1)
    assert result.exit_code == 0
    assert cv2.imread(str(sheet)) is not None


def test_transforms_lists_all_by_family(run):
    from variegate.transforms import all_transforms

    result = run("transforms")
    first = [line.split()[0] for line in result.stdout.splitlines() if line.strip()]
    assert set(all_transforms()) <= set(first)
    assert "geometry" in first


def test_transforms_explains_one(run):
    text = run("transforms", "rotate").stdout
    for word in ("angle_degrees", "[-30, 30]", "number from -360 to 360", "rotate+", "180", "keep"):
        assert word in text


def test_transforms_draws_a_strip(parts, tmp_path, run):
    strip, photo = tmp_path / "strip.png", parts / "led/led-0000.jpg"
    assert run("transforms", "fog", "--image", strip).exit_code == 0
    drawn = cv2.imread(str(strip))
    assert run("transforms", "fog", "--image", strip, "--source", photo).exit_code == 0
    assert cv2.imread(str(strip)).shape != drawn.shape


def test_recipe_presets_can_be_printed_and_checked(tmp_path, run):
    table = run("recipe", "presets").stdout
    for name in presets():
        assert name in table
        text = run("recipe", "presets", name).stdout
        assert yaml.safe_load(text)["variants"]
        (tmp_path / "recipe.yaml").write_text(text)
        result = run("recipe", "check", tmp_path / "recipe.yaml")
        assert result.exit_code == 0
        assert "correct" in result.stdout


def test_recipe_schema_is_json(run):
    assert json.loads(run("recipe", "schema").stdout)["required"] == ["variants"]


def test_sample_draws_a_folder_per_class(tmp_path, run):
    for folder in ("one", "two"):
        result = run("sample", tmp_path / folder, "--count", 7, "--size", "48x64")
        assert result.exit_code == 0
    files = sorted(path.relative_to(tmp_path / "one") for path in tmp_path.rglob("one/*/*.jpg"))
    assert len(files) == 7
    assert {str(file.parent) for file in files} <= {"capacitor", "chip", "diode", "led", "resistor"}
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_names_that_are_no_text_are_printed(parts, tmp_path, run, monkeypatch, capfd):
    odd = os.fsdecode(b"caf\xe9")
    try:
        (parts / odd).mkdir()
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    os.rename(parts / "led/led-0000.jpg", parts / odd / f"{odd}.jpg")  # noqa: PTH104
    (parts / odd / "broken.jpg").write_bytes(b"broken")
    os.rename(parts, tmp_path / odd)  # noqa: PTH104
    for arguments in (
        ["augment", tmp_path / odd, tmp_path / f"{odd}-out", "--workers", "0"],
        ["verify", tmp_path / f"{odd}-out"],
        ["augment", tmp_path / f"{odd}-none", tmp_path / "out"],
    ):
        monkeypatch.setattr("sys.argv", ["variegate", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        written = capfd.readouterr()
        assert end.value.code == (2 if "none" in str(arguments[1]) else 0), written.err
        assert "caf\\" in written.out + written.err


def test_demo_runs_twice_and_spares_what_is_not_its_own(tmp_path, monkeypatch, capsys):
    from variegate.cli import demo

    monkeypatch.setattr(demo, "IMAGES", 2)
    for _ in range(2):
        demo.main(str(tmp_path / "demo"))
    assert (tmp_path / "demo/preview.png").is_file()
    precious = tmp_path / "mine/parts/one.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("precious")
    with pytest.raises(SystemExit):
        demo.main(str(tmp_path / "mine"))
    assert precious.is_file()


def test_readme_of_python_calls_works(parts, tmp_path: Path):
    import variegate

    summary = variegate.augment(
        parts, tmp_path / "out", recipe="light", options=variegate.Options(workers=0)
    )
    assert variegate.verify(tmp_path / "out").digest == summary.digest
    assert variegate.estimate(parts, recipe="light").outputs == summary.counts.outputs
