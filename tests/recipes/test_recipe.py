"""Recipes: refused in one sentence, or read, written and digested without loss."""

import json

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.annotations.rules import LabelRule
from variegate.errors import RecipeError, UsageError
from variegate.recipes.plan import draw_variants
from variegate.recipes.policies import (
    Along,
    AugMix,
    AutoAugment,
    Axes,
    Each,
    OneOf,
    Rand,
    SampleOf,
    Sequence,
    Subsets,
    Trivial,
)
from variegate.recipes.recipe import Output, Recipe, preset_text, presets
from variegate.transforms import all_transforms, find_transform


def refused(text):
    """The sentence with which a recipe is refused."""
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(text, where="my.yaml")
    assert isinstance(caught.value, UsageError)
    return str(caught.value)


# What is written, and what its refusal says: the place, what was expected, what is likely meant.
REFUSALS = {
    "": ["expected seed, variants and output, got None"],
    "hello": ["expected seed, variants and output, got 'hello'"],
    "[flip]": ["expected seed, variants and output, got ['flip']"],
    "seed: 1": ["variants: expected, but missing"],
    "sead: 1\nvariants: flip": ["unknown parameter 'sead'", "did you mean 'seed'?"],
    "policy: flip": ["unknown parameter 'policy'", "did you mean 'variants'?"],
    "policy: {p: 1}\nvariants: flip": ["unknown parameter 'policy'", "did you mean 'variants'?"],
    "1: 2\nvariants: flip": ["expected a name, got 1"],
    "null: 2\nvariants: flip": ["expected a name, got None"],
    "variants: guassian_blur": ["variants: unknown", "did you mean 'gaussian_blur'?"],
    "variants: {subset: [flip]}": ["variants: unknown", "did you mean 'subsets'?"],
    "variants: rótate": ["variants: unknown", "'rótate'; did you mean 'rotate'?"],
    "variants: {rotate: {angle: 3}}": ["rotate: unknown parameter 'angle'", "'angle_degrees'?"],
    "variants: {source: {p: 1}}": ["source: unknown parameter 'p'; it has none"],
    "variants: [flip]": ["variants: expected a transform or a policy, got ['flip']"],
    "variants: {subsets: [flip, {rotate: {p: 2}}]}": ["subsets[1]: rotate: p: expected at most 1"],
    "variants: {each: {steps: [{sequence: [flip, flop]}]}}": [
        "variants: each.steps[0]: sequence[1]: unknown transform or policy 'flop'",
        "did you mean 'flip'?",
    ],
    "variants: {flip: , rotate: }": ["expected one name, got 'flip', 'rotate'", "name: {p: 0.5}"],
    "variants: {subsets: [null]}": ["subsets[0]: expected a transform or a policy, got None"],
    "variants: {subsets: [{on: {}}]}": ["subsets[0]: expected a transform", "got {True: {}}"],
    "variants: {rotate: 30}": ["rotate: expected parameters, got 30"],
    "variants: {rotate: [1, 2]}": ["rotate: expected parameters, got [1, 2]"],
    "variants: {rotate: {1: 2}}": ["rotate: 1: expected a name, got 1"],
    "variants: {rotate: {angle_degrees: [30, -30]}}": [
        "rotate: angle_degrees: expected low <= high, got [30, -30]"
    ],
    "variants: {brightness: {amount: 3}}": ["brightness: amount: expected -1 to 1, got 3"],
    "variants: {gamma: {exponent: 0}}": ["exponent: expected more than 0 and at most 20, got 0"],
    "variants: {brightness: {amount: lots}}": ["amount: expected a number, got 'lots'"],
    "variants: {brightness: {amount: [1, 2, 3]}}": ["expected a number or [low, high], got [1, 2"],
    "variants: {brightness: {amount: .nan}}": ["amount: expected a number", "got nan"],
    "variants: {brightness: {amount: [0, .inf]}}": ["amount: expected a number", "inf"],
    "variants: {brightness: {amount: " + 400 * "9" + "}}": ["amount: expected a number", "9..."],
    "variants: {brightness: {amount: " + 5000 * "9" + "}}": ["not valid YAML", "digits"],
    "variants: {rotate90: {k: 1.5}}": ["k: expected whole numbers, got 1.5"],
    "variants: {flip: {p: .nan}}": ["flip: p: expected a finite number, got nan"],
    "variants: {flip: {p: yes}}": ["flip: p: expected a number, got True"],
    "variants: {flip: {p: '0.5'}}": ["flip: p: expected a number, got '0.5'"],
    "variants: {flip: {axis: no}}": ["flip: axis: expected 'horizontal', 'vertical', 'both'"],
    "variants: {flip: {axis: horizontl}}": ["axis: expected", "did you mean 'horizontal'?"],
    "variants: {rotate: {fit: insde}}": ["expected 'keep', 'expand' or 'inside'", "'inside'?"],
    "variants: {scale: {independent: 'yes'}}": ["independent: expected true or false, got 'yes'"],
    "variants: {rotate: {fill: [1, 2, yes]}}": ["fill: expected a whole number, got [1, 2, True]"],
    "variants: {rotate: {fill: [1, 2, 300]}}": ["fill.2: expected at most 255, got 300"],
    "variants: {resize: {size: [1, 2, 3]}}": ["size: expected a whole number or [height, width]"],
    "variants: {resize: {size: yes}}": ["size: expected a whole number, got True"],
    "variants: {resize: {size: 0}}": ["size: expected", "from 1 to 65500, got 0"],
    "variants: {subsets: }": ["subsets: steps: expected, but missing"],
    "variants: {subsets: []}": ["subsets: steps: expected at least 1"],
    "variants: {subsets: flip}": ["subsets: expected a list of steps, got 'flip'"],
    "variants: {subsets: {steps: flip}}": ["steps: expected a list of steps, got 'flip'"],
    "variants: {sample: {steps: [flip]}}": ["sample: n: expected, but missing"],
    "variants: {sample: {n: yes, steps: [flip]}}": ["n: expected a whole number, got True"],
    "variants: {sample: {n: 2.5, steps: [flip]}}": ["n: expected a whole number, got 2.5"],
    "variants: {sample: {n: 2, k_max: 3, steps: [flip]}}": ["k_max: expected at most 1", "got 3"],
    "variants: {sample: {n: 2, steps: [flip], weights: [.inf]}}": ["weights.0: expected a finite"],
    "variants: {sample: {n: 2, steps: [flip], groups: [[flop]]}}": ["groups: no step", "'flip'?"],
    "variants: {one_of: [{subsets: [flip]}]}": ["steps[0]: expected one variant, got subsets of 2"],
    "variants: {along: {axis: brightnes+}}": ["unknown axis 'brightnes+'", "'brightness+'?"],
    "variants: {axes: {transforms: [flip]}}": ["no transform with a strength axis", "'flip'"],
    "variants: {trivial: {strength: 0.3}}": ["strength: trivial has", "use axes: {transforms"],
    "variants: {subsets: [" + 20 * "flip, " + "flip]}": [
        "expected at most 1,048,576",
        "sample",
    ],
    "variants: {subsets: [" + 999 * "flip, " + "flip]}": ["expected at most", "far more"],
    "seed: -1\nvariants: flip": ["seed: expected 0 to 2**63 - 1, got -1"],
    "seed: 9223372036854775808\nvariants: flip": ["seed: expected 0 to 2**63 - 1"],
    "seed: yes\nvariants: flip": ["seed: expected an integer, got True"],
    "seed: abc\nvariants: flip": ["seed: expected an integer, got 'abc'"],
    "variants: flip\noutput: jpeg": ["output: expected parameters, got 'jpeg'"],
    "variants: flip\noutput: {format: jpg}": ["output.format: expected", "did you mean 'jpeg'?"],
    "variants: flip\noutput: {quality: 101}": ["output.quality: expected at most 100, got 101"],
    "variants: flip\noutput: {quality: yes}": ["output.quality: expected a whole number or same"],
    "variants: flip\noutput: {qualty: 9}": ["unknown parameter 'qualty'", "'quality'?"],
    "variants: flip\nlabels: {min_visibl: 1}": ["unknown parameter 'min_visibl'", "'min_visible'?"],
    "variants: flip\ndescription: 5": ["description: expected text, got 5"],
    # YAML's own
    "seed: 1\nseed: 2\nvariants: flip": ["not valid YAML: line 2: 'seed' appears twice"],
    "variants: {rotate: {fit: keep, fit: inside}}": ["line 1: 'fit' appears twice"],
    "variants:\n\tsubsets: [flip]": ["not valid YAML: line 2", "'\\t'"],
    "variants: [flip": ["not valid YAML: line 1"],
    "variants: flip\n---\nvariants: flip": ["not valid YAML: line 2", "another document"],
    "variants: !!python/object/apply:os.system [ls]": ["not valid YAML: line 1", "tag"],
    "seed: 2001-99-99\nvariants: flip": ["not valid YAML: month", "use quotes"],
    "seed: 0x_\nvariants: flip": ["not valid YAML", "use quotes"],
    "variants: flip\0": ["not valid YAML: unacceptable character #x0000"],
    "variants: &a {sequence: [*a]}": ["nested more than 50 deep"],
    "variants: " + "[" * 5000 + "]" * 5000: ["nested more than 50 deep"],
    "variants: " + "{sequence: [" * 90 + "flip" + "]}" * 90: ["nested more than 50 deep"],
}


