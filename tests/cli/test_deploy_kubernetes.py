"""variegate deploy kubernetes: the user's buckets, image, namespace and recipe."""

import json
import os
import stat

import pytest
import yaml

import kube
from variegate.deploy.kubernetes.deployment import Deployment
from variegate.deploy.kubernetes.kubectl import _YOUNGEST_FIELD
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
    names = {one["metadata"]["name"] for one in resources}
    assert names == {"june", "june-recipe"}
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
    mounts = cluster["headGroupSpec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    (mount,) = (one for one in mounts if one["name"] == "recipe")
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
        ([*PLACES, "--name", "-"], "name: expected at most 47 lower-case letters"),
        ([*PLACES, "--name", "a" * 48], "name: expected at most 47 lower-case letters"),
        ([*PLACES, "--image", "a@sha256:12"], "image: expected a name with a version tag"),
        ([*PLACES, "--egress", "store.example"], "egress: expected a network such as"),
        ([*PLACES, "--pull-secret", "ok", "--pull-secret", "A"], "pull_secret: expected lower"),
        (
            [*PLACES, "--service-account", "mine", "--annotation", "role=x"],
            "annotation: expected a service account that is made",
        ),
        ([*PLACES, "--format", "cocoa"], "did you mean 'coco'"),
        ([*PLACES, "--columns", "file"], "--columns: expected NAME=VALUE"),
        ([*PLACES, "--plugin", "none.py"], "none.py: cannot be read as a plugin"),
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


def kubectl(tmp_path, monkeypatch, *, explained=0, there="", code=0):
    """Put a program in kubectl's place that writes down what it is given."""
    program = tmp_path / "bin/kubectl"
    program.parent.mkdir()
    refusals = {
        1: 'error: field "preRunningDeadlineSeconds" does not exist',
        2: 'error: couldn\'t find resource for "ray.io/v1, Resource=rayjobs"',
        3: "The connection to the server 10.0.0.1:6443 was refused",
    }
    (tmp_path / "there").write_text(there)
    (tmp_path / "refusal").write_text(refusals.get(explained, ""))
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/arguments\n'
        'case "$1" in\n'
        "config) echo test-cluster; exit 0;;\n"
        f"explain) cat {tmp_path}/refusal >&2; [ ! -s {tmp_path}/refusal ]; exit;;\n"
        f"get) cat {tmp_path}/there; exit 0;;\n"
        "esac\n"
        f"cat > {tmp_path}/given\n"
        f"[ {code} = 0 ] && echo 'rayjob.ray.io/june created' && exit 0\n"
        f"echo 'error: namespaces \"variegate\" not found' >&2; exit {code}\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_applied_after_a_confirmation(run, tmp_path, monkeypatch):
    kubectl(tmp_path, monkeypatch)
    result = run("deploy", "kubernetes", *PLACES, answer="n\n")
    assert result.exit_code == 0
    assert not (tmp_path / "given").exists()
    assert "test-cluster" in result.stderr
    # 2 to 10 workers of 4 CPUs, the head's 2, the autoscaler's half, and 1 that submits.
    assert "12 pods, 43.5 CPUs, 86 GiB of memory" in result.stderr
    assert "nothing was applied" in result.stderr
    result = run("deploy", "kubernetes", *PLACES, "--yes")
    assert result.exit_code == 0
    assert "rayjob.ray.io/june created" in result.stdout
    assert (tmp_path / "arguments").read_text().splitlines()[-1] == "apply -f -"
    text, resources = rendered(run)
    assert (tmp_path / "given").read_text() == text
    (job,) = (one["metadata"]["name"] for one in resources if one["kind"] == "RayJob")
    assert f"kubectl -n variegate logs -f -l job-name={job}" in result.stderr


def test_what_kubectl_refuses_is_one_sentence(run, tmp_path, monkeypatch):
    kubectl(tmp_path, monkeypatch, code=1)
    result = run("deploy", "kubernetes", *PLACES, "--yes")
    assert result.exit_code == 2
    assert result.stderr.endswith('error: kubectl apply: namespaces "variegate" not found\n')


@pytest.mark.parametrize(
    ("explained", "sentence"),
    [
        (1, "definitions of KubeRay are older than 1.6"),
        (2, "the cluster has no KubeRay operator"),
        (3, "kubectl explain: The connection to the server"),
    ],
)
def test_a_cluster_whose_operator_knows_less(run, tmp_path, monkeypatch, explained, sentence):
    kubectl(tmp_path, monkeypatch, explained=explained)
    result = run("deploy", "kubernetes", *PLACES, "--yes")
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not (tmp_path / "given").exists()


def test_the_field_that_is_asked_for_is_one_that_is_applied(definitions):
    kind, *steps = _YOUNGEST_FIELD.split(".")
    assert kind == "rayjobs"
    schema = definitions["RayJob"].schema
    for step in steps:
        schema = schema["properties"][step]
    assert steps[-1] in Deployment(source="s3://a", output="s3://b", recipe="").yaml()


@pytest.mark.parametrize("kind", ["job", "cluster"])
@pytest.mark.parametrize("found", ["RayJob", "RayCluster"])
def test_no_run_overwrites_another(run, tmp_path, monkeypatch, kind, found):
    one = {"kind": found, "metadata": {"name": "june"}, "status": {"jobStatus": "RUNNING"}}
    kubectl(tmp_path, monkeypatch, there=json.dumps({"kind": "List", "items": [one]}))
    result = run("deploy", "kubernetes", *PLACES, "--kind", kind, "--name", "june", "--yes")
    assert result.exit_code == 2
    assert f"variegate has a {found} called june already (RUNNING)" in result.stderr
    assert f"delete {found.lower()} june" in result.stderr
    assert not (tmp_path / "given").exists()


def test_the_size_of_a_cluster_may_be_changed(run, tmp_path, monkeypatch):
    call = ("--kind", "cluster", "--name", "june")
    cluster = by_kind(rendered(run, *call)[1])["RayCluster"]
    kubectl(tmp_path, monkeypatch, there=json.dumps(cluster))
    result = run("deploy", "kubernetes", *PLACES, *call, "--workers", 20, "--yes")
    assert result.exit_code == 0, result.stderr
    assert "replicas: 20\n" in (tmp_path / "given").read_text()
    assert "ray job submit" in result.stderr
    result = run("deploy", "kubernetes", *PLACES, *call, "--limit", 3, "--yes")
    assert result.exit_code == 2


def test_without_kubectl(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("deploy", "kubernetes", *PLACES, "--yes")
    assert result.exit_code == 2
    assert "kubectl is not installed" in result.stderr
    assert "--print" in result.stderr


def test_two_runs_in_a_namespace_have_nothing_in_common(run, definitions):
    calls = [(), ("--seed", 2), ("--preset", "chain"), ("--limit", 3), ("--kind", "cluster")]
    calls.append(("--name", "june"))
    seen = set()
    for call in calls:
        _, resources = rendered(run, *call)
        for one in resources:
            kube.check(one, definitions)
        named = {(one["kind"], one["metadata"]["name"]) for one in resources}
        assert len(named) == len(resources)
        assert not named & seen
        seen |= named
        instance = resources[0]["metadata"]["labels"]["app.kubernetes.io/instance"]
        for one in resources:
            assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == instance
            for pod in kube.pods(one):
                assert pod["serviceAccountName"] == instance
        kinds = by_kind(resources)
        for policy in (kinds["NetworkPolicy"]["spec"]["podSelector"],):
            assert policy["matchLabels"]["app.kubernetes.io/instance"] == instance
        assert f"name: {instance}-recipe" in yaml.safe_dump(resources)


def test_the_same_call_has_the_same_name(run):
    assert rendered(run)[0] == rendered(run)[0]
    assert rendered(run)[1][0]["metadata"] == rendered(run, "--workers", 3)[1][0]["metadata"]


def test_pods_as_the_user_wants_them(run, definitions):
    digest = f"registry.example/team/variegate@sha256:{'0f' * 32}"
    _, resources = rendered(
        run,
        *("--image", digest, "--worker-cpus", 8, "--priority-class", "batch-low"),
        *("--pull-secret", "one", "--pull-secret", "two", "--secret", "keys"),
        *("--start-within", 5, "--end-within", 2, "--service-account", "images"),
    )
    for one in resources:
        kube.check(one, definitions)
    found = by_kind(resources)
    assert "ServiceAccount" not in found
    spec = found["RayJob"]["spec"]
    assert (spec["preRunningDeadlineSeconds"], spec["activeDeadlineSeconds"]) == (300, 7200)
    pods = list(kube.pods(found["RayJob"]))
    assert len(pods) == 3
    for pod in pods:
        assert pod["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
        assert pod["priorityClassName"] == "batch-low"
        assert pod["serviceAccountName"] == "images"
        assert [one["image"] for one in pod["containers"]] == [digest]
    (cluster,) = kube.clusters(resources)
    (worker,) = cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"]
    assert worker["resources"]["limits"].items() >= {"cpu": "8", "memory": "16Gi"}.items()
    assert worker["resources"]["limits"] == worker["resources"]["requests"]
    assert worker["envFrom"] == [{"secretRef": {"name": "keys", "optional": True}}]
