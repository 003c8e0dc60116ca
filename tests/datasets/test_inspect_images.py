"""What inspect says of images: their headers, pixels, names; compared with other readers."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from variegate import Hints, Options, augment, inspect
from variegate.codecs import probe
from variegate.datasets.inspection.pixel_format import PixelFormat, pixel_format_of
from variegate.runs.output import read_manifest
from variegate.seeding import generator
from variegate.storage.local import LocalStorage


def noise(*shape):
    return generator(3, "noise", *shape).integers(0, 256, shape, np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def with_boxes(folder, rows):
    """Write a table of boxes: of (name, width, height), one box in each."""
    lines = [f"{name},{width},{height},red,1,1,9,9" for name, width, height in rows]
    head = "filename,width,height,class,xmin,ymin,xmax,ymax"
    (folder / "boxes.csv").write_text("\n".join([head, *lines]))


def test_width_and_height_exchanged_are_told(data_dir):
    found = inspect(data_dir / "field_cases/inspect-blind-to-size")
    fault = found.findings["annotation with width and height exchanged"]
    assert fault.count == 3
    told = [f"{name}.jpg: annotated as 120 x 200, has 200 x 120" for name in "abc"]
    assert fault.examples == told


def test_sizes_that_disagree_are_told_by_kind(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    for name in ("right", "other", "scaled", "exchanged"):
        save(tmp_path / f"{name}.png", noise(40, 20))
    save(tmp_path / "stored.jpg", noise(40, 20), exif=turned)
    save(tmp_path / "upright.jpg", noise(40, 20), exif=turned)
    rows = [("right.png", 20, 40), ("other.png", 20, 30), ("scaled.png", 40, 80)]
    rows += [("exchanged.png", 40, 20), ("stored.jpg", 20, 40), ("upright.jpg", 40, 20)]
    with_boxes(tmp_path, rows)
    found = inspect(tmp_path)
    assert found.format == "csv-boxes"
    assert found.sizes_compared == 6
    sizes = {kind: one.examples for kind, one in found.findings.items() if "annot" in kind}
    assert sizes == {
        "annotation for an image of another shape": [
            "other.png: annotated as 20 x 30, has 20 x 40"
        ],
        "annotation for another scale of the image": [
            "scaled.png: annotated as 40 x 80, has 20 x 40"
        ],
        "annotation with width and height exchanged": [
            "exchanged.png: annotated as 40 x 20, has 20 x 40"
        ],
        "annotated as stored, before EXIF's quarter turn": [
            "stored.jpg: annotated as 20 x 40, has 40 x 20"
        ],
    }


def test_no_comparison_is_claimed_where_no_annotation_states_a_size(tmp_path):
    save(tmp_path / "images/a.png", noise(40, 20))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("names: [red]\n")
    found = inspect(tmp_path)
    assert found.format == "yolo"
    assert found.sizes_compared == 0
    assert not any("against the annotation" in line for line in found.checked)
    assert any("against the annotation" in line for line in found.not_checked)


def test_every_header_is_read(tmp_path):
    for number in range(700):
        save(tmp_path / f"cat/{number:03}.png", noise(2, 2))
    save(tmp_path / "cat/401.png", noise(7, 9))
    (tmp_path / "cat/617.png").write_bytes(b"no image")
    found = inspect(tmp_path)
    assert found.sizes_of == 699
    assert (found.widths.greatest, found.heights.greatest) == (9, 7)
    (fault,) = found.quarantined.values()
    assert fault.examples[0].startswith("cat/617.png: not an image")
    assert found.images == {"": 699}


def test_no_more_than_the_beginning_of_an_image_is_read(tmp_path, monkeypatch):
    read = []

    def read_nothing(self, key, *, limit=None):
        read.append(key)
        raise AssertionError(key)

    save(tmp_path / "cat/a.png", noise(300, 300, 3))
    monkeypatch.setattr(LocalStorage, "read", read_nothing)
    assert inspect(tmp_path).sizes_of == 1
    assert read == []


def test_deep_images_are_named_with_what_is_left_of_them(data_dir):
    found = inspect(data_dir / "field_cases/deep-images")
    deep = next(one for kind, one in found.findings.items() if "deeper than 8 bits" in kind)
    assert deep.count == 2
    assert "1 gray level" in deep.examples[0]
    # 12 bits in 16: 4095 / 65535 of 255, and 0.
    twelve = np.array(Image.open(data_dir / "field_cases/deep-images/a/twelve_bits.png"))
    left = len(np.unique(np.rint(twelve / 257)))
    assert deep.examples[1].endswith(f"{left} gray levels")
    assert found.deep == 2
    assert f"1 to {left} gray levels" in found.notes[-1]
    whole = inspect(data_dir / "field_cases/deep-images", decode=True)
    assert whole.findings == found.findings
    windowed = inspect(data_dir / "field_cases/deep-images", hints=Hints(depth=(0, 4095)))
    assert "1 to 16 gray levels" not in windowed.notes[-1]
    assert sum(found.depths.values()) == 2


def test_channels_depths_and_names_are_counted(data_dir, tmp_path):
    found = inspect(data_dir / "field_cases/mixed-channels")
    assert found.channels == {"RGBA": 1, "RGB": 1, "gray": 1}
    assert found.depths == {"8": 3}
    save(tmp_path / "a.png", noise(8, 8))
    save(tmp_path / "b.png", noise(8, 8, 3), format="jpeg")
    save(tmp_path / "c.JPG", noise(8, 8, 3), format="webp")
    save(tmp_path / "d.jpeg", noise(8, 8, 3))
    save(tmp_path / "e.png", noise(8, 8).astype(np.uint16) * 257)
    found = inspect(tmp_path)
    assert found.file_types == {"PNG": 2, "JPEG": 2, "WebP": 1}
    assert found.depths == {"8": 4, "16": 1}
    assert found.findings["named .png, but JPEG by content"].examples == ["b.png"]
    assert found.findings["named .jpg, but WebP by content"].examples == ["c.JPG"]
    assert sum("by content" in kind for kind in found.findings) == 2


def test_lost_pixels_are_found_by_decoding_and_are_what_a_run_quarantines(tmp_path):
    folder = tmp_path / "set"
    for name in ("a", "b", "c"):
        save(folder / f"{name}.png", noise(60, 60, 3))
    whole = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(whole[: len(whole) // 2])
    (folder / "c.png").write_bytes(b"")
    glance = inspect(folder)
    assert [one.count for one in glance.quarantined.values()] == [1]
    assert any("--decode" in line for line in glance.not_checked)
    found = inspect(folder, decode=True)
    assert found.decoded == 1
    assert not any("--decode" in line for line in found.not_checked)
    told = {example for one in found.quarantined.values() for example in one.examples}
    augment(folder, tmp_path / "out", options=Options(workers=0))
    rows = read_manifest(tmp_path / "out", where={"status": ["quarantined"]}).to_pylist()
    assert told == {f"{row['key']}: {row['reason']}" for row in rows}
    assert len(told) == 2


def test_what_is_wrong_with_a_file_and_costs_no_pixel_is_found_by_decoding(data_dir):
    folder = data_dir / "field_cases/jpeg-without-end-mark"
    assert not inspect(folder).findings
    found = inspect(folder, decode=True)
    assert not found.quarantined
    (fault,) = found.findings.values()
    assert (folder / fault.examples[0]).is_file()


def test_an_annotation_that_a_run_cannot_use_is_found_by_decoding(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / f"images/{name}.png", noise(40, 20, 3))
        save(tmp_path / f"masks/{name}.png", noise(40, 20) // 100)
    whole = (tmp_path / "masks/b.png").read_bytes()
    (tmp_path / "masks/b.png").write_bytes(whole[:-20])
    assert not inspect(tmp_path).quarantined
    found = inspect(tmp_path, decode=True)
    (fault,) = found.quarantined.values()
    assert fault.examples[0].startswith("images/b.png: its mask masks/b.png: truncated PNG")
    assert (found.images, found.decoded, found.masks.masks) == ({"": 1}, 1, 1)
    assert found.findings["masks that cannot be read"].count == 1


def test_an_annotation_that_lies_outside_of_its_image_makes_it_unusable(tmp_path):
    save(tmp_path / "a.png", noise(8, 5))
    with_boxes(tmp_path, [("a.png", 40, 20)])
    found = inspect(tmp_path)
    (fault,) = found.quarantined.values()
    assert fault.examples[0].startswith("a.png: ")
    assert found.findings["annotation for an image of another shape"].count == 1
    assert (found.objects, found.objects_quarantined, found.objects_in_files) == (0, 1, 1)


MODES = {
    "gray.png": ("L", PixelFormat(8, "gray")),
    "palette.png": ("P", PixelFormat(8, "palette")),
    "alpha.png": ("LA", PixelFormat(8, "gray and alpha")),
    "bits.png": ("1", PixelFormat(1, "gray")),
    "deep.png": ("I;16", PixelFormat(16, "gray")),
    "rgba.png": ("RGBA", PixelFormat(8, "RGBA")),
    "gray.jpg": ("L", PixelFormat(8, "gray")),
    "rgb.jpg": ("RGB", PixelFormat(8, "RGB")),
    "cmyk.jpg": ("CMYK", PixelFormat(8, "CMYK")),
    "float.tif": ("F", PixelFormat(32, "gray")),
    "rgb.tif": ("RGB", PixelFormat(8, "RGB")),
    "rgba.tif": ("RGBA", PixelFormat(8, "RGBA")),
    "rgb.webp": ("RGB", PixelFormat(8, "RGB")),
    "rgba.webp": ("RGBA", PixelFormat(8, "RGBA")),
    "palette.gif": ("P", PixelFormat(8, "palette")),
    "rgb.bmp": ("RGB", PixelFormat(8, "RGB")),
    "gray.pgm": ("L", PixelFormat(8, "gray")),
    "rgb.ppm": ("RGB", PixelFormat(8, "RGB")),
    "gray.tga": ("L", PixelFormat(8, "gray")),
    "rgba.tga": ("RGBA", PixelFormat(8, "RGBA")),
    "gray.jp2": ("L", PixelFormat(8, "gray")),
    "rgba.jp2": ("RGBA", PixelFormat(8, "RGBA")),
    "rgb.avif": ("RGB", PixelFormat(8, "RGB")),
    "rgba.avif": ("RGBA", PixelFormat(8, "RGBA")),
}


@pytest.mark.parametrize("name", MODES)
def test_depth_and_channels_are_those_that_pillow_was_told_to_write(tmp_path, name):
    mode, expected = MODES[name]
    pixels = Image.fromarray(noise(32, 32, 4), "RGBA")
    if mode == "I;16":
        image = Image.fromarray(noise(32, 32).astype(np.uint16) * 257)
    else:
        image = pixels.convert("RGB").convert(mode) if mode not in ("RGBA", "LA") else pixels
        image = image.convert(mode)
    image.save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    assert pixel_format_of(probe(data).kind, data) == expected


def test_all_of_it_is_json(data_dir):
    for row in ("jpeg-masks", "hidden-folders", "deep-images"):
        json.dumps(asdict(inspect(data_dir / "field_cases" / row)))