@pytest.mark.parametrize("text", REFUSALS, ids=lambda text: repr(text[:60]))
def test_refused_in_one_sentence_with_place_and_likely_intent(text):
    message = refused(text)
    for fragment in REFUSALS[text]:
        assert fragment in message
    assert message.startswith("my.yaml: ")
    assert "\n" not in message
    assert len(message) < 400


def test_aliases_cannot_blow_a_recipe_up():
    lines = ["variants:", "  sequence:", "  - &a [flip, flip, flip, flip, flip, flip, flip]"]
    for before, name in zip("abcdefghijkl", "bcdefghijklm", strict=True):
        steps = ", ".join([f"{{sequence: *{before}}}"] * 9)
        lines.append(f"  - &{name} [{steps}]")
    assert "expected at most 100,000 parameters and steps" in refused("\n".join(lines))


def test_aliases_and_merged_keys_work():
    text = """
    variants:
      subsets:
        - rotate: &turn {angle_degrees: 5, fit: inside}
        - rotate: {<<: *turn, angle_degrees: 7}
        - sequence: &both [flip, gamma]
        - sequence: *both
    """
    rotate = find_transform("rotate")
    steps = Recipe.parse(text).policy.steps
    assert steps[1] == rotate(angle_degrees=7, fit="inside")
    assert steps[2] == steps[3]


