"""TurboLoader: TAR ITEMS FORM. "full" does all steps, "fused" those of its fast path alone."""

import sys
from collections.abc import Iterator

import epochs
import numpy as np
import turboloader


def fused(number: int) -> Iterator[np.ndarray]:
    """Yield batches of its fast path: a random part brought to size, perhaps mirrored."""
    loader = turboloader.DataLoader(
        sys.argv[1],
        batch_size=epochs.BATCH,
        num_workers=epochs.WORKERS,
        shuffle=True,
        image_size=epochs.SIDE,
        output_format="pytorch",
        transform=turboloader.ImageNetNormalize(),
        train_aug=True,
    )
    loader.set_epoch(number)
    for batch in loader:
        yield batch[0]
    loader.close()


def full(number: int) -> Iterator[np.ndarray]:
    """Yield batches of its transforms, image by image; no border reflects."""
    transform = turboloader.Compose(
        [
            turboloader.Resize(epochs.SIDE, epochs.SIDE),
            turboloader.RandomHorizontalFlip(0.5),
            turboloader.RandomAffine(
                degrees=15,
                translate_x=0.05,
                translate_y=0.05,
                scale_min=0.9,
                scale_max=1.1,
                shear=5,
            ),
            turboloader.ColorJitter(brightness=0.2, contrast=0.35, saturation=0.35),
        ]
    )
    loader = turboloader.DataLoader(
        sys.argv[1],
        batch_size=epochs.BATCH,
        num_workers=epochs.WORKERS,
        shuffle=True,
        transform=transform,
    )
    loader.set_epoch(number)
    # One multiplication and one addition of (H, W, 3).
    factor = np.float32(1 / 255) / np.float32(epochs.STD)
    offset = -np.float32(epochs.MEAN) / np.float32(epochs.STD)
    for batch in loader:
        images = np.stack([one["image"] for one in batch])
        yield (images * factor + offset).transpose(0, 3, 1, 2)
    loader.close()


if __name__ == "__main__":
    epochs.run({"full": full, "fused": fused}[sys.argv[3]])
