"""A careful dataset around Albumentations or torchvision v2, in a loader: FOLDER ITEMS NAME.

Both bring the photo to the model's size first, so that all that follows has less to do.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import epochs
import torch

# Albumentations asks the network for its newest version at import.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

Load = Callable[[Path], torch.Tensor]


def by_albumentations() -> Load:
    """Return what loads and augments a photo; OpenCV's own threads would fight the workers."""
    import albumentations as A  # noqa: N812 - its users' name for it
    import cv2
    import simplejpeg
    from albumentations.pytorch import ToTensorV2

    cv2.setNumThreads(0)
    transform = A.Compose(
        [
            A.Resize(epochs.SIDE, epochs.SIDE, interpolation=cv2.INTER_AREA),
            A.HorizontalFlip(p=0.5),
            A.Affine(
                rotate=(-15, 15),
                scale=(0.9, 1.1),
                translate_percent=(-0.05, 0.05),
                shear={"x": (-5, 5), "y": (0, 0)},
                border_mode=cv2.BORDER_REFLECT_101,
                p=1,
            ),
            A.ColorJitter((0.8, 1.2), (0.7, 1.4), (0.7, 1.4), (0, 0), p=1),
            A.Normalize(epochs.MEAN, epochs.STD),
            ToTensorV2(),
        ]
    )
    return lambda path: transform(image=simplejpeg.decode_jpeg(path.read_bytes(), "RGB"))["image"]


def by_torchvision() -> Load:
    """Return what loads and augments a photo by transforms v2; no border reflects."""
    # Its wheel asks for operators that a torch for CPUs alone has not; no transform calls them.
    operators = torch.library.Library("torchvision", "FRAGMENT")
    operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from PIL import Image
    from torchvision.transforms import v2

    transform = v2.Compose(
        [
            v2.PILToTensor(),
            v2.Resize((epochs.SIDE, epochs.SIDE), antialias=True),
            v2.RandomHorizontalFlip(0.5),
            v2.RandomAffine(
                degrees=15,
                translate=(0.05, 0.05),
                scale=(0.9, 1.1),
                shear=(-5, 5),
                interpolation=v2.InterpolationMode.BILINEAR,
            ),
            v2.ColorJitter(brightness=(0.8, 1.2), contrast=(0.7, 1.4), saturation=(0.7, 1.4)),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(epochs.MEAN, epochs.STD),
        ]
    )

    def load(path: Path) -> torch.Tensor:
        with Image.open(path) as image:
            return transform(image.convert("RGB"))

    # The operators live as long as what declares them.
    load.operators = operators
    return load


class Photos(torch.utils.data.Dataset):
    """Item i is a variant of photo i // DRAWS."""

    def __init__(self, folder: str, make: Callable[[], Load]) -> None:
        self._paths = sorted(Path(folder).glob("*.jpg"))
        self._load = make()

    def __len__(self) -> int:
        return len(self._paths) * epochs.DRAWS

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._load(self._paths[index // epochs.DRAWS])


MAKERS = {"albumentations": by_albumentations, "torchvision": by_torchvision}


def main() -> None:
    """Take turns."""
    loader = torch.utils.data.DataLoader(
        Photos(sys.argv[1], MAKERS[sys.argv[3]]),
        batch_size=epochs.BATCH,
        shuffle=True,
        num_workers=epochs.WORKERS,
        persistent_workers=True,
    )
    epochs.run(lambda _: loader)


if __name__ == "__main__":
    main()
