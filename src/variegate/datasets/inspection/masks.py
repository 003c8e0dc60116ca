"""What the masks of a dataset hold: values, and how many pixels each has."""

from collections import Counter

from variegate.datasets.inspection.figures import Faults, MaskValue, MaskValues, count_fault
from variegate.datasets.inspection.looks import MaskLook
from variegate.formats.base import counted

_MOST = 256
# Numbers of objects may be different in every mask.
_COUNTED = 1 << 16


class MaskCounter:
    """Counts the values of masks."""

    def __init__(self) -> None:
        self.masks = 0
        self._colored = 0
        self._pixels = Counter[int]()
        self._masks = Counter[int]()
        self._rest = 0
        self._rest_values = 0

    def add(self, place: str, look: MaskLook, findings: Faults) -> None:
        """Take a mask; say what is wrong with it."""
        if look.fault is not None:
            count_fault(findings, "masks that cannot be read", f"{place}: {look.fault}")
            return
        if look.lossy:
            values = counted(len(look.pixels), "value", "values")
            kind = f"masks saved as {look.lossy}, which changes values"
            count_fault(findings, kind, f"{place}: {values}")
        self.masks += 1
        self._colored += look.colored
        for value, pixels in look.pixels.items():
            if value in self._pixels or len(self._pixels) < _COUNTED:
                self._pixels[value] += pixels
                self._masks[value] += 1
            else:
                self._rest += pixels
                self._rest_values += 1

    def result(self) -> MaskValues | None:
        """Return the values, or None of no masks."""
        if not self.masks:
            return None
        total = self._pixels.total() + self._rest
        ranked = sorted(self._pixels, key=lambda value: (-self._pixels[value], value))
        shown = {
            value: MaskValue(share=self._pixels[value] / total, masks=self._masks[value])
            for value in ranked[:_MOST]
        }
        return MaskValues(
            masks=self.masks,
            colored=self._colored,
            values=shown,
            other_values=len(ranked) - len(shown) + self._rest_values,
            other_share=1 - sum(one.share for one in shown.values()),
        )
