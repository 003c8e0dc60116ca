"""Weather and optics: what they promise about the scene's light, as numbers."""

import cv2
import numpy as np
import pytest

from variegate.ops import weather
from variegate.seeding import generator
from variegate.transforms import find_transform

SIZES = {"gray, 96 px": (96, True), "color, 224 px": (224, False), "color, 640 px": (640, False)}
each_size = pytest.mark.parametrize(("side", "gray"), SIZES.values(), ids=SIZES)


@pytest.fixture(scope="module")
def photo(data_dir):
    path = data_dir / "coco_mini/images/val2017/000000006818.jpg"
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def sized(photo, side, gray):
    scale = side / min(photo.shape[:2])
    image = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if gray else image


def at(name, strength, image, *, seed=1, **options):
    kind = find_transform(name)
    chosen = kind.model_validate({kind.axes[0].parameter: strength, **options})
    return chosen.draw(generator(seed, name), image.shape[:2]).apply_image(image)


def values(image):
    return image.astype(np.float64)


def test_airlight_is_the_color_of_the_brightest_twentieth():
    image = np.full((100, 200, 3), 40, np.uint8)
    image[:20, :60] = 200, 160, 100
    gray = 0.299 * 200 + 0.587 * 160 + 0.114 * 100
    expected = [(one + gray) / 2 for one in (200, 160, 100)]
    assert np.abs(np.subtract(weather.airlight(image), expected)).max() <= 1
    image[:20, 8:] = 40  # a lamp is not the scene's light
    assert np.abs(np.subtract(weather.airlight(image), 40)).max() <= 2


