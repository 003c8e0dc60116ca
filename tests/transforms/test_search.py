"""Transforms are found by their names, and imported when they are asked for."""

import subprocess
import sys

import pytest

from variegate import transforms
from variegate.errors import RecipeError
from variegate.transforms import all_transforms, find_transform


def test_each_is_where_it_is_looked_for():
    own = {
        name: kind.__module__.rpartition(".")[2]
        for name, kind in all_transforms().items()
        if kind.__module__.startswith("variegate.transforms.")
    }
    assert own == transforms._HOMES


def test_one_is_imported_without_the_others():
    code = (
        "import sys; from variegate.transforms import find_transform; find_transform('fog'); "
        "print([one for one in ('weather', 'color', 'mixing') "
        "if f'variegate.transforms.{one}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['weather']"


def test_a_file_that_is_not_listed_is_found():
    code = (
        "from variegate import transforms; del transforms._HOMES['fog']; "
        "print(transforms.find_transform('fog').name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "fog"


def test_a_name_that_somebody_has_taken_is_kept():
    code = """
from typing import ClassVar
from variegate.ops import Identity
from variegate.transforms import Transform, all_transforms, find_transform

class Fog(Transform):
    name: ClassVar = "fog"
    acts: ClassVar = Identity

assert find_transform("rain").__module__ == "variegate.transforms.weather"
assert find_transform("fog") is Fog
assert all_transforms()["fog"] is Fog
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_there_is_not():
    with pytest.raises(RecipeError, match="unknown transform 'rotat'; did you mean 'rotate'"):
        find_transform("rotat")
