"""Synthesis: exact counts, filters that are verified by asking again, the same on all workers."""

import json

import cv2
import numpy as np
import pytest

import variegate
from tolerances import known_tolerance
from variegate.codecs import decode
from variegate.errors import InputError, OutputError, UsageError
from variegate.models.examples import Examples
from variegate.models.predictors import NamedModel
from variegate.runs.run import Options
from variegate.tolerance.endless import DiskLimitReached, place_of, synthesize_endlessly
from variegate.tolerance.synthesis import Synthesis, synthesize
from variegate.tolerance.synthesizer import ErrorFilter

HERE = Options(workers=0)
AXES = ("brightness+", "brightness-", "rotate+", "gaussian_blur", "jpeg")

# Its bounds of dark and bright are where the images of the fixture are.
MODEL = """
import numpy as np
calls = []

def predict(images):
    calls.append(len(images))
    means = [float(np.asarray(one).mean()) / 255 for one in images]
    shares = [1 / (1 + np.exp(-25 * (mean - 0.45))) for mean in means]
    return [[share, 1 - share] for share in shares]

predict.classes = ("bright", "dark")
"""


@pytest.fixture(scope="module")
def tolerance():
    return known_tolerance(AXES)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(12):
        name = ("dark", "bright")[number % 2]
        place = tmp_path / "set" / name
        place.mkdir(parents=True, exist_ok=True)
        value = (70, 150)[number % 2] + rng.integers(-20, 20, (24, 32, 3))
        cv2.imwrite(str(place / f"{number}.png"), value.astype(np.uint8))
    return tmp_path / "set"


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "mean_model.py"
    path.write_text(MODEL)
    return NamedModel(predict=f"{path}:predict")


def rows(output):
    return variegate.read_manifest(output).to_pylist()


def outputs(output):
    return [row for row in rows(output) if row["status"] == "output"]


