"""Any transform of Albumentations 2.0.8 in a recipe, as ``albumentations.Name``.

```yaml
- albumentations.HueSaturationValue: {hue_shift_limit: [-10, 10]}
```

Its randomness is seeded from the keyed generator, its arguments and seed are recorded, and what it
does not know is an error. Labels move with the image.
"""

from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import ConfigDict, model_validator

from variegate.annotations.sample import Size
from variegate.errors import RecipeError
from variegate.ops import Operation
from variegate.ops.albumentations import Albumentations, checked, transform_class
from variegate.transforms.base import FAMILIES, Parameters, Transform

_PREFIX = "albumentations."


class AlbumentationsTransform(Transform):
    """A transform of Albumentations; its arguments are that library's own."""

    model_config = ConfigDict(extra="allow")

    inner: ClassVar[str]
    mirrors: ClassVar = True

    @model_validator(mode="after")
    def _known(self) -> Self:
        try:
            checked(self.inner, self._arguments)
        except RecipeError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def _arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    def parameters(self, rng: np.random.Generator) -> Parameters:
        return {"arguments": self._arguments, "seed": int(rng.integers(2**31))}

    @classmethod
    def operation(cls, parameters: Parameters, size: Size) -> Operation:
        return Albumentations.of(cls.inner, parameters["arguments"], parameters["seed"], size)


@cache
def family(name: str) -> type[Transform]:
    """Return the transform class for "albumentations.Name".

    Raises:
        RecipeError: the package is not installed, or has no such transform.
    """
    inner = name.removeprefix(_PREFIX)
    described = (transform_class(inner).__doc__ or "").strip().splitlines()
    fields = {
        "__doc__": described[0] if described else inner,
        "__module__": __name__,
        "inner": inner,
    }
    made = type(f"Albumentations{inner}", (AlbumentationsTransform,), fields)
    made.name = name  # type: ignore[attr-defined]
    return made


FAMILIES["albumentations"] = family
