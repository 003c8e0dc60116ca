"""Parts with a lead at either end: resistor and diode."""

import numpy as np

from variegate.datasets.samples.blueprint import Blueprint, axial, tips
from variegate.datasets.samples.easel import Color, Easel, Finish, Vector
from variegate.datasets.samples.spindles import cap, outline, spindle
from variegate.seeding import uniform

# The resistor colour code, 0 to 9.
_CODE: tuple[Color, ...] = (
    (24, 22, 22),
    (112, 62, 28),
    (204, 32, 34),
    (236, 112, 28),
    (242, 208, 44),
    (44, 136, 66),
    (42, 74, 176),
    (132, 66, 158),
    (134, 134, 138),
    (240, 240, 236),
)
_GOLD: Color = (186, 138, 52)
_E12 = (10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82)


def resistor(rng: np.random.Generator, thinnest: float) -> Blueprint:
    half, thick = uniform(rng, 0.19, 0.25), uniform(rng, 0.06, 0.085)
    bone = half * 0.42  # the thicker ends, where the caps sit
    waist = thick * uniform(rng, 0.8, 0.92)
    body = spindle(
        cap(-half, -half + thick * 0.7, radius=thick, tip=thick * 0.35),
        ((-half + bone, -half + bone * 1.35), (thick, waist)),
        ((half - bone * 1.35, half - bone), (waist, thick)),
        cap(half, half - thick * 0.7, radius=thick, tip=thick * 0.35),
    )
    whole = axial(body, rng, lead=max(thinnest / 2, uniform(rng, 0.010, 0.014)))
    film = rng.random() < 0.4  # metal film is blue and has one digit more
    value = int(rng.choice(_E12))
    digits = [value // 10, value % 10, *([0] if film else []), int(rng.integers(0, 6))]
    bands = [_CODE[d] for d in digits] + [_CODE[1] if film else _GOLD]
    grounds = [(118, 178, 204), (96, 150, 192)] if film else [(222, 190, 146), (206, 170, 124)]
    ground = grounds[int(rng.integers(2))]
    places = np.append(np.linspace(-0.72, 0.38, len(bands) - 1), 0.74) * half

    def paint(easel: Easel) -> None:
        easel.box(-half, half, -thick * 1.3, thick * 1.3, ground)
        for place, color in zip(places, bands, strict=True):
            wide = half * 0.075
            easel.box(place - wide, place + wide, -thick * 1.3, thick * 1.3, color)

    left, right = tips(whole)
    return Blueprint(
        outline=outline(whole),
        keypoints={"lead_left": left, "lead_right": right, "body_center": (0.0, 0.0)},
        height=thick * 2,
        paint=paint,
        surfaces=((whole, Finish(gloss=0.5)),),
    )


def diode(rng: np.random.Generator, thinnest: float) -> Blueprint:
    half, thick = uniform(rng, 0.12, 0.19), uniform(rng, 0.055, 0.08)
    glass = rng.random() < 0.35
    if glass:
        thick *= 0.85
        body = spindle(
            cap(-half, -half + thick, radius=thick), cap(half, half - thick, radius=thick)
        )
    else:
        body = spindle(
            ((-half, -half + thick * 0.15), (thick * 0.88, thick)),
            ((half - thick * 0.15, half), (thick, thick * 0.88)),
        )
    whole = axial(body, rng, lead=max(thinnest / 2, uniform(rng, 0.011, 0.017)))
    ground, band = ((198, 92, 40), (26, 24, 26)) if glass else ((44, 44, 48), (214, 214, 212))
    name = str(rng.choice(("1N4007", "1N4001", "1N5819", "UF4004")))
    ring, wide = half * uniform(rng, 0.5, 0.64), half * uniform(rng, 0.13, 0.2)

    def paint(easel: Easel) -> None:
        easel.box(-half, half, -thick * 1.3, thick * 1.3, ground)
        if glass:  # the two studs that hold the crystal
            easel.box(-half, -half * 0.15, -thick * 0.4, thick * 0.4, (150, 96, 70))
            easel.box(half * 0.1, half, -thick * 0.4, thick * 0.4, (150, 96, 70))
        easel.box(ring - wide, ring + wide, -thick * 1.3, thick * 1.3, band)

    def mark(easel: Easel, _toward: Vector) -> None:
        if not glass:
            middle, room = (ring - wide - half) / 2, (ring - wide + half) * 0.86
            easel.write(name, (middle, 0), room=(room, thick * 0.5), color=(176, 176, 174))

    left, right = tips(whole)
    return Blueprint(
        outline=outline(whole),
        keypoints={"anode": left, "cathode": right, "ring": (ring, 0.0)},
        height=thick * 2,
        paint=paint,
        surfaces=((whole, Finish(gloss=0.85 if glass else 0.5, squarings=5 if glass else 4)),),
        finishing=mark,
    )
