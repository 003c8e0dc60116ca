"""What every transform promises."""

import inspect
import json
import math
import pickle
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from variegate.annotations.sample import Image, Sample
from variegate.ops import Operation
from variegate.ops.mixing import Combination
from variegate.recipes.policies import to_data
from variegate.recipes.recipe import parse_node
from variegate.seeding import generator
from variegate.transforms import Transform, all_transforms
from variegate.validation import descriptions

#: What images may be, by the channels behind (height, width).
CHANNELS: dict[str, tuple[int, ...]] = {
    "gray": (),
    "gray, one channel": (1,),
    "RGB": (3,),
    "RGBA": (4,),
}
SIZES = ((1, 1), (1, 5), (5, 1), (2, 3), (19, 26))


def noise(size: tuple[int, int], channels: tuple[int, ...]) -> Image:
    """Return an image of even noise, (*size, *channels) uint8."""
    return generator(3, "image").integers(0, 256, (*size, *channels), dtype=np.uint8)


def applied(operation: Operation, image: Image) -> Image:
    """Return what an operation makes of an image, and of others of another size if it takes any."""
    if not isinstance(operation, Combination):
        return operation.apply_image(image)
    if operation.is_identity:
        return image
    numbers = range(1, 1 + len(operation.partners))
    others = (np.roll(np.repeat(image, 2, axis=0), 5 * number) ^ 85 for number in numbers)
    return operation.combine(
        Sample(image), tuple(Sample(other.astype(np.uint8)) for other in others)
    ).image


def contrast(image: Image) -> float:
    """Return the largest standard deviation of a channel: how much an image shows, in levels."""
    return float(np.std(image, axis=(0, 1)).max())


def drawn(kind: type[Transform], seed: int, size: tuple[int, int]) -> Operation:
    """Return one operation that the transform draws with its defaults."""
    return kind().draw(generator(seed, kind.name), size)


def operations(kind: type[Transform], size: tuple[int, int]) -> list[Operation]:
    """Return two draws of the defaults, and every axis in the middle and at its end."""
    strengths = [(axis.name, strength) for axis in kind.axes for strength in (0.45, 1.0)]
    return [
        *(drawn(kind, seed, size) for seed in (1, 2)),
        *(kind.operation_at(axis, strength, generator(4), size) for axis, strength in strengths),
    ]


