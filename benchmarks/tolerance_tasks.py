"""Reports of real models on real photos, to be looked at: python benchmarks/tolerance_tasks.py OUT

Classification (SqueezeNet), boxes (FastestDet), the same in Node behind lines of JSON, a mask
(MediaPipe's selfie segmentation) and keypoints (its pose). The first two come with the test data,
the others by npm; what cannot be run here is named. LiteRT: pip install 'variegate[litert]'.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2

from harness import PEERS, WORK
from photos import data
from variegate.models.card import ModelCard, ModelOutput, card_path
from variegate.models.preprocessing import Preprocessing

AXES = "brightness-,gaussian_blur,rotate+,random_crop"
FEW = ("--axes", AXES, "--n-max", "48", "--no-realism")
NPM = WORK / "npm"
PACKAGES = (
    *("onnxruntime-web@1.30.0", "pngjs@7.0.0", "@mediapipe/pose@0.5.1675469404"),
    "@mediapipe/selfie_segmentation@0.1.1675465747",
)
# SqueezeNet's classes that are what the photos' classes are.
CLOTHES = {
    "t-shirt": ("jersey",),
    "pants": ("jean",),
    "shoes": ("running shoe", "sandal", "clog", "loafer", "shoe shop"),
    "skirt": ("miniskirt", "hoopskirt", "overskirt"),
    "hat": ("cowboy hat", "bonnet", "sombrero"),
    "outwear": ("trench coat", "cloak", "poncho"),
    "dress": ("gown",),
    "longsleeve": ("sweatshirt", "474"),
    "shorts": ("swimming trunks",),
    "shirt": ("suit",),
}


def main() -> None:
    """Search with all models, or those named after OUT."""
    out, named = Path(sys.argv[1]), sys.argv[2:] or list(TASKS)
    out.mkdir(parents=True, exist_ok=True)
    for name in named:
        found = TASKS[name](out)
        if isinstance(found, str):
            print(f"{name}: not run here: {found}", flush=True)
            continue
        arguments, folder = found
        result = out / f"{name}.json"
        command = [
            sys.executable,
            "-m",
            "variegate",
            "tolerance",
            *arguments,
            *FEW,
            "-o",
            str(result),
        ]
        print(f"{name}:", flush=True)
        subprocess.run(command, check=True, cwd=folder)
        print(f"  {result.with_suffix('.html')}", flush=True)


Call = tuple[list[str], Path | None]


def classification(out: Path) -> Call:
    """SqueezeNet on photos of clothes; it wants BGR less Caffe's mean."""
    card = Preprocessing(
        size=(224, 224), channels="bgr", dtype="float16", scale=1.0, mean=(104.0, 117.0, 123.0)
    )
    lines = (data() / "models/imagenet_labels.txt").read_text().splitlines()
    place = _with_card("squeezenet_fp16.onnx", out, ModelCard(input=card, output=_PROBABILITIES))
    names = out / "imagenet.txt"
    names.write_text("\n".join(lines) + "\n")
    told = [f"--map-class={name}={one}" for name, found in CLOTHES.items() for one in found]
    photos = str(data() / "clothing_classes")
    return [photos, "--model", str(place), "--model-classes", str(names), *told], None


def boxes(out: Path) -> Call:
    """FastestDet on people and things; errors are against its own answers."""
    names = (data() / "models/coco_names.txt").read_text().split("\n")
    card = ModelCard(
        task="boxes",
        input=Preprocessing(size=(352, 352), channels="bgr", name="input.1"),
        output=ModelOutput(kind="fastestdet"),
        classes=tuple(one.strip() for one in names if one.strip()),
    )
    place = _with_card("fastestdet_coco.onnx", out, card)
    return [str(_photos()), "--model", str(place), "--metamorphic"], None


