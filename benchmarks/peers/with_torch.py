"""torchvision's transforms v2, or kornia, on the CPU: NAME IMAGE TIMES.

Both work on tensors, (C, H, W): bytes for torchvision, floats for kornia, which knows nothing else.
What a user has and wants is bytes (H, W, C), so that is where a turn begins and ends.
"""

import sys
from collections.abc import Callable

import numpy as np
import torch
from serve import serve

Act = Callable[[np.ndarray], np.ndarray]


def by_torchvision() -> Act:
    """Return what makes a variant by transforms v2; gamma is left out, and no border reflects."""
    # Its wheel asks for operators that a torch for CPUs alone has not; no transform calls them.
    operators = torch.library.Library("torchvision", "FRAGMENT")
    operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision.transforms import v2

    transform = v2.Compose(
        [
            v2.RandomHorizontalFlip(0.5),
            v2.RandomAffine(
                degrees=15,
                translate=(0.05, 0.05),
                scale=(0.9, 1.1),
                shear=(-5, 5),
                interpolation=v2.InterpolationMode.BILINEAR,
            ),
            v2.ColorJitter(brightness=(0.8, 1.2), contrast=(0.7, 1.4), saturation=(0.7, 1.4)),
        ]
    )

    def act(image: np.ndarray) -> np.ndarray:
        made = transform(torch.from_numpy(image).permute(2, 0, 1))
        return np.ascontiguousarray(made.permute(1, 2, 0).numpy())

    # The operators live as long as what declares them.
    act.operators = operators
    return act


def by_kornia() -> Act:
    """Return what makes a variant by kornia."""
    import kornia.augmentation as kornia

    transform = kornia.AugmentationSequential(
        kornia.RandomHorizontalFlip(p=0.5),
        kornia.RandomAffine(
            degrees=15.0,
            translate=(0.05, 0.05),
            scale=(0.9, 1.1),
            shear=(-5.0, 5.0),
            padding_mode="reflection",
            p=1.0,
        ),
        kornia.ColorJitter(
            brightness=(0.8, 1.2), contrast=(0.7, 1.4), saturation=(0.7, 1.4), p=1.0
        ),
        kornia.RandomGamma(gamma=(0.7, 1.4), p=1.0),
    )

    def act(image: np.ndarray) -> np.ndarray:
        made = transform(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)
        # Rounded and brought back, as it has to be for a file.
        levels = (made[0].permute(1, 2, 0) * 255).round_().clamp_(0, 255).to(torch.uint8)
        return levels.contiguous().numpy()

    return act


MAKERS = {"torchvision": by_torchvision, "kornia": by_kornia}


def main() -> None:
    """Take turns at making variants of one image."""
    name, file, times = sys.argv[1:]
    torch.set_num_threads(1)
    image, make = np.load(file), MAKERS[name]()

    def act() -> None:
        with torch.inference_mode():
            for _ in range(int(times)):
                made = make(image)
        # Nothing lazy, nothing left out.
        assert made.shape == image.shape
        assert made.dtype == np.uint8

    serve(act)


if __name__ == "__main__":
    main()