class TransformSuite:
    """Subclass it as ``Test...`` in a test module."""

    kinds: ClassVar[Sequence[type[Transform]] | None] = None
    """Those to be tried; None for all that are found."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Try every test with every transform, axis, kind of image and size."""
        kinds = list(all_transforms().values()) if self.kinds is None else list(self.kinds)
        names = metafunc.fixturenames
        if "axis" in names:
            axes = [(kind, axis.name) for kind in kinds for axis in kind.axes]
            metafunc.parametrize(("kind", "axis"), axes, ids=[axis for _, axis in axes])
        elif "kind" in names:
            metafunc.parametrize("kind", kinds, ids=[kind.name for kind in kinds])
        if "channels" in names:
            metafunc.parametrize("channels", CHANNELS.values(), ids=CHANNELS)
        if "size" in names:
            metafunc.parametrize("size", SIZES, ids=str)

    def test_same_seed_same_bytes(self, kind: type[Transform]) -> None:
        image = noise((31, 40), (3,))
        first, second = (drawn(kind, 1, (31, 40)) for _ in range(2))
        assert first == second
        assert hash(first) == hash(second)
        assert applied(first, image).tobytes() == applied(second, image).tobytes()

    def test_drawn_parameters_survive_json(self, kind: type[Transform]) -> None:
        image = noise((31, 40), (3,))
        draws = [kind().parameters(generator(seed, "draw")) for seed in range(3)]
        draws += [kind.at(axis.name, 0.6, generator(1)) for axis in kind.axes]
        for parameters in draws:
            text = json.dumps(parameters, allow_nan=False)
            operation = kind.operation(parameters, (31, 40))
            again = kind.operation(json.loads(text), (31, 40))
            assert again == operation
            assert applied(again, image).tobytes() == applied(operation, image).tobytes()

    def test_pickle_keeps_transforms_and_operations(self, kind: type[Transform]) -> None:
        image = noise((31, 40), (3,))
        assert pickle.loads(pickle.dumps(kind())) == kind()  # noqa: S301 - its own
        for operation in operations(kind, (31, 40)):
            again = pickle.loads(pickle.dumps(operation))  # noqa: S301 - its own
            assert again == operation
            assert applied(again, image).tobytes() == applied(operation, image).tobytes()

    def test_transform_survives_a_recipe(self, kind: type[Transform]) -> None:
        made = [kind(), kind(p=0.25)]
        for axis in kind.axes:
            low, high = sorted((axis.value(0.2), axis.value(0.7)))
            made.append(kind.model_validate({**dict(axis.fixed), axis.parameter: (low, high)}))
        for transform in made:
            data = json.loads(json.dumps(to_data(transform)))
            assert parse_node(data, "here") == transform

    def test_intensity_zero_is_the_identity(
        self, kind: type[Transform], axis: str, channels: tuple[int, ...]
    ) -> None:
        shape = (37, 52)
        image = noise(shape, channels)
        for seed in range(3):
            short_cut = kind.operation_at(axis, 0.0, generator(seed), shape)
            assert applied(short_cut, image).tobytes() == image.tobytes()
            parameters = kind.at(axis, 0.0, generator(seed))
            built = applied(kind.operation(parameters, shape), image)
            assert built.shape == image.shape
            assert built.tobytes() == image.tobytes()

    def test_shape_and_dtype_are_kept_and_the_input_is_untouched(
        self, kind: type[Transform], channels: tuple[int, ...], size: tuple[int, int]
    ) -> None:
        image = noise(size, channels)
        before = image.tobytes()
        image.setflags(write=False)
        for operation in operations(kind, size):
            result = applied(operation, image)
            assert result.dtype == np.uint8
            assert result.shape == (*operation.output_size(size), *channels)
            assert result.flags.c_contiguous
            assert image.tobytes() == before

    def test_strides_make_no_difference(
        self, kind: type[Transform], channels: tuple[int, ...]
    ) -> None:
        shape = (23, 34)
        image = noise(shape, channels)
        wide = np.repeat(np.repeat(image, 2, axis=0), 3, axis=1)
        same_pixels: list[Any] = [
            wide[::2, ::3],
            np.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1],
            np.asfortranarray(image),
            np.ascontiguousarray(np.swapaxes(image, 0, 1)).swapaxes(0, 1),
        ]
        for operation in operations(kind, shape)[:3]:
            expected = applied(operation, image)
            for same in same_pixels:
                result = applied(operation, same)
                assert result.flags.c_contiguous or result is same
                assert result.tobytes() == expected.tobytes()

    def test_gray_with_and_without_a_channel_agree(self, kind: type[Transform]) -> None:
        image = noise((23, 34), ())
        for operation in operations(kind, (23, 34)):
            flat = applied(operation, image)
            assert np.array_equal(applied(operation, image[..., np.newaxis])[..., 0], flat)

    def test_everything_is_documented(self, kind: type[Transform]) -> None:
        assert "__doc__" in vars(kind)
        assert (inspect.getdoc(kind) or "").strip().endswith(".")
        known = descriptions(kind)
        for name in kind.model_fields:
            assert known.get(name), f"{kind.name}.{name} has no docstring"

    def test_strength_axes_are_well_formed(self, kind: type[Transform]) -> None:
        for axis in kind.axes:
            assert axis.parameter in kind.model_fields
            assert {name for name, _ in axis.fixed} <= set(kind.model_fields)
            assert math.isclose(axis.value(0), axis.start)
            assert math.isclose(axis.value(1), axis.end)
            assert axis.name.rstrip("+-").startswith(kind.name)
