"""What torchvision makes of photos, operation by operation, by the dispatch of its own policies.

    with_torchvision.py tables
    with_torchvision.py apply FOLDER

`tables` prints its magnitudes as JSON. `apply` reads FOLDER/cases.json and FOLDER/photo *.npy, and
writes FOLDER/tensor.npz and FOLDER/pil.npz: its two ways, of tensors and of PIL images.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

# Its wheel asks for operators that a torch for CPUs alone has not; no transform calls them.
_OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
_OPERATORS.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_OPERATORS.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from PIL import Image  # noqa: E402
from torchvision.transforms import InterpolationMode, autoaugment  # noqa: E402

SIZE = (224, 320)
WAYS = {
    "nearest": InterpolationMode.NEAREST,
    "linear": InterpolationMode.BILINEAR,
}


def tables() -> dict[str, object]:
    """Return the magnitudes of every bin, and the pairs of AutoAugment."""
    spaces = {
        "wide": autoaugment.TrivialAugmentWide()._augmentation_space(31),
        "usual": autoaugment.RandAugment()._augmentation_space(31, SIZE),
        "ten": autoaugment.AutoAugment()._augmentation_space(10, SIZE),
    }
    pairs = {
        policy.value: autoaugment.AutoAugment(policy).policies
        for policy in autoaugment.AutoAugmentPolicy
    }
    return {
        "size": SIZE,
        "spaces": {
            name: {key: [one[0].tolist(), one[1]] for key, one in space.items()}
            for name, space in spaces.items()
        },
        "pairs": pairs,
    }


def apply(folder: Path) -> None:
    """Apply every case to every photo."""
    cases = json.loads((folder / "cases.json").read_text())
    tensors, images = {}, {}
    for file in sorted(folder.glob("photo *.npy")):
        photo = np.load(file)
        tensor = torch.from_numpy(photo).permute(2, 0, 1).contiguous()
        for number, (name, magnitude, interpolation) in enumerate(cases):
            how = (name, magnitude, WAYS[interpolation], None)
            key = f"{file.stem} {number}"
            made = autoaugment._apply_op(tensor, *how)
            tensors[key] = made.permute(1, 2, 0).numpy()
            images[key] = np.asarray(autoaugment._apply_op(Image.fromarray(photo), *how))
    np.savez(folder / "tensor.npz", **tensors)
    np.savez(folder / "pil.npz", **images)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "tables":
        json.dump(tables(), sys.stdout)
    else:
        apply(Path(sys.argv[2]))
