"""On-the-fly loading of a training at 224 x 224, by two worker processes."""

import statistics
import sys
import tarfile
from pathlib import Path

from harness import PEERS, WORK, Claim, Result, Served, interleave, number, ratio
from photos import photos

sys.path.insert(0, str(PEERS))

from epochs import DRAWS

METHOD = """
A turn is one epoch: every photo (500 x 375, JPEG 95) eight times in random order, in batches of 32,
decoded, augmented anew, brought to 224 x 224 and normalised as (N, 3, 224, 224) float32, by two
workers that live on. Flip, rotation, scale, translation and shear, brightness, contrast and
saturation, the same ranges for all; wall time. The dataset around Albumentations is a careful one:
libjpeg-turbo by simplejpeg, the photo brought to size first, one affine transform, one change of
color, no threads of OpenCV's beside the workers. variegate is called as `variegate.torch.dataset`;
it resizes in the same warp. *Differs in* names what a peer leaves out or does in another way.
TurboLoader reads a tar file, and has threads instead of processes; its fast path knows
a random part and a flip alone (`benchmarks/loading.py`).
"""
_DARK = "black beyond the image, not its reflection"
#: What each contender leaves out, and how it is started: its environment, script and arguments.
CONTENDERS = {
    "variegate": ("", "variegate", "epochs_variegate.py", ()),
    "Albumentations, careful": ("", "albumentations_torch", "epochs_torch.py", ("albumentations",)),
    "torchvision v2": (
        f"{_DARK}; Pillow decodes",
        "torchvision",
        "epochs_torch.py",
        ("torchvision",),
    ),
    "TurboLoader, all steps": (_DARK, "turboloader", "epochs_turboloader.py", ("full",)),
    "TurboLoader, fast path": (
        "no rotation, no shear, no color: a random part and a flip",
        "turboloader",
        "epochs_turboloader.py",
        ("fused",),
    ),
}


def run(*, quick: bool) -> Result:
    """Run the benchmark."""
    count, rounds = (40, 2) if quick else (200, 7)
    folder, items = photos(count), count * DRAWS
    tar = packed(folder)
    contenders = {
        name: Served(peer, script, tar if peer == "turboloader" else folder, items, *more)
        for name, (_, peer, script, more) in CONTENDERS.items()
    }
    times = interleave(contenders, rounds)
    for contender in contenders.values():
        contender.close()
    ratios = {name: ratio(times, name, "variegate") for name in CONTENDERS}
    return Result(
        "On-the-fly loading",
        METHOD,
        ("", "images a second", "times variegate's time", "differs in"),
        [
            (
                name,
                number(items / statistics.median(times[name])),
                number(ratios[name]),
                less,
            )
            for name, (less, *_) in CONTENDERS.items()
        ],
        [
            Claim.at_least(
                "faster than a careful Albumentations dataset",
                1.5,
                ratios["Albumentations, careful"],
            ),
        ],
    )


def packed(folder: Path) -> Path:
    """Return a tar file that holds every photo as often as an epoch has it."""
    file = WORK / f"{folder.name}-times-{DRAWS}.tar"
    if not file.exists():
        part = file.with_suffix(".part")
        with tarfile.open(part, "w") as tar:
            for draw in range(DRAWS):
                for path in sorted(folder.glob("*.jpg")):
                    tar.add(path, f"{path.stem}-{draw}.jpg")
        part.rename(file)
    return file


if __name__ == "__main__":
    print(run(quick="--quick" in sys.argv).markdown())
