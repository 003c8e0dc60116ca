"""What becomes of annotations when the pixels under them change: a part of every recipe."""

from typing import Annotated, Literal

from pydantic import Field

from variegate.validation import Spec


class LabelRule(Spec):
    """What becomes of labels when the image under them changes."""

    box: Literal["corners", "ellipse"] = "corners"
    """A box without polygon or mask is moved by its corners, which encloses all that it may hold,
    or by the ellipse inside it, which is tighter after a rotation."""
    mirror: Literal["known", "insist"] = "known"
    """Whether an image is mirrored whose keypoints it is not known a mirror exchanges, left and
    right: "known" leaves out flips and whatever else mirrors; "insist" mirrors and exchanges
    nothing."""
    min_visible: Annotated[float, Field(ge=0, le=1)] = 0.1
    """An object of which less is still in sight is left out."""
    min_side: Annotated[float, Field(ge=0)] = 2.0
    """An object whose box has a shorter side is left out, pixels."""
    mask_fill: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Class of a semantic mask where the image is filled with a constant color."""
