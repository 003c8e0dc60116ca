"""What stands in deploy/kubernetes: valid, the same as kustomize makes of it, and without keys."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import kube
from variegate.deploy.files import deployment_files
from variegate.deploy.kubernetes.kustomize import build
from variegate.recipes.recipe import Recipe

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/kubernetes"
OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())
every_overlay = pytest.mark.parametrize("name", OVERLAYS)


@pytest.fixture(scope="module")
def definitions(data_dir):
    return kube.definitions(data_dir)


@every_overlay
def test_every_overlay_is_valid(name, definitions):
    resources = build(FOLDER / "overlays" / name)
    kind = "RayJob" if name.startswith("job") else "RayCluster"
    assert sorted(one["kind"] for one in resources) == sorted(
        ["ConfigMap", "NetworkPolicy", "PodDisruptionBudget", kind, "ServiceAccount"]
    )
    for one in resources:
        kube.check(one, definitions)
        for pod in kube.pods(one):
            whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": pod}
            kube.check(whole, definitions)


def test_the_check_finds_what_does_not_belong(definitions):
    resources = build(FOLDER / "overlays/job-2")
    (job,) = (one for one in resources if one["kind"] == "RayJob")
    job["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParms"] = {}
    with pytest.raises(jsonschema.ValidationError, match="rayStartParms"):
        kube.check(job, definitions)
    (account,) = (one for one in resources if one["kind"] == "ServiceAccount")
    account["secretz"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="secretz"):
        kube.check(account, definitions)


@every_overlay
def test_kustomize_makes_the_same(name):
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, whose kustomize is compared with, is not installed")
    made = subprocess.run(
        ["kubectl", "kustomize", FOLDER / "overlays" / name], capture_output=True, check=True
    )
    by_kustomize = {one["kind"]: one for one in yaml.safe_load_all(made.stdout)}
    assert {one["kind"]: one for one in build(FOLDER / "overlays" / name)} == by_kustomize


@every_overlay
def test_a_start_of_so_many_workers(name):
    count = int(name.partition("-")[2])
    for cluster in kube.clusters(build(FOLDER / "overlays" / name)):
        (group,) = cluster["workerGroupSpecs"]
        assert group["replicas"] == count
        assert group["minReplicas"] == 0
        assert group["maxReplicas"] >= 2 * count
        assert cluster["enableInTreeAutoscaling"]
        assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
        assert "spot" in str(group["template"]["spec"]["tolerations"])


def test_a_job_and_a_cluster_have_the_same_nodes():
    for size in ("2", "200"):
        (one,) = kube.clusters(build(FOLDER / f"overlays/job-{size}"))
        (other,) = kube.clusters(build(FOLDER / f"overlays/cluster-{size}"))
        assert one == other


@every_overlay
def test_pods_may_do_no_more_than_they_must(name):
    for resource in build(FOLDER / "overlays" / name):
        for pod in kube.pods(resource):
            assert pod["securityContext"]["runAsNonRoot"]
            assert pod["securityContext"]["runAsUser"] == 10001
            assert pod["serviceAccountName"] == "variegate"
            for container in pod["containers"]:
                assert not container["securityContext"]["allowPrivilegeEscalation"]
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
                assert container["resources"]["limits"].keys() >= {"cpu", "memory"}


def test_the_network_policy_is_about_all_pods():
    resources = build(FOLDER / "overlays/job-2")
    (policy,) = (one for one in resources if one["kind"] == "NetworkPolicy")
    wanted = policy["spec"]["podSelector"]["matchLabels"].items()
    (job,) = (one for one in resources if one["kind"] == "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    templates = [cluster["headGroupSpec"]["template"], job["spec"]["submitterPodTemplate"]]
    templates += [group["template"] for group in cluster["workerGroupSpecs"]]
    for template in templates:
        assert template["metadata"]["labels"].items() >= wanted


def test_no_file_holds_a_key():
    suspicious = re.compile(
        r"AKIA[0-9A-Z]{16}|(secret|password|token|access_?key)\w*\s*[:=]\s*['\"]?[A-Za-z0-9/+]{16,}",
        re.IGNORECASE,
    )
    assert suspicious.search("aws_secret_access_key: wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLE")
    for path in FOLDER.rglob("*"):
        if path.is_file():
            assert not suspicious.search(path.read_text()), path
    for name in OVERLAYS:
        assert "Secret" not in [one["kind"] for one in build(FOLDER / "overlays" / name)]


def test_the_job_runs_a_command_that_there_is():
    (job,) = (one for one in build(FOLDER / "overlays/job-2") if one["kind"] == "RayJob")
    kube.assert_parses(job["spec"]["entrypoint"])


def test_the_recipe_of_the_files_is_a_recipe():
    assert Recipe.load(FOLDER / "base/common/recipe.yaml").count() == 8


def test_one_image_and_one_version_everywhere():
    project = (ROOT / "pyproject.toml").read_text()
    wanted = re.search(r'^version = "(.+)"', project, re.MULTILINE)[1]
    named = [
        container["image"]
        for name in OVERLAYS
        for resource in build(FOLDER / "overlays" / name)
        for pod in kube.pods(resource)
        for container in pod["containers"]
    ]
    assert set(named) == {f"variegate:{wanted}"}
    assert f"variegate:{wanted} ." in (FOLDER / "Dockerfile").read_text()
    ray = re.search(r"ray\[data,default\]==([\d.]+)", (FOLDER / "requirements.in").read_text())[1]
    assert str(locked("requirements.lock")["ray"]) == f"ray=={ray}"
    for name in OVERLAYS:
        for cluster in kube.clusters(build(FOLDER / "overlays" / name)):
            assert cluster["rayVersion"] == ray
    assert f"ray[data]>={ray.rpartition('.')[0]}" in project


def locked(name):
    """Return what a lock file says of every package, without the digests."""
    lines = (FOLDER / name).read_text().replace("\\\n", " ").splitlines()
    found = [Requirement(re.sub(r"--hash=\S+", "", line).strip()) for line in lines]
    assert all(line.count("--hash=sha256:") for line in lines)
    return {canonicalize_name(one.name): one for one in found}


@pytest.mark.parametrize("name", ["requirements.lock", "build-requirements.lock"])
def test_a_lock_names_versions_and_digests_and_no_host(name):
    text = (FOLDER / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash=sha256:[0-9a-f]{64})", text, re.MULTILINE)
    for one in locked(name).values():
        assert re.fullmatch(r"==[^*,]+", str(one.specifier)), one


def test_the_lock_has_all_that_the_project_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"]]
    wanted += project["project"]["optional-dependencies"]["ray"]
    found = locked("requirements.lock")
    for one in map(Requirement, wanted):
        (pinned,) = found[canonicalize_name(one.name)].specifier
        assert one.specifier.contains(pinned.version), f"{one}: locked {pinned}; run make lock"
    (build,) = map(Requirement, project["build-system"]["requires"])
    (pinned,) = locked("build-requirements.lock")["hatchling"].specifier
    assert build.specifier.contains(pinned.version)


def test_the_image_file_keeps_to_the_rules():
    lines = re.sub(r"\\\n", " ", (FOLDER / "Dockerfile").read_text()).splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    known = {"FROM", "ENV", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD"}
    assert {word for word, _ in steps} <= known
    bases = [rest.split()[0] for word, rest in steps if word == "FROM"]
    assert len(bases) == 2
    for base in bases:
        assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)
    last = [word for word, _ in steps].index("FROM", 1)
    final = steps[last:]
    users = [rest for word, rest in final if word == "USER"]
    assert users == ["10001:10001"]
    assert [word for word, _ in final].index("USER") > max(
        number for number, (word, _) in enumerate(final) if word == "RUN"
    )
    for word, rest in steps:
        if word == "COPY" and "--from" not in rest:
            for one in rest.split()[:-1]:
                assert (ROOT / one).exists(), one
        if "pip install" in rest:
            for part in rest.split("pip install")[1:]:
                assert "--no-deps" in part
                assert "--require-hashes" in part or "/opt/wheels" in part
        if "apt-get install" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists" in rest
    # A login shell, in which KubeRay starts Ray, knows no other folder.
    linked = " ".join(rest for word, rest in final if word == "RUN" and "ln -s" in rest)
    for program in ("ray", "variegate", "python"):
        assert f"/opt/variegate/bin/{program}" in linked


def test_the_files_are_found_from_the_source():
    assert deployment_files("kubernetes") == FOLDER
