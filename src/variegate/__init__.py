"""Turn a few labelled images into many, reproducibly.

```python
import variegate

variegate.augment("photos", "more", recipe="chain", seed=7)

recipe = variegate.Recipe.load("recipe.yaml")
for variant, image in recipe.variants(image, key="cats/7.jpg"):
    ...
```
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from variegate.annotations.sample import Sample
    from variegate.datasets.augment import augment
    from variegate.datasets.convert import convert
    from variegate.datasets.prepare.leaks import leaks
    from variegate.datasets.prepare.split import split
    from variegate.datasets.prepare.statistics import stats
    from variegate.errors import VariegateError
    from variegate.formats.hints import Hints
    from variegate.recipes.recipe import Recipe
    from variegate.runs.estimate import Estimate, estimate
    from variegate.runs.options import Options
    from variegate.runs.output import read_manifest
    from variegate.runs.rebuild import rebuild
    from variegate.runs.run import Summary
    from variegate.runs.status import Status, status
    from variegate.runs.verify import Verification, verify

    __version__: str

# Loaded when first asked for: `variegate --help` needs neither numpy nor OpenCV.
_HOMES = {
    "Estimate": "runs.estimate",
    "Hints": "formats.hints",
    "Options": "runs.options",
    "Recipe": "recipes.recipe",
    "Sample": "annotations.sample",
    "Status": "runs.status",
    "Summary": "runs.run",
    "VariegateError": "errors",
    "Verification": "runs.verify",
    "augment": "datasets.augment",
    "convert": "datasets.convert",
    "estimate": "runs.estimate",
    "inspect": "datasets.inspect",
    "leaks": "datasets.prepare.leaks",
    "read_manifest": "runs.output",
    "rebuild": "runs.rebuild",
    "split": "datasets.prepare.split",
    "stats": "datasets.prepare.statistics",
    "status": "runs.status",
    "verify": "runs.verify",
}

__all__ = [
    "Estimate",
    "Hints",
    "Options",
    "Recipe",
    "Sample",
    "Status",
    "Summary",
    "VariegateError",
    "Verification",
    "__version__",
    "augment",
    "convert",
    "estimate",
    "inspect",
    "leaks",
    "read_manifest",
    "rebuild",
    "split",
    "stats",
    "status",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("variegate")
    if name == "torch":
        value = importlib.import_module("variegate.datasets.torch")
        globals()[name] = value
        return value
    if name not in _HOMES:
        raise AttributeError(f"module 'variegate' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"variegate.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
