"""Write the pages and images of the documentation that follow from the code.

python docs/generate.py            all of it
python docs/generate.py --pages    the pages alone (a test compares them)
"""

import argparse
import inspect
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
from PIL import Image
from typer.main import get_command

from variegate.cli import app
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


#: What the page of commands says of one besides its help.
_MORE = {
    "convert": "[conversions.md](conversions.md) lists what becomes of what.",
    "deploy augment": "More in [serverless.md](serverless.md).",
    "deploy kubernetes": "More in [ray_and_kubernetes.md](ray_and_kubernetes.md).",
    "watch": "It needs `pip install 'variegate[watch]'`.",
}
_COMMANDS = """# Commands

Written by `docs/generate.py` from the code. Results go to standard output and everything else to
standard error, so a command can be part of a pipe. Every command explains itself with `--help`.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | `verify` found a difference, or an unexpected error occurred |
| 2 | the call, the recipe, the input or the output has to be corrected; nothing was written |
| 3 | done, but images were quarantined and `--strict` was given |
| 130 | interrupted by Ctrl-C; run the same command again to resume |

With `variegate` itself: `--version` shows the version; `--debug`, anywhere on the line, shows
tracebacks and the libraries' log; `--install-completion` and `--show-completion` are for the shell.
"""


def commands_page() -> str:
    """Return docs/commands.md."""
    lines = [_COMMANDS]
    for name, one in sorted(_commands(get_command(app))):
        shown = [p for p in one.params if not getattr(p, "hidden", False) and p.name != "help"]
        usage = " ".join(
            _flags(p) if p.param_type_name == "option" else str(p.metavar)
            for p in shown
            if p.param_type_name == "argument" or p.required
        )
        lines += [f"## {name}", "", f"`variegate {name} {usage}`".replace(" `", "`"), ""]
        lines += [one.help, ""]
        if name in _MORE:
            lines += [_MORE[name], ""]
        examples = [line.strip() for line in one.epilog.splitlines() if "variegate" in line]
        lines += ["```sh", *examples, "```", ""]
        if shown:
            lines += ["| argument or option | meaning |", "| --- | --- |"]
            lines += [f"| {_opened(p)} | {p.help} |" for p in shown] + [""]
    return "\n".join(lines).rstrip() + "\n"


def _commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in getattr(command, "commands", {}).items():
        yield from _commands(one, f"{path} {name}".strip())
    if not hasattr(command, "commands"):
        yield path, command


def _flags(parameter: Any) -> str:
    return f"{parameter.opts[0]} {parameter.metavar}"


def _opened(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar}`"
    flags = ", ".join(f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts))
    return f"{flags} {parameter.metavar}" if parameter.metavar else flags


PAGES = {
    "transforms.md": transforms_page,
    "presets.md": presets_page,
    "commands.md": commands_page,
}


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
