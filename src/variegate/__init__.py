"""Turn a few labelled pictures into many, reproducibly.

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
    from variegate.converting import convert
    from variegate.errors import VariegateError
    from variegate.estimating import Estimate, estimate
    from variegate.monitoring import Status, status
    from variegate.recipes import Recipe
    from variegate.runs import Options, Summary, augment
    from variegate.sample import Sample
    from variegate.verifying import Verification, read_manifest, rebuild, verify

    __version__: str

# Loaded when first asked for: `variegate --help` needs neither numpy nor OpenCV.
_HOMES = {
    "Estimate": "estimating",
    "Options": "runs",
    "Recipe": "recipes",
    "Sample": "sample",
    "Status": "monitoring",
    "Summary": "runs",
    "VariegateError": "errors",
    "Verification": "verifying",
    "augment": "runs",
    "convert": "converting",
    "estimate": "estimating",
    "inspect": "inspecting",
    "read_manifest": "verifying",
    "rebuild": "verifying",
    "status": "monitoring",
    "verify": "verifying",
}

__all__ = [
    "Estimate",
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
    "read_manifest",
    "rebuild",
    "status",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("variegate")
    if name not in _HOMES:
        raise AttributeError(f"module 'variegate' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"variegate.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
