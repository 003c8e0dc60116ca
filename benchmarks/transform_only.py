"""Nine steps on one photo: transformation only, one thread, drawing included."""

import statistics

from harness import Claim, Result, Served, interleave, number, ratio
from photos import photo

SIDE = 512
METHOD = """
Flip, rotate, scale, translate, shear, brightness, contrast, gamma and saturation, drawn anew for
every variant of one 512 x 512 RGB photo in memory; one thread each (`cv2.setNumThreads(1)`).
variegate is called as `Recipe.variants`, so planning and fusing are included. Albumentations in
its *careful* forms does less work: one `Affine` instead of four steps, one `ColorJitter` (or
`RandomBrightnessContrast` and `HueSaturationValue`) instead of three, and no gamma. All use the
same ranges, the same border mode and bilinear interpolation (`benchmarks/transform_only.py`).
"""


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    each, rounds = (10, 5) if quick else (40, 31)
    image = photo(SIDE)
    names = {
        "variegate": ("variegate", "with_variegate.py", "transform_only", "nine"),
        "Albumentations, one by one": _albumentations("nine"),
        "Albumentations, careful": _albumentations("careful"),
        "Albumentations, careful, HSV": _albumentations("careful_hsv"),
    }
    contenders = {name: Served(*arguments, image, each) for name, arguments in names.items()}
    times = interleave(contenders, rounds)
    for contender in contenders.values():
        contender.close()
    ratios = {name: ratio(times, name, "variegate") for name in names}
    return Result(
        "Transformation only",
        METHOD,
        ("", "us per variant", "times variegate's"),
        [
            (
                name,
                number(statistics.median(times[name]) / each * 1e6),
                number(ratios[name]),
            )
            for name in names
        ],
        [
            Claim.at_least("faster than one by one", 6, ratios["Albumentations, one by one"]),
            Claim.at_least(
                "faster than the better careful form",
                2,
                min(ratios[name] for name in names if "careful" in name),
            ),
        ],
    )


def _albumentations(form: str) -> tuple[str, str, str, str]:
    return ("albumentations", "with_albumentations.py", "transform_only", form)
