"""What is done to a sample. Operations are fixed, join where they can, and act.

| operation | joins with | how |
| --- | --- | --- |
| `Lut` | `Lut` | a table of a table, exact |
| `ColorMatrix` | `ColorMatrix` | matrix product, clipped once |
| `Warp` | `Warp` | matrix product: one resampling |
| `Field` | `Warp`, `Field` | one remap |
| `Pixels` | nothing | a barrier |
| `Combination` | nothing | a barrier: one image of several |
| `Identity` | everything | the other one |
"""

from variegate.ops.base import Geometric, Identity, Operation, Pixels, Pointwise
from variegate.ops.color import ColorMatrix, Lut
from variegate.ops.field import Displacement, Field, Lattice, Lens, Wave
from variegate.ops.mixing import Combination
from variegate.ops.view import View
from variegate.ops.warp import Warp

__all__ = [
    "ColorMatrix",
    "Combination",
    "Displacement",
    "Field",
    "Geometric",
    "Identity",
    "Lattice",
    "Lens",
    "Lut",
    "Operation",
    "Pixels",
    "Pointwise",
    "View",
    "Warp",
    "Wave",
]
