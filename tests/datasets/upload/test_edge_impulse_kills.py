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
import pytest

from edge_impulse import KEY, Service, edge_impulse

COUNT = 1_000
LABELS = ("cat", "dog", "größe 50%")
FAULTS = {
    "busy_every": 41,
    "down_every": 43,
    "lose_every": 37,
    "cut_every": 23,
    "refuse_every": 101,
    "deny_every": 113,
}


def small(number: int) -> np.ndarray:
    """A 16 x 16 image that no other number has."""
    image = np.zeros((16, 16, 3), np.uint8)
    image[:4] = number >> 8, number & 255, 90
    image[8:, :8] = number * 7 & 255
    return image


def png(number: int) -> bytes:
    return cv2.imencode(".png", small(number))[1].tobytes()


def boxes_of(number: int) -> list[dict]:
    """Two images of five have boxes."""
    label = ("bolt", "nut")[number % 2]
    boxes = [{"label": label, "x": number % 5, "y": 1, "width": 4, "height": 5 + number % 3}]
    return boxes if number % 5 < 2 else []


def write_set(folder):
    """Write an image folder with labels and boxes; return digest -> (category, label, boxes)."""
    wanted = {}
    for split, category in (("train", "training"), ("test", "testing")):
        (folder / split).mkdir(parents=True)
        rows = []
        for number in range(COUNT):
            if (number % 7 == 0) != (split == "test"):
                continue
            data, label, boxes = png(number), LABELS[number % 3], boxes_of(number)
            (folder / split / f"{number:04d}.png").write_bytes(data)
            sides = [[one[side] for side in ("x", "y", "width", "height")] for one in boxes]
            objects = {"bbox": sides, "categories": [one["label"] for one in boxes]}
            row = {"file_name": f"{number:04d}.png", "label": label, "objects": objects}
            rows.append(json.dumps(row) + "\n")
            wanted[hashlib.sha256(data).hexdigest()] = (category, label, boxes)
        (folder / split / "metadata.jsonl").write_text("".join(rows))
    return wanted


def command(folder, log, *more):
    return [
        *(sys.executable, "-m", "variegate", "upload", "edge-impulse", str(folder)),
        *("--log", str(log), "--json", *more),
    ]


def killed_when(service: Service, call: list[str], reached, *, may_end: bool = False) -> dict:
    """Start the command, and kill it once the service's state is what it should be by then."""
    process = subprocess.Popen(
        call,
        env={**os.environ, **service.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not reached(state := service.state()):
        if process.poll() is not None:
            assert may_end, "it ended before it could be killed"
            return state
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return state


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


def states(log) -> dict[str, str]:
    """What the log said last of each file."""
    lines = map(json.loads, log.read_text().splitlines())
    return {one["sha256"]: one["state"] for one in lines if "sha256" in one}


def check_all(service: Service, wanted: dict, summary: dict) -> None:
    """Compare all that the service holds, and the summary's figures, with what was written."""
    samples = service.samples()
    found = {
        one["sha256"]: (one["category"], one["label"], one["boundingBoxes"]) for one in samples
    }
    assert len(samples) == len(found) == COUNT
    assert found == wanted
    assert summary["images"] == COUNT
    assert {state: count for state, count in summary["states"].items() if count} == {
        "uploaded": COUNT
    }
    told = {(one["category"], one["label"]): one["uploaded"] for one in summary["groups"]}
    assert told == Counter((category, label) for category, label, _ in wanted.values())
    assert summary["boxes"] == sum(len(boxes) for _, _, boxes in wanted.values())


def test_each_of_a_thousand_is_there_once_after_two_kills(tmp_path):
    wanted, log = write_set(tmp_path / "set"), tmp_path / "log.jsonl"
    call = command(tmp_path / "set", log)
    # Both kills fall between what the service stored and its answer: among images with boxes, one
    # a request, and among those that share a request.
    with edge_impulse(**FAULTS, hold_at=[COUNT // 3, COUNT // 2]) as service:
        for count in (1, 2):
            state = killed_when(service, call, lambda state, n=count: len(state["held"]) == n)
            stored = {one["sha256"] for one in state["samples"]}
            assert COUNT // 4 < len(stored) < COUNT
            for digest in state["held"][-1]:
                assert digest in stored
                assert states(log)[digest] == "sending"
        summary = finished(service, call)
        state = service.state()
        check_all(service, wanted, summary)
    alone, batch = state["held"]
    assert len(alone) == 1 < len(batch)
    # All faults happened, and what was cut off was known again.
    assert state["happened"].keys() == {name.partition("_")[0] for name in FAULTS}
    assert state["sent_again"] > 5
    assert KEY not in log.read_text()


@pytest.mark.skipif("VARIEGATE_KILLS" not in os.environ, reason="VARIEGATE_KILLS: how often")
def test_two_kills_at_any_moments(tmp_path):
    """Twenty seconds for a pair of moments."""
    wanted = write_set(tmp_path / "set")
    rng = np.random.default_rng()
    for turn in range(int(os.environ["VARIEGATE_KILLS"])):
        marks = sorted(rng.integers(1, COUNT, 2).tolist())
        call = command(tmp_path / "set", tmp_path / f"{turn}.jsonl")
        with edge_impulse(**FAULTS) as service:
            for mark in marks:
                here = lambda state, n=mark: len(state["samples"]) >= n  # noqa: E731
                killed_when(service, call, here, may_end=mark > COUNT // 2)
            check_all(service, wanted, finished(service, call))


def test_a_finished_upload_sends_nothing_again(tmp_path):
    write_set(tmp_path / "set")
    with edge_impulse() as service:
        call = command(tmp_path / "set", tmp_path / "log.jsonl")
        # One for each image with boxes, and one for each category and label.
        boxed = sum(bool(boxes_of(number)) for number in range(COUNT))
        assert finished(service, call)["requests"] == boxed + 2 * len(LABELS)
        before = service.state()
        again = finished(service, call)
        assert service.state() == before
        assert again["states"]["uploaded"] == COUNT
        # Without the log, the service itself knows every file.
        other = finished(service, command(tmp_path / "set", tmp_path / "other.jsonl"))
        assert other["states"]["present"] == COUNT
        assert len(service.samples()) == COUNT
