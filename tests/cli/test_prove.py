"""prove, called as users call it."""

import json

import cv2
import numpy as np
import pytest

from variegate.seeding import generator

torch = pytest.importorskip("torch")

SMALL = ("--backbone", "small", "--size", "16", "--workers", "0")


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    """Others run beside it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    """Two classes, told apart by where a stripe is; every image is its own."""
    folder = tmp_path_factory.mktemp("stripes")
    for number in range(40):
        rng = generator(5, "stripes", number)
        image = rng.integers(0, 80, (16, 16, 3), dtype=np.uint8)
        image[3:7] += np.uint8(100 * (number % 2))
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), image)
    return folder


def test_what_it_can_find_and_the_time_are_told_before_the_result(run, stripes, tmp_path):
    call = ("prove", stripes, tmp_path / "out", "--written", "light", *SMALL, "--no-tune")
    found = run(*call, "--steps", 6, "--folds", 3, "--no-corruptions", "--seeds", 3)
    assert found.exit_code == 0, found.output
    told = " ".join(found.output.split())
    before = told.index("expected to find a difference of")
    assert before < told.index("27 runs; about") < told.index("light (written): ")
    assert "untuned" in told
    assert {one.name for one in (tmp_path / "out").iterdir()} == {
        "folds.csv",
        "proof.html",
        "proof.json",
        "runs.jsonl",
    }
    again = run(*call, "--steps", 6, "--folds", 3, "--no-corruptions", "--seeds", 3, "--json")
    assert again.exit_code == 0, again.output
    data = json.loads(again.stdout)
    assert data["resumed"] == 27
    assert [one["name"] for one in data["arms"]] == ["none", "light (written)", "trivial"]


def test_quick_has_a_page_with_classes_and_calibration(run, stripes, tmp_path):
    call = ("prove", stripes, tmp_path, "--quick", "--recipe", "light", *SMALL, "--draws", "1")
    found = run(*call)
    assert found.exit_code == 0, found.output
    page = (tmp_path / "proof.html").read_text(encoding="utf-8")
    assert "Classes with light" in page
    assert page.count("calibration error") >= 3
    assert "weaker evidence" in found.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seeds", "1"), "5 pairs of trainings can never show"),
        (("--recipe", "light", "--recipe", "light"), "two have one name"),
        (("--quick", "--recipe", "mixed.yaml"), "leave out --quick"),
        (("--recipe", "rare.yaml"), "every arm must see every image equally often"),
        (("--backbone", "smal"), "expected small or a classifier"),
        (("--audit", "nowhere"), "nowhere"),
    ],
)
@pytest.mark.usefixtures("torchvision")
def test_what_can_show_nothing_is_refused(run, stripes, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mixed.yaml").write_text("variants: {mixup: {}}\n")
    (tmp_path / "rare.yaml").write_text("variants: {flip: {}}\nclasses: [a]\n")
    found = run("prove", stripes, tmp_path / "out", *SMALL, *options)
    assert found.exit_code == 2, found.output
    assert message in " ".join(found.output.split())
    assert not (tmp_path / "out" / "proof.json").exists()
