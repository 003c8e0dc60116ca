"""Models that can be trained: `small`, and torchvision's classifiers by their names there."""

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import nn

from variegate.errors import UsageError, did_you_mean, without_password
from variegate.training.options import SMALL


class SmallNetwork(nn.Module):
    """Two convolutions with pooling, and a dense layer: learns small images in seconds."""

    def __init__(self, classes: int, *, channels: int, side: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(),
        )
        quarter = (side + 3) // 4
        self.classifier = nn.Sequential(nn.Dropout(0.25), nn.Linear(32 * quarter**2, classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, classes) logits of (N, channels, side, side)."""
        logits: torch.Tensor = self.classifier(self.features(images))
        return logits


@cache
def torchvision_models() -> Any:
    """Return torchvision's models.

    Raises:
        UsageError: it is not installed, or not for this torch.
    """
    try:
        with warnings.catch_warnings():
            # Of reading and writing images, which is not its task here.
            warnings.filterwarnings("ignore", message="Failed to load image Python extension")
            import torchvision.models as models
    except ImportError as error:
        raise UsageError(
            f"torchvision cannot be imported ({_one_line(error)}): pip install 'variegate[train]', "
            f"or take --backbone {SMALL}, which needs none"
        ) from error
    except RuntimeError as error:
        # Built for a torch with CUDA, beside one without, or for another version.
        raise UsageError(
            f"torchvision does not fit the installed torch {torch.__version__} "
            f"({_one_line(error)}): install both from the same index, such as pip install torch "
            f"torchvision --index-url https://download.pytorch.org/whl/cpu, or take --backbone "
            f"{SMALL}"
        ) from error
    return models


def backbone_names() -> list[str]:
    """Return the names of all models that can be trained."""
    models = torchvision_models()
    return [SMALL, *models.list_models(module=models)]


def check_backbone(name: str) -> None:
    """Make sure that there is such a model.

    Raises:
        UsageError: there is none.
    """
    if name != SMALL and name not in (known := backbone_names()):
        raise UsageError(
            f"--backbone {name}: expected {SMALL} or a classifier of torchvision, such as "
            f"mobilenet_v2, resnet18 or efficientnet_b0{did_you_mean(name, known)}"
        )


def make_model(name: str, classes: int, *, gray: bool, side: int) -> nn.Module:
    """Return an untrained model that answers (N, classes) logits.

    Args:
        name: of the backbone.
        classes: how many.
        gray: whether it takes one channel instead of three.
        side: of its input, pixels.

    Raises:
        UsageError: there is none of this name, or it cannot take images of this size.
    """
    if name == SMALL:
        return SmallNetwork(classes, channels=1 if gray else 3, side=side)
    check_backbone(name)
    more: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        # Their answers beside the last one are of no use here.
        more = {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_"):
        more = {"image_size": side}
    try:
        model: nn.Module = torchvision_models().get_model(
            name, weights=None, num_classes=classes, **more
        )
    except (ValueError, TypeError) as error:
        raise UsageError(f"--backbone {name}: {_one_line(error)}; take another --size") from error
    if gray:
        in_gray(model)
    _try(model, name, channels=1 if gray else 3, side=side)
    return model


def _try(model: nn.Module, name: str, *, channels: int, side: int) -> None:
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, channels, side, side))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UsageError(
            f"--backbone {name}: it cannot take images of {side} x {side} "
            f"({_one_line(error)}); choose a larger --size"
        ) from error


def in_gray(model: nn.Module) -> None:
    """Let a model of three channels take one: its first filters are summed over the colors.

    So an image of one channel answers as the same in three did.
    """
    for parent, name, module in _modules(model):
        if isinstance(module, nn.Conv2d) and module.in_channels == 3:
            kept = {one: getattr(module, one) for one in ("stride", "padding", "dilation")}
            first = nn.Conv2d(
                1,
                module.out_channels,
                module.kernel_size,  # type: ignore[arg-type]
                bias=module.bias is not None,
                **kept,
            )
            with torch.no_grad():
                first.weight.copy_(module.weight.sum(dim=1, keepdim=True))
                if module.bias is not None and first.bias is not None:
                    first.bias.copy_(module.bias)
            setattr(parent, name, first)
            return


def head_names(model: nn.Module, classes: int) -> set[str]:
    """Return the names of the parameters of the last layer, which answers the classes."""
    found = ""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and module.out_features == classes:
            found = name
        if isinstance(module, nn.Conv2d) and module.out_channels == classes:
            found = name
    return {name for name, _ in model.named_parameters() if name.startswith(f"{found}.")}


def train_mode(model: nn.Module, *, head_only: bool) -> None:
    """Let a model learn: with `head_only`, what is below the head stays as it is.

    Statistics of batch normalisation are part of that, and dropout would only blur fixed features;
    the head's own dropout works in both.
    """
    model.train()
    if not head_only:
        return
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _modules(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    for name, module in model.named_modules():
        if name:
            parent, _, own = name.rpartition(".")
            yield model.get_submodule(parent), own, module


def _one_line(error: Exception) -> str:
    return without_password(" ".join(str(error).split()))[:200]
