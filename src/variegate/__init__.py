"""Turn a few labelled pictures into many, reproducibly.

```python
import variegate

variegate.augment("photos", "more", recipe="chain", seed=7)

recipe = variegate.Recipe.load("recipe.yaml")
for variant, image in recipe.variants(image, key="cats/7.jpg"):
    ...
```
"""

from importlib.metadata import version

from variegate.errors import VariegateError
from variegate.recipes import Recipe
from variegate.runs import Options, Summary, augment
from variegate.sample import Sample

__version__ = version("variegate")

__all__ = ["Options", "Recipe", "Sample", "Summary", "VariegateError", "__version__", "augment"]