@each_size
@pytest.mark.parametrize("name", ["fog", "snow", "frost"])
def test_what_veils_a_dark_scene_is_dark(photo, name, side, gray):
    image = sized(photo, side, gray)
    night = (image // 4).astype(np.uint8)
    made = at(name, 1.0, night)
    brightest = max(weather.airlight(night))
    assert made.max() <= brightest * 1.05 + 12 or made.max() <= night.max()
    assert at(name, 1.0, image).mean() > 2.5 * made.mean()


@each_size
def test_fog_is_much_thicker_at_the_top(side, gray):
    stripes = np.zeros((side, side, *(() if gray else (3,))), np.uint8)
    stripes[:, ::4] = stripes[:, 1::4] = 200
    contrasts = []
    for seed in range(4):
        foggy = values(at("fog", 0.5, stripes, seed=seed))
        bands = [foggy[start : start + side // 8] for start in (0, side - side // 8)]
        contrasts.append([band.std() / 100 for band in bands])
    top, bottom = np.mean(contrasts, axis=0)
    assert top < 0.15
    assert bottom > 0.5


def flakes(side, **options):
    """Snow before black, lit by a white ground; without its veil."""
    image = np.zeros((side, side), np.uint8)
    image[-side // 10 :] = 255
    snow = values(at("snow", 0.25, image, **options))[: side * 8 // 10]
    return snow - snow.min()


@pytest.mark.parametrize("side", [96, 224, 640])
def test_snow_is_streaked_along_its_slant(side):
    for slant in (-40, 40):
        snow = flakes(side, slant_degrees=slant)
        energy = {}
        for angle in (-40, 40):
            across, down = np.sin(np.radians(angle)), np.cos(np.radians(angle))
            energy[angle] = np.mean(
                (np.gradient(snow, axis=1) * across + np.gradient(snow, axis=0) * down) ** 2
            )
        # It changes less along its fall than across.
        assert energy[slant] < 0.7 * energy[-slant]


@pytest.mark.parametrize("side", [96, 224, 640])
def test_snow_is_translucent_and_of_many_sizes(side):
    snow = flakes(side, seed=4)
    levels = snow[snow > 40]
    # No level is that of most flakes, and hardly any hides all that is behind it.
    assert levels.std() > 25
    assert (snow > 235).mean() < 0.02
    count, _, stats, _ = cv2.connectedComponentsWithStats((snow > 25).astype(np.uint8))
    areas = np.sort(stats[1:, cv2.CC_STAT_AREA])
    assert count > 80
    assert areas[int(0.97 * len(areas))] >= 6 * np.median(areas)


def test_snow_on_small_images_is_never_squares():
    snow = flakes(96, slant_degrees=0, seed=2)
    # A square of 2 x 2 pixels ends abruptly; flakes that were painted larger fade.
    steps = np.abs(np.diff(snow, axis=1))
    assert np.percentile(steps[steps > 10], 95) < 120
    both = (snow[:-1, :-1] == snow[1:, :-1]) & (snow[:-1, 1:] == snow[1:, 1:])
    same = both & (snow[:-1, :-1] == snow[:-1, 1:]) & (snow[:-1, :-1] > 60)
    assert same.mean() < 0.002


@each_size
def test_mud_only_takes_light_away(photo, side, gray):
    image = sized(photo, side, gray)
    muddy = at("spatter", 0.6, image)
    assert (muddy <= image).all()
    assert not muddy[image == 0].any()
    white = values(at("spatter", 0.6, np.full_like(image, 255)))
    share = values(image) * white / 255
    assert np.abs(muddy - share).max() <= 1.01


@pytest.mark.parametrize("side", [96, 224, 640])
@pytest.mark.parametrize("kind", ["mud", "water"])
def test_the_edge_of_spatter_is_out_of_focus(side, kind):
    ramp = np.tile(np.linspace(0, 255, side).astype(np.uint8), (side, 1))
    image = np.full((side, side), 250, np.uint8) if kind == "mud" else ramp
    changed = np.abs(values(at("spatter", 0.4, image, kind=kind)) - image)
    whole = changed.max()
    soft = ((changed > 0.1 * whole) & (changed < 0.9 * whole)).sum()
    edge = np.count_nonzero(np.diff((changed > 0.5 * whole).astype(int), axis=1)) * 1.3
    # The width of the edge from a tenth to nine tenths: 2.56 deviations of a normal blur.
    assert soft / edge > 0.8 * max(0.5, 0.006 * side) * 2.56 - 0.5


@each_size
def test_water_bends_light_and_hides_nothing(photo, side, gray):
    image = sized(photo, side, gray)
    kind = find_transform("spatter")
    operation = kind(strength=(0.6, 0.6), kind="water").draw(generator(1), image.shape[:2])
    wet = operation.apply_image(image)
    assert operation.visible(image.shape[:2]) is None
    assert abs(wet.mean() - image.mean()) < 6
    assert (np.abs(values(wet) - image) > 12).mean() > 0.03
    mud = kind(strength=(0.6, 0.6)).draw(generator(1), image.shape[:2])
    assert mud.visible(image.shape[:2]).mean() == pytest.approx(1 - 0.4 * 0.6, abs=0.05)


@each_size
def test_ice_grows_in_feathers_and_leaves_the_scene_to_be_seen(photo, side, gray):
    image = sized(photo, side, gray)
    dark = np.full(image.shape, 20, np.uint8)
    dark[-side // 10 :] = 240
    ice = values(at("frost", 1.0, dark))[: side * 8 // 10]
    ice -= ice.min()
    # It has lines, thinner than a thirtieth of the side, and places that are nearly clear.
    smooth = cv2.GaussianBlur(ice, (0, 0), side / 30)
    assert (ice - smooth).std() > 8
    assert np.percentile(ice, 5) < 0.35 * np.percentile(ice, 95)
    likeness = np.corrcoef(image.ravel(), at("frost", 0.6, image).ravel())[0, 1]
    assert likeness > 0.8


@pytest.mark.parametrize("channels", [(), (3,)], ids=["gray", "RGB"])
@pytest.mark.parametrize("level", [0, 8, 20, 40])
def test_iso_noise_does_not_lift_blacks(channels, level):
    image = np.full((200, 200, *channels), level, np.uint8)
    for intensity in (0.2, 0.5, 1.0):
        noisy = values(at("iso_noise", intensity, image))
        assert noisy.mean() == pytest.approx(level, abs=1.0)
        assert noisy.std() >= 0.1 * level * intensity


@each_size
def test_superpixels_follow_edges(photo, side, gray):
    image = sized(photo, side, gray)
    coarse = at("superpixels", 1.0, image, cell=0.05)
    # Squares of as many pixels, each in its mean color, know nothing of edges.
    cells = [max(1, int(length / (0.05 * min(image.shape[:2])))) for length in image.shape[:2]]
    small = cv2.resize(image, cells[::-1], interpolation=cv2.INTER_AREA)
    squares = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    lost, least = (np.mean((values(one) - image) ** 2) for one in (squares, coarse))
    assert least < 0.6 * lost


def test_superpixels_keep_a_straight_edge():
    image = np.full((120, 160, 3), 60, np.uint8)
    image[:, 83:] = 180
    coarse = at("superpixels", 1.0, image, cell=0.1)
    assert np.abs(values(coarse) - image).mean() < 3
