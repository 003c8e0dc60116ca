"""Fusing, sharing and executing: the same results as step by step, with less work."""

import gc
import itertools
import math
import weakref

import numpy as np
import PIL.Image
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import psnr, smooth_image, warped
from variegate.annotations.sample import Sample
from variegate.ops import (
    ColorMatrix,
    Geometric,
    Identity,
    Lut,
    Operation,
    Pixels,
    Pointwise,
    View,
    Warp,
)
from variegate.ops.blur import GaussianBlur
from variegate.ops.matrices import about, translation
from variegate.recipes.plan import draw_variants, execute, fuse, reduction
from variegate.recipes.policies import Each, OneOf, SampleOf, Sequence, Subsets
from variegate.recipes.recipe import Recipe
from variegate.seeding import generator
from variegate.transforms import find_transform

SIZE = (72, 96)
RED, GREEN = (200, 30, 10), (5, 180, 60)

INVERT = Lut.of(np.arange(256)[::-1])
DARKEN = Lut.of(np.arange(256) * 0.7)
TINT = Lut.of(np.stack([np.arange(256) * share for share in (1.0, 0.8, 0.6)]))
SWAP = ColorMatrix.of(np.eye(3)[[2, 0, 1]])
FADE = ColorMatrix.of(0.6 * np.eye(3) + 0.13)
FLIP = Warp.of([[-1, 0, 96], [0, 1, 0], [0, 0, 1]], SIZE)
BLUR = GaussianBlur(1.0)


def turn(border, fill=(0, 0, 0), degrees=20.0, interpolation=None):
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = about(np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1.0]]), 48, 36)
    return Warp.of(matrix, SIZE, View(border, fill, interpolation))


REFLECT, PAINT, PAINT_GREEN = turn("reflect"), turn("constant", RED), turn("constant", GREEN)
NEAREST = turn(None, interpolation="nearest", degrees=7)
NEAREST_PAINT = turn("constant", RED, interpolation="nearest", degrees=11)
LINEAR_PAINT = turn("constant", GREEN, interpolation="linear", degrees=30)
WAVE = find_transform("wave")().draw(generator(0), SIZE)
POOL = [INVERT, DARKEN, TINT, SWAP, FADE, FLIP, BLUR, REFLECT, PAINT, PAINT_GREEN, WAVE]
POOL += [NEAREST, NEAREST_PAINT, LINEAR_PAINT, Identity()]
chains = st.lists(st.sampled_from(POOL), max_size=7)


def run(operations, image):
    for operation in operations:
        image = operation.apply_image(image)
    return image


@given(chain=chains)
@settings(max_examples=500)
def test_normal_form_has_nothing_left_to_do(chain):
    form = fuse(chain)
    assert fuse(form) == form
    for one, two in itertools.pairwise(form):
        assert one.then(two) is None
        assert not (isinstance(one, Pointwise) and isinstance(two, Geometric) and not two.paints)
        assert not (isinstance(one, Geometric) and one.paints and isinstance(two, Pointwise))
    assert not any(operation.is_identity for operation in form)
    assert len(form) <= len(chain)


@given(chain=chains)
@settings(max_examples=200)
def test_barriers_stay_where_they_are(chain):
    form = fuse(chain)
    assert sum(isinstance(one, Pixels) for one in form) == chain.count(BLUR)
    if BLUR in chain:
        place = len(chain) - 1 - chain[::-1].index(BLUR)
        assert form == (*fuse(chain[: place + 1]), *fuse(chain[place + 1 :]))


colors_and_flips = st.lists(st.sampled_from([INVERT, DARKEN, SWAP, FADE, TINT, FLIP]), max_size=3)


@given(before=colors_and_flips, after=colors_and_flips)
@settings(max_examples=150)
def test_fused_chain_paints_and_colors_like_its_steps(before, after):
    # One paint: of two, the fused sees what the canvas between them would have cut off.
    chain = [*before, PAINT, *after]
    # One plain color, the pattern of a paint: exact wherever both see only one of them.
    image = np.full((*SIZE, 3), (90, 140, 60), np.uint8)
    stepwise, fused = run(chain, image), run(fuse(chain), image)
    # Pixels on an edge mix the two, earlier or later; a matrix may round otherwise by a level.
    different = (np.abs(stepwise.astype(int) - fused).max(axis=-1) > 2).mean()
    assert different < 0.08
    assert np.abs(stepwise[0, 0].astype(int) - fused[0, 0]).max() <= 2


