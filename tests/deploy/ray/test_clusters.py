"""The files for `ray up`: as Ray's own check has them, and of one version with all else."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import ray.autoscaler
import yaml

import kube

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/ray"
every_file = pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir()))


def read(name):
    return yaml.safe_load((FOLDER / name).read_text())


@pytest.fixture(scope="module")
def schema():
    return json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())


@every_file
def test_ray_takes_the_file(name, schema):
    jsonschema.validate(read(name), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**read(name), "file_mount": {}}, schema)


@every_file
def test_all_nodes_have_the_locked_packages_and_this_version(name):
    cluster = read(name)
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    installs = [line for line in cluster["setup_commands"] if "pip install" in line]
    assert any("--require-hashes" in line for line in installs)
    assert f"variegate-{version[1]}-" in installs[-1]
    lock = cluster["file_mounts"]["~/variegate/requirements.lock"]
    assert (ROOT / lock).is_file()
    assert all("--no-deps" in line for line in installs)


@every_file
def test_nobody_runs_code_without_the_token(name):
    cluster = read(name)
    assert cluster["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    for role in ("head", "worker"):
        (start,) = (line for line in cluster[f"{role}_start_ray_commands"] if "ray start" in line)
        assert "RAY_AUTH_MODE=token" in start
    assert "--dashboard-host=127.0.0.1" in cluster["head_start_ray_commands"][-1]


@every_file
def test_the_command_in_the_file_is_one_that_there_is(name):
    text = (FOLDER / name).read_text()
    (line,) = re.findall(r"#\s+'~/variegate/venv/bin/(variegate augment .+)'", text)
    assert kube.assert_parses(line)["backend"] == "ray"
