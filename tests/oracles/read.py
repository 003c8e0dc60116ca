"""Let supervision, datumaro and Hugging Face datasets read what variegate wrote, and compare.

    python tests/oracles/read.py FOLDER

It runs in an environment of its own (`make oracles`): datumaro needs an older OpenCV.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

Boxes = list[list]
Read = dict[str, Boxes]
Reader = tuple[str, str, Callable[[Path], Read], float]


def supervision_coco(folder: Path) -> Read:
    import supervision as sv

    found: Read = {}
    for file in sorted(folder.glob("annotations/*.json")):
        split = file.stem.removeprefix("instances_")
        found |= _of(
            sv.DetectionDataset.from_coco(
                str(folder / "images" / split), str(file), force_masks=False
            )
        )
    return found


def supervision_voc(folder: Path) -> Read:
    import supervision as sv

    return _of(
        sv.DetectionDataset.from_pascal_voc(str(folder / "JPEGImages"), str(folder / "Annotations"))
    )


def supervision_yolo(folder: Path) -> Read:
    import supervision as sv

    found: Read = {}
    for images in sorted((folder / "images").iterdir()):
        labels = folder / "labels" / images.name
        yaml = folder / "data.yaml"
        found |= _of(sv.DetectionDataset.from_yolo(str(images), str(labels), str(yaml)))
    return found


def _of(dataset: object) -> Read:
    return {
        Path(path).name: [
            [dataset.classes[number], *map(float, box)]
            for number, box in zip(one.class_id, one.xyxy, strict=True)
        ]
        for path, one in dataset.annotations.items()
    }


def datumaro(kind: str) -> Callable[[Path], Read]:
    def read(folder: Path) -> Read:
        from datumaro import AnnotationType, Dataset

        dataset = Dataset.import_from(str(folder), kind)
        names = [label.name for label in dataset.categories()[AnnotationType.label]]
        return {
            Path(item.media.path).name: [
                [names[one.label], one.x, one.y, one.x + one.w, one.y + one.h]
                for one in item.annotations
                if one.type == AnnotationType.bbox
            ]
            for item in dataset
        }

    return read


def datumaro_voc(folder: Path) -> Read:
    """Read Pascal VOC with datumaro, which takes other classes than VOC's own from a label map."""
    names = sorted(
        {
            one[0]
            for boxes in json.loads((folder.parent / "expected.json").read_text())["voc"].values()
            for one in boxes
        }
    )
    lines = ("# label:color_rgb:parts:actions", "background:0,0,0::", *(f"{n}:::" for n in names))
    (folder / "labelmap.txt").write_text("\n".join(lines) + "\n")
    return datumaro("voc")(folder)


def datasets(folder: Path) -> Read:
    from datasets import Image, load_dataset

    found: Read = {}
    loaded = load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(folder.parent / "hf"))
    for part in loaded.values():
        for row in part.cast_column("image", Image(decode=False)):
            objects = row["objects"]
            names = objects.get("category", objects.get("categories"))
            found[Path(row["image"]["path"]).name] = [
                [str(name), x, y, x + w, y + h]
                for name, (x, y, w, h) in zip(names, objects["bbox"], strict=True)
            ]
    return found


#: Reader, format, what reads it, and how exactly it keeps coordinates, pixels.
READERS = (
    ("supervision", "coco", supervision_coco, 1e-3),
    ("supervision", "voc", supervision_voc, 1.01),
    ("supervision", "yolo", supervision_yolo, 0.02),
    ("datumaro", "coco", datumaro("coco"), 0.02),
    ("datumaro", "voc", datumaro_voc, 1.01),
    ("datumaro", "yolo", datumaro("yolo"), 0.02),
    ("datasets", "imagefolder", datasets, 1e-3),
)


def differences(ours: Read, theirs: Read, within: float) -> Iterator[str]:
    """Yield what is not the same, image by image."""
    if missing := ours.keys() - theirs.keys():
        yield f"{len(missing)} images are missing, such as {min(missing)}"
    for name, boxes in ours.items():
        rest = list(theirs.get(name, ()))
        if len(rest) != len(boxes):
            yield f"{name}: {len(boxes)} objects, {len(rest)} read"
            continue
        for box in boxes:
            near = [one for one in rest if one[0] == box[0] and _away(one, box) <= within]
            if not near:
                yield f"{name}: {box} is not among {rest[:3]}"
                break
            rest.remove(near[0])


def _away(one: list, other: list) -> float:
    return max((abs(a - b) for a, b in zip(one[1:], other[1:], strict=True)), default=0)


def report(folder: Path, readers: Iterable[Reader]) -> bool:
    """Print what each reader makes of its format; say whether one differs."""
    expected = json.loads((folder / "expected.json").read_text())
    failed = False
    for library, kind, read, within in readers:
        try:
            found = list(differences(expected[kind], read(folder / kind), within))
        except Exception as error:  # noqa: BLE001 - whatever a library raises is the finding
            found = [f"{type(error).__name__}: {error}"]
        objects = sum(map(len, expected[kind].values()))
        result = "; ".join(found[:2]) if found else f"equal within {within:g} pixels"
        print(
            f"{library} {version(library)}, {kind}: {len(expected[kind])} images, "
            f"{objects} objects: {result}"
        )
        failed = failed or bool(found)
    return failed


if __name__ == "__main__":
    sys.exit(report(Path(sys.argv[1]), READERS))
