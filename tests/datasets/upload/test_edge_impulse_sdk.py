"""The service's own Python SDK against the same server: what it sends and what we send is one.

It has an environment of its own (`make oracles`); `EDGE_IMPULSE_PYTHON` names its interpreter:

    python -m venv /tmp/edge && /tmp/edge/bin/pip install edgeimpulse==1.0.20
    EDGE_IMPULSE_PYTHON=/tmp/edge/bin/python pytest tests/datasets/upload/test_edge_impulse_sdk.py
"""

import json
import os
import subprocess

import pytest
from PIL import Image

from edge_impulse import KEY, edge_impulse
from variegate.datasets.upload.edge_impulse import ApiKey, Endpoints
from variegate.datasets.upload.selection import Choice
from variegate.datasets.upload.upload import UploadOptions, upload

PYTHON = os.environ.get("EDGE_IMPULSE_PYTHON")
SDK = """
import json, sys
import edgeimpulse as ei
from edgeimpulse.experimental import data
samples = [
    data.Sample(
        filename=one["name"], data=open(one["file"], "rb"), category=one["category"],
        label=one.get("label"), bounding_boxes=one.get("boxes"), metadata=one.get("metadata"),
    )
    for one in json.load(open(sys.argv[1]))
]
response = data.upload_samples(samples)
print(json.dumps([len(response.successes), len(response.fails)]))
"""

pytestmark = pytest.mark.skipif(not PYTHON, reason="no EDGE_IMPULSE_PYTHON")


def dataset(folder):
    """Write six images with boxes; return what the SDK is to send of them."""
    listed = []
    for split, category in (("train", "training"), ("test", "testing")):
        (folder / split).mkdir(parents=True)
        images, annotations = [], []
        for number in range(3):
            name = f"{number}.png"
            color = (number * 80, 40, 200 if split == "test" else 0)
            Image.new("RGB", (40, 30), color).save(folder / split / name)
            box = {"label": "bolt", "x": 3 + number, "y": 4, "width": 10, "height": 12}
            images.append({"id": number, "file_name": name, "width": 40, "height": 30})
            sides = [box[side] for side in ("x", "y", "width", "height")]
            annotations.append(
                {
                    "id": number + 1,
                    "image_id": number,
                    "category_id": 1,
                    "bbox": sides,
                    "area": 120,
                    "iscrowd": 0,
                }
            )
            path = folder / split / name
            listed.append(
                {
                    "name": f"{split}__{name}",
                    "file": str(path),
                    "category": category,
                    "boxes": [box],
                }
            )
        told = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "bolt"}],
        }
        (folder / split / "_annotations.coco.json").write_text(json.dumps(told))
    return listed


def told(service):
    """What the service holds, without what is its own or the client's."""
    return sorted(
        (one["filename"], one["category"], one["sha256"], str(one["boundingBoxes"]))
        for one in service.samples()
    )


def by_sdk(service, tmp_path, listed):
    (tmp_path / "list.json").write_text(json.dumps(listed))
    done = subprocess.run(
        [PYTHON, "-c", SDK, tmp_path / "list.json"],
        env={"PATH": os.environ["PATH"], **service.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def by_us(service, tmp_path, name):
    options = UploadOptions(choice=Choice(), log=tmp_path / f"{name}.jsonl")
    return upload(tmp_path / "set", ApiKey(KEY), Endpoints.of(service.environment), options)


def test_both_leave_the_same_project(tmp_path):
    listed = dataset(tmp_path / "set")
    with edge_impulse() as one, edge_impulse() as two:
        assert by_sdk(one, tmp_path, listed) == [6, 0]
        assert by_us(two, tmp_path, "two").totals["uploaded"] == 6
        assert told(one) == told(two)
        assert {sample["source"] for sample in one.samples()} == {"EDGE_IMPULSE_PYTHON_SDK"}
        # And each knows what the other has sent.
        assert by_us(one, tmp_path, "one").totals["present"] == 6
        assert by_sdk(two, tmp_path, listed) == [0, 6]
        assert len(told(one)) == len(told(two)) == 6
