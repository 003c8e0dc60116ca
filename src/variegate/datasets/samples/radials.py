"""Parts with two legs at one end: led and capacitor."""

import numpy as np

from variegate.datasets.samples.blueprint import Blueprint, two_legs
from variegate.datasets.samples.easel import METAL, Color, Easel, Finish, Vector
from variegate.datasets.samples.spindles import Spindle, cap, outline, spindle
from variegate.seeding import uniform


def led(rng: np.random.Generator, thinnest: float) -> Blueprint:
    thick = uniform(rng, 0.125, 0.165)
    long = thick * uniform(rng, 2.5, 2.9)
    foot = -0.5 + long
    rim, brim = thick * 0.16, thick * 0.34
    dome = spindle(
        cap(-0.5, -0.5 + thick, radius=thick),
        ((foot - brim, foot - brim, foot), (thick, thick + rim, thick + rim)),
    )
    legs = two_legs(
        rng, foot, apart=thick * 0.42, thinnest=thinnest, shorter=uniform(rng, 0.06, 0.1)
    )
    color = _HUES[int(rng.integers(len(_HUES)))]
    dark: Color = (color[0] * 5 // 8, color[1] * 5 // 8, color[2] * 5 // 8)

    def frame(easel: Easel) -> None:
        """The lead frame inside: the anvil with its cup, and the post."""
        neck, top = foot - brim * 0.6, foot - long * 0.62
        cup = [
            (foot, 0.3),
            (neck, 0.12),
            (top, -0.02),
            (top - 0.03, 0.62),
            (neck, 0.66),
            (foot, 0.6),
        ]
        post = [(foot, -0.6), (top * 0.98, -0.5), (top - 0.02, -0.14), (neck, -0.2), (foot, -0.3)]
        for shape in (cup, post):
            easel.polygon(np.array([(x, y * thick) for x, y in shape]), dark)

    def paint(easel: Easel) -> None:
        easel.box(-0.6, foot, -thick * 1.4, thick * 1.4, color)
        easel.blend(lambda: frame(easel), 0.75)
        easel.box(foot - brim, foot - brim * 0.75, -thick * 1.4, thick * 1.4, dark)

    clear = Finish(ambient=0.62, gloss=0.95, squarings=5, glow=0.55)
    anode, cathode = _ends(legs).values()
    return Blueprint(
        outline=outline(dome, legs),
        keypoints={"anode": anode, "cathode": cathode, "dome": (-0.5 + thick, 0.0)},
        height=thick * 1.8,
        paint=paint,
        surfaces=((legs[0], METAL), (legs[1], METAL), (dome, clear)),
    )


def capacitor(rng: np.random.Generator, thinnest: float) -> Blueprint:
    """An electrolytic can, or a ceramic disc."""
    return (_can if rng.random() < 0.6 else _disc)(rng, thinnest)


def _can(rng: np.random.Generator, thinnest: float) -> Blueprint:
    thick = uniform(rng, 0.125, 0.185)
    foot = -0.5 + thick * uniform(rng, 3.0, 3.6)
    groove, edge = thick * 0.9, thick * 0.1
    at = foot - thick * 0.42
    body = spindle(
        ((-0.5, -0.5 + edge), (thick - edge, thick)),
        ((at - edge * 1.5, at, at + edge * 1.5), (thick, groove, thick)),
        ((foot - edge, foot), (thick, thick - edge)),
    )
    legs = two_legs(
        rng, foot, apart=thick * 0.4, thinnest=thinnest, shorter=uniform(rng, 0.05, 0.09)
    )
    sleeve, stripe, ink = _SLEEVES[int(rng.integers(len(_SLEEVES)))]
    text = f"{rng.choice((1, 10, 22, 47, 100, 220, 470))}uF {rng.choice((16, 25, 35, 50))}V"
    low, high = thick * 0.38, thick * 0.8

    def paint(easel: Easel) -> None:
        easel.box(-0.6, foot, -thick * 1.2, thick * 1.2, sleeve)
        easel.box(-0.49, foot, low, high, stripe)
        for place in np.linspace(-0.42, at - thick * 0.3, 4):
            easel.box(place, place + thick * 0.32, low + 0.011, high - 0.011, sleeve)
        easel.write(
            text, ((at - 0.48) / 2, -thick * 0.2), room=((at + 0.44) * 0.9, thick * 0.45), color=ink
        )
        easel.box(-0.6, -0.5 + edge * 0.8, -thick, thick, (188, 190, 194))

    return Blueprint(
        outline=outline(body, legs),
        keypoints=_ends(legs) | {"body_center": ((foot - 0.5) / 2, 0.0)},
        height=thick * 2,
        paint=paint,
        surfaces=((legs[0], METAL), (legs[1], METAL), (body, Finish(gloss=0.45, squarings=4))),
    )


def _disc(rng: np.random.Generator, thinnest: float) -> Blueprint:
    thick = uniform(rng, 0.2, 0.27)
    long = thick * 2.05
    foot = -0.5 + long
    apart, drip = thick * uniform(rng, 0.36, 0.5), thick * 0.2
    # The coating runs down the legs a little: the round ends in a short skirt.
    x, radius = cap(-0.5, -0.5 + thick, radius=thick)
    right, falling = cap(foot, -0.5 + thick, radius=thick, tip=apart + drip)
    body = spindle((x, radius), (right, falling))
    legs = two_legs(rng, foot, apart=apart, thinnest=thinnest, shorter=0.0)
    ground = _COATS[int(rng.integers(len(_COATS)))]
    text = str(rng.choice(("101", "102", "103", "104", "22", "47", "473")))

    def paint(easel: Easel) -> None:
        easel.box(-0.6, foot, -thick * 1.2, thick * 1.2, ground)

    def mark(easel: Easel, _toward: Vector) -> None:
        dark = (ground[0] // 4, ground[1] // 4, ground[2] // 4)
        easel.write(text, (-0.5 + thick, 0.0), room=(thick, thick * 0.45), color=dark)

    return Blueprint(
        outline=outline(body, legs),
        keypoints=_ends(legs) | {"body_center": (-0.5 + thick, 0.0)},
        height=thick * 0.6,
        paint=paint,
        surfaces=(
            (legs[0], METAL),
            (legs[1], METAL),
            (body, Finish(ambient=0.4, gloss=0.3, squarings=5, bulge=0.45)),
        ),
        finishing=mark,
    )


def _ends(legs: tuple[Spindle, Spindle]) -> dict[str, tuple[float, float]]:
    upper, lower = ((float(leg.x[-1] - leg.radius[-1]), float(leg.center[-1])) for leg in legs)
    return {"lead_positive": upper, "lead_negative": lower}


# Leds' plastics; sleeve, stripe and ink of electrolytic capacitors; coats of ceramic ones.
_HUES: tuple[Color, ...] = (
    (222, 34, 30),
    (40, 176, 62),
    (244, 196, 34),
    (48, 92, 226),
    (214, 222, 228),
    (246, 122, 24),
)
_SLEEVES: tuple[tuple[Color, Color, Color], ...] = (
    ((34, 34, 40), (196, 200, 204), (196, 200, 204)),
    ((28, 44, 96), (206, 208, 210), (222, 222, 222)),
    ((72, 40, 92), (212, 196, 142), (226, 212, 160)),
    ((20, 84, 74), (214, 206, 158), (230, 222, 180)),
    ((92, 48, 30), (214, 182, 110), (230, 204, 140)),
)
_COATS: tuple[Color, ...] = (
    (206, 122, 46),
    (190, 98, 40),
    (70, 112, 178),
    (214, 172, 60),
    (96, 140, 96),
)
