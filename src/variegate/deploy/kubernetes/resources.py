"""From the resources of an overlay to those of one run: names, places, sizes, permissions.

Everything that is made has the run's name, and the policies are about its pods alone: so several
runs live in one namespace without touching each other.
"""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from variegate.deploy.kubernetes.kustomize import Resource

if TYPE_CHECKING:
    from variegate.deploy.kubernetes.deployment import Deployment

RUN = "variegate.run"
"""Annotation of a RayJob or RayCluster that tells one run from another."""

_INSTANCE = "app.kubernetes.io/instance"

# Of the files in deploy/kubernetes.
_NAME, _RECIPE = "variegate", "variegate-recipe"


def settle(found: list[Resource], made: "Deployment") -> list[Resource]:
    """Change an overlay's resources into those of a run."""
    if made.service_account is not None:
        found = [one for one in found if one["kind"] != "ServiceAccount"]
    for one in found:
        one["metadata"]["namespace"] = made.namespace
        _name(one, made)
        if one["kind"] == "ConfigMap":
            one["data"] = made.texts
        elif one["kind"] == "ServiceAccount" and made.annotations:
            one["metadata"]["annotations"] = dict(made.annotations)
        elif one["kind"] == "NetworkPolicy":
            _settle_egress(one["spec"]["egress"][0], made)
        elif one["kind"] in ("RayJob", "RayCluster"):
            one["metadata"]["annotations"] = {RUN: made.digest}
            _settle_run(one["spec"], made)
    return found


def _name(resource: Resource, made: "Deployment") -> None:
    """Give the run's name to whatever bears that of the files."""
    names = {_NAME: made.called, _RECIPE: f"{made.called}-recipe"}
    resource["metadata"]["name"] = names[resource["metadata"]["name"]]
    for node in _nodes(resource):
        if _INSTANCE in node:
            node[_INSTANCE] = made.called
        if "serviceAccountName" in node:
            node["serviceAccountName"] = made.service_account or made.called
        if "configMap" in node:
            node["configMap"]["name"] = names[node["configMap"]["name"]]


def _settle_egress(rule: dict[str, Any], made: "Deployment") -> None:
    if made.egress:
        rule["to"] = [{"ipBlock": {"cidr": one}} for one in made.egress]
    if made.endpoint is not None:
        url = urlsplit(made.endpoint)
        port = url.port or (443 if url.scheme == "https" else 80)
        if port not in [one["port"] for one in rule["ports"]]:
            rule["ports"].append({"protocol": "TCP", "port": port})


def _settle_run(spec: dict[str, Any], made: "Deployment") -> None:
    cluster = spec.get("rayClusterSpec", spec)
    if "entrypoint" in spec:
        spec["entrypoint"] = shlex.join(made.command)
        spec["preRunningDeadlineSeconds"] = made.start_within_s
        spec["activeDeadlineSeconds"] = made.end_within_s
    (group,) = cluster["workerGroupSpecs"]
    group.update(replicas=made.workers, maxReplicas=made.most_workers)
    (worker,) = group["template"]["spec"]["containers"]
    gigabytes = made.worker_gigabytes or 2 * made.worker_cpus
    for kind in ("requests", "limits"):
        worker["resources"][kind].update(cpu=str(made.worker_cpus), memory=f"{gigabytes}Gi")
    for pod in _pods(spec):
        if made.pull_secrets:
            pod["imagePullSecrets"] = [{"name": one} for one in made.pull_secrets]
        if made.priority_class is not None:
            pod["priorityClassName"] = made.priority_class
        for container in pod["containers"]:
            container["image"] = made.image
            for source in container.get("envFrom", ()):
                source["secretRef"]["name"] = made.secret
                if made.endpoint is not None:
                    container["env"].append({"name": "AWS_ENDPOINT_URL", "value": made.endpoint})


def quota(found: list[Resource], most_workers: int) -> dict[str, float]:
    """Return what a run takes of a namespace's quota when all its workers are there.

    Returns:
        "cpu", "memory" and "ephemeral-storage" (in GiB) of all limits, and "pods".
    """
    total = {"cpu": 0.0, "memory": 0.0, "ephemeral-storage": 0.0, "pods": 0.0}

    def add(limits: dict[str, Any], times: int) -> None:
        for kind, quantity in limits.items():
            total[kind] += times * _number(quantity)

    for one in found:
        if one["kind"] not in ("RayJob", "RayCluster"):
            continue
        cluster = one["spec"].get("rayClusterSpec", one["spec"])
        add(cluster["autoscalerOptions"]["resources"]["limits"], 1)
        workers = [group["template"]["spec"] for group in cluster["workerGroupSpecs"]]
        for pod in _pods(one["spec"]):
            times = most_workers if any(pod is worker for worker in workers) else 1
            total["pods"] += times
            for container in pod["containers"]:
                add(container["resources"]["limits"], times)
    return total


def _number(quantity: str) -> float:
    """Read a quantity: CPUs, or bytes in GiB."""
    units = {"m": 1e-3, "Mi": 2**-10, "Gi": 1.0}
    for unit, value in units.items():
        if quantity.endswith(unit):
            return float(quantity.removesuffix(unit)) * value
    return float(quantity)


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield a resource's mappings, at any depth."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _nodes(one)
    elif isinstance(value, list):
        for one in value:
            yield from _nodes(one)


def _pods(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the specs of a resource's pods."""
    return (one for one in _nodes(value) if "containers" in one)
