"""What `augment` can do, `deploy kubernetes` passes on, or says that it does not."""

from dataclasses import fields

import pytest
import yaml
from typer.main import get_command

import kube
from variegate.cli import app
from variegate.cli.deploy.passed_options import ELSEWHERE, PassedOptions, augment_options
from variegate.cli.options import PluginRecipe
from variegate.transforms.base import TRANSFORMS

PLUGIN = """
import numpy as np

from variegate.ops.color import Lut
from variegate.transforms import Transform


class Passing(Transform):
    name = "passing"

    def parameters(self, rng):
        return {"darkest": int(rng.integers(20, 80))}

    @classmethod
    def operation(cls, parameters, size):
        return Lut.of(np.linspace(parameters["darkest"], 255, 256))
"""


@pytest.fixture(autouse=True)
def _no_transform_stays():
    before = dict(TRANSFORMS)
    yield
    TRANSFORMS.clear()
    TRANSFORMS.update(before)


def deployment_options():
    group = get_command(app).commands["deploy"]
    return {one.name: one for one in group.commands["kubernetes"].params}


def entrypoint(run, *arguments):
    result = run("deploy", "kubernetes", "s3://raw", "s3://more", "--print", *arguments)
    assert result.exit_code == 0, result.stderr
    found = {one["kind"]: one for one in yaml.safe_load_all(result.stdout)}
    return found["RayJob"]["spec"]["entrypoint"], found["ConfigMap"]["data"]


def test_every_option_of_augment_is_passed_on_or_named():
    passed = {one.name for one in fields(PassedOptions)} | {
        one.name for one in fields(PluginRecipe)
    }
    for name, one in augment_options().items():
        assert (name in ELSEWHERE) != (name in passed - {"recipe", "preset"}), one.opts


def test_what_is_named_is_an_option_of_augment():
    assert ELSEWHERE.keys() <= augment_options().keys()
    assert all(ELSEWHERE.values())


def test_an_option_that_is_passed_on_is_called_the_same():
    own = deployment_options()
    for name, one in augment_options().items():
        if name not in ELSEWHERE:
            assert own[name].opts == one.opts
            assert own[name].metavar == one.metavar
    flags = [flag for one in own.values() for flag in one.opts]
    assert len(flags) == len(set(flags))


# An option that is new here needs a value that it takes.
VALUES = {
    "seed": "9",
    "format": "coco",
    "label_pattern": "(?P<label>[a-z]+)_",
    "split": "train=training set",
    "images_in": "pictures",
    "columns": "file=id,label=breed",
    "pairs": "l_eye=r_eye",
    "masks": "classes",
    "encoding": "gbk",
    "depth": "-5:90.5",
    "max_pixels": "1000000",
    "max_megabytes": "7",
    "limit": "12",
    "concurrency": "3",
    "cpus_per_task": "0.5",
    "memory_per_task": "700",
    "balance": "cap:5",
}


@pytest.mark.parametrize("name", sorted(augment_options().keys() - ELSEWHERE.keys()))
def test_an_option_arrives_as_it_was_given(run, tmp_path, name):
    one = augment_options()[name]
    flag = next(flag for flag in one.opts if flag.startswith("--"))
    if one.is_flag:
        given = [flag]
    elif one.metavar == "FILE":
        (tmp_path / "mine.txt").write_text(text := PLUGIN if name == "plugins" else "# \u00fc\n")
        given = [flag, str(tmp_path / "mine.txt")]
    else:
        given = [f"{flag}={VALUES[name]}"]
    if name == "label_pattern":
        given.append("--format=flat")
    line, files = entrypoint(run, *given)
    there = kube.assert_parses(line.replace("/etc/variegate/", f"{tmp_path}/"))
    group = get_command(app)
    context = group.commands["augment"].make_context("augment", ["a", "b", *given])
    assert there[name] == context.params[name] is not None
    if one.metavar == "FILE":
        assert files["mine.txt"] == text


def test_without_options_none_is_passed_on(run):
    line, files = entrypoint(run)
    assert line == (
        "variegate augment s3://raw s3://more --recipe=/etc/variegate/recipe.yaml --backend=ray "
        "--address=auto"
    )
    assert files.keys() == {"recipe.yaml"}


def test_two_files_of_one_name(run, tmp_path):
    (tmp_path / "same.py").write_text(PLUGIN)
    (tmp_path / "b").mkdir()
    (tmp_path / "b/same.py").write_text("cat\n")
    given = (f"--plugin={tmp_path}/same.py", f"--classes={tmp_path}/b/same.py")
    result = run("deploy", "kubernetes", "s3://raw", "s3://more", "--print", *given)
    assert result.exit_code == 2
    assert "expected different names" in result.stderr


def test_files_that_no_config_map_holds(run, tmp_path):
    (tmp_path / "big.txt").write_text("cat\n" * 300_000)
    (tmp_path / "my file.txt").write_text("cat\n")
    for name, sentence in (("big.txt", "Kubernetes takes at most"), ("my file.txt", "rename it")):
        given = f"--classes={tmp_path}/{name}"
        result = run("deploy", "kubernetes", "s3://raw", "s3://more", "--print", given)
        assert result.exit_code == 2
        assert sentence in result.stderr
