"""The workshop whole, against a server that behaves like Edge Impulse: split, augment, upload.

    python benchmarks/workshop.py DATA

250 photos of electronic components from their zip, the preset `workshop` on the training part
alone, all of it uploaded; then every figure of the summary is compared with what the server holds.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from os import environ
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from edge_impulse import PROJECT, edge_impulse  # noqa: E402


def main() -> None:
    data = Path(sys.argv[1]) / "electronic_components/electronic-components-png-original.zip"
    with tempfile.TemporaryDirectory() as temporary, edge_impulse() as service:
        place = Path(temporary)

        def variegate(*arguments: object) -> str:
            begun = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-m", "variegate", *map(str, arguments)],
                cwd=place,
                env={**environ, **service.environment},
                stdout=subprocess.PIPE,
                check=True,
                text=True,
            )
            print(f"{arguments[0]}: {time.monotonic() - begun:.1f} s")
            return done.stdout

        variegate("split", data, "parts", "--parts", "train=80,test=20")
        variegate("augment", "parts", "more", "--preset", "workshop")
        summary = json.loads(variegate("upload", "edge-impulse", "more", "--json"))
        state = service.state()
        samples = state["samples"]
        files = [*place.glob("more/t*/**/*.png"), *place.glob("more/t*/**/*.jpg")]
        digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert {one["sha256"] for one in samples} == digests
    assert len(samples) == len(digests)
    there = Counter((one["category"], one["label"]) for one in samples)
    split = {"training": "train", "testing": "test"}
    groups = summary["groups"]
    assert {(one["category"], one["label"]): one["uploaded"] for one in groups} == there
    for one in groups:
        assert one["split"] == split[one["category"]]
        assert one["images"] == one["uploaded"] == sum(one[state] for state in summary["states"])
    assert summary["images"] == summary["states"]["uploaded"] == len(files)
    assert sum(summary["states"].values()) == len(files)
    assert summary["project"] == str(PROJECT)
    assert summary["boxes"] == sum(len(one["boundingBoxes"]) for one in samples) == 0
    assert summary["sent_bytes"] == sum(one["bytes"] for one in samples)
    assert summary["requests"] == state["requests"]
    # What tests a model is as it came, photo by photo.
    with zipfile.ZipFile(data) as photos:
        originals = {hashlib.sha256(photos.read(name)).hexdigest() for name in photos.namelist()}
    assert {one["sha256"] for one in samples if one["category"] == "testing"} <= originals
    sources = {one["metadata"]["source"] for one in samples if one["category"] == "testing"}
    trained = {one["metadata"]["source"] for one in samples if one["category"] == "training"}
    assert not sources & trained
    states = {state: count for state, count in summary["states"].items() if count}
    print(f"{len(files):,} files: {states}; at the server {len(samples):,}: {dict(there)}")


if __name__ == "__main__":
    main()
