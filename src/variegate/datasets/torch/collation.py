"""Items to batches: `torch.utils.data.DataLoader(..., collate_fn=collate)`."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import default_collate

# What images without objects lack where others of the batch have it.
_OF_OBJECTS = ("masks", "keypoints")


def collate(batch: Sequence[tuple[torch.Tensor, Any]]) -> tuple[Any, Any]:
    """Make a batch of items with boxes and masks, of which each has another number of objects.

    Args:
        batch: items of a `VariantDataset`.

    Returns:
        Images, (N, C, H, W) where all are of one size, otherwise a list of them; and the labels:
        (N,) numbers of classes, or a list of the dictionaries, as torchvision's detectors take
        them. Where some have masks or keypoints, those of images without objects are there, too,
        of no objects.
    """
    images, labels = [image for image, _ in batch], [label for _, label in batch]
    alike = len({image.shape for image in images}) == 1
    stacked = torch.stack(images) if alike else images
    if not isinstance(labels[0], dict):
        return stacked, default_collate(labels)
    return stacked, _completed([dict(label) for label in labels], images)


def _completed(
    labels: list[dict[str, torch.Tensor]], images: Sequence[torch.Tensor]
) -> list[dict[str, torch.Tensor]]:
    for name in _OF_OBJECTS:
        found = next((label[name] for label in labels if name in label), None)
        if found is None:
            continue
        for label, image in zip(labels, images, strict=True):
            if name not in label and "labels" in label and not len(label["labels"]):
                shape = image.shape[1:] if name == "masks" else found.shape[1:]
                label[name] = found.new_zeros((0, *shape))
    return labels