@pytest.mark.parametrize("count", [5, 12, 31])
def test_the_count_is_exact_though_an_image_is_broken(folder, tolerance, tmp_path, count):
    (folder / "dark/0.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    made = tolerance.synthesize(folder, tmp_path / "out", count=count, options=HERE)
    files = list((tmp_path / "out").rglob("*.png"))
    assert made.made == made.wanted == count == len(files)
    by_image = [sum(r["key"] == key for r in outputs(tmp_path / "out")) for key in kept(folder)]
    assert max(by_image) - min(by_image) <= 1
    assert made.run.counts.quarantined == 1


def kept(folder):
    return [str(p.relative_to(folder)) for p in folder.rglob("*.png") if p.name != "0.png"]


def test_without_a_count_each_image_gives_one(folder, tolerance, tmp_path):
    made = tolerance.synthesize(folder, tmp_path / "out", options=HERE)
    assert made.made == made.wanted == 12
    assert {row["key"] for row in outputs(tmp_path / "out")} == {
        *kept(folder),
        "dark/0.png",
    }


@pytest.mark.parametrize("bounds", [(0.3, None), (None, 0.1), (0.05, 0.6)])
def test_what_a_filter_kept_passes_when_the_model_is_asked_again(
    folder, tolerance, model, tmp_path, bounds
):
    low, high = bounds
    wanted = ErrorFilter(min_error=low, max_error=high, difference="confidence", retries=30)
    out = tmp_path / "out"
    made = tolerance.synthesize(
        folder, out, realism=-0.1, count=24, model=model, filter=wanted, options=HERE
    )
    scope = {}
    exec(MODEL, scope)
    assert made.made
    assert made.rejected
    for row in outputs(out):
        (answer,) = scope["predict"]([decode((out / row["output"]).read_bytes())])
        right = answer[("bright", "dark").index(row["label"])]
        error = 1 - right
        assert row["predicted_error"] == pytest.approx(error, abs=1e-5)
        assert (low or 0) - 1e-5 <= error <= (high if high is not None else 1) + 1e-5
    recorded = [one for row in rows(out) for one in json.loads(row["rejected"] or "[]")]
    assert len(recorded) == made.rejected
    assert all(one["operations"] is not None for one in recorded)
    assert not any((low or 0) <= one["error"] <= (high or 1) for one in recorded)


def test_a_filter_that_nothing_passes_ends_with_a_report(folder, tolerance, model, tmp_path):
    wanted = ErrorFilter(min_error=1, difference="confidence", retries=3)
    made = tolerance.synthesize(
        folder, tmp_path / "out", realism=1, count=12, model=model, filter=wanted, options=HERE
    )
    assert (made.made, made.wanted, made.empty) == (0, 12, 12)
    assert made.rejected == 12 * 4
    reasons = {row["reason"] for row in rows(tmp_path / "out")}
    assert reasons == {"none of 4 draws has a predicted error of at least 1"}


def test_a_broken_answer_is_rejected_and_without_a_filter_kept(folder, tolerance, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(MODEL.replace("[share, 1 - share]", "[float('nan'), 1]"))
    model = NamedModel(predict=f"{path}:predict")
    refused = tolerance.synthesize(
        folder,
        tmp_path / "none",
        model=model,
        filter=ErrorFilter(min_error=0, retries=1),
        options=HERE,
    )
    assert (refused.made, refused.rejected) == (0, 24)
    tolerance.synthesize(folder, tmp_path / "all", model=model, options=HERE)
    told = outputs(tmp_path / "all")
    assert len(told) == 12
    assert all(r["predicted_error"] is None and "no answer" in r["predicted"] for r in told)


def test_one_and_two_workers_make_the_same_and_load_the_model_once_each(
    folder, tolerance, model, tmp_path
):
    path, loads = tmp_path / "mean_model.py", tmp_path / "loads"
    path.write_text(f"{MODEL}\nwith open({str(loads)!r}, 'a') as file:\n    file.write('x')\n")
    given = Synthesis(realism=0, count=30, model=model, filter=ErrorFilter(max_error=0.5))
    digests = {
        synthesize(
            folder,
            tmp_path / str(workers),
            tolerance,
            synthesis=given,
            options=Options(workers=workers, shard_size=2),
        ).run.digest
        for workers in (0, 1, 2)
    }
    assert len(digests) == 1
    # Here at first, and then at most once in each process.
    assert len(loads.read_text()) <= 3 + 1 + 1 + 2


def test_boxes_move_along_and_the_format_is_that_of_the_source(tmp_path):
    rng, source = np.random.default_rng(0), tmp_path / "set"
    for kind in ("images", "labels"):
        (source / kind / "train").mkdir(parents=True)
    (source / "data.yaml").write_text("train: images/train\nnames:\n  0: disc\n")
    for number in range(8):
        x, y = rng.integers(30, 70, 2).tolist()
        image = cv2.circle(np.zeros((100, 100, 3), np.uint8), (x, y), 10, (255,) * 3, -1)
        cv2.imwrite(str(source / f"images/train/{number}.png"), image)
        line = f"0 {(x + 0.5) / 100} {(y + 0.5) / 100} 0.21 0.21\n"
        (source / f"labels/train/{number}.txt").write_text(line)
    found = known_tolerance(("brightness-", "rotate+"))
    made = found.synthesize(source, tmp_path / "out", realism=0, count=24, options=HERE)
    assert made.made == 24
    with Examples(tmp_path / "out", part="all") as written:
        assert written.format.classes == ("disc",)
        examples = list(written)
    assert len(examples) == 24
    for one in examples:
        # The border is filled with 114, and the disc is never so dark.
        rows, columns = np.nonzero(one.image.max(axis=2) > 150)
        (box,) = one.targets.boxes
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.abs(box - seen).max() < 8
        assert (
            np.abs(box.reshape(2, 2).mean(axis=0) - np.reshape(seen, (2, 2)).mean(axis=0)).max() < 3
        )


def test_a_changed_model_is_refused_and_one_that_moved_is_the_same(
    folder, tolerance, model, tmp_path
):
    given = {"realism": 0, "model": model, "options": HERE, "filter": ErrorFilter(max_error=0.5)}
    first = tolerance.synthesize(folder, tmp_path / "out", **given)
    assert tolerance.synthesize(folder, tmp_path / "out", **given).run.digest == first.run.digest
    path = tmp_path / "other_model.py"
    path.write_text(MODEL.replace("0.45", "0.5"))
    with pytest.raises(OutputError, match="identity"):
        tolerance.synthesize(
            folder,
            tmp_path / "out",
            **given | {"model": NamedModel(predict=f"{path}:predict")},
        )


def test_files_are_rebuilt(folder, tolerance, model, tmp_path):
    out = tmp_path / "out"
    tolerance.synthesize(
        folder, out, realism=0, model=model, filter=ErrorFilter(max_error=0.5), options=HERE
    )
    key = outputs(out)[0]["output"]
    expected = (out / key).read_bytes()
    (out / key).unlink()
    assert variegate.rebuild(out, key) == expected == (out / key).read_bytes()


def test_a_source_s_faults_are_told_though_its_first_variants_are_not_made(
    folder, tolerance, tmp_path
):
    for path in folder.rglob("*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path)).astype(np.uint16) * 257)
    made = tolerance.synthesize(folder, tmp_path / "out", count=18, options=HERE)
    told = [(row["key"], row["variant"]) for row in outputs(tmp_path / "out") if row["problems"]]
    assert sorted(key for key, _ in told) == sorted({key for key, _ in told})
    assert len(told) == 12, made.run.file_notes
    assert {variant for _, variant in told} == {0, 1}


def test_only_some_axes_and_wishes_on_them(folder, tolerance, tmp_path):
    made = tolerance.synthesize(
        folder,
        tmp_path / "out",
        realism=-5000,
        only=["brightness+", "jpeg"],
        axes={"jpeg": {"realism": 1}, "brightness+": {"max": 0.1}},
        count=40,
        options=HERE,
    )
    names = {row["name"] for row in outputs(tmp_path / "out")}
    assert names == {"brightness", "source"}
    assert any("calibrated for" in note for note in made.run.notes)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"count": 0}, "--count: expected at least 1"),
        ({"filter": ErrorFilter(min_error=0.5)}, "expected a model to ask"),
        ({"filter": ErrorFilter(min_error=2)}, "--min-error: expected 0 to 1"),
        ({"filter": ErrorFilter(min_error=0.6, max_error=0.5)}, "at most --max-error"),
        ({"realism": 1.5}, "realism"),
        ({"only": ["jpg"]}, "did you mean 'jpeg'"),
        ({"k_min": 9, "k_max": 9}, "k_min: expected at most"),
    ],
)
def test_what_is_not_possible_is_refused_before_anything_is_written(
    folder, tolerance, tmp_path, wanted, message
):
    with pytest.raises(UsageError, match=message):
        tolerance.synthesize(folder, tmp_path / "out", options=HERE, **wanted)
    assert not (tmp_path / "out").exists()