RULES = [
    ("joinable", [INVERT, DARKEN], [INVERT.then(DARKEN)]),
    ("identity", [FLIP, Identity(), BLUR], [FLIP, BLUR]),
    ("inverse of each other", [INVERT, INVERT, BLUR], [BLUR]),
    ("color, then geometry", [INVERT, FLIP], [FLIP, INVERT]),
    ("color between geometry", [REFLECT, INVERT, FLIP], [REFLECT.then(FLIP), INVERT]),
    ("two colors, then geometry", [INVERT, SWAP, FLIP], [FLIP, INVERT, SWAP]),
    ("paint, then color", [PAINT, INVERT], [INVERT, PAINT.repainted(INVERT)]),
    ("color, then paint", [INVERT, PAINT], [INVERT, PAINT]),
    ("geometry, color, paint", [FLIP, INVERT, PAINT], [INVERT, FLIP.then(PAINT)]),
    ("two paints", [PAINT, PAINT_GREEN], [PAINT, PAINT_GREEN]),
    ("paint, color, paint", [PAINT, INVERT, PAINT], [INVERT, PAINT.repainted(INVERT), PAINT]),
    ("blur between", [INVERT, BLUR, INVERT], [INVERT, BLUR, INVERT]),
    ("field between", [REFLECT, WAVE, FLIP], [REFLECT.then(WAVE).then(FLIP)]),
    ("other borders", [REFLECT, WAVE, PAINT], [REFLECT.then(WAVE), PAINT]),
]


@pytest.mark.parametrize(("chain", "form"), [rule[1:] for rule in RULES], ids=[r[0] for r in RULES])
def test_rule(chain, form):
    assert fuse(chain) == tuple(form)


@pytest.mark.parametrize("kind", ["RGB", "gray", "RGBA"])
@pytest.mark.parametrize("change", [INVERT, DARKEN, TINT, SWAP, FADE], ids=lambda c: repr(c)[:12])
def test_fill_is_repainted_exactly(change, kind):
    image = {"RGB": np.zeros((*SIZE, 3), np.uint8), "gray": np.zeros(SIZE, np.uint8)}.get(
        kind, np.zeros((*SIZE, 4), np.uint8)
    )
    # All of the canvas is beyond the source.
    away = Warp.of(translation(500, 0), SIZE, View("constant", RED))
    stepwise, fused = run([away, change], image), run(fuse([away, change]), image)
    np.testing.assert_array_equal(fused, stepwise)


def geometric_steps(seed):
    rng = generator(seed)
    return [
        find_transform(name)().draw(rng, SIZE)
        for name in ("rotate", "scale", "shear", "translate", "wave")
    ]


@given(seed=st.integers(0, 5000), mixed=st.permutations([DARKEN, FADE, TINT]))
@settings(max_examples=40)
def test_fused_chain_is_the_same_image(seed, mixed):
    steps = geometric_steps(seed)
    chain = [steps[0], mixed[0], steps[1], steps[2], mixed[1], steps[3], mixed[2], steps[4]]
    form = fuse(chain)
    assert len(form) <= 4
    image = smooth_image(*SIZE, waves=1)
    # What of the canvas is source all the way: white stays white under every step.
    source = np.full(SIZE, 255, np.uint8)
    for step in steps:
        black = type(step)(**{**vars(step), "view": View("constant")})
        source = black.apply_image(source)
    inside = source == 255
    error = np.abs(run(chain, image).astype(int) - run(form, image))[inside]
    assert inside.mean() > 0.1
    assert error.max() <= 6
    assert error.mean() < 1


