"""A thousand images, a service that fails in every way, and two kills: each is there once."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import cv2
import numpy as np

from edge_impulse import KEY, Service, edge_impulse

COUNT = 1_000
LABELS = ("cat", "dog", "größe 50%")
FAULTS = {
    "busy_every": 29,
    "down_every": 41,
    "lose_every": 37,
    "cut_every": 23,
    "refuse_every": 101,
}


def small(number: int) -> np.ndarray:
    """A 16 x 16 image that no other number has."""
    image = np.zeros((16, 16, 3), np.uint8)
    image[:4] = number >> 8, number & 255, 90
    image[8:, :8] = number * 7 & 255
    return image


def png(number: int) -> bytes:
    return cv2.imencode(".png", small(number))[1].tobytes()


def wanted_boxes(number: int) -> list[dict]:
    label = ("bolt", "nut")[number % 2]
    boxes = [{"label": label, "x": number % 5, "y": 1, "width": 4, "height": 5 + number % 3}]
    return boxes if number % 10 else []


def write_classes(folder):
    """Write images in split/label folders; return digest -> (category, label)."""
    wanted = {}
    for number in range(COUNT // 2):
        split = "test" if number % 5 == 0 else "train"
        label = LABELS[number % 3]
        path = folder / split / label / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
        category = "testing" if split == "test" else "training"
        wanted[hashlib.sha256(png(number)).hexdigest()] = (category, label, [])
    return wanted


def write_coco(folder):
    """Write images with boxes; return digest -> (category, label, boxes)."""
    wanted = {}
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True)
        images, annotations = [], []
        for number in range(COUNT // 2, COUNT):
            if (number % 5 == 0) != (split == "test"):
                continue
            name = f"{number}.png"
            (folder / split / name).write_bytes(png(number))
            images.append({"id": number, "file_name": name, "width": 16, "height": 16})
            for box in wanted_boxes(number):
                sides = [box[side] for side in ("x", "y", "width", "height")]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": 1 if box["label"] == "bolt" else 2,
                        "bbox": sides,
                        "area": sides[2] * sides[3],
                        "iscrowd": 0,
                    }
                )
            category = "testing" if split == "test" else "training"
            boxes = wanted_boxes(number)
            wanted[hashlib.sha256(png(number)).hexdigest()] = (category, "", boxes)
        categories = [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}]
        told = {"images": images, "annotations": annotations, "categories": categories}
        (folder / split / "_annotations.coco.json").write_text(json.dumps(told))
    return wanted


def command(folder, log, *more):
    return [
        *(sys.executable, "-m", "variegate", "upload", "edge-impulse", str(folder)),
        *("--log", str(log), "--json", *more),
    ]


def stored(service: Service) -> int:
    return len(service.samples())


def killed_when(service: Service, call: list[str], count: int) -> None:
    """Start the command, and kill it once the service holds that many."""
    process = subprocess.Popen(
        call,
        env={**os.environ, **service.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while stored(service) < count:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


def finished(service: Service, call: list[str]) -> dict:
    """Run the command until nothing is left that the service refused; return what it said last."""
    for _ in range(20):
        done = subprocess.run(
            call,
            env={**os.environ, **service.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert KEY not in done.stdout + done.stderr
        summary = json.loads(done.stdout)
        if done.returncode == 0:
            return summary
        assert summary["states"]["failed"], done.stdout
    raise AssertionError("it never came to an end")


def test_each_of_a_thousand_is_there_once_after_two_kills(tmp_path):
    classes, coco = write_classes(tmp_path / "classes"), write_coco(tmp_path / "coco")
    with edge_impulse(**FAULTS) as service:
        alone = command(tmp_path / "classes", tmp_path / "a.jsonl")
        boxed = command(tmp_path / "coco", tmp_path / "b.jsonl", "--concurrency", "3")
        first = finished(service, alone)
        assert stored(service) == COUNT // 2
        killed_when(service, boxed, COUNT // 2 + 120)
        killed_when(service, boxed, COUNT // 2 + 300)
        second = finished(service, boxed)
        state = service.state()
    found = {
        one["sha256"]: (one["category"], one["label"], one["boundingBoxes"])
        for one in state["samples"]
    }
    assert len(state["samples"]) == len(found) == COUNT
    assert found == classes | coco
    # All faults happened, and what was cut off was known again.
    assert state["busy"] > 5
    assert state["sent_again"] > 5
    for summary, wanted in ((first, classes), (second, coco)):
        assert summary["images"] == COUNT // 2
        assert summary["states"]["uploaded"] == COUNT // 2
        told = {(one["category"], one["label"] or ""): one["uploaded"] for one in summary["groups"]}
        assert told == Counter((category, label) for category, label, _ in wanted.values())
    assert second["boxes"] == sum(len(boxes) for _, _, boxes in coco.values())
    for name in ("a.jsonl", "b.jsonl"):
        assert KEY not in (tmp_path / name).read_text()


def test_a_finished_upload_sends_nothing_again(tmp_path):
    write_classes(tmp_path / "classes")
    with edge_impulse() as service:
        call = command(tmp_path / "classes", tmp_path / "log.jsonl")
        assert finished(service, call)["requests"] == 6  # two categories, three labels
        before = service.state()
        again = finished(service, call)
        assert service.state() == before
        assert again["states"]["uploaded"] == COUNT // 2
        # Without the log, the service itself knows every file.
        other = finished(service, command(tmp_path / "classes", tmp_path / "other.jsonl"))
        assert other["states"]["present"] == COUNT // 2
        assert len(service.samples()) == COUNT // 2
