"""Masks that were smoothed, or saved with losses, are said to be."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from variegate import Hints
from variegate.codecs import decode_mask, encode_mask, lossy_mask
from variegate.errors import UnsupportedError, UsageError
from variegate.formats import detect
from variegate.formats.blends import blended_values
from variegate.storage import open_storage

SIZE = (96, 128)


def shapes(*values, kind=np.uint8):
    """Discs side by side, hard at their edges."""
    mask = np.zeros(SIZE, kind)
    for number, value in enumerate(values):
        cv2.circle(mask, (20 + 40 * number, 45), 16, value, -1)
    return mask


def smoothed(mask):
    half = cv2.resize(mask, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.resize(half, SIZE[::-1], interpolation=cv2.INTER_LINEAR)


def coloured(mask, colours):
    image = np.zeros((*mask.shape, 3), np.uint8)
    for value, colour in colours.items():
        image[mask == value] = colour
    return image


def encoded(pixels, form="PNG", **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def photo():
    return encoded(np.full((*SIZE, 3), 90, np.uint8))


def masks_set(folder, *masks, extension="png"):
    storage = open_storage(folder, create=True)
    for number, mask in enumerate(masks):
        storage.write(f"images/{number}.png", photo())
        storage.write(f"masks/{number}.{extension}", mask)
    return storage


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("values", [(255,), (128, 255), (40, 90, 200)])
def test_smoothed_shapes_have_blends(values, kind):
    hard = shapes(*values, kind=kind)
    assert blended_values(hard) == []
    found = blended_values(smoothed(hard))
    assert len(found) >= 4
    assert not {*found} & {0, *values}


def test_smoothed_colours_have_blends():
    colours = {1: (128, 0, 0), 2: (0, 128, 128)}
    hard = coloured(shapes(1, 2), colours)
    assert blended_values(decode_mask(encoded(hard))) == []
    assert len(blended_values(decode_mask(encoded(smoothed(hard))))) >= 4


def test_a_drawn_border_and_small_things_are_no_blends():
    bordered = shapes(3, 7, 9)
    for number in range(3):
        cv2.circle(bordered, (20 + 40 * number, 45), 16, 255, 1)
    assert blended_values(bordered) == []
    tiny = shapes(1)
    tiny[80, 10:120:3] = np.arange(2, 39)
    assert blended_values(tiny) == []
    assert blended_values(np.zeros(SIZE, np.uint8)) == []
    shades = np.tile(np.arange(128, dtype=np.uint8), (96, 1))
    assert blended_values(shades) == []


def test_real_masks_are_not_smoothed(data_dir):
    storage = open_storage(data_dir / "annotation_formats")
    keys = [entry.key for entry in storage.list() if "SegmentationClass/" in entry.key]
    assert keys
    for key in keys[:6]:
        assert blended_values(decode_mask(storage.read(key))) == []


def test_smoothed_masks_of_a_set_are_said_until_the_user_settles_it(tmp_path):
    soft = [encode_mask(smoothed(shapes(255))), encode_mask(shapes(255))]
    storage = masks_set(tmp_path, *soft)
    (note,) = detect(storage).notes
    assert note.startswith("1 of 2 masks looked at have values between")
    assert "--masks soft" in note
    for said in ("soft", "classes"):
        assert not detect(storage, hints=Hints.of(masks=said)).notes


def test_smoothed_masks_of_objects_are_said(tmp_path):
    storage = open_storage(tmp_path, create=True)
    for case in ("a", "b"):
        storage.write(f"{case}/images/{case}.png", photo())
        for number in range(2):
            mask = smoothed(shapes(*[255] * (number + 1)))
            storage.write(f"{case}/masks/{number}.png", encode_mask(mask))
    found = detect(storage)
    assert found.name == "object-masks"
    (note,) = found.notes
    assert "4 of 4 masks" in note
    assert "taken for the object" in note


def test_smoothed_masks_of_voc_are_said(tmp_path):
    storage = open_storage(tmp_path, create=True)
    storage.write("JPEGImages/1.png", photo())
    storage.write("SegmentationClass/1.png", encode_mask(smoothed(shapes(15))))
    storage.write(
        "Annotations/1.xml",
        b"<annotation><size><width>128</width><height>96</height></size></annotation>",
    )
    found = detect(storage)
    assert found.name == "voc"
    assert any("as smoothed (antialiased) masks do" in note for note in found.notes)
    said = detect(storage, hints=Hints.of(masks="classes")).notes
    assert not any("smoothed" in note for note in said)
    with pytest.raises(UsageError, match=r"--masks soft: .* expected classes"):
        detect(storage, hints=Hints.of(masks="soft"))


# ---- losses


def test_lossy_webp_is_told_from_lossless():
    mask = shapes(255)
    assert lossy_mask(encoded(mask, "WEBP")) == "lossy WebP"
    assert lossy_mask(encoded(mask, "WEBP", lossless=True)) is None
    exif = Image.Exif()
    exif[0x010E] = "x"
    assert lossy_mask(encoded(mask, "WEBP", exif=exif)) == "lossy WebP"
    assert lossy_mask(encoded(mask, "WEBP", exif=exif, lossless=True)) is None
    assert lossy_mask(encoded(mask, "JPEG")) == "JPEG"
    assert lossy_mask(encoded(mask)) is None


def test_lossy_webp_masks_are_rounded_and_said(tmp_path):
    hard = shapes(255)
    storage = masks_set(tmp_path, encoded(hard, "WEBP", quality=80), extension="webp")
    (note,) = detect(storage).notes
    assert note.startswith("the masks are lossy WebP, which changes values")
    assert "(0, 255)" in note
    values = decode_mask(storage.read("masks/0.webp"))
    assert {*np.unique(values)} == {0, 255}
    assert (values != hard).mean() < 0.01


def test_lossless_webp_masks_are_as_they_are(tmp_path):
    hard = shapes(1, 2)
    storage = masks_set(tmp_path, encoded(hard, "WEBP", lossless=True), extension="webp")
    assert not any(
        "WebP" in note for note in detect(storage, hints=Hints.of(masks="classes")).notes
    )


@pytest.mark.parametrize("values", [(1, 2, 3), (128, 255), (90, 180)])
def test_lossy_webp_masks_of_other_values_are_refused(values):
    with pytest.raises(UnsupportedError, match="lossy WebP has changed the values"):
        decode_mask(encoded(shapes(*values), "WEBP", quality=80))


@pytest.mark.parametrize("value", [0, 255])
def test_a_lossy_webp_mask_may_be_of_one_value(value):
    mask = np.full(SIZE, value, np.uint8)
    np.testing.assert_array_equal(decode_mask(encoded(mask, "WEBP", quality=80)), mask)
