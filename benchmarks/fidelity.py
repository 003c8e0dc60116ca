"""Published operations beside torchvision's, on photos: how far apart are the pixels?"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from harness import PEERS, Claim, Result, number, python_of
from photos import photos
from variegate.recipes.policies.subpolicies import SUBPOLICIES
from variegate.transforms import find_transform
from variegate.transforms.published import MOVES, USUAL, WIDE, filled, published

PEER, SCRIPT = "torchvision", "with_torchvision.py"
PHOTOS, FEW = 12, 3
# Of TrivialAugment's 31 bins: weak, middle, strongest; and RandAugment's M = 9.
SHARES, M = (3 / 30, 15 / 30, 1.0), 9 / 30
COLORS = tuple(name for name in USUAL if name not in (*MOVES, "identity"))
METHOD = f"""
The operations of `trivial`, `rand` and `auto_augment`, each with TrivialAugment's magnitudes of
bins 3, 15 and 30 and RandAugment's M = 9, in both directions, on {PHOTOS} RGB photos of 500 x 375,
beside `torchvision.transforms.autoaugment`'s own dispatch: of tensors and of PIL images.
Differences are in levels of 255: the greatest, the mean, and the share of values more than one
level apart. The last columns are how far torchvision's two ways are from each other. What explains
the rest: variegate rounds to the nearest level, torchvision and Pillow cut off; torchvision cuts
the gray of `color` and `contrast` off before it is mixed; Pillow fades no edge where it
interpolates; where the nearest pixel is halfway between two, each library chooses for itself
(`benchmarks/fidelity.py`).
"""


def run(*, quick: bool) -> Result:
    """Run the comparison."""
    cases = list(_cases())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        images = _photos(folder, FEW if quick else PHOTOS)
        (folder / "cases.json").write_text(json.dumps([(_theirs(n), m, w) for n, m, w in cases]))
        _peer("apply", folder)
        tensor, pil = np.load(folder / "tensor.npz"), np.load(folder / "pil.npz")
        found: dict[tuple[str, str], list[np.ndarray]] = {}
        for key, image in images.items():
            for index, (name, magnitude, way) in enumerate(cases):
                mine = _mine(image, name, magnitude, way)
                one, two = tensor[f"{key} {index}"], pil[f"{key} {index}"]
                far = [_apart(mine, one), _apart(mine, two), _apart(one, two)]
                found.setdefault((name, way), []).append(np.array(far))
    figures = {key: np.array(one) for key, one in found.items()}
    rows = [(_row(name, way, one)) for (name, way), one in figures.items()]
    colors = [one[:, 0, 0].max() for (name, _), one in figures.items() if name in COLORS]
    magnitudes, pairs = _tables()
    return Result(
        "Published operations beside torchvision",
        METHOD,
        (
            *("operation", "magnitudes", "tensors: max", "mean", "over 1"),
            *("PIL: max", "mean", "over 1", "tensors to PIL: max", "mean"),
        ),
        rows,
        [
            Claim.at_most("magnitudes of all bins: greatest difference", 1e-4, magnitudes),
            Claim.at_most("pairs of AutoAugment that differ", 0, pairs),
            Claim.at_most("color operations: greatest difference, levels", 2, max(colors)),
        ],
    )


def _cases() -> Iterator[tuple[str, float, str]]:
    for name in ("invert", *WIDE):
        if name == "identity":
            continue
        for way in ("nearest", "linear") if name in MOVES else ("nearest",):
            for magnitude in _magnitudes(name):
                yield name, magnitude, way


def _magnitudes(name: str) -> list[float]:
    if name not in WIDE:
        return [0.0]
    wide, usual = WIDE[name], USUAL[name]
    made = [wide.at(share) for share in SHARES]
    # A translation is one by pixels here.
    made.append(34.0 if wide.unit else usual.at(M))
    if name not in MOVES and not wide.signed:
        return list(dict.fromkeys(made))
    return [sign * one for one in dict.fromkeys(made) for sign in (1, -1)]


def _mine(image: np.ndarray, name: str, magnitude: float, way: str) -> np.ndarray:
    drawn = published(name, magnitude, filled((0, 0, 0), way), unit="pixels")
    assert drawn is not None
    kind = find_transform(drawn.transform)
    return kind.operation(drawn.parameters, image.shape[:2]).apply_image(image)


def _apart(one: np.ndarray, two: np.ndarray) -> tuple[float, float, float]:
    """Return the greatest and the mean difference, and the share of those over one level."""
    apart = np.abs(one.astype(np.int16) - two)
    return float(apart.max()), float(apart.mean()), float((apart > 1).mean())


def _row(name: str, way: str, figures: np.ndarray) -> tuple[str, ...]:
    """Return a line of the table; `figures`: (cases, three comparisons, three measures)."""
    words = []
    for comparison in range(3):
        greatest = figures[:, comparison, 0].max()
        words += [f"{greatest:.0f}", number(figures[:, comparison, 1].mean())]
        words.append(f"{100 * figures[:, comparison, 2].mean():.2g}%")
    title = f"{name}, {way}" if name in MOVES else name
    spread = ", ".join(dict.fromkeys(f"{abs(one):.3g}" for one in _magnitudes(name)))
    has_magnitude = name in WIDE and len(_magnitudes(name)) > 1
    return (title, spread if has_magnitude else "", *words[:8])


def _theirs(name: str) -> str:
    return "AutoContrast" if name == "autocontrast" else name.title().replace("_", "")


def _tables() -> tuple[float, float]:
    """Return the greatest difference of a magnitude, and the number of different pairs."""
    told = json.loads(_peer("tables"))
    height, width = told["size"]
    worst = 0.0
    for space, table in (("wide", WIDE), ("usual", USUAL), ("ten", USUAL)):
        for name, own in table.items():
            if _theirs(name) not in told["spaces"][space]:
                continue
            values, signed = told["spaces"][space][_theirs(name)]
            if not isinstance(values, list):
                continue
            side = {"translate_x": width, "translate_y": height}.get(name, 1)
            scale = 1 if own.unit else side
            mine = [scale * own.at(k / (len(values) - 1)) for k in range(len(values))]
            worst = max(worst, float(np.abs(np.subtract(mine, values)).max()))
            worst = worst if own.signed == signed else float("inf")
    different = 0
    for policy, pairs in SUBPOLICIES.items():
        mine = [[[_theirs(one), p, level] for one, p, level in pair] for pair in pairs]
        theirs = [[[n, p, level or 0] for n, p, level in pair] for pair in told["pairs"][policy]]
        different += sum(one != two for one, two in zip(mine, theirs, strict=True))
    return worst, different


def _photos(folder: Path, count: int) -> dict[str, np.ndarray]:
    """Write photos as arrays into a folder, and return them by name."""
    files, made = sorted(photos().glob("*.jpg")), {}
    for index in range(count):
        image = cv2.imread(str(files[index * len(files) // count]), cv2.IMREAD_COLOR_RGB)
        made[f"photo {index}"] = image
        np.save(folder / f"photo {index}.npy", image)
    return made


def _peer(*arguments: object) -> str:
    command = [python_of(PEER), str(PEERS / SCRIPT), *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
