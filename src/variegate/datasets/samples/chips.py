"""Chips: dual in-line packages, seen from above."""

import numpy as np

from variegate.datasets.samples.blueprint import Blueprint
from variegate.datasets.samples.easel import Color, Easel, Vector
from variegate.seeding import uniform

_NAMES = {  # by pins on a side
    4: ("NE555", "LM358", "TL072", "ATTINY85", "PIC12F"),
    7: ("74HC00", "LM324", "74LS04", "CD4011"),
    8: ("CD4017", "74HC595", "ULN2003", "MAX232"),
}


def chip(rng: np.random.Generator, thinnest: float) -> Blueprint:
    """A DIP of 8, 14 or 16 pins; pin 1 at the lower left, the notch on the left."""
    pins = int(rng.choice((4, 4, 7, 8)))
    # In pitches (0.1 inch): the body is 2.5 across; then all to units.
    unit = 1 / max(pins + 0.3, 4.2)
    long, wide = (pins - 0.05) * unit / 2, uniform(rng, 1.25, 1.35) * unit
    reach = wide + uniform(rng, 0.35, 0.6) * unit
    half_pin = min(max(uniform(rng, 0.2, 0.28) * unit, thinnest / 2), 0.42 * unit)
    places = (np.arange(pins) - (pins - 1) / 2) * unit
    gray = int(rng.integers(34, 62))
    color: Color = (gray, gray, gray + int(rng.integers(0, 6)))
    name, lot = str(rng.choice(_NAMES[pins])), f"{rng.integers(8, 26):02d}{rng.integers(1, 53):02d}"
    notch, dot = unit * 0.3, (-long + unit * 0.5, wide - unit * 0.5)

    def paint(easel: Easel) -> None:
        for side in (-1, 1):
            shoulder, tip = wide * side, reach * side
            easel.box(-long, long, shoulder * 0.9, (shoulder + tip) / 2, (214, 215, 218))
            easel.box(-long, long, (shoulder + tip) / 2, tip * 1.1, (142, 144, 150))

    def finish(easel: Easel, toward: Vector) -> None:
        _body(easel, (long, wide), color, toward, bevel=unit * 0.16)
        easel.disc((-long, 0.0), notch, _tone(color, 0.5))
        easel.disc((-long + unit * 0.04, 0.0), notch * 0.8, _tone(color, 0.72))
        easel.disc(dot, unit * 0.15, _tone(color, 0.55))
        ink = _tone(color, 3.6)
        easel.write(name, (unit * 0.15, -wide * 0.24), room=(long * 1.3, unit * 0.55), color=ink)
        easel.write(lot, (unit * 0.15, wide * 0.36), room=(long * 1.3, unit * 0.42), color=ink)

    tip = reach - half_pin
    return Blueprint(
        outline=_silhouette(places, half_pin, long, wide, reach),
        keypoints={
            "pin_1": (float(places[0]), tip),
            "pin_last": (float(places[0]), -tip),
            "notch": (-long + notch / 2, 0.0),
            "body_center": (0.0, 0.0),
        },
        height=unit * 1.3,
        paint=paint,
        finishing=finish,
    )


def _silhouette(
    places: np.ndarray, half_pin: float, long: float, wide: float, reach: float
) -> np.ndarray:
    """Body and pins as one polygon, (N, 2): along the top to the right, back along the bottom."""
    top = [(-long, -wide)]
    for x in places:
        left, right = x - half_pin, x + half_pin
        top += [(left, -wide), (left, -reach), (right, -reach), (right, -wide)]
    top.append((long, -wide))
    upper = np.array(top)
    return np.concatenate([upper, -upper])


def _body(
    easel: Easel, half: tuple[float, float], color: Color, toward: Vector, *, bevel: float
) -> None:
    """The moulded body: a flat top, and four slopes, each as bright as it faces the lamp."""
    long, wide = half
    outer = np.array([(-long, -wide), (long, -wide), (long, wide), (-long, wide)])
    inner = outer * (1 - bevel / np.array([long, wide]))
    facing = ((0, -1), (1, 0), (0, 1), (-1, 0))
    for side, (nx, ny) in enumerate(facing):
        follows = (side + 1) % 4
        slope = np.array([outer[side], outer[follows], inner[follows], inner[side]])
        easel.polygon(slope, _tone(color, 1.1 + 0.9 * (nx * toward[0] + ny * toward[1])))
    easel.polygon(inner, _tone(color, 1.0 + 0.5 * (toward[2] - 0.7)))


def _tone(color: Color, gain: float) -> Color:
    red, green, blue = (min(255, max(0, round(c * gain))) for c in color)
    return (red, green, blue)
