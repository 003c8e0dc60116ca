"""What nothing is done to is the source's own file; what would be too large is never begun."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

import jobs
from variegate import Options, augment, read_manifest
from variegate.codecs import Limits

SOURCE = "variants: {each: [source, flip]}\n"


def coded(form: str, mode: str = "RGB", **options: object) -> bytes:
    rows, columns = np.mgrid[:40, :56]
    pixels = np.stack((rows * 5, columns * 4, rows + columns), axis=-1).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, form, **options)
    return stream.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def result(tmp_path: Path, name: str, data: bytes, recipe: str = SOURCE) -> bytes:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(data)
    options = Options(workers=0)
    augment(tmp_path / "in", tmp_path / "out", recipe=jobs.recipe(recipe), options=options)
    (found,) = (tmp_path / "out").glob("*-v00.*")
    return found.read_bytes()


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jpg", coded("JPEG", quality=30)),
        ("gray.jpg", coded("JPEG", "L")),
        ("srgb.jpg", coded("JPEG", icc_profile=SRGB)),
        ("a.png", coded("PNG", "P")),
        ("alpha.png", coded("PNG", "RGBA")),
        ("a.webp", coded("WEBP", quality=20)),
    ],
)
def test_a_source_is_its_own_file(tmp_path: Path, name: str, data: bytes) -> None:
    assert result(tmp_path, name, data) == data


@pytest.mark.parametrize(
    ("name", "data", "recipe"),
    [
        ("turned.jpg", coded("JPEG", exif=turned()), SOURCE),
        ("cmyk.jpg", coded("JPEG", "CMYK"), SOURCE),
        ("broken.jpg", coded("JPEG", icc_profile=b"noise" * 60), SOURCE),
        ("no_end.jpg", coded("JPEG")[:-2], SOURCE),
        ("deep.png", coded("PNG", "I;16"), SOURCE),
        ("other.png", coded("PNG"), SOURCE + "output: {format: jpeg}\n"),
        ("white.png", coded("PNG", "RGBA"), SOURCE + "output: {alpha: white}\n"),
        ("small.jpg", coded("JPEG"), SOURCE + "output: {size: [20, 28]}\n"),
    ],
)
def test_another_file_is_encoded_where_its_own_would_not_do(
    tmp_path: Path, name: str, data: bytes, recipe: str
) -> None:
    assert result(tmp_path, name, data, recipe) != data


def test_a_truncated_source_is_quarantined_though_its_file_would_do(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/whole.jpg").write_bytes(coded("JPEG"))
    (tmp_path / "in/cut.jpg").write_bytes(coded("JPEG")[:-200])
    recipe, options = jobs.recipe("variants: source"), Options(workers=0)
    summary = augment(tmp_path / "in", tmp_path / "out", recipe=recipe, options=options)
    assert (summary.counts.augmented, summary.counts.quarantined) == (1, 1)


def test_a_result_beyond_the_limit_is_refused_before_it_is_begun(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (4000, 6)).save(tmp_path / "in/strip.png")
    Image.new("RGB", (40, 40)).save(tmp_path / "in/square.png")
    recipe = jobs.recipe("variants: {rotate: {angle_degrees: [45, 45], fit: expand}}")
    options = Options(workers=0, limits=Limits(max_pixels=100_000))
    summary = augment(tmp_path / "in", tmp_path / "out", recipe=recipe, options=options)
    assert (summary.counts.augmented, summary.counts.quarantined) == (1, 1)
    reasons = read_manifest(tmp_path / "out", columns=["reason"])["reason"].to_pylist()
    (reason,) = filter(None, reasons)
    assert reason.startswith("variant 0 (rotate) claims 2,833 x 2,833 pixels; the limit is 100,000")
