"""Weights that a training begins with: published ones, or those of a file; checked before use."""

import hashlib
import pickle
import re
import urllib.error
from pathlib import Path
from typing import Any

import torch
from torch import nn

from variegate.errors import InputError, UsageError
from variegate.formats.base import named
from variegate.storage import printable
from variegate.training.backbones import head_names, torchvision_models

# mobilenet_v2-b0353104.pth: its SHA-256 begins with what stands in its name.
_DIGEST = re.compile(r"-([0-9a-f]{8,64})\.pth$")


def load_weights(
    model: nn.Module, chosen: str, *, backbone: str, classes: int, gray: bool
) -> tuple[str, str]:
    """Fill a model with weights; its head stays as it is, unless it is of as many classes.

    Args:
        model: made by `make_model`.
        chosen: "hub", "none" or a file.
        backbone: its name.
        classes: of its head.
        gray: whether it takes one channel.

    Returns:
        Where they come from, in a sentence, and the SHA-256 of their file, "" where there is none.

    Raises:
        InputError: a file is none, is damaged, or of another architecture.
        UsageError: they cannot be downloaded.
    """
    if chosen == "none":
        return "begun from random weights", ""
    if chosen == "hub":
        state, told, digest = *_from_hub(backbone), ""
    else:
        state, told, digest = _from_file(Path(chosen), backbone)
    _fill(model, state, told, backbone=backbone, classes=classes, gray=gray)
    return f"begun from {told}", digest


def _from_hub(backbone: str) -> tuple[dict[str, torch.Tensor], str]:
    published = torchvision_models().get_model_weights(backbone).DEFAULT
    try:
        state = published.get_state_dict(progress=False, check_hash=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise UsageError(
            f"--weights hub: {published.url} cannot be downloaded "
            f"({' '.join(str(error).split())[:200]}); give a file with --weights FILE, or begin "
            "from none with --weights none"
        ) from error
    return state, f"torchvision's {published}"


def _from_file(path: Path, backbone: str) -> tuple[dict[str, torch.Tensor], str, str]:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(
            f"--weights {printable(str(path))}: cannot be read ({error.strerror}); expected hub, "
            "none or a file"
        ) from error
    checked = _checked(path, digest, backbone)
    try:
        # Nothing but tensors: a file of weights must not run code.
        data: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise InputError(
            f"--weights {printable(str(path))}: not a file of weights that torch can load "
            f"({' '.join(str(error).split())[:120]})"
        ) from error
    for key in ("state_dict", "model", "state"):
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
    if not isinstance(data, dict) or not all(isinstance(v, torch.Tensor) for v in data.values()):
        raise InputError(
            f"--weights {printable(str(path))}: expected tensors by name (a state_dict)"
        )
    state = {str(name).removeprefix("module."): value for name, value in data.items()}
    return state, f"{printable(path.name)} ({checked})", digest


def _checked(path: Path, digest: str, backbone: str) -> str:
    """Compare a file with the digest in its name, and with those that torchvision publishes."""
    prefix = _DIGEST.search(path.name)
    if prefix and not digest.startswith(prefix[1]):
        raise InputError(
            f"--weights {printable(str(path))}: damaged: its SHA-256 begins with "
            f"{digest[:8]}, and not with {prefix[1]} as its name says; download it again"
        )
    for one in torchvision_models().get_model_weights(backbone) if backbone != "small" else ():
        known = _DIGEST.search(one.url)
        if known and digest.startswith(known[1]):
            return f"torchvision's {one}, digest checked"
    return "digest as in its name" if prefix else f"SHA-256 {digest[:8]}..., not a published one"


def _fill(
    model: nn.Module,
    state: dict[str, torch.Tensor],
    told: str,
    *,
    backbone: str,
    classes: int,
    gray: bool,
) -> None:
    head = head_names(model, classes)
    own = model.state_dict()
    if gray:
        state = _summed(state, own)
    missing = [name for name in own if name not in state and name not in head]
    other = [
        name
        for name, value in own.items()
        if name in state and state[name].shape != value.shape and name not in head
    ]
    if missing or other:
        wrong = missing or other
        what = "missing" if missing else "of another shape"
        raise InputError(
            f"--weights: {told} is of another architecture than {backbone}: {len(wrong)} of "
            f"{len(own)} tensors {what}, such as {named(wrong, most=1)}; give the weights of "
            f"{backbone}, or its architecture with --backbone"
        )
    fitting = {n: v for n, v in state.items() if n in own and v.shape == own[n].shape}
    model.load_state_dict(fitting, strict=False)


def _summed(
    state: dict[str, torch.Tensor], own: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return weights of a model of colors for one of gray: the first filters are summed."""
    return {
        name: value.sum(dim=1, keepdim=True)
        if name in own and value.ndim == 4 and own[name].shape[1] == 1 and value.shape[1] == 3
        else value
        for name, value in state.items()
    }
