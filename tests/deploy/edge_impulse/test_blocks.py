"""Both blocks, run as the platform runs them: their arguments, folders and environment."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import variegate
from edge_impulse import KEY, PROJECT, edge_impulse
from variegate.deploy.files import deployment_files
from variegate.recipes.recipe import presets

SOURCES = Path(variegate.__file__).parents[1]
BLOCKS = deployment_files("edge_impulse")
NAMES = ("transform", "transform_files", "synthetic")
RECIPE = "variants: {each: [source, {flip: {axis: horizontal}}, {brightness: {amount: 0.1}}]}\n"


def told(block: str) -> dict:
    return json.loads((BLOCKS / block / "parameters.json").read_text())


def entry_point(block: str) -> list[str]:
    line = (BLOCKS / block / "Dockerfile").read_text().rpartition("ENTRYPOINT ")[2]
    return json.loads(line)


def platform_arguments(block: str) -> list[str]:
    """The parameters of a block with their defaults, as the platform passes them."""
    passed: list[str] = []
    for one in told(block)["parameters"]:
        value = str(int(one["value"])) if one["type"] == "boolean" else str(one["value"])
        passed += [f"--{one['param']}", value]
    return passed


def run(block: str, *arguments: object, cwd: Path, **environment: str):
    """Execute the entry point in an environment of its own."""
    program, *rest = entry_point(block)
    assert program == "python"
    return subprocess.run(
        [sys.executable, *rest, *map(str, arguments)],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def photo(path: Path, number: int) -> Path:
    """Write an image that no check finds odd."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(number).integers(0, 255, (80, 96, 3), np.uint8)
    Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize("block", NAMES)
def test_parameters_are_as_the_platform_wants_them(block):
    known = told(block)
    assert known["version"] == 1
    assert known["type"] == ("synthetic-data" if block == "synthetic" else "transform")
    assert {"name", "description"} <= known["info"].keys()
    for one in known["parameters"]:
        assert {"name", "value", "type", "param", "help"} <= one.keys()
        assert one["type"] in {"string", "int", "select", "boolean"}
        assert " " not in one["param"]
    (preset,) = (one for one in known["parameters"] if one["param"] == "preset")
    assert preset["valid"] == sorted(presets())


@pytest.mark.parametrize("block", NAMES)
def test_dockerfiles_keep_the_rules_of_the_platform(block):
    text = (BLOCKS / block / "Dockerfile").read_text()
    assert "\nWORKDIR /app\n" in text  # /home and /data are mounted over
    assert ":latest" not in text
    assert "\nENV" in text
    requirement = (BLOCKS / block / "requirements.txt").read_text().strip()
    assert requirement == f"variegate[edge-impulse]=={variegate.__version__}"


