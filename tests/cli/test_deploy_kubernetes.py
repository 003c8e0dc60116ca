"""variegate deploy kubernetes: the user's buckets, image, namespace and recipe."""

import os
import stat

import pytest
import yaml

import kube
from variegate.recipes.recipe import Recipe, preset_text

PLACES = ("s3://raw/photos", "s3://more")


@pytest.fixture(scope="module")
def definitions(data_dir):
    return kube.definitions(data_dir)


def rendered(run, *arguments):
    result = run("deploy", "kubernetes", *PLACES, "--print", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout, list(yaml.safe_load_all(result.stdout))


def by_kind(resources):
    return {one["kind"]: one for one in resources}


@pytest.mark.parametrize("kind", ["job", "cluster"])
@pytest.mark.parametrize("workers", [1, 2, 200, 1000])
def test_what_is_printed_is_valid(run, definitions, kind, workers):
    _, resources = rendered(run, "--kind", kind, "--workers", workers)
    for one in resources:
        kube.check(one, definitions)
    for cluster in kube.clusters(resources):
        (group,) = cluster["workerGroupSpecs"]
        assert group["replicas"] == workers
        assert group["maxReplicas"] > workers


def test_everything_is_the_users(run, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("# mine: \u00fc\nseed: 3\nvariants: {each: {steps: [flip, invert]}}\n")
    _, resources = rendered(
        run,
        *("--recipe", recipe, "--seed", 9, "--image", "registry.example:5000/team/variegate:1.2"),
        *("--namespace", "vision", "--name", "june", "--max-workers", 7),
        *("--endpoint", "https://minio.example:9000"),
        *("--annotation", "eks.amazonaws.com/role-arn=arn:aws:iam::123456789012:role/images"),
    )
    found = by_kind(resources)
    assert {one["metadata"]["namespace"] for one in resources} == {"vision"}
    assert found["RayJob"]["metadata"]["name"] == "june"
    assert found["ConfigMap"]["data"] == {"recipe.yaml": recipe.read_text()}
    assert found["ServiceAccount"]["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/images"
    }
    images = {c["image"] for pod in kube.pods(found["RayJob"]) for c in pod["containers"]}
    assert images == {"registry.example:5000/team/variegate:1.2"}
    (cluster,) = kube.clusters(resources)
    assert cluster["workerGroupSpecs"][0]["maxReplicas"] == 7
    endpoint = {"name": "AWS_ENDPOINT_URL", "value": "https://minio.example:9000"}
    nodes = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for node in nodes:
        assert endpoint in node["template"]["spec"]["containers"][0]["env"]
    parameters = kube.assert_parses(found["RayJob"]["spec"]["entrypoint"])
    assert (str(parameters["source"]), str(parameters["output"])) == tuple(
        str(type(parameters["source"])(place)) for place in PLACES
    )
    assert parameters["backend"] == "ray"
    assert parameters["address"] == "auto"
    assert parameters["seed"] == 9
    mount = cluster["headGroupSpec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]
    assert str(parameters["recipe"]) == f"{mount['mountPath']}/recipe.yaml"


def test_a_preset_is_given_as_it_is(run):
    _, resources = rendered(run, "--preset", "chain")
    text = by_kind(resources)["ConfigMap"]["data"]["recipe.yaml"]
    assert text == preset_text("chain")
    assert Recipe.parse(text) == Recipe.load("chain")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["photos", "s3://more"], "photos: expected a bucket (s3://"),
        (["s3://raw", "s3://raw/more"], "hold each other"),
        (["s3://raw/a", "s3://raw"], "hold each other"),
        ([*PLACES, "--image", "variegate"], "image: expected a name with a version tag"),
        ([*PLACES, "--image", "variegate:latest"], "image: expected a name with a version tag"),
        ([*PLACES, "--namespace", "My_Space"], "namespace: expected lower-case letters"),
        ([*PLACES, "--name", "-"], "name: expected lower-case letters"),
        ([*PLACES, "--annotation", "role"], "--annotation: expected NAME=VALUE, got 'role'"),
        ([*PLACES, "--workers", "5", "--max-workers", "4"], "expected at least the 5"),
        ([*PLACES, "--workers", "0"], "expected a whole number of at least 1, got '0'"),
        ([*PLACES, "--preset", "chian"], "did you mean 'chain'"),
    ],
)
def test_slips(run, arguments, sentence):
    result = run("deploy", "kubernetes", *arguments, "--print")
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""


def kubectl(tmp_path, monkeypatch, code=0):
    """Put a program in kubectl's place that writes down what it is given."""
    program = tmp_path / "bin/kubectl"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = config ]; then echo test-cluster; exit 0; fi\n'
        f'echo "$@" > {tmp_path}/arguments; cat > {tmp_path}/given\n'
        f"[ {code} = 0 ] && echo 'rayjob.ray.io/variegate created' && exit 0\n"
        f"echo 'error: namespaces \"variegate\" not found' >&2; exit {code}\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_applied_after_a_confirmation(run, tmp_path, monkeypatch):
    kubectl(tmp_path, monkeypatch)
    result = run("deploy", "kubernetes", *PLACES)
    assert result.exit_code == 1
    assert not (tmp_path / "given").exists()
    assert "test-cluster" in result.stderr
    result = run("deploy", "kubernetes", *PLACES, "--yes")
    assert result.exit_code == 0
    assert "rayjob.ray.io/variegate created" in result.stdout
    assert (tmp_path / "arguments").read_text() == "apply -f -\n"
    assert (tmp_path / "given").read_text() == rendered(run)[0]


def test_what_kubectl_refuses_is_one_sentence(run, tmp_path, monkeypatch):
    kubectl(tmp_path, monkeypatch, code=1)
    result = run("deploy", "kubernetes", *PLACES, "--yes")
    assert result.exit_code == 2
    assert result.stderr.endswith('error: kubectl apply: namespaces "variegate" not found\n')


def test_without_kubectl(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("deploy", "kubernetes", *PLACES, "--yes")
    assert result.exit_code == 2
    assert "kubectl is not installed" in result.stderr
    assert "--print" in result.stderr
