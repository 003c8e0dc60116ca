"""What is known of drawn images, as COCO's JSON says it: boxes, outlines, keypoints."""

from typing import Any

from variegate.datasets.samples.kinds import KEYPOINTS, KINDS
from variegate.datasets.samples.scene import DrawnImage, DrawnPart


class DrawnCoco:
    """The annotations of a dataset, image by image."""

    def __init__(self) -> None:
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, file_name: str, drawn: DrawnImage) -> None:
        """Add an image with everything that it shows."""
        height, width = drawn.image.shape[:2]
        number = len(self._images) + 1
        self._images.append(
            {"id": number, "file_name": file_name, "height": height, "width": width}
        )
        for part in drawn.objects:
            known = {"id": len(self._annotations) + 1, "image_id": number, **_described(part)}
            self._annotations.append(known)

    def to_json(self) -> dict[str, Any]:
        """Return the whole file."""
        categories = [
            {"id": index, "name": kind, "supercategory": "part", "keypoints": list(KEYPOINTS[kind])}
            for index, kind in enumerate(KINDS, 1)
        ]
        return {
            "images": self._images,
            "annotations": self._annotations,
            "categories": categories,
        }


def _described(part: DrawnPart) -> dict[str, Any]:
    x1, y1, x2, y2 = map(float, part.box)
    points = [part.keypoints[name] for name in KEYPOINTS[part.label]]
    return {
        "category_id": list(KINDS).index(part.label) + 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": float(part.mask.sum()),
        "iscrowd": 0,
        "segmentation": [[round(value, 3) for value in part.polygon.ravel().tolist()]],
        # COCO counts keypoints from the centre of the first pixel.
        "keypoints": [v for x, y in points for v in (round(x - 0.5, 3), round(y - 0.5, 3), 2)],
        "num_keypoints": len(points),
    }
