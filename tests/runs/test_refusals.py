"""What a run refuses, before it writes anything."""

import json
import shutil

import pytest

import jobs
from variegate import Options, augment
from variegate.codecs import Limits
from variegate.errors import InputError, OutputError, RecipeError, UsageError

TINY = {"recipe": jobs.recipe(jobs.TWO), "options": Options(workers=0)}


@pytest.fixture
def source(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        jobs.draw_noise(tmp_path / "in" / name)
    return tmp_path / "in"


@pytest.fixture
def output(source, tmp_path):
    """Return the output of a finished run."""
    augment(source, tmp_path / "out", **TINY)
    return tmp_path / "out"


def refused(source, output, *told, **changes):
    """Check that a run is refused with these words, and the output stays as it is."""
    before = jobs.tree(output)
    with pytest.raises(OutputError) as error:
        augment(source, output, **TINY | changes)
    for words in told:
        assert words in str(error.value)
    assert jobs.tree(output) == before


def test_another_seed(source, output):
    refused(source, output, "the seed (0 there, 9 now)", seed=9)


def test_another_recipe(source, output):
    text = jobs.TWO.replace("k_max: 1", "k_max: 2")
    refused(
        source,
        output,
        "the recipe's variants.sample.k_max (1 there, 2 now)",
        recipe=jobs.recipe(text),
    )


def test_another_recipe_and_seed_are_both_named(source, output):
    recipe = jobs.recipe(jobs.TWO.replace("invert", "grayscale"), seed=3)
    refused(source, output, "there", "and in the seed (0 there, 3 now)", recipe=recipe)


def test_another_output_format(source, output):
    changed = jobs.recipe(f"{jobs.TWO}\noutput: {{format: jpeg}}")
    refused(source, output, "the recipe's output", "jpeg", recipe=changed)


def test_other_limits(source, output):
    options = Options(workers=0, limits=Limits(max_pixels=1000))
    words = "the limits.max_pixels (250,000,000 there, 1,000 now)"
    refused(source, output, words, options=options)


def test_a_file_more(source, output):
    jobs.draw_noise(source / "b/4.png")
    refused(source, output, "the number of the input's files (3 there, 4 now)")


def test_a_file_fewer(source, output):
    (source / "a/1.png").unlink()
    refused(source, output, "the number of the input's files (3 there, 2 now)")


def test_a_renamed_file(source, output):
    (source / "a/1.png").rename(source / "a/one.png")
    refused(source, output, "the names of the input's files")


def test_a_file_of_another_size(source, output):
    path = source / "a/1.png"
    before = sum(one.stat().st_size for one in source.rglob("*.png"))
    path.write_bytes(path.read_bytes() + b"\0")
    refused(
        source, output, f"the bytes of the input's files ({before:,} there, {before + 1:,} now)"
    )


def test_other_labels_of_the_same_files(tmp_path):
    for name in ("x1.png", "x2.png", "x3.png"):
        jobs.draw_noise(tmp_path / "in" / name)
    table = tmp_path / "in/labels.csv"
    table.write_text("file,label\nx1.png,cat\nx2.png,dog\nx3.png,cat\n")
    augment(tmp_path / "in", tmp_path / "out", **TINY)
    table.write_text("file,label\nx1.png,cat\nx2.png,cat\nx3.png,dog\n")
    refused(tmp_path / "in", tmp_path / "out", "the labels and splits of the input's files")


def test_other_library_versions(source, output):
    record = json.loads((output / ".variegate/job.json").read_text())
    now = record["versions"]["numpy"]
    record["versions"]["numpy"] = "1.0"
    (output / ".variegate/job.json").write_text(json.dumps(record))
    refused(source, output, f'the versions.numpy ("1.0" there, "{now}" now)')


def test_a_damaged_record(source, output):
    (output / ".variegate/job.json").write_text("{")
    refused(source, output, "job.json: damaged")


def test_a_folder_with_something_else_in_it(source, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    refused(source, tmp_path / "mine", "is not empty and not an output of variegate")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_a_folder_with_nothing_but_a_link(source, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/link").symlink_to(tmp_path / "nowhere")
    refused(source, tmp_path / "mine", "is not empty and not an output of variegate")


def test_a_file_where_the_folder_should_be(source, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError):
        augment(source, tmp_path / "out", **TINY)
    assert (tmp_path / "out").read_text() == "a file"


def test_a_zip_file_of_somebody_else(source, tmp_path):
    shutil.make_archive(str(tmp_path / "out"), "zip", source)
    before = (tmp_path / "out.zip").read_bytes()
    with pytest.raises(OutputError, match="not an output of variegate"):
        augment(source, tmp_path / "out.zip", **TINY)
    assert (tmp_path / "out.zip").read_bytes() == before
    (tmp_path / "out.zip").write_bytes(b"not a zip file at all")
    with pytest.raises(OutputError, match="choose another"):
        augment(source, tmp_path / "out.zip", **TINY)
    assert not (tmp_path / "out.zip.unpacked").exists()


def test_the_folder_beside_the_zip_file_is_somebody_elses(source, tmp_path):
    (tmp_path / "out.zip.unpacked").mkdir()
    (tmp_path / "out.zip.unpacked/letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="not empty"):
        augment(source, tmp_path / "out.zip", **TINY)
    assert not (tmp_path / "out.zip").exists()


@pytest.mark.parametrize("output", ["in", "in/out", "in/out.zip", "."])
def test_an_output_that_meets_the_input(source, output, tmp_path):
    before = jobs.tree(source)
    with pytest.raises(OutputError, match="choose an output beside the input"):
        augment(source, tmp_path / output, **TINY)
    assert jobs.tree(source) == before


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"recipe": "no-such-recipe"}, RecipeError),
        ({"seed": -1}, RecipeError),
        ({"seed": 1.5}, RecipeError),
        ({"options": Options(workers=-1)}, RecipeError),
        ({"options": Options(limit=0)}, RecipeError),
        ({"options": Options(shard_size=0)}, RecipeError),
        ({"options": Options(silence_limit_s=0)}, RecipeError),
        ({"options": Options(silence_limit_s=float("nan"))}, RecipeError),
        ({"options": Options(format="no-such-layout")}, UsageError),
    ],
)
def test_nothing_is_written_before_all_is_checked(source, tmp_path, changes, error):
    with pytest.raises(error):
        augment(source, tmp_path / "out", **TINY | changes)
    assert not (tmp_path / "out").exists()