@pytest.mark.parametrize("text", ["\ufeffvariants: flip", "variants: flip\r\nseed: 3\r\n"])
def test_files_of_windows_are_read(text, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text.encode())
    assert Recipe.load(path).policy == find_transform("flip")()


def test_numbers_may_be_whole_or_not():
    assert Recipe.parse("variants: {brightness: {amount: 0}}").policy.amount == (0.0, 0.0)
    assert Recipe.parse("variants: flip\noutput: {quality: 90.0}").output.quality == 90


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no/such/file.yaml", "No such file"),
        ("chian", "did you mean 'chain'?"),
        ("workshp.yaml", "did you mean 'workshop'?"),
    ],
)
def test_recipe_that_is_not_there(name, told):
    with pytest.raises(RecipeError, match="cannot be read as a recipe") as caught:
        Recipe.load(name)
    assert told in str(caught.value)


def test_recipe_that_is_no_text(tmp_path):
    (tmp_path / "r.yaml").write_bytes(b"variants: \xff\xfe")
    with pytest.raises(RecipeError, match="not UTF-8 text"):
        Recipe.load(tmp_path / "r.yaml")
    with pytest.raises(RecipeError, match="Is a directory"):
        Recipe.load(tmp_path)


@given(
    text=st.text(max_size=60) | st.text(alphabet="{}[]:,-&*!|>'\"? \n\tvariantsflp01.", max_size=60)
)
@settings(max_examples=400)
def test_any_text_is_read_or_refused(text):
    try:
        recipe = Recipe.parse(text)
    except RecipeError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert Recipe.from_data(recipe.to_data()) == recipe


