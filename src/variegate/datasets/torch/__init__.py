"""Images and labels for PyTorch: a written set, or the same variants made on the fly.

```python
from variegate.datasets import torch as variegate_torch

train = variegate_torch.dataset("photos", recipe="light", seed=7, size=224)
loader = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True, num_workers=4)
for epoch in range(10):
    train.set_epoch(epoch)
    for images, labels in loader:
        ...
```

Item i is variant i % n of image i // n, whoever asks for it: any number of loader workers, any
order, and a training run that goes on at an index all see the same. Made on the fly, an item has
the pixels that `variegate.augment` would have written in epoch 0, before they were encoded.
"""

from variegate.datasets.torch.collation import collate
from variegate.datasets.torch.tensors import IMAGENET, described, normalize, to_tensor
from variegate.datasets.torch.variants import VariantDataset, dataset

__all__ = [
    "IMAGENET",
    "VariantDataset",
    "collate",
    "dataset",
    "described",
    "normalize",
    "to_tensor",
]
