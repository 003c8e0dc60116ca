"""What may be said of how items come."""

from dataclasses import dataclass
from typing import Literal, get_args

from variegate.datasets.torch.tensors import Channels, Statistics
from variegate.errors import RecipeError

OnError = Literal["raise", "skip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOptions:
    """How items come.

    Attributes:
        channels: 1, 3 or 4 of every image, or "same" for as many as the image has.
        statistics: for `normalize`; None to leave values between 0 and 1.
        on_error: what happens where an image cannot be used: "raise", or "skip" to take another.
    """

    channels: Channels = 3
    statistics: Statistics | None = None
    on_error: OnError = "raise"

    def check(self) -> None:
        """Make sure that the options are possible.

        Raises:
            RecipeError: one is not.
        """
        for name, choices in (("channels", Channels), ("on_error", OnError)):
            value, known = getattr(self, name), get_args(choices)
            if isinstance(value, bool) or value not in known:
                names = ", ".join(map(repr, known))
                raise RecipeError(f"{name}: expected one of {names}, got {value!r}")
        if self.statistics is None or self.channels == "same":
            return
        for values in self.statistics:
            if len(values) not in (1, self.channels):
                raise RecipeError(
                    f"statistics: expected one or {self.channels} values (channels={self.channels})"
                    f", got {len(values)}"
                )