def test_a_set_without_readable_images_is_refused(tolerance, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/dark.1.png").write_bytes(b"none")
    with pytest.raises(InputError, match="no image can be used"):
        tolerance.synthesize(tmp_path / "set", tmp_path / "out", count=3, options=HERE)


def test_sets_without_end_differ_and_stop_at_the_limit(folder, tolerance, tmp_path):
    out = tmp_path / "out"
    made = []
    sets = synthesize_endlessly(folder, out, tolerance, options=HERE, limit_bytes=200_000)
    with pytest.raises(DiskLimitReached, match="disk limit"):
        made.extend(sets)
    assert len(made) >= 2
    assert sum(one.run.counts.bytes for one in made) <= 200_000
    assert len({one.run.digest for one in made}) == len(made)
    assert made[0].run.output == place_of(str(out), 1)
    # The same call goes on: finished sets stay, and are of the same bytes.
    again = synthesize_endlessly(folder, out, tolerance, options=HERE, limit_bytes=10**9)
    assert next(again).run.digest == made[-1].run.digest
    assert next(again).run.output == place_of(str(out), len(made) + 1)
    with pytest.raises(OutputError, match="realism"):
        next(
            synthesize_endlessly(
                folder, out, tolerance, synthesis=Synthesis(realism=0), options=HERE
            )
        )
    with pytest.raises(UsageError, match="archive"):
        next(synthesize_endlessly(folder, f"{out}.zip", tolerance, options=HERE))