def test_fused_warps_are_sharper_than_five_resamplings(photos):
    steps = [
        turn("reflect", degrees=degrees) for degrees in (13.0, -7.0, 21.0, 5.0, -32.0)
    ]  # together: not turned at all
    x = np.arange(96) + 0.5
    stripes = np.rint(127.5 + 110 * np.sin(2 * np.pi * x / 3.5))
    image = np.repeat(stripes[np.newaxis], 72, axis=0).astype(np.uint8)
    inner = (slice(25, -25), slice(35, -35))
    fused, stepwise = run(fuse(steps), image)[inner], run(steps, image)[inner]
    assert len(fuse(steps)) == 1
    assert np.abs(fused.astype(int) - image[inner]).mean() < 1
    assert stepwise.std() < 0.5 * fused.std()
    # The same on a photo, turned for good, against one ideal resampling.
    photo = photos[0][:72, :96]
    steps = steps[:-1]
    ideal = warped(photo, fuse(steps)[0].array, SIZE, "reflect")[inner]
    fused, stepwise = (
        psnr(run(fuse(steps), photo)[inner], ideal),
        psnr(run(steps, photo)[inner], ideal),
    )
    assert fused > 55
    assert stepwise < fused - 5


CHAIN_OF_SIX = Subsets(
    steps=(
        find_transform("rotate")(fit="inside"),
        find_transform("contrast")(factor=(1.3, 1.6)),
        find_transform("brightness")(amount=(0.1, 0.2)),
        find_transform("flip")(),
        find_transform("gaussian_noise")(sigma=(0.02, 0.08)),
        find_transform("speckle")(sigma=(0.05, 0.2)),
    )
)
FLIP_STEP, ROTATE = find_transform("flip")(), find_transform("rotate")(border="constant")
NOISE, GAMMA = find_transform("gaussian_noise")(), find_transform("gamma")()
SHRINK = find_transform("resize")(size=(9, 12))
POLICIES = {
    "power set": CHAIN_OF_SIX,
    "sample": SampleOf(n=24, k_min=0, steps=(FLIP_STEP, ROTATE, NOISE, GAMMA, SHRINK)),
    "nested": Sequence(
        steps=(
            Subsets(steps=(ROTATE, GAMMA)),
            Each(steps=(NOISE, SHRINK, OneOf(steps=(FLIP_STEP, GAMMA))), draws=2),
        )
    ),
}