def node(_: Path) -> Call | str:
    """The same model and photos in a program of another language."""
    if (missing := _npm()) is not None:
        return missing
    models, script = data() / "models", PEERS / "fastestdet.mjs"
    program = f"node {script} {models / 'fastestdet_coco.onnx'} {models / 'coco_names.txt'}"
    names = ["--model-classes", str(models / "coco_names.txt")]
    told = ["--command", program, "--task", "boxes", "--metamorphic", *names]
    return [str(_photos()), *told], NPM


def masks(out: Path) -> Call | str:
    """The pixels of people."""
    if (missing := _litert() or _npm()) is not None:
        return missing
    source = NPM / "node_modules/@mediapipe/selfie_segmentation/selfie_segmentation.tflite"
    place = out / source.name
    shutil.copy(source, place)
    card = ModelCard(
        task="semantic",
        input=Preprocessing(size=(256, 256), order="nhwc"),
        output=_PROBABILITIES,
        classes=("background", "person"),
    )
    card.save(card_path(place))
    return [str(_people()), "--model", str(place), "--metamorphic"], None


def keypoints(_: Path) -> Call | str:
    """The pose of one person."""
    if (missing := _litert() or _npm()) is not None:
        return missing
    os.environ["POSE_MODEL"] = str(NPM / "node_modules/@mediapipe/pose/pose_landmark_lite.tflite")
    function = f"{PEERS / 'pose.py'}:predict"
    told = ["--predict", function, "--task", "keypoints", "--metamorphic"]
    return [str(_people()), *told, "--model-classes", str(_one_class())], None


TASKS: dict[str, Callable[[Path], Call | str]] = {
    "classification": classification,
    "boxes": boxes,
    "node": node,
    "masks": masks,
    "keypoints": keypoints,
}

_PROBABILITIES = ModelOutput(kind="probabilities")


def _with_card(name: str, out: Path, card: ModelCard) -> Path:
    place = out / name
    shutil.copy(data() / "models" / name, place)
    card.save(card_path(place))
    return place


def _one_class() -> Path:
    place = WORK / "person.txt"
    place.write_text("person\n")
    return place


def _photos() -> Path:
    """Return the photos of COCO, and each mirrored: another image for a detector."""
    folder = WORK / "tolerance-photos"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((data() / "coco_mini/images").rglob("*.jpg")):
        photo = cv2.imread(str(path))
        cv2.imwrite(str(folder / f"{path.stem}.jpg"), photo)
        cv2.imwrite(str(folder / f"{path.stem} mirrored.jpg"), photo[:, ::-1])
    return folder


def _people() -> Path:
    """Return what is in and about the boxes of people that are large enough."""
    folder = WORK / "tolerance-people"
    folder.mkdir(parents=True, exist_ok=True)
    root = data() / "coco_mini"
    for path in sorted((root / "images").rglob("*.jpg")):
        labels = root / "object_detection/labels" / path.parent.name / f"{path.stem}.txt"
        rows = [line.split() for line in labels.read_text().splitlines()] if labels.exists() else []
        photo = cv2.imread(str(path))
        height, width = photo.shape[:2]
        for number, (kind, *place) in enumerate(rows):
            x, y, w, h = (float(one) for one in place)
            half = 0.65 * max(w * width, h * height)
            if kind != "0" or half < 60:
                continue
            left, top = (max(0, int(at - half)) for at in (x * width, y * height))
            part = photo[top : int(y * height + half), left : int(x * width + half)]
            cv2.imwrite(str(folder / f"{path.stem} {number}.png"), part)
            cv2.imwrite(str(folder / f"{path.stem} {number} mirrored.png"), part[:, ::-1])
    return folder


def _litert() -> str | None:
    found = importlib.util.find_spec("ai_edge_litert")
    return None if found else "LiteRT is not installed"


def _npm() -> str | None:
    """Install the packages of Node; return why they cannot be."""
    if shutil.which("npm") is None:
        return "there is no npm"
    if not (NPM / "node_modules/@mediapipe/pose").is_dir():
        options = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts")
        NPM.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", *options, *PACKAGES], cwd=NPM, check=True)
    return None


if __name__ == "__main__":
    main()
