"""Fixtures that all tests share."""

import os
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

# No test depends on the clock: a machine may be busy with other things.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

# Whoever started the tests in the background may have told them to ignore interrupts, and with them
# every program that they start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Declarations last as long as what made them.
_kept: list[Any] = []


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of test data: VARIEGATE_DATA, or `../shared/data` beside the repository."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    place = Path(os.environ.get("VARIEGATE_DATA") or beside)
    if not place.is_dir():
        reason = f"no test data at {place}; set VARIEGATE_DATA"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return place


@pytest.fixture(scope="session")
def photos(data_dir: Path) -> list[np.ndarray]:
    """Three photos, RGB, about 160 pixels wide."""
    found = []
    for name in ("000000000785", "000000007281", "000000006818"):
        photo = Image.open(data_dir / f"coco_mini/images/val2017/{name}.jpg").convert("RGB")
        found.append(np.array(photo.reduce(4)))
    return found


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """torchvision, beside a torch for which its own operators were not built.

    What is tested needs none of them; without their declarations it cannot be imported there.
    """
    torch = pytest.importorskip("torch")
    try:
        import torchvision
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
        for name in [one for one in sys.modules if one.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torchvision
    return torchvision
