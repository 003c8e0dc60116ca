"""Nine steps on one photo: transformation only, one thread, drawing included."""

import statistics

from harness import Claim, Result, Served, interleave, number, ratio
from photos import photo

SIDE = 512
METHOD = """
Flip, rotate, scale, translate, shear, brightness, contrast, gamma and saturation, drawn anew for
every variant of one 512 x 512 RGB photo in memory; one thread each (`cv2.setNumThreads(1)`,
`torch.set_num_threads(1)`), processor time. variegate is called as `Recipe.variants`, so planning
and fusing are included. A turn begins and ends with bytes (H, W, 3) in memory, nothing lazy left
undone. All use the same ranges and bilinear interpolation, each in the fewest calls that its
documentation offers; *differs in* names what a peer leaves out or does in another way, because it
cannot, or because its careful form has no place for it: figures of those that do less flatter them.
kornia works on floats and is made for batches on a GPU. AlbumentationsX runs the script of
Albumentations; it is AGPL, and a peer alone (`benchmarks/transform_only.py`).
"""
_LESS = "no gamma; one step of color for three"
_DARK = "no gamma; black beyond the image, not its reflection"
#: What each contender leaves out, and how it is started: its environment, script and arguments.
CONTENDERS = {
    "variegate": ("", ("variegate", "with_variegate.py", "transform_only", "nine")),
    **{
        f"{name}, {label}": (less, (peer, "with_albumentations.py", "transform_only", form))
        for name, peer in (
            ("Albumentations", "albumentations"),
            ("AlbumentationsX", "albumentationsx"),
        )
        for label, form, less in (
            ("one by one", "nine", ""),
            ("careful", "careful", _LESS),
            ("careful, HSV", "careful_hsv", "no gamma; saturation is changed in HSV"),
        )
    },
    "torchvision v2": (_DARK, ("torchvision", "with_torch.py", "torchvision")),
    "kornia": ("works on floats", ("kornia", "with_torch.py", "kornia")),
    "TurboLoader": (_DARK, ("turboloader", "with_turboloader.py")),
}


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    each, rounds = (10, 5) if quick else (40, 31)
    image = photo(SIDE)
    contenders = {
        name: Served(*arguments, image, each) for name, (_, arguments) in CONTENDERS.items()
    }
    times = interleave(contenders, rounds)
    for contender in contenders.values():
        contender.close()
    ratios = {name: ratio(times, name, "variegate") for name in CONTENDERS}
    return Result(
        "Transformation only",
        METHOD,
        ("", "us per variant", "times variegate's", "differs in"),
        [
            (
                name,
                number(statistics.median(times[name]) / each * 1e6),
                number(ratios[name]),
                less,
            )
            for name, (less, _) in CONTENDERS.items()
        ],
        [
            Claim.at_least("faster than one by one", 6, ratios["Albumentations, one by one"]),
            Claim.at_least(
                "faster than the better careful form of Albumentations",
                2,
                min(ratios[name] for name in CONTENDERS if "careful" in name),
            ),
            Claim.at_least(
                "faster than every other peer",
                2,
                min(ratios[name] for name in ("torchvision v2", "kornia", "TurboLoader")),
            ),
        ],
    )
