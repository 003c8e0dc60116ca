"""Results that are compressed as their source was."""

import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from variegate import Options, Recipe, augment
from variegate.codecs import compression_of, encode
from variegate.errors import RecipeError
from variegate.runs.rebuild import rebuild

HERE = Options(workers=0)
SAME = {"quality": "same", "subsampling": "same"}


def image(channels=(3,)):
    noise = np.random.default_rng(1).integers(0, 256, (12, 16, *channels), dtype=np.uint8)
    return np.kron(noise, np.ones((4, 4, *([1] * len(channels))), np.uint8))


def jpeg(quality, subsampling, channels=(3,), **more):
    data = io.BytesIO()
    Image.fromarray(image(channels)).save(
        data, "JPEG", quality=quality, subsampling=subsampling, **more
    )
    return data.getvalue()


def run(tmp_path, name, data, **output):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(data)
    recipe = Recipe.from_data({"variants": {"flip": {"axis": "horizontal"}}, "output": output})
    augment(tmp_path / "in", tmp_path / "out", recipe=recipe, options=HERE)
    (result,) = (p for p in (tmp_path / "out").glob("*") if p.suffix in (".jpg", ".webp"))
    return result


def settings(path):
    with Image.open(path) as opened:
        return opened.quantization, JpegImagePlugin.get_sampling(opened)


@pytest.mark.parametrize("quality", [20, 76, 99])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_tables_and_sampling_are_those_of_the_source(tmp_path, quality, subsampling):
    result = run(tmp_path, "a.jpg", jpeg(quality, subsampling), **SAME)
    assert settings(result) == settings(tmp_path / "in/a.jpg")
    before = result.read_bytes()
    result.unlink()
    rebuild(tmp_path / "out", result.name)
    assert result.read_bytes() == before


def test_tables_of_a_camera_of_its_own(tmp_path):
    tables = [[3 + (7 * i) % 40 for i in range(64)], [5 + (11 * i) % 90 for i in range(64)]]
    result = run(tmp_path, "a.jpg", jpeg(50, "4:2:2", qtables=tables), **SAME)
    assert settings(result) == settings(tmp_path / "in/a.jpg")
    assert settings(result)[0] == dict(enumerate(tables))


def test_a_gray_source(tmp_path):
    result = run(tmp_path, "a.jpg", jpeg(30, "4:4:4", channels=()), **SAME)
    assert settings(result)[0] == settings(tmp_path / "in/a.jpg")[0]
    with Image.open(result) as opened:
        assert opened.mode == "L"


def test_only_the_tables(tmp_path):
    result = run(tmp_path, "a.jpg", jpeg(40, "4:4:4"), quality="same")
    assert settings(result)[0] == settings(tmp_path / "in/a.jpg")[0]
    assert settings(result)[1] == 2  # 4:2:0, as ever


def test_a_source_that_is_no_jpeg_gets_the_usual_quality(tmp_path):
    data = encode(image(), format="png")
    assert compression_of(data) is None
    result = run(tmp_path, "a.png", data, format="jpeg", **SAME)
    flipped = np.ascontiguousarray(image()[:, ::-1])
    assert result.read_bytes() == encode(flipped, format="jpeg", quality=95)


def test_what_is_no_quality_is_refused():
    with pytest.raises(RecipeError, match="quality"):
        Recipe.from_data({"variants": "source", "output": {"quality": "as before"}})


@pytest.mark.parametrize("cut", [2, 20, 200])
def test_a_head_that_is_cut_tells_nothing_or_the_truth(cut):
    whole = jpeg(40, "4:4:4")
    assert compression_of(whole[:cut]) in (None, compression_of(whole))
