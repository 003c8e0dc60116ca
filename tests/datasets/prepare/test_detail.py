"""Which image of a group represents it, and what is like a screenshot: with real photos."""

import zipfile

import cv2
import numpy as np
import pytest

from variegate import Options
from variegate.codecs import Limits
from variegate.datasets.prepare.audit import audit
from variegate.datasets.prepare.detail import left_without
from variegate.datasets.prepare.flags import Thresholds, flags_of
from variegate.datasets.prepare.measures import measure
from variegate.datasets.prepare.prepare import prepare_dataset
from variegate.storage.json import loaded

_HERE = Options(workers=0)


@pytest.fixture(scope="module")
def photo(data_dir):
    """Photos of clothes, 400 x 533."""
    paths = sorted((data_dir / "clothing_classes").glob("*/*/*.jpg"))
    return [cv2.imread(str(path)) for path in paths[::43]]


def _padded(image):
    sides = (40, 60, 50, 30)
    return cv2.copyMakeBorder(image, *sides, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _resized(image, scale, way):
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=way)


MADE = {
    "enlarged by 1.5": lambda image: _resized(image, 1.5, cv2.INTER_CUBIC),
    "enlarged by 2": lambda image: _resized(image, 2, cv2.INTER_LINEAR),
    "enlarged by 3": lambda image: _resized(image, 3, cv2.INTER_LANCZOS4),
    "padded": _padded,
}
LESS = {
    "half": lambda image: _resized(image, 0.5, cv2.INTER_AREA),
    "part": lambda image: image[40:, 30:],
}


@pytest.mark.parametrize("name", [*MADE, *LESS])
def test_the_original_represents_its_group_and_is_kept(photo, tmp_path, name):
    heap = tmp_path / "heap"
    heap.mkdir()
    for number, image in enumerate(photo):
        cv2.imwrite(str(heap / f"{number} original.png"), image)
        cv2.imwrite(str(heap / f"{number} made.png"), (MADE | LESS)[name](image))
    prepare_dataset(heap, tmp_path / "clean", options=_HERE)
    groups = [
        loaded(line) for line in (tmp_path / "clean.audit/groups.jsonl").read_bytes().splitlines()
    ]
    best = [one["representative"] for one in groups if one["group"] == "same"]
    assert sorted(best) == [f"{number} original.png" for number in range(len(photo))]
    kept = sorted(path.name for path in (tmp_path / "clean").glob("*.png"))
    assert kept == sorted(best)


def test_what_is_left_tells_an_enlarged_image_from_a_reduced_one(photo):
    for image in photo:
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        half = _resized(gray, 0.5, cv2.INTER_AREA)
        twice = _resized(gray, 2, cv2.INTER_CUBIC)
        darker = np.clip(twice * 0.7 + 10, 0, 255).astype(np.uint8)
        assert left_without(twice, gray) < 0.05
        assert left_without(darker, gray) < 0.05
        assert left_without(gray, half) > 0.12


def test_a_long_chain_of_sizes_ends_with_the_original(photo, tmp_path):
    heap = tmp_path / "heap"
    heap.mkdir()
    for scale in (0.5, 1, 1.5, 2, 3):
        made = _resized(photo[0], scale, cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        cv2.imwrite(str(heap / f"{scale}.png"), made)
    audit(heap, tmp_path / "out", options=_HERE)
    (group,) = map(loaded, (tmp_path / "out/groups.jsonl").read_bytes().splitlines())
    assert group["representative"] == "1.png"
    assert len(group["members"]) == 4


def _flags(data, name="a.png"):
    return flags_of(measure(data, name, Limits()), Thresholds(), 400)


def _png(image):
    return cv2.imencode(".png", image)[1].tobytes()


def test_parts_before_a_plain_background_are_no_screenshots(data_dir):
    (archive,) = (data_dir / "electronic_components").glob("*png-original.zip")
    flat = 0
    with zipfile.ZipFile(archive) as file:
        for name in [one for one in file.namelist() if one.endswith(".png")][::5]:
            data = file.read(name)
            flat += measure(data, name, Limits()).flat >= Thresholds().screenshot
            assert "screenshot-like" not in _flags(data), name
    # There are enough that flat areas alone would flag.
    assert flat >= 10


def test_windows_with_text_are_screenshots():
    for dark in (False, True):
        ground, ink = ((32, 32, 32), (220, 220, 220)) if dark else ((250, 250, 250), (30, 30, 30))
        screen = np.full((600, 800, 3), ground, np.uint8)
        screen[:40] = (150, 90, 40)
        screen[100:420, 520:760] = (200, 200, 200)
        cv2.rectangle(screen, (520, 100), (760, 420), (90, 90, 90), 1)
        for line in range(20):
            place = (30, 90 + 24 * line)
            cv2.putText(screen, "All figures of the report", place, 0, 0.6, ink, 1, cv2.LINE_AA)
        assert "screenshot-like" in _flags(_png(screen))