@given(
    data=st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["variants", "flip", "rotate", "subsets", "steps", "n", "p", 1]),
                inner,
                max_size=3,
            ),
        ),
    )
)
@settings(max_examples=400)
def test_any_data_is_read_or_refused(data):
    for whole in (data, {"variants": data}, {"variants": {"sample": data}}):
        try:
            Recipe.from_data(whole)
        except RecipeError as error:
            assert str(error).startswith("recipe: ")  # noqa: PT017


def transforms():
    def made(name, strength, p):
        kind = all_transforms()[name]
        fields = {"p": p}
        for axis in kind.axes[:1]:
            low, high = sorted((axis.value(0.1), axis.value(strength)))
            fields |= {**dict(axis.fixed), axis.parameter: (low, high)}
        return kind.model_validate(fields)

    names = st.sampled_from(sorted(all_transforms()))
    return st.builds(made, names, st.floats(0.2, 1), st.sampled_from([1.0, 0.5]))


def policies():
    single = st.one_of(
        transforms(), st.builds(Along, axis=st.just("fog"), intensity=st.just((0, 1)))
    )
    lists = st.lists(single, min_size=1, max_size=3).map(tuple)
    flat = st.one_of(
        st.builds(Sequence, steps=lists, p=st.sampled_from([1.0, 0.3])),
        st.builds(OneOf, steps=lists),
        st.builds(SampleOf, n=st.integers(1, 5), steps=lists, k_min=st.integers(0, 1)),
        st.builds(Trivial, n=st.integers(1, 5), interpolation=st.sampled_from(["linear"])),
        st.builds(Rand, n=st.integers(1, 5), magnitude=st.integers(0, 30)),
        st.builds(AutoAugment, policy=st.sampled_from(["imagenet", "cifar10"])),
        st.builds(AugMix, depth=st.just((1, 2)), severity=st.floats(0.1, 10)),
        st.builds(Axes, n=st.integers(1, 5), transforms=st.just(("rotate", "fog", "source"))),
    )
    nested = st.lists(st.one_of(single, flat), min_size=1, max_size=3).map(tuple)
    return st.one_of(
        single,
        flat,
        st.builds(Subsets, steps=nested),
        st.builds(Each, steps=nested, draws=st.just(2)),
    )


def recipes():
    sizes = st.one_of(st.none(), st.integers(1, 500), st.tuples(st.just(30), st.just(40)))
    outputs = st.builds(Output, format=st.sampled_from(["same", "webp"]), size=sizes)
    labels = st.builds(LabelRule, min_visible=st.floats(0, 1))
    return st.builds(
        Recipe,
        variants=policies(),
        seed=st.integers(0, 2**63 - 1),
        output=outputs,
        labels=labels,
        description=st.text(alphabet="aé\n: #'\"", max_size=8),
    )


@given(recipe=recipes())
@settings(max_examples=200)
def test_recipe_survives_yaml_and_json(recipe):
    data = recipe.to_data()
    for again in (json.loads(json.dumps(data)), yaml.safe_load(yaml.safe_dump(data))):
        same = Recipe.from_data(again)
        assert same == recipe
        assert same.digest == recipe.digest
    assert Recipe.parse(yaml.safe_dump(data, allow_unicode=True)) == recipe


@given(one=recipes(), two=recipes())
@settings(max_examples=150)
def test_equal_digests_mean_equal_results(one, two):
    decides = [(r.policy, r.output, r.labels) for r in (one, two)]
    assert (one.digest == two.digest) == (decides[0] == decides[1])


