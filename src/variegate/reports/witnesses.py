"""The very images that a search asked about: they are made again, as the model saw them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from variegate.annotations.sample import Image, Sample
from variegate.errors import ImageError, InputError
from variegate.reports.markup import Html, tag
from variegate.reports.thumbnails import image_tag
from variegate.tolerance.answers import LEVELS
from variegate.tolerance.cells import AxisPlan
from variegate.tolerance.log import image_digest

_SIDE = 224
_MISSING = "not shown: it cannot be read any more"


@dataclass
class WitnessImages:
    """Makes images of cells.

    Attributes:
        load: returns an image as it is by its key; None to show none.
        seed: of the search.
        on_made: told how many there are by now.
    """

    load: Callable[[str], Image] | None
    seed: int
    on_made: Callable[[int], None] = lambda _: None
    _made: int = 0
    _last: dict[str, Sample] = field(default_factory=dict)

    def figure(self, axis: str, key: str, intensity: float, caption: Html) -> Html:
        """Return an image at an intensity of an axis with a caption.

        Args:
            axis: its name.
            key: of the image.
            intensity: 0 for the image as it is.
            caption: what is said below.
        """
        return tag(
            "figure",
            tag("div", self._image(axis, key, intensity), class_="shot"),
            tag("figcaption", caption),
        )

    def _image(self, axis: str, key: str, intensity: float) -> Html:
        try:
            sample = self._sample(key)
        except (ImageError, InputError, OSError, LookupError):
            sample = None
        if sample is None:
            return tag("span", _MISSING, class_="missing")
        plan = AxisPlan(axis, self.seed)
        made = plan.apply(image_digest(sample.image), sample, round(intensity * LEVELS))
        self._made += 1
        self.on_made(self._made)
        return image_tag(made.image, f"{key} at {axis} {intensity:g}", side=_SIDE)

    def _sample(self, key: str) -> Sample | None:
        if self.load is None:
            return None
        if key not in self._last:
            # The same image is shown as it is, kept and lost, one after another.
            self._last = {key: Sample(self.load(key))}
        return self._last[key]