def test_an_input_without_images_leaves_no_output(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/notes.txt").write_text("none")
    with pytest.raises(InputError, match="no images"):
        augment(tmp_path / "in", tmp_path / "out", **TINY)
    assert not (tmp_path / "out").exists()


def test_splits_without_one_for_training_leave_no_output(tmp_path):
    for split in ("val", "test"):
        jobs.draw_noise(tmp_path / "in" / split / "cat/1.png")
    with pytest.raises(InputError, match="none for training"):
        augment(tmp_path / "in", tmp_path / "out", **TINY)
    assert not (tmp_path / "out").exists()


def test_two_sources_for_one_name_leave_no_output(tmp_path):
    for name in ("a/x.png", "a/x.png.jpg"):
        jobs.draw_noise(tmp_path / "in" / name)
    recipe = jobs.recipe(f"{jobs.TWO}\noutput: {{format: jpeg}}")
    with pytest.raises(OutputError, match="would share an output's name"):
        augment(tmp_path / "in", tmp_path / "out", **TINY | {"recipe": recipe})
    assert not (tmp_path / "out").exists()


def test_a_second_run_at_the_same_time(source, tmp_path):
    refusals = []

    def again(progress):
        if not refusals:
            with pytest.raises(OutputError) as error:
                augment(source, tmp_path / "out", **TINY)
            refusals.append(str(error.value))

    augment(source, tmp_path / "out", **TINY, on_progress=again)
    assert "another run is at work there" in refusals[0]
