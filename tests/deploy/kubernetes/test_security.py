"""Pods pass Pod Security "restricted" with all containers, those that KubeRay adds, too."""

import copy

import pytest

import pod_security
from variegate.deploy.kubernetes.deployment import Deployment

CALLS = {
    "job": {},
    "large job": {"workers": 200},
    "cluster": {"kind": "cluster"},
    "everything": {
        "name": "june",
        "image": f"registry.example:5000/team/variegate@sha256:{'ab' * 32}",
        "endpoint": "http://minio.store.svc:9000",
        "egress": ("10.0.0.0/8", "fd00::/8"),
        "service_account": "images",
        "secret": "keys",
        "pull_secrets": ("registry", "mirror"),
        "priority_class": "batch-low",
        "worker_cpus": 16,
        "worker_gigabytes": 48,
        "files": {"fade.py": "x = 1\n"},
    },
}


def resources(**given):
    made = Deployment(source="s3://raw", output="s3://more", recipe="seed: 1\n", **given)
    return made.resources()


@pytest.fixture(params=CALLS, name="run_pods")
def _run_pods(request):
    found = resources(**CALLS[request.param])
    (run,) = (one for one in found if one["kind"] in ("RayJob", "RayCluster"))
    return pod_security.as_made(run)


def names(pods):
    return sorted(one["name"] for pod in pods for one in pod_security.containers(pod))


def test_all_containers_are_looked_at(run_pods):
    added = ["autoscaler", "ray-head", "ray-worker", "wait-gcs-ready"]
    assert names(run_pods) in (added, sorted([*added, "ray-job-submitter"]))


def test_no_pod_breaks_a_rule(run_pods):
    assert [pod_security.broken_rules(pod) for pod in run_pods] == [[]] * len(run_pods)


def test_no_container_writes_to_its_root(run_pods):
    for pod in run_pods:
        volumes = {one["name"]: one for one in pod["volumes"]}
        for one in pod_security.containers(pod):
            assert one["securityContext"]["readOnlyRootFilesystem"] is True
            mounts = {mount["mountPath"]: mount for mount in one["volumeMounts"]}
            assert "emptyDir" in volumes[mounts["/tmp"]["name"]]
            assert {"name": "HOME", "value": "/tmp"} in one["env"]


def test_pods_go_to_machines_that_the_image_is_for(run_pods):
    for pod in run_pods:
        assert pod["nodeSelector"] == {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}


def test_only_the_autoscaler_may_ask_kubernetes(run_pods):
    with_token = [pod for pod in run_pods if pod.get("automountServiceAccountToken", True)]
    assert [pod["containers"][-1]["name"] for pod in with_token] == ["autoscaler"]


