"""What is odd about an image, by figures and thresholds that are told and can be set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Self

from variegate.datasets.prepare.measures import Measures
from variegate.errors import RecipeError, did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From where on an image is flagged.

    Attributes:
        blank: entropy of gray values below which an image is blank.
        dark: the gray value of the brightest 1% below which it is too dark.
        bright: the gray value of the darkest 1% above which it is too bright.
        blurred: variance of the Laplacian below which it is blurred, unless it is blank.
        tiny: shortest side, pixels, below which its size is odd.
        odd_size: times the median longest side, or a part of it, from which its size is odd.
        odd_aspect: longer side over shorter one from which its aspect is odd.
        icon: longest side, pixels, up to which a square image is like an icon.
        screenshot: share of pixels that equal their neighbors from which it is like a screenshot.
        screenshot_steps: share of strong edges between areas without noise that it has, too;
            photos before plain backgrounds stay below .015, screenshots begin at .09.
        banner: longer side over shorter one from which a flat image is a text banner.
        banner_flat: share of pixels that equal their neighbors that a text banner has.
        tiny_object: shorter side, pixels, below which an object is tiny.
        doubled: overlap (IoU) from which two objects of one class lie on each other.
    """

    blank: float = 1.0
    dark: float = 0.25
    bright: float = 0.75
    blurred: float = 20.0
    tiny: int = 32
    odd_size: float = 8.0
    odd_aspect: float = 3.0
    icon: int = 64
    screenshot: float = 0.5
    screenshot_steps: float = 0.04
    banner: float = 2.5
    banner_flat: float = 0.35
    tiny_object: float = 4.0
    doubled: float = 0.9

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Self:
        """Return the usual thresholds but for those given by name.

        Raises:
            RecipeError: there is none of that name, or its value is no number.
        """
        known = {one.name: int if one.type in (int, "int") else float for one in fields(cls)}
        values: dict[str, float] = {}
        for name, text in given.items():
            if name not in known:
                raise RecipeError(
                    f"threshold {name!r}: expected one of {', '.join(known)}"
                    f"{did_you_mean(name, list(known))}"
                )
            try:
                values[name] = known[name](text)
            except ValueError:
                raise RecipeError(f"threshold {name}: expected a number, got {text!r}") from None
        return cls(**values)  # type: ignore[arg-type]

    def to_json(self) -> dict[str, float]:
        """Return them by name."""
        return asdict(self)


#: What is flagged, by name, with the thresholds that decide.
FLAGS = {
    "blank": ("blank",),
    "too dark": ("dark",),
    "too bright": ("bright",),
    "blurred": ("blurred",),
    "odd size": ("tiny", "odd_size"),
    "odd aspect": ("odd_aspect",),
    "icon-like": ("icon",),
    "screenshot-like": ("screenshot", "screenshot_steps"),
    "text banner": ("banner", "banner_flat"),
    "wrong extension": (),
}


def flags_of(one: Measures, thresholds: Thresholds, usual_side: float) -> tuple[str, ...]:
    """Return the names of the flags of an image, in the order of `FLAGS`.

    Args:
        one: its measures.
        thresholds: from where on.
        usual_side: median of the longest sides of all images, pixels.
    """
    longest, shortest = max(one.height, one.width), min(one.height, one.width)
    aspect = longest / shortest
    blank = one.entropy < thresholds.blank and one.contrast < 0.05
    square_icon = longest <= thresholds.icon and aspect <= 1.25
    # Drawn, not photographed: sharp edges on areas without noise.
    drawn = not blank and one.kind in ("png", "bmp", "gif", "webp")
    banner = aspect >= thresholds.banner and one.flat >= thresholds.banner_flat
    screenshot = (
        drawn
        and not square_icon
        and one.flat >= thresholds.screenshot
        and one.steps >= thresholds.screenshot_steps
    )
    times = max(longest / usual_side, usual_side / longest)
    found = {
        "blank": blank,
        "too dark": one.bright < thresholds.dark,
        "too bright": one.dark > thresholds.bright,
        "blurred": not blank and one.sharpness < thresholds.blurred,
        "odd size": shortest < thresholds.tiny or times >= thresholds.odd_size,
        "odd aspect": aspect >= thresholds.odd_aspect,
        "icon-like": square_icon,
        "screenshot-like": screenshot,
        "text banner": not blank and banner,
        "wrong extension": not one.extension_fits,
    }
    return tuple(name for name in FLAGS if found[name])
