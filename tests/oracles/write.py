"""Augment real sets in several formats, and write down what their annotations should say.

    python tests/oracles/write.py DATA FOLDER

`read.py` and `tools.py`, in environments of their own, let libraries written by others read the
same files.
"""

import json
import sys
from pathlib import Path

from variegate import Options, Recipe, augment, convert, read_manifest
from variegate.datasets.upload.annotation_tools import export_fiftyone, export_label_studio

RECIPE = Recipe.parse("""
variants:
  each:
    - source
    - flip
    - rotate: {angle_degrees: [15, 30]}
    - perspective: {amount: [0.1, 0.2]}
""")
FORMATS = ("coco", "voc", "yolo", "imagefolder")


def main() -> None:
    data, folder = map(Path, sys.argv[1:])
    expected = {}
    for name in FORMATS:
        source, target = folder / f"{name}-source", folder / name
        options = Options(workers=0, limit=20)
        convert(data / "bccd_voc", source, to=name, allow_loss=True, options=options)
        augment(source, target, recipe=RECIPE, options=Options(workers=0))
        rows = read_manifest(target, columns=["output", "annotation"]).to_pylist()
        expected[name] = {
            Path(row["output"]).name: [
                [one["category"], *one["box"]]
                for one in json.loads(row["annotation"] or "{}").get("objects", ())
            ]
            for row in rows
            if row["output"]
        }
    convert(data / "clothing_classes", folder / "classes", to="classes", allow_loss=True)
    expected["classes"] = {
        path.name: [[path.parent.name]] for path in (folder / "classes").rglob("*.jpg")
    }
    for name in ("coco", "classes"):
        export_fiftyone(str(folder / name), folder / f"{name}.fiftyone.json")
        export_label_studio(str(folder / name), folder / f"{name}.tasks.json")
    (folder / "expected.json").write_text(json.dumps(expected))
    print({name: len(images) for name, images in expected.items()})


if __name__ == "__main__":
    main()
