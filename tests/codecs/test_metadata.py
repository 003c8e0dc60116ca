"""Files without metadata: the coded pixels stay, bit by bit, and nothing else."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from variegate.codecs import with_exif, without_metadata
from variegate.errors import ShapeError

SECRETS = (b"Secret", b"http://ns.adobe.com", b"8BIM", b"my home", b"behind")


@pytest.fixture
def scene():
    rng = np.random.default_rng(5)
    return Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8))


def _exif(orientation=1):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Secret", orientation
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 1.0)
    return exif


def _saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0, "optimize": True},
        {"restart_marker_blocks": 2},
    ],
    ids=["baseline", "progressive", "optimized", "restarts"],
)
def test_a_jpeg_keeps_its_coded_pixels_alone(scene, options):
    bare = _saved(scene, "JPEG", **options)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b"<x xmlns='http://ns.adobe.com/xap/1.0/'/>"
    told = _saved(
        scene, "JPEG", exif=_exif(), comment=b"my home", icc_profile=profile, xmp=xmp, **options
    )
    iptc = b"\xff\xed\x00\x10Photoshop\x008BIM"
    told = told[:2] + iptc + told[2:] + b"\xff\xd8 behind \xff\xd9"
    assert without_metadata(told, "jpeg") == bare
    assert without_metadata(bare, "jpeg") == bare


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_what_decides_the_colors_of_a_jpeg_stays(scene, mode):
    told = _saved(scene.convert(mode), "JPEG", exif=_exif())
    bare = without_metadata(told, "jpeg")
    assert b"Secret" not in bare
    assert np.array_equal(_pixels(bare), _pixels(told))
    assert (b"Adobe" in bare) == (mode == "CMYK")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_a_png_keeps_pixels_and_transparency(scene, mode):
    image = scene.convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "my home")
    transparent = {"P": {"transparency": 3}, "RGB": {"transparency": (1, 2, 3)}}.get(mode, {})
    told = _saved(image, "PNG", exif=_exif(), pnginfo=text, dpi=(72, 72), **transparent) + b"behind"
    bare = without_metadata(told, "png")
    assert not any(secret in bare for secret in SECRETS)
    for data in (told, bare):
        assert Image.open(io.BytesIO(data)).mode == mode
    shown = [np.asarray(Image.open(io.BytesIO(d)).convert("RGBA")) for d in (told, bare)]
    assert np.array_equal(*shown)
    assert without_metadata(bare, "png") == bare


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_exif_is_carried_over_and_says_upright(scene, kind):
    original = _saved(scene, "JPEG", exif=_exif(6))
    bare = without_metadata(_saved(scene, kind.upper()), kind)
    told = with_exif(bare, kind, original)
    exif = Image.open(io.BytesIO(told)).getexif()
    assert (exif[0x010F], exif[0x0112]) == ("Secret", 1)
    assert exif.get_ifd(0x8825)[2] == (52.0, 30.0, 1.0)
    assert np.array_equal(_pixels(told), _pixels(bare))
    assert without_metadata(told, kind) == bare


def test_without_exif_there_is_none_to_carry(scene):
    bare = _saved(scene, "PNG")
    assert with_exif(bare, "png", bare) == bare
    assert with_exif(bare, "png", b"no image") == bare


def test_other_kinds_are_refused(scene):
    with pytest.raises(ShapeError, match="expected jpeg or png, got 'webp'"):
        without_metadata(_saved(scene, "WEBP"), "webp")
