"""A small labelled dataset that variegate draws by itself: electronic parts on a bench.

Every image comes with the exact class, box, outline, mask and keypoints of what it shows, because
they are computed from the geometry that was drawn. It serves demonstrations and tests: there is
nothing to download, and the truth is known.

```
spindles                  what parts are made of: bodies of revolution, and their outline
easel                     paints a part flat, then lights its surfaces
blueprint                 a part before it is placed: outline, keypoints, how to paint it
axials, radials, chips    the kinds of part; kinds lists them
raster                    how much of each pixel an outline covers: mask and blending
backgrounds               what parts lie on
light                     the lamp, the shadow, the lens and the sensor
scene                     places parts, takes the image, records the annotations
coco                      the annotations as a file
```
"""

from variegate.datasets.samples.coco import DrawnCoco
from variegate.datasets.samples.kinds import KEYPOINTS, KINDS
from variegate.datasets.samples.scene import DrawnImage, DrawnPart, draw_image, draw_images

__all__ = [
    "KEYPOINTS",
    "KINDS",
    "DrawnCoco",
    "DrawnImage",
    "DrawnPart",
    "draw_image",
    "draw_images",
]
