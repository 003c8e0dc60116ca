"""Write the pages and images of the documentation that follow from the code.

python docs/generate.py            all of it
python docs/generate.py --pages    the pages alone (a test compares them)
"""

import argparse
import inspect
import json
import tempfile
from pathlib import Path

import cv2
from PIL import Image

from variegate.codecs import encode
from variegate.datasets import samples
from variegate.recipes.recipe import Recipe, presets
from variegate.transforms import Transform, all_transforms
from variegate.validation import descriptions

DOCS = Path(__file__).parent
FAMILIES = {
    "geometry": "Geometry",
    "canvas": "Canvas",
    "fields": "Fields",
    "color": "Color",
    "adaptive": "Color that depends on the image",
    "blur": "Blur and sharpness",
    "resolution": "Resolution",
    "noise": "Noise",
    "occlusion": "Occlusion",
    "weather": "Weather",
    "mixing": "From several images",
}


def transforms_page() -> str:
    """Return docs/transforms.md."""
    lines = [
        "# Transforms",
        "",
        "Written by `docs/generate.py` from the code. `variegate transforms NAME --image FILE`",
        "shows one along its strength axis, from 0 (the identity, bit for bit) to 1 (the strongest",
        "sensible value). Ranges are drawn uniformly, factors on a log scale; one number means",
        "just that. Every transform also takes `p`, the probability that it is applied.",
        "",
    ]
    families: dict[str, list[type[Transform]]] = {}
    for transform in all_transforms().values():
        family = transform.__module__.rpartition(".")[2]
        families.setdefault(family, []).append(transform)
    for family, title in FAMILIES.items():
        lines += [f"## {title}", ""]
        for transform in families.pop(family):
            lines += _entry(transform)
    assert not families, f"no title for {sorted(families)}"
    return "\n".join(lines).rstrip() + "\n"


def _entry(transform: type[Transform]) -> list[str]:
    lines = [f"### `{transform.name}`", "", inspect.getdoc(transform) or "", ""]
    texts = descriptions(transform)
    for name, field in transform.model_fields.items():
        if name == "p":
            continue
        default = field.default
        if isinstance(default, tuple):
            low, high = default[0], default[-1]
            shown = f"{low:g}" if low == high else f"[{', '.join(f'{v:g}' for v in default)}]"
        else:
            shown = "none" if default is None else str(default).lower()
        meaning = " ".join(texts.get(name, "").split())
        lines.append(f"- `{name}` ({shown}): {meaning}")
    lines += [
        f"- axis `{axis.name}`: {axis.parameter} from {axis.start:g} to {axis.end:g}"
        for axis in transform.axes
    ]
    return [*lines, ""]


def presets_page() -> str:
    """Return docs/presets.md."""
    lines = [
        "# Presets",
        "",
        "Written by `docs/generate.py`. `variegate recipe presets NAME` prints one as YAML, to",
        "start a recipe of your own from.",
        "",
    ]
    for name in presets():
        recipe = Recipe.load(name)
        lines += [f"## `{name}`", "", recipe.description, ""]
        lines += [f"![{name}](images/presets/{name}.jpg)", ""]
    return "\n".join(lines).rstrip() + "\n"


def preset_images() -> None:
    """Draw a contact sheet for every preset."""
    from variegate.reports import preview

    folder = DOCS / "images" / "presets"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        for key, drawn in samples.draw_images(10, seed=21):
            path = Path(place) / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(drawn.image, format="jpeg"))
        for name in presets():
            sheet = Image.fromarray(preview(place, recipe=name, images=2, variants=6, name=name))
            sheet.thumbnail((1200, 1200))
            sheet.save(folder / f"{name}.jpg", quality=78, optimize=True)


#: What is done to labelled images for docs/images/labels.jpg.
_LABELS = """
description: Boxes, outlines and keypoints after one step each.
variants:
  each:
    - rotate: {angle_degrees: [20, 30]}
    - perspective: {amount: [0.25, 0.3]}
    - elastic: {amplitude: [0.03, 0.04]}
    - mosaic
    - copy_paste: {fraction: [0.9, 1.0]}
    - cutout
"""


def label_image() -> None:
    """Draw a contact sheet of labelled images."""
    from variegate.reports import preview

    with tempfile.TemporaryDirectory() as place:
        folder, known = Path(place), samples.DrawnCoco()
        (folder / "images").mkdir()
        for key, drawn in samples.draw_images(10, seed=21, objects=3):
            name = key.rpartition("/")[2]
            known.add(name, drawn)
            (folder / "images" / name).write_bytes(encode(drawn.image, format="jpeg"))
        (folder / "annotations.json").write_text(json.dumps(known.to_json()), encoding="utf-8")
        pixels = preview(folder, recipe=Recipe.parse(_LABELS), images=2, variants=6, name="labels")
    sheet = Image.fromarray(pixels)
    sheet.thumbnail((1400, 1400))
    sheet.save(DOCS / "images" / "labels.jpg", quality=80, optimize=True)


PAGES = {"transforms.md": transforms_page, "presets.md": presets_page}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", action="store_true")
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
    if not parser.parse_args().pages:
        cv2.setNumThreads(1)
        preset_images()
        label_image()


if __name__ == "__main__":
    main()