def test_a_directory_becomes_variants_and_checks(tmp_path):
    for number, key in enumerate(("cat/a.png", "cat/b.png", "dog/c.png")):
        photo(tmp_path / "in" / key, number)
    (tmp_path / "in/dog/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    done = run(
        "transform",
        *("--in-directory", tmp_path / "in", "--out-directory", tmp_path / "out"),
        *("--hmac-key", "0", "--metadata", '{"subject": "1", "dataItemInfo": {}}'),
        *(*platform_arguments("transform"), "--recipe", RECIPE, "--of-tomorrow", "secret"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed over: --of-tomorrow\n" in done.stdout
    assert "secret" not in done.stdout + done.stderr
    images = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.png"))
    assert len(images) == 9
    metadata = json.loads((tmp_path / "out/ei-metadata.json").read_text())
    assert (metadata["version"], metadata["action"]) == (1, "add")
    assert all(isinstance(value, str) for value in metadata["metadata"].values())
    checks = {k: v for k, v in metadata["metadata"].items() if k.startswith("ei_check")}
    assert checks["ei_check"] == checks["ei_check_decoded"] == "0"
    assert checks["ei_check_not_blurred"] == checks["ei_check_no_duplicates"] == "1"
    assert (tmp_path / "out/variegate-manifest.parquet").is_file()


def test_a_file_becomes_variants_of_it_alone(tmp_path):
    photo(tmp_path / "in/a.png", 1)
    photo(tmp_path / "in/b.png", 2)
    done = run(
        "transform_files",
        *("--in-file", tmp_path / "in/a.png", "--out-directory", tmp_path / "out"),
        *(*platform_arguments("transform_files"), "--recipe", RECIPE),
        *("--upload-category", "training", "--upload-label", "cat"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Into a project: nothing but images, and the file that the platform reads itself.
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert len(names) == 4
    assert "ei-metadata.json" in names
    assert all(name.startswith("a") or name == "ei-metadata.json" for name in names)
    metadata = json.loads((tmp_path / "out/ei-metadata.json").read_text())["metadata"]
    assert metadata["ei_check"] == "1"


def test_images_for_testing_are_never_augmented(tmp_path):
    original = photo(tmp_path / "in/a.png", 1)
    done = run(
        "transform_files",
        *("--in-file", original, "--out-directory", tmp_path / "out"),
        *("--upload-category", "testing", "--recipe", RECIPE),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (only,) = (tmp_path / "out").glob("*.png")
    assert only.read_bytes() == original.read_bytes()


def test_an_output_inside_the_input_is_no_input(tmp_path):
    """As the platform's own example has it: /data, and /data/out."""
    photo(tmp_path / "data/a.png", 1)
    for category in ("training", "training", "testing"):
        done = run(
            "transform",
            *("--in-directory", tmp_path / "data", "--out-directory", tmp_path / "data/out"),
            *("--upload-category", category, "--recipe", RECIPE, "--audit", "0"),
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(list((tmp_path / "data").rglob("*.png"))) == 4 + (category == "testing")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--in-directory", "nowhere", "--out-directory", "out"], "is no directory"),
        (["--out-directory", "out"], "one of --in-file and --in-directory"),
        (["--in-directory", ".", "--out-directory", "out"], "no images"),
        (
            ["--in-directory", ".", "--out-directory", "out", "--preset", "nothing"],
            "expected one of",
        ),
    ],
)
def test_a_failure_is_an_exit_code_and_a_sentence(tmp_path, arguments, words):
    done = run("transform", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stdout
    assert "Traceback" not in done.stderr


def project(service) -> dict[str, str]:
    """The environment of a block in a project."""
    return {
        "EI_PROJECT_API_KEY": KEY,
        "EI_API_KEY": "ei_of_the_organization",
        "EI_PROJECT_ID": str(PROJECT),
        "EI_INGESTION_HOST": service.url,
        "EI_API_ENDPOINT": f"{service.url}/v1",
    }


def filled(service, tmp_path: Path, *, boxes: bool) -> set[str]:
    """Put images into a project by hand; return their digests."""
    import urllib.request

    digests = set()
    for number, category in enumerate(("training", "training", "testing")):
        data = photo(tmp_path / f"{number}.png", number).read_bytes()
        digests.add(hashlib.sha256(data).hexdigest())
        body = b'--b\r\nContent-Disposition: form-data; name="data"; filename="i.png"\r\n\r\n'
        headers = {
            "x-api-key": KEY,
            "x-label": "cat",
            "content-type": "multipart/form-data; boundary=b",
        }
        if boxes:
            box = {"label": "nut", "x": 10, "y": 20, "width": 30, "height": 40}
            headers["x-bounding-boxes"] = json.dumps([box])
        request = urllib.request.Request(
            f"{service.url}/api/{category}/files",
            data=body + data + b"\r\n--b--\r\n",
            headers=headers,
        )
        with urllib.request.urlopen(request):
            pass
    return digests


@pytest.mark.parametrize("boxes", [False, True], ids=["labels", "boxes"])
def test_images_of_a_project_are_multiplied_for_training_alone(tmp_path, boxes):
    with edge_impulse() as service:
        there = filled(service, tmp_path, boxes=boxes)
        call = [
            *("--synthetic-data-job-id", "77", *platform_arguments("synthetic")),
            *("--recipe", RECIPE, "--of-tomorrow"),
        ]
        for _ in range(2):  # what it made itself is not multiplied again
            done = run("synthetic", *call, cwd=tmp_path, **project(service))
            assert done.returncode == 0, done.stdout + done.stderr
            assert KEY not in done.stdout + done.stderr
            samples = service.samples()
            made = [one for one in samples if one["sha256"] not in there]
            assert len(made) == 4
    assert {one["category"] for one in made} == {"training"}
    assert {one["job"] for one in made} == {"77"}
    if not boxes:
        assert {one["label"] for one in made} == {"cat"}
        return
    flipped = {"label": "nut", "x": 96 - 10 - 30, "y": 20, "width": 30, "height": 40}
    assert sum(one["boundingBoxes"] == [flipped] for one in made) == 2


def test_the_sample_set_needs_no_images(tmp_path):
    with edge_impulse() as service:
        done = run(
            "synthetic",
            *("--synthetic-data-job-id", "8", "--source", "sample", "--images", "4"),
            *("--recipe", RECIPE, "--upload-category", "testing"),
            cwd=tmp_path,
            **project(service),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        samples = service.samples()
    assert len(samples) == 12
    assert {one["category"] for one in samples} == {"testing"}


def test_variants_of_a_project_do_not_go_into_testing(tmp_path):
    done = run(
        *("synthetic", "--upload-category", "testing"),
        cwd=tmp_path,
        EI_PROJECT_API_KEY=KEY,
        EI_PROJECT_ID="1",
    )
    assert done.returncode == 2
    assert "belong to training" in done.stdout
