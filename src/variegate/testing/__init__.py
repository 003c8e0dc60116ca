"""Conformance suites: what every transform, format and back end must do, for pytest.

A suite finds the built-in ones and those of installed packages (entry points). To try your own,
subclass it in a test module; `PredictorSuite` needs a fixture `predictor` there:

```python
from variegate.testing import TransformSuite
from my_package import Snowflakes


class TestMyTransforms(TransformSuite):
    kinds = (Snowflakes,)
```
"""

import pytest

# So that a failed assertion tells its values here, too.
pytest.register_assert_rewrite(
    *(f"variegate.testing.{name}" for name in ("transforms", "formats", "backends", "predictors"))
)

from variegate.testing.backends import BackendSuite  # noqa: E402
from variegate.testing.formats import FormatSuite  # noqa: E402
from variegate.testing.predictors import PredictorSuite  # noqa: E402
from variegate.testing.transforms import TransformSuite  # noqa: E402

__all__ = ["BackendSuite", "FormatSuite", "PredictorSuite", "TransformSuite"]