BASE = "variants: {sample: {n: 2, steps: [flip, {rotate: {angle_degrees: [-9, 9]}}]}}"
OTHERS = [
    "variants: {sample: {n: 3, steps: [flip, {rotate: {angle_degrees: [-9, 9]}}]}}",
    "variants: {sample: {n: 2, steps: [{rotate: {angle_degrees: [-9, 9]}}, flip]}}",
    "variants: {sample: {n: 2, steps: [flip, {rotate: {angle_degrees: [-9, 9.001]}}]}}",
    "variants: {sample: {n: 2, steps: [flip, {rotate: {angle_degrees: [-9, 9], p: 0.9}}]}}",
    "variants: {sample: {n: 2, k_max: 1, steps: [flip, {rotate: {angle_degrees: [-9, 9]}}]}}",
    BASE.replace("n: 2", "n: 2, weights: [1, 2]"),
    f"{BASE}\noutput: {{quality: 94}}",
    f"{BASE}\noutput: {{format: png}}",
    f"{BASE}\noutput: {{size: 100}}",
    f"{BASE}\noutput: {{subsampling: '4:4:4'}}",
    f"{BASE}\noutput: {{alpha: white}}",
    f"{BASE}\nlabels: {{box: ellipse}}",
]
SAME = [
    f"# as it was\n{BASE}\ndescription: in other words\nseed: 5",
    f"{BASE}\noutput: {{quality: 95, format: same, size: null}}\nlabels: {{min_side: 2}}",
    """
    variants:
      sample:
        steps: [flip: {axis: horizontal}, rotate: {fit: keep, angle_degrees: [-9.0, 9]}]
        k_min: 1
        n: 2
    """,
]


def test_digest_changes_with_what_decides_results_and_with_nothing_else():
    digests = [Recipe.parse(text).digest for text in (BASE, *OTHERS)]
    assert len(set(digests)) == len(digests)
    assert {Recipe.parse(text).digest for text in SAME} == {digests[0]}


@pytest.mark.parametrize("name", presets())
def test_preset_loads_round_trips_and_says_what_it_is(name):
    recipe = Recipe.load(name)
    assert recipe == Recipe.parse(preset_text(name)) == Recipe.from_data(recipe.to_data())
    assert len(recipe.description) > 20
    assert recipe.digest == Recipe.load(name).digest


@pytest.mark.parametrize("name", presets())
@pytest.mark.parametrize("channels", [(3,), ()], ids=["RGB", "gray"])
def test_preset_makes_its_variants(name, channels, photos):
    image = photos[0][:60, :90]
    image = np.ascontiguousarray(image if channels else image[..., 0])
    recipe = Recipe.load(name)
    if recipe.mixes:
        pytest.skip("made of several images")
    made = list(recipe.variants(image, key="a/b.jpg"))
    assert sorted(variant.index for variant, _ in made) == list(range(recipe.count()))
    for variant, result in made:
        assert result.shape == (*variant.size, *channels)
        if recipe.output.size:
            assert variant.size == (recipe.output.size,) * 2


@pytest.mark.parametrize("name", presets())
def test_count_of_a_preset_is_what_its_description_promises(name):
    promised = {"chain": 64, "corruptions": 75, "light": 8, "trivial": 8, "rand": 8}
    promised |= {"auto_augment": 8, "aug_mix": 8}
    if name in promised:
        assert Recipe.load(name).count() == promised[name]
    planned = draw_variants(
        Recipe.load(name).policy, seed=0, key="a", size=(50, 60), pool=("b", "c", "d", "e")
    )
    assert len(planned) == Recipe.load(name).count()


def test_python_objects_equal_yaml():
    text = """
    seed: 7
    variants:
      subsets:
        - rotate: {angle_degrees: [-30, 30], fit: inside}
        - one_of: {steps: [flip, {gamma: {exponent: 2}}], weights: [3, 1]}
        - along: {axis: fog, intensity: 0.5}
    output: {format: jpeg, size: [30, 40]}
    """
    steps = (
        find_transform("rotate")(angle_degrees=(-30, 30), fit="inside"),
        OneOf(
            steps=(find_transform("flip")(), find_transform("gamma")(exponent=2)), weights=(3, 1)
        ),
        Along(axis="fog", intensity=0.5),
    )
    output = Output(format="jpeg", size=(30, 40))
    written = Recipe.parse(text)
    made = Recipe(seed=7, variants=Subsets(steps=steps), output=output)
    assert made == written
    assert made == Recipe(seed=7, policy=Subsets(steps=steps), output=output)
    image = np.arange(50 * 60 * 3, dtype=np.uint8).reshape(50, 60, 3)
    one, two = (
        [result.tobytes() for _, result in recipe.variants(image, key="k")]
        for recipe in (written, made)
    )
    assert one == two
    assert len(one) == 8