def jpeg_loader(image):
    """A loader that decodes at a fraction, as a JPEG decoder does."""
    data = simplejpeg.encode_jpeg(image, quality=95, colorsubsampling="420")

    def load(times):
        height, width = (-(-side // times) for side in image.shape[:2])
        return Sample(simplejpeg.decode_jpeg(data, min_height=height, min_width=width))

    return load


@pytest.mark.parametrize("reducible", [False, True])
@pytest.mark.parametrize("name", POLICIES)
def test_a_variant_alone_has_the_bytes_that_it_has_among_all(name, reducible, photos):
    image = np.ascontiguousarray(photos[0][:72, :96])
    load = jpeg_loader(image) if reducible else lambda _: Sample(image)
    planned = draw_variants(POLICIES[name], seed=3, key="a", size=SIZE)
    made = {
        variant.index: sample.image
        for variant, sample in execute(planned, load, size=SIZE, reducible=reducible)
    }
    assert sorted(made) == list(range(len(planned)))
    for variant in planned:
        alone = draw_variants(POLICIES[name], seed=3, key="a", size=SIZE, only=variant.index)
        [(same, sample)] = execute(alone, load, size=SIZE, reducible=reducible)
        assert same == variant
        assert sample.image.tobytes() == made[variant.index].tobytes()
        assert sample.size == variant.size
    if reducible and name != "power set":
        assert {reduction(variant, SIZE) for variant in planned} == {1, 4}


def counted(monkeypatch, policy, size=SIZE):
    """Run a policy; return how often operations acted and how many images were ever alive."""
    alive, applied, most = [], [], 0
    original = Operation.apply_image

    def apply_image(self, image):
        nonlocal most
        result = original(self, image)
        if not isinstance(self, Identity):
            applied.append(self)
            alive.append(weakref.ref(result))
        most = max(most, sum(ref() is not None for ref in alive))
        return result

    monkeypatch.setattr(Operation, "apply_image", apply_image)
    image = smooth_image(*size)
    planned = draw_variants(policy, seed=2, key="a", size=size)
    gc.disable()
    try:
        results = execute(planned, lambda _: Sample(image), size=size, reducible=False)
        count = sum(1 for _ in results)
    finally:
        gc.enable()
    return count, len(applied), most + 1


def test_a_power_set_costs_one_kernel_a_variant_and_few_images_alive(monkeypatch):
    count, kernels, alive = counted(monkeypatch, CHAIN_OF_SIX)
    assert count == 64
    # Each variant but the source is one kernel on another variant.
    assert kernels == 63
    assert alive <= 7


def test_barriers_of_a_power_set_are_shared(monkeypatch):
    blurs = tuple(find_transform("gaussian_blur")(sigma=(0.01, 0.02)) for _ in range(6))
    count, kernels, alive = counted(monkeypatch, Subsets(steps=blurs))
    assert (count, kernels) == (64, 63)
    assert alive <= 7


def test_reduced_decoding_only_where_the_variant_shrinks():
    def times(size, *steps):
        return reduction(draw_variants(Sequence(steps=steps), seed=0, key="", size=size)[0], size)

    resize = find_transform("resize")
    assert times((800, 800), resize(size=800)) == 1
    assert times((800, 800), resize(size=300)) == 1
    assert times((800, 800), resize(size=200)) == 2
    assert times((800, 800), resize(size=100)) == 4
    assert times((800, 800), resize(size=50)) == 8
    assert times((800, 800), resize(size=(50, 400))) == 1
    # 7 pixels too many at an eighth, 3 at a quarter, 1 at a half.
    assert times((801, 801), resize(size=50)) == 2
    assert times((801, 801), resize(size=200)) == 1
    assert times((800, 800), GAMMA, FLIP_STEP, resize(size=100)) == 4
    assert times((800, 800), NOISE, resize(size=100)) == 1
    assert times((800, 800), find_transform("zoom")(factor=(3, 3)), resize(size=60)) == 2
    assert times((800, 800), resize(size=100, interpolation="nearest")) == 1
    assert times((800, 800), find_transform("wave")(), resize(size=100)) == 1


@pytest.mark.parametrize("cut", [(0, 0), (1, 1), (3, 5), (7, 7)], ids=str)
def test_reduced_decoding_looks_like_full_decoding(cut, data_dir):
    for name in ("000000000785", "000000007281"):
        photo = PIL.Image.open(data_dir / f"coco_mini/images/val2017/{name}.jpg").convert("RGB")
        image = np.asarray(photo)[: 408 + cut[0], : 600 + cut[1]]
        size = image.shape[:2]
        for shorter in (100, 50, 24, 12):
            policy = find_transform("shortest_side")(size=shorter)
            [variant] = draw_variants(policy, seed=0, key="", size=size)
            load = jpeg_loader(np.ascontiguousarray(image))
            [(_, full)] = execute([variant], load, size=size, reducible=False)
            [(_, reduced)] = execute([variant], load, size=size, reducible=True)
            assert psnr(reduced.image, full.image) >= 34


def test_drawn_parameters_build_the_variant_again():
    for name, policy in POLICIES.items():
        for variant in draw_variants(policy, seed=5, key=name, size=SIZE):
            operations = []
            size = SIZE
            for drawn in variant.drawn:
                step = find_transform(drawn.transform).operation(drawn.parameters, size)
                operations.append(step)
                size = step.output_size(size)
            assert fuse(operations) == variant.operations
            assert size == variant.size


def test_results_of_a_recipe_share_no_memory_with_each_other_or_the_source():
    image = smooth_image(*SIZE)
    before = image.copy()
    recipe = Recipe(variants=Subsets(steps=(FLIP_STEP, NOISE, GAMMA)))
    expected = [made.copy() for _, made in recipe.variants(image, key="a")]
    for (_, made), untouched in zip(recipe.variants(image, key="a"), expected, strict=True):
        np.testing.assert_array_equal(made, untouched)
        made[...] = 0
    np.testing.assert_array_equal(image, before)