def at(pod, context, key, value):
    changed = copy.deepcopy(pod)
    target = changed if context == "pod" else changed["containers"][-1]
    target.setdefault("securityContext", {})[key] = value
    return changed


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("HostProcess", lambda pod: at(pod, "pod", "windowsOptions", {"hostProcess": True})),
        ("Host Namespaces", lambda pod: {**pod, "hostPID": True}),
        ("Privileged Containers", lambda pod: at(pod, "one", "privileged", True)),
        ("Capabilities", lambda pod: at(pod, "one", "capabilities", {})),
        ("Capabilities", lambda pod: at(pod, "one", "capabilities", {"drop": ["NET_RAW"]})),
        (
            "Capabilities",
            lambda pod: at(pod, "one", "capabilities", {"drop": ["ALL"], "add": ["CHOWN"]}),
        ),
        (
            "Host Ports",
            lambda pod: {
                **pod,
                "containers": [{**pod["containers"][0], "ports": [{"hostPort": 80}]}],
            },
        ),
        (
            "Host Probes / Lifecycle Hooks",
            lambda pod: {
                **pod,
                "containers": [
                    {**pod["containers"][0], "livenessProbe": {"httpGet": {"host": "10.0.0.1"}}}
                ],
            },
        ),
        ("AppArmor", lambda pod: at(pod, "one", "appArmorProfile", {"type": "Unconfined"})),
        ("SELinux type", lambda pod: at(pod, "pod", "seLinuxOptions", {"type": "spc_t"})),
        ("SELinux user", lambda pod: at(pod, "pod", "seLinuxOptions", {"user": "u"})),
        ("SELinux role", lambda pod: at(pod, "one", "seLinuxOptions", {"role": "r"})),
        ("/proc Mount Type", lambda pod: at(pod, "one", "procMount", "Unmasked")),
        ("Sysctls", lambda pod: at(pod, "pod", "sysctls", [{"name": "kernel.msgmax"}])),
        ("Volume Types", lambda pod: {**pod, "volumes": [{"name": "x", "hostPath": {}}]}),
        ("Privilege Escalation", lambda pod: at(pod, "one", "allowPrivilegeEscalation", None)),
        ("Running as Non-root", lambda pod: at(pod, "one", "runAsNonRoot", False)),
        ("Running as Non-root user", lambda pod: at(pod, "one", "runAsUser", 0)),
        ("Seccomp", lambda pod: at(pod, "pod", "seccompProfile", None)),
        ("Seccomp", lambda pod: at(pod, "one", "seccompProfile", {"type": "Unconfined"})),
    ],
)
def test_every_rule_can_be_broken(rule, change):
    (job,) = (one for one in resources() if one["kind"] == "RayJob")
    head = next(pod for pod in pod_security.as_made(job) if len(pod["containers"]) > 1)
    assert pod_security.broken_rules(change(head)) == [rule]


def test_without_what_is_said_of_it_the_autoscaler_would_break_rules():
    (job,) = (one for one in resources() if one["kind"] == "RayJob")
    del job["spec"]["rayClusterSpec"]["autoscalerOptions"]["securityContext"]
    broken = [pod_security.broken_rules(pod) for pod in pod_security.as_made(job)]
    assert ["Capabilities", "Privilege Escalation"] in broken


def policy(**given):
    (found,) = (one for one in resources(**given) if one["kind"] == "NetworkPolicy")
    return found["spec"]


def ports(rule):
    return {(one["protocol"], one["port"]) for one in rule["ports"]}


def test_pods_connect_to_no_more_than_they_must():
    spec = policy()
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    tls, own, dns, credentials = spec["egress"]
    assert ports(tls) == {("TCP", 443), ("TCP", 6443)}
    assert "to" not in tls
    assert own == {"to": [{"podSelector": spec["podSelector"]}]}
    assert ports(dns) == {("UDP", 53), ("TCP", 53)}
    assert all(one["ipBlock"]["cidr"].startswith("169.254.") for one in credentials["to"])


def test_egress_to_chosen_networks_and_a_store_of_ones_own():
    tls = policy(egress=("10.0.0.0/8",), endpoint="http://minio.store.svc:9000")["egress"][0]
    assert tls["to"] == [{"ipBlock": {"cidr": "10.0.0.0/8"}}]
    assert ports(tls) == {("TCP", 443), ("TCP", 6443), ("TCP", 9000)}
    assert ("TCP", 80) in ports(policy(endpoint="http://minio.store.svc")["egress"][0])


def test_the_disruption_budget_is_about_the_head():
    found = resources(name="june")
    (budget,) = (one for one in found if one["kind"] == "PodDisruptionBudget")
    wanted = budget["spec"]["selector"]["matchLabels"]
    (job,) = (one for one in found if one["kind"] == "RayJob")
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["metadata"]["labels"]
    # KubeRay adds the kind of node.
    assert {**head, "ray.io/node-type": "head"}.items() >= wanted.items()
    assert wanted["app.kubernetes.io/instance"] == "june"
    assert budget["spec"]["minAvailable"] == 1
